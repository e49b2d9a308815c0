"""What tests of sealed buckets share: keys, a watch on the store, and a look at what it holds."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

import cipherbucket as cb
from cipherbucket.format.footer import Footer, Seal, footer_length
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store

FIELDS = ("cipherbucket-seal", "cipherbucket-recipients", "cipherbucket-mac")
_VERBS = ("put", "get", "head", "copy", "replace_metadata", "delete")
_UPLOADS = ("begin_upload", "upload_part", "complete_upload", "abort_upload")


def aes(label: str) -> cb.AesKey:
    return cb.AesKey(secrets.token_bytes(32), description={"desc": label})


def public_half(key: cb.RsaKey) -> cb.RsaKey:
    return cb.RsaKey(key._public, description=key.description)


def rsa_4096(label: str) -> cb.RsaKey:
    """Return a public key as long as one of RSA-4096, to which nobody has the private half."""
    modulus = 1 << 4095 | secrets.randbits(4094) | 1
    return cb.RsaKey(RSAPublicNumbers(65537, modulus).public_key(), description={"desc": label})


def sealed(
    store: Store,
    *keys: MasterKey,
    recipients: Sequence[MasterKey] = (),
    policy: cb.Policy | None = None,
) -> cb.Bucket:
    ring = cb.KeyRing(*keys)
    return cb.Bucket(store, ring, format="sealed", recipients=recipients, policy=policy)


def labels(info: cb.ObjectInfo) -> list[str]:
    assert info.envelope is not None
    return [recipient.description["desc"] for recipient in info.envelope.recipients]


def seal_of(info: cb.ObjectInfo) -> Seal:
    assert info.envelope is not None
    assert info.envelope.seal is not None
    return info.envelope.seal


def body_of(store: Store, name: str) -> bytes:
    with store.get(name) as incoming:
        body = bytearray(incoming.stored.size)
        incoming.readinto(body)
    return bytes(body)


def footer_of(body: bytes) -> Footer:
    return Footer.parse(body[-footer_length(body[-12:]) :])


@contextmanager
def watched(store: Store) -> Iterator[list[str]]:
    """Note what reaches a store's own methods, after the checks that every store has."""
    calls: list[str] = []

    def note(verb: str) -> None:
        original = getattr(store, f"_{verb}")

        def noting(*args: Any, **how: Any) -> Any:
            calls.append(verb)
            return original(*args, **how)

        setattr(store, f"_{verb}", noting)

    verbs = (*_VERBS, *_UPLOADS)
    for verb in verbs:
        note(verb)
    try:
        yield calls
    finally:
        for verb in verbs:
            delattr(store, f"_{verb}")
