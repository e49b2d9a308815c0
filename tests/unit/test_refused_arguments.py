"""Arguments of another kind than is asked for: an error of ours, before anything is done.

Each of these once did something else: an empty pass was reported as complete, or the letters of a
name were deleted as names.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.sealed_buckets import aes, sealed

import cipherbucket as cb
from cipherbucket.workers.threads import Halt

KEY, OTHER = aes("owner"), aes("other")
NO_KEY: Any = "a text"
NO_TEXT: Any = None
REFUSED: dict[str, tuple[type[Exception], Callable[[cb.Bucket], object]]] = {
    "one name to delete_many": (cb.UsageError, lambda b: b.delete_many("a")),
    "verify_all by less than one": (cb.UsageError, lambda b: cb.verify_all(b, workers=-1)),
    "verify_all at no rate": (cb.UsageError, lambda b: cb.verify_all(b, limit_rate=0)),
    "verify_all with no key": (cb.MasterKeyError, lambda b: cb.verify_all(b, key=NO_KEY)),
    "audit by less than one": (cb.UsageError, lambda b: cb.audit.run(b, workers=-1)),
    "list below no text": (cb.UsageError, lambda b: [*b.list(NO_TEXT)]),
    "verify_all below no text": (cb.UsageError, lambda b: cb.verify_all(b, NO_TEXT)),
    "audit below no text": (cb.UsageError, lambda b: cb.audit.run(b, NO_TEXT)),
    "rewrap_all below no text": (cb.UsageError, lambda b: cb.rotation.rewrap_all(b, NO_TEXT)),
    "upload in empty parts": (cb.UsageError, lambda b: b.upload(__file__, "c", part_size=0)),
    "download in empty ranges": (
        cb.UsageError,
        lambda b: b.download("a", "/nowhere/a", part_size=0),
    ),
    "copy to an empty name": (cb.UsageError, lambda b: b.copy_to(b, "plain", "")),
    "copy to no bucket": (cb.UsageError, lambda b: b.copy_to(NO_KEY, "plain")),
    "copy for one key": (cb.UsageError, lambda b: b.copy("a", "b", recipients=OTHER)),  # type: ignore[arg-type]
    "copy for no key": (cb.MasterKeyError, lambda b: b.copy("a", "b", recipients=[NO_KEY])),
    "reencrypt for one key": (
        cb.UsageError,
        lambda b: cb.rotation.reencrypt(b, "a", recipients=OTHER),  # type: ignore[arg-type]
    ),
    "reencrypt_all for one key": (
        cb.UsageError,
        lambda b: cb.rotation.reencrypt_all(b, recipients=OTHER),  # type: ignore[arg-type]
    ),
    "reencrypt_all only of no key": (
        cb.MasterKeyError,
        lambda b: cb.rotation.reencrypt_all(b, only=NO_KEY),
    ),
    "reencrypt_all with no key": (
        cb.MasterKeyError,
        lambda b: cb.rotation.reencrypt_all(b, key=NO_KEY),
    ),
    "remove no key": (cb.MasterKeyError, lambda b: cb.recipients.remove(b, "a", NO_KEY)),
    "get with no key": (cb.MasterKeyError, lambda b: b.get("a", key=NO_KEY)),
}


@pytest.fixture
def bucket(store: cb.MemoryStore) -> cb.Bucket:
    bucket = sealed(store, KEY)
    bucket.put("a", b"content")
    store.put("plain", b"content")
    return bucket


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_and_nothing_changes(case: str, bucket: cb.Bucket) -> None:
    kind, call = REFUSED[case]
    before = [*bucket.list()]
    with pytest.raises(kind):
        call(bucket)
    assert [*bucket.list()] == before


@pytest.mark.parametrize("value", [["ab"], [("a", "b")], 5, b"{}", b""])
def test_a_description_is_a_mapping_or_its_text(value: Any) -> None:
    with pytest.raises(cb.UsageError, match="mapping"):
        cb.Description(value)


@pytest.mark.parametrize("key", [NO_KEY, ec.generate_private_key(ec.SECP256R1()).public_key()])
def test_an_rsa_key_is_one(key: Any) -> None:
    with pytest.raises(cb.MasterKeyError, match="RSA"):
        cb.RsaKey(key)


def test_an_empty_format_is_no_format() -> None:
    with pytest.raises(cb.UsageError, match="format"):
        cb.open_bucket("memory://formats", KEY, format="")


def test_what_fetch_returns_is_a_master_key(store: cb.MemoryStore, bucket: cb.Bucket) -> None:
    ring = cb.KeyRing(OTHER, fetch=lambda *_: NO_KEY)
    with pytest.raises(cb.MasterKeyError, match="no master key"):
        cb.Bucket(store, ring, format="sealed").get("a")


def test_a_rate_without_end_limits_nothing() -> None:
    assert Halt(float("inf")).slice_of(1 << 20) == 1 << 20


def test_a_pipe_is_compared_with_nothing(bucket: cb.Bucket, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # whose other end nobody opens
    with pytest.raises(cb.SourceError, match="no regular file"):
        bucket.matches("a", tmp_path / "pipe")
