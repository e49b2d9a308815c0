"""A bucket as years leave it: every format, and every kind of trouble, one object each."""

from __future__ import annotations

import random
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.drawn_keys import draw_key
from tests.support.envelopes import v1, v2
from tests.support.rotation_scenes import rsa_pair
from tests.support.sdk_vectors import Vector, all_vectors, ring_for

import cipherbucket as cb
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store

PLAIN = random.Random(4).randbytes(20_011)
CONTEXT = {"tenant": "a"}


def rsa_key(label: str) -> cb.RsaKey:
    return cb.RsaKey(rsa_pair(label), description={"desc": label})


def aes_key(label: str) -> cb.AesKey:
    return cb.AesKey(random.Random(label).randbytes(32), description={"desc": label})


def public_half(label: str) -> cb.RsaKey:
    return cb.RsaKey(rsa_pair(label).public_key(), description={"desc": label})


@cache
def _weak_pair() -> rsa.RSAPrivateKey:
    return draw_key(65537, 1024)


def weak_key() -> cb.RsaKey:
    return cb.RsaKey(_weak_pair(), description={"desc": "weak"}, allow_weak=True)


def short_key() -> cb.RsaKey:
    """Return a key that is too short to write."""
    return cb.RsaKey(_weak_pair(), description={"desc": "short"})


@cache
def v1_vector() -> Vector:
    """Return an object of oss2 in format oss-v1."""
    return next(each for each in all_vectors() if each.metadata.get("oss-wrap-alg") == "rsa")


def ring() -> tuple[MasterKey, ...]:
    """Return all keys that read here but that of ``missing``; the new ones are not among them."""
    return (
        rsa_key("old"),
        aes_key("old"),
        public_half("public"),
        weak_key(),
        rsa_key("bob"),
        *ring_for(v1_vector()).keys,
    )


def fill(store: Store, prefix: str) -> None:
    """Put all of it below a prefix."""

    def bucket(key: MasterKey, format_: str = "oss", *recipients: MasterKey) -> cb.Bucket:
        policy = cb.Policy([format_], unbound_names=True)
        return cb.Bucket(
            store, cb.KeyRing(key), format=format_, policy=policy, recipients=recipients
        )

    def put(name: str, *how: object, **more: object) -> None:
        bucket(*how).put(prefix + name, PLAIN, **more)  # type: ignore[arg-type]

    put("oss/old", rsa_key("old"))
    put("oss/new", rsa_key("new"))
    bucket(rsa_key("old")).put(f"{prefix}oss/empty", b"")
    put("oss/missing", rsa_key("missing"))
    put("oss/public", rsa_key("public"))
    put("oss/weak", weak_key())
    # Other keys under the labels that are looked for.
    put("oss/imposter", cb.RsaKey(rsa_pair("imposter"), description={"desc": "old"}))
    put("sealed/imposter", aes_key("imposter").described({"desc": "old"}), "sealed")
    put("sealed/aes", aes_key("old"), "sealed")
    put("sealed/rsa", rsa_key("old"), "sealed")
    put("sealed/new", aes_key("new"), "sealed")
    put("sealed/missing", aes_key("missing"), "sealed")
    put("sealed/public", rsa_key("public"), "sealed")
    put("sealed/context", aes_key("old"), "sealed", context=CONTEXT)
    put("sealed/unbound", aes_key("old"), "sealed", bind_name=False)
    put("sealed/shared", aes_key("old"), "sealed", rsa_key("bob"))
    put("sealed/strange-recipient", aes_key("old"), "sealed", rsa_key("missing"))
    store.copy(f"{prefix}sealed/aes", f"{prefix}sealed/moved")
    store.put(f"{prefix}plain", b"plain")
    store.put(f"{prefix}foreign", b"other", metadata={"x-amz-key-v2": "AAAA", "x-amz-iv": "BBBB"})
    store.put(f"{prefix}damaged/field", b"?", metadata=v2(**{"cek-alg": "DES"}))
    store.put(f"{prefix}damaged/v2", b"?", metadata=v2())
    store.put(f"{prefix}damaged/v1", b"?", metadata=v1())
    store.put(f"{prefix}damaged/algorithm", b"?", metadata=v2(**{"wrap-alg": "ROT13"}))
    vector = v1_vector()
    store.put(f"{prefix}v1", vector.ciphertext, metadata=vector.metadata)
    seen = store.head(f"{prefix}oss/old")
    store.put(f"{prefix}oss/truncated", b"short", metadata=seen.metadata)
    put("sealed/altered", aes_key("old"), "sealed")
    _alter(store, f"{prefix}sealed/altered")


def _alter(store: Store, name: str) -> None:
    """Replace a byte of the MAC over a sealed object's recipients."""
    seen = store.head(name)
    field = next(each for each in seen.metadata if each.endswith("mac"))
    mac = seen.metadata[field]
    altered = ("B" if mac[0] == "A" else "A") + mac[1:]
    store.replace_metadata(name, metadata={**seen.metadata, field: altered}, headers=None)


def outcomes(
    report: cb.RotationReport | cb.Verification,
) -> dict[str, tuple[str, str, str]]:
    """Return what became of each object; what a dry run would do counts as done."""
    done = {"due": "done", "verified": "done"}
    return {
        each.name: (done.get(each.status, each.status), each.error, each.reason)
        for each in report.objects()
    }
