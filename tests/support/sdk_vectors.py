"""Objects that the official SDKs encrypted (`tests/vectors`), and the keys that open them.

The keys are numbers in a JSON file and for these vectors only; RSA keys are built from them in
memory.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from cipherbucket.format.description import Description
from cipherbucket.format.span import Span
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import RsaKey

FOLDER = Path(__file__).parent.parent / "vectors"
PREFIX = "x-oss-meta-"
DAMAGED = ("aliyun-oss-java-sdk-3.18.4/rsa/two/", "alibabacloud-oss-java-sdk-v2-0.5.0/rsa/two/")
"""Vectors whose description the HTTP library of their SDK damaged on the way."""


@dataclass(frozen=True)
class Vector:
    """One object as an SDK sent it.

    Attributes:
        name: Of the object; its plaintext is made from it.
        key_id: An RSA key of `keys.json`, or the id of a KMS key.
        description: What the SDK was given, before anything happened to it.
        metadata: As it arrived, names without ``x-oss-meta-``.
        ciphertext: The stored body.
        size: Length of the plaintext.
        plaintext_sha256: Its hash, in hexadecimal.
        kms_context: The text of the encryption context that a KMS was given.
        raw: Metadata that is not ASCII, as the bytes that arrived.
    """

    name: str
    key_id: str
    description: dict[str, str]
    metadata: dict[str, str]
    ciphertext: bytes
    size: int
    plaintext_sha256: str
    kms_context: str = ""
    raw: dict[str, bytes] = field(default_factory=dict)

    @property
    def kms(self) -> bool:
        """Whether a KMS holds its master key."""
        return not self.key_id.startswith("key")

    @property
    def v1(self) -> bool:
        """Whether it is of the V1 format."""
        return "oss-crypto-key" in self.metadata

    @property
    def damaged(self) -> bool:
        """Whether its description was damaged on the way."""
        return self.name.startswith(DAMAGED)

    def plaintext(self) -> bytes:
        """Make the plaintext from the name: SHA-256 of name and counter, again and again."""
        return _plaintext(self.name, self.size)

    def spans(self) -> list[Span]:
        """Return ranges that lie in it: aligned or not, across parts, to the end, the last ones."""
        spans = [Span(16, 32), Span(17, 100), Span(102_395, 10), Span(self.size // 2), Span(1, 14)]
        return [span for span in spans if span.start < self.size] + [Span(tail=17)]

    def slice(self, span: Span) -> bytes:
        """Return what a range of it must give."""
        if span.tail is not None:
            return self.plaintext()[max(0, self.size - span.tail) :]
        return self.plaintext()[span.start :][: span.length]

    def key(self) -> RsaKey:
        """Return the RSA key that opens it, under the description the SDK was given."""
        return rsa_key(self.key_id).described(self.description)

    def __str__(self) -> str:
        return self.name


@cache
def all_vectors() -> tuple[Vector, ...]:
    """Return every vector of every file."""
    others = {"keys.json", "sealed.json"}
    files = sorted(file for file in FOLDER.glob("*.json") if file.name not in others)
    return tuple(_vector(entry) for file in files for entry in json.loads(file.read_bytes()))


def rsa_vectors() -> list[Vector]:
    """Return those under an RSA key: PKCS#1 v1.5, OAEP and V1."""
    return [vector for vector in all_vectors() if not vector.kms]


def kms_vectors() -> list[Vector]:
    """Return those under a KMS."""
    return [vector for vector in all_vectors() if vector.kms]


@cache
def private_key(key_id: str) -> rsa.RSAPrivateKey:
    """Build a private key from its numbers."""
    stored = json.loads((FOLDER / "keys.json").read_bytes())[key_id]
    n, e, d, p, q, dmp1, dmq1, iqmp = (
        int(str(stored[name]), 0) for name in ("n", "e", "d", "p", "q", "dmp1", "dmq1", "iqmp")
    )
    public = rsa.RSAPublicNumbers(e, n)
    return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key()


@cache
def rsa_key(key_id: str) -> RsaKey:
    """Return a master key without a description."""
    return RsaKey(private_key(key_id))


def ring_for(vector: Vector) -> KeyRing:
    """Return a ring of all keys; the vector's own, if any, comes last under its description."""
    return _ring(vector.key_id, Description(vector.description).text)


@cache
def _ring(key_id: str, description: str) -> KeyRing:
    others = [name for name in ("key1", "key2", "key3") if name != key_id]
    decoys = [rsa_key(name).described({"decoy": name}) for name in others]
    if len(others) == 3:  # a KMS holds it
        return KeyRing(*decoys)
    return KeyRing(*decoys, rsa_key(key_id).described(description))


@cache
def _plaintext(name: str, size: int) -> bytes:
    blocks = range(-(-size // 32))
    return b"".join(hashlib.sha256(f"{name}:{i}".encode()).digest() for i in blocks)[:size]


def _vector(entry: dict[str, Any]) -> Vector:
    if "ciphertext_file" in entry:
        ciphertext = (FOLDER / "bodies" / Path(entry["ciphertext_file"]).name).read_bytes()
    else:
        ciphertext = base64.b64decode(entry["ciphertext_base64"])
    assert hashlib.sha256(ciphertext).hexdigest() == entry["ciphertext_sha256"]
    headers: dict[str, str] = entry["headers"]
    raw: dict[str, str] = entry.get("headers_raw_base64") or {}
    return Vector(
        name=entry["name"],
        key_id=entry["key_id"],
        description=dict(entry["matdesc"] or {}),
        metadata={name.removeprefix(PREFIX): text for name, text in headers.items()},
        ciphertext=ciphertext,
        size=int(entry["plaintext_length"]),
        plaintext_sha256=entry["plaintext_sha256"],
        kms_context=entry.get("kms_encryption_context") or "",
        raw={name.removeprefix(PREFIX): base64.b64decode(text) for name, text in raw.items()},
    )
