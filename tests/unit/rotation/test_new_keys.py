"""Several new keys, one for each format; and buckets with keys of their own below prefixes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.mixed_bucket import aes_key, outcomes, public_half, rsa_key, short_key
from tests.support.rotation_scenes import labels

import cipherbucket as cb

ALL = cb.Policy(["oss", "oss-v1", "sealed"])
VERBS = (cb.rotation.rewrap_all, cb.rotation.reencrypt_all)
each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)


@pytest.fixture
def mixed(store: cb.MemoryStore) -> cb.Bucket:
    """Return a bucket that reads all formats, with one object of each."""
    cb.Bucket(store, rsa_key("old")).put("oss", b"1")
    cb.Bucket(store, aes_key("old"), format="sealed").put("sealed", b"1")
    return cb.Bucket(store, cb.KeyRing(rsa_key("old"), aes_key("old")), policy=ALL)


def done(report: cb.RotationReport) -> dict[str, str]:
    with report:
        return {name: error or status for name, (status, error, _) in outcomes(report).items()}


@each_verb
@pytest.mark.parametrize(
    ("to", "algorithm"),
    [
        ((aes_key("new"), rsa_key("new")), "AES-256-KWP"),
        ((rsa_key("new"), aes_key("new")), "RSA-OAEP-SHA-256"),
        (public_half("new"), "RSA-OAEP-SHA-256"),
    ],
)
def test_an_object_gets_the_first_key_that_writes_its_format(
    mixed: cb.Bucket, verb: Any, to: Any, algorithm: str
) -> None:
    assert done(verb(mixed, to=to)) == {"oss": "done", "sealed": "done"}
    infos = [mixed.head(name) for name in ("oss", "sealed")]
    assert [info.format for info in infos] == ["oss", "sealed"]
    assert [labels(info) for info in infos] == [["new"], ["new"]]
    assert infos[1].envelope is not None
    assert infos[1].envelope.recipients[0].algorithm.upper() == algorithm


@each_verb
def test_no_other_key_of_the_ring_writes_what_the_new_key_cannot(
    mixed: cb.Bucket, verb: Any
) -> None:
    """The old key could; an object would look done that is still under it."""
    store = mixed.access.store
    bucket = cb.Bucket(
        store, cb.KeyRing(aes_key("new"), rsa_key("old"), aes_key("old")), policy=ALL
    )
    for dry_run in (True, False):
        assert done(verb(bucket, dry_run=dry_run)) == {"oss": "MasterKeyError", "sealed": "done"}
    one = cb.rotation.rewrap if verb is cb.rotation.rewrap_all else cb.rotation.reencrypt
    with pytest.raises(cb.MasterKeyError, match="cannot write the object's format") as refused:
        one(bucket, "oss")
    assert refused.value.hint == "name one more that writes format oss: to=[...]"


@each_verb
@pytest.mark.parametrize(
    ("to", "error"),
    [
        ([], cb.UsageError),
        ([rsa_key("new"), rsa_key("new")], cb.MasterKeyError),
        ([rsa_key("new"), "new.pem"], cb.MasterKeyError),
        ("new.pem", cb.MasterKeyError),
        (short_key(), cb.MasterKeyError),
    ],
    ids=["none", "twice", "a name among them", "a name", "writes nothing"],
)
def test_keys_of_no_use_are_refused_before_anything_is_done(
    mixed: cb.Bucket, verb: Any, to: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        verb(mixed, to=to)
    with pytest.raises(error):
        verb(mixed, to=to, dry_run=True)


@each_verb
def test_what_lies_below_a_prefix_is_done_with_the_keys_of_its_bucket(
    store: cb.MemoryStore, verb: Any
) -> None:
    vault = cb.Bucket(store, cb.KeyRing(aes_key("new"), aes_key("old")), format="sealed")
    deep = cb.Bucket(store, cb.KeyRing(rsa_key("bob"), aes_key("old")), format="sealed")
    bucket = cb.Bucket(store, cb.KeyRing(rsa_key("new"), rsa_key("old")))
    cb.Bucket(store, rsa_key("old")).put("a", b"1")
    cb.Bucket(store, rsa_key("old")).put("vault/stray", b"1")
    for name in ("b", "vault/a", "vault/deep/a"):
        cb.Bucket(store, aes_key("old"), format="sealed").put(name, b"1")
    below = {"vault/": vault, "vault/deep/": deep}
    strange = "PolicyError" if verb is cb.rotation.rewrap_all else "skipped"
    for dry_run in (True, False):
        assert done(verb(bucket, below=below, dry_run=dry_run)) == {
            "a": "done",
            "b": strange,
            "vault/a": "done",
            "vault/deep/a": "done",
            "vault/stray": strange,
        }
    names = {"a": "new", "b": "old", "vault/a": "new", "vault/deep/a": "bob"}
    assert {name: labels(bucket.head(name))[0] for name in names} == names


@each_verb
def test_a_bucket_of_another_store_is_none_below(mixed: cb.Bucket, verb: Any) -> None:
    other = cb.Bucket(cb.open_store("memory://another"), cb.KeyRing(rsa_key("new")))
    with pytest.raises(cb.UsageError, match="is another store"):
        verb(mixed, below={"vault/": other})
    with pytest.raises(cb.UsageError, match="is another store"):
        cb.verify_all(mixed, below={"vault/": other})
