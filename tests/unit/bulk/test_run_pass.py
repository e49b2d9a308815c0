"""What a pass leaves behind when its report cannot be made; what functions over a bucket refuse."""

from collections.abc import Callable
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.report import Tally

KEY = cb.AesKey(bytes(range(32)), description={"desc": "old"})
NEW = cb.AesKey(bytes(32), description={"desc": "new"})


@pytest.fixture
def bucket() -> cb.Bucket:
    bucket = cb.Bucket(cb.MemoryStore(), KEY, format="sealed")
    bucket.put("a", b"1")
    return bucket


@pytest.mark.parametrize(
    "run",
    [
        lambda bucket: cb.rotation.rewrap_all(bucket, to=NEW),
        cb.rotation.reencrypt_all,
        cb.verify_all,
    ],
)
def test_a_report_that_cannot_be_made_leaves_no_ledger_open(
    bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch, run: Callable[[cb.Bucket], Any]
) -> None:
    def interrupted(_: Ledger) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "counts", interrupted)
        with pytest.raises(KeyboardInterrupt) as held:
            run(bucket)
    with run(bucket) as report:  # while the error is held, and all it refers to
        assert sum(tally.objects for tally in report.counts.values()) == 1
        assert "1 " in repr(report)
    assert held.value is not None


def test_a_tally_is_true_if_there_is_any_object() -> None:
    assert not Tally()
    assert not Tally(0, 5)
    assert Tally(1, 0)


@pytest.mark.parametrize("first", ["a", "memory://", cb.MemoryStore(), None])
def test_the_first_argument_is_a_bucket(first: Any) -> None:
    for call in (
        lambda: cb.rotation.rewrap(first, "a", NEW),
        lambda: cb.rotation.reencrypt(first, "a"),
        lambda: cb.rotation.rewrap_all(first),
        lambda: cb.rotation.reencrypt_all(first),
        lambda: cb.audit.run(first),
        lambda: cb.verify(first, "a"),
        lambda: cb.verify_all(first),
        lambda: cb.recipients.add(first, "a", NEW),
        lambda: cb.recipients.remove(first, "a", NEW),
        lambda: cb.recipients.footer(first, "a"),
        lambda: cb.recipients.repair(first, "a"),
    ):
        with pytest.raises(cb.UsageError, match="first argument is a bucket, not") as error:
            call()
        assert error.value.hint == "open one with open_bucket(url, key)"


def test_what_is_no_key_is_said_to_be_none(bucket: cb.Bucket) -> None:
    wrong: Any = "new.pem"
    for call in (
        lambda: bucket.get("a", key=wrong),
        lambda: cb.rotation.rewrap(bucket, "a", wrong),
        lambda: cb.rotation.rewrap(bucket, "a", NEW, key=wrong),
        lambda: cb.rotation.rewrap_all(bucket, to=NEW, only=wrong),
        lambda: cb.recipients.add(bucket, "a", wrong),
        lambda: cb.Bucket(cb.MemoryStore(), cb.KeyRing(cb.AesKey)),  # type: ignore[arg-type]
    ):
        with pytest.raises(cb.MasterKeyError, match="is no master key"):
            call()
    key: Any = NEW
    with pytest.raises(cb.UsageError, match="prefix is a text"):
        cb.rotation.rewrap_all(bucket, key)
    for one in (NEW, '{"desc":"old"}'):
        with pytest.raises(cb.UsageError, match="retire is a sequence"):
            cb.audit.run(bucket, retire=one)  # type: ignore[arg-type]
    assert bucket.get("a").read() == b"1"
