"""The fixed objects of the sealed format (`tests/vectors/sealed.json`), and their keys.

The keys are numbers in that file and for these vectors only.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.sdk_vectors import FOLDER

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import RsaKey
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.requests import Condition, NewObject

Case = Mapping[str, Any]

CONTENT: Case = json.loads((FOLDER / "sealed.json").read_bytes())
OBJECTS: list[Case] = CONTENT["objects"]
GOOD = [case for case in OBJECTS if case["expect"] == "success"]
FOOTERS: list[Case] = CONTENT["footers"]


def label(case: Case) -> str:
    """Name a case for pytest."""
    return str(case["case"])


def case_of(name: str) -> Case:
    """Return the object of this name."""
    return next(case for case in OBJECTS if case["case"] == name)


def plaintext(case: Case) -> bytes:
    """Return what was sealed."""
    return bytes((i * 7 + i // 251) % 256 for i in range(case["plaintext_length"]))


def body_of(case: Case) -> bytes:
    """Return the stored body."""
    return base64.b64decode(case["body"])


@cache
def master_key(key_id: str) -> MasterKey:
    """Build a key of the file."""
    stored = CONTENT["keys"][key_id]
    if stored["type"] == "aes":
        return AesKey(bytes.fromhex(stored["key"]), description=stored["description"])
    n, e, d, p, q = (int(stored[number], 16) for number in "nedpq")
    private = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e, n),
    ).private_key()
    return RsaKey(private, description=stored["description"])


def ring_of(case: Case) -> KeyRing:
    """Return the ring of a case's reader."""
    return KeyRing(*map(master_key, case["keys"]))


def bucket_of(
    case: Case,
    *,
    metadata: Mapping[str, str] | None = None,
    ring: KeyRing | None = None,
    store: MemoryStore | None = None,
) -> Bucket:
    """Return a bucket whose store serves the object under the name that is asked for.

    It is put past the checks of metadata, which are no concern of a hostile store.
    """
    store = MemoryStore() if store is None else store
    told = dict(case["metadata"] if metadata is None else metadata)
    new = NewObject(case["asked_name"], told, {})
    store._put(new, Outgoing(body_of(case)), Condition())
    policy = Policy(unbound_names=True)
    return Bucket(store, ring_of(case) if ring is None else ring, format="sealed", policy=policy)
