"""The same key and counter never see two plaintexts, whatever the store and the source do."""

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.failing_store import FailingStore
from tests.support.plaintexts import pattern

import cipherbucket as cb
from cipherbucket.format.ctr import Ctr
from cipherbucket.writing import ciphertext, one_request
from cipherbucket.writing.ciphertext import EncryptedSource, Spool
from cipherbucket.writing.source import Source

PLAIN = pattern(3_500_000)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


class Pipe(io.RawIOBase):
    """A readable file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._data.readinto(buffer[:1000])


@pytest.mark.parametrize("kind", ["bytes", "path", "file"])
def test_a_body_that_can_be_read_again_is_sealed_anew(
    kind: str, key: cb.RsaKey, tmp_path: Path
) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    store = FailingStore(2, after=4)
    with path.open("rb") as file:
        body = {"bytes": PLAIN, "path": path, "file": file}[kind]
        cb.Bucket(store, cb.KeyRing(key)).put("a", body)  # type: ignore[arg-type]
    assert cb.Bucket(store, cb.KeyRing(key)).get("a").read() == PLAIN
    first, second = store.arrived
    assert len(first) == len(second) == len(PLAIN)
    assert first[:16] != second[:16], "two seals, two keystreams"


def test_a_pipe_is_sent_again_as_the_same_ciphertext(key: cb.RsaKey) -> None:
    store = FailingStore(2, after=4)
    cb.Bucket(store, cb.KeyRing(key)).put("a", Pipe(PLAIN))
    assert store.arrived[0] == store.arrived[1]
    with store.get("a") as incoming:
        ciphertext = bytearray(len(PLAIN))
        incoming.readinto(ciphertext)
    assert ciphertext == store.arrived[0]
    assert cb.Bucket(store, cb.KeyRing(key)).get("a").read() == PLAIN


def test_a_store_that_keeps_failing_is_an_error_after_three_attempts(key: cb.RsaKey) -> None:
    store = FailingStore(100)
    with pytest.raises(cb.TransientStoreError):
        cb.Bucket(store, cb.KeyRing(key)).put("a", b"x")
    assert store.failures == 100 - one_request.ATTEMPTS
    assert not cb.Bucket(store, cb.KeyRing(key)).exists("a")


def test_a_file_changed_between_two_attempts_is_stored_as_it_is_then(
    key: cb.RsaKey, tmp_path: Path
) -> None:
    path = tmp_path / "plain"
    path.write_bytes(b"a" * 1000)

    class Changing(FailingStore):
        def _put(self, *args: object) -> object:  # type: ignore[override]
            try:
                return super()._put(*args)  # type: ignore[arg-type]
            finally:
                path.write_bytes(b"b" * 1000)

    store = Changing(1)
    cb.Bucket(store, cb.KeyRing(key)).put("a", path)
    assert cb.Bucket(store, cb.KeyRing(key)).get("a").read() == b"b" * 1000
    with store.get("a") as incoming:
        ciphertext = bytearray(1000)
        incoming.readinto(ciphertext)
    difference = bytes(x ^ y for x, y in zip(ciphertext, store.arrived[0], strict=True))
    assert difference != bytes([ord("a") ^ ord("b")]) * 1000, "a two-time pad"


def test_a_store_that_resends_by_itself_gets_the_same_bytes_or_an_error(
    key: cb.RsaKey, tmp_path: Path
) -> None:
    store = FailingStore(1, after=100, resend=True)
    cb.Bucket(store, cb.KeyRing(key)).put("a", PLAIN)
    assert cb.Bucket(store, cb.KeyRing(key)).get("a").read() == PLAIN
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    with pytest.raises(cb.SourceError, match="the source may have changed"):
        cb.Bucket(FailingStore(1, resend=True), cb.KeyRing(key)).put("a", path)


@pytest.mark.parametrize("new_size", [0, 1_000, 3_499_999, 3_500_001, 9_000_000])
def test_a_file_that_changes_its_length_while_read_stores_nothing(
    new_size: int, bucket: cb.Bucket, tmp_path: Path
) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)

    def change(done: int, total: int | None) -> None:
        os.truncate(path, new_size)

    with pytest.raises(cb.SourceError, match=r"ended after|has more"):
        bucket.put("a", path, progress=change)
    assert not bucket.exists("a")


def test_a_failing_source_stores_nothing_and_its_exception_is_the_cause(bucket: cb.Bucket) -> None:
    class BrokenError(RuntimeError):
        pass

    broken = BrokenError("the tape tore")

    def pieces() -> Iterator[bytes]:
        yield bytes(1000)
        raise broken

    with pytest.raises(cb.SourceError) as caught:
        bucket.put("a", pieces())
    assert str(caught.value) == (
        "'a': the body cannot be read beyond 1,000 bytes: BrokenError: the tape tore"
    )
    assert caught.value.__cause__ is broken
    assert not bucket.exists("a")


def test_an_md5_that_does_not_fit_stores_nothing(bucket: cb.Bucket) -> None:
    for body in (PLAIN, Pipe(PLAIN)):
        with pytest.raises(cb.SourceError, match="MD5"):
            bucket.put("a", body, content_md5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert not bucket.exists("a")


@pytest.mark.parametrize("md5", ["", "AAAA", "not base64", "A" * 10_000])
def test_an_md5_that_is_none_is_refused(bucket: cb.Bucket, md5: str) -> None:
    with pytest.raises(cb.CipherbucketError):
        bucket.put("a", b"x", content_md5=md5)
    assert not bucket.exists("a")


@pytest.mark.parametrize("body", ["text", 5, None, io.StringIO("text"), ["text"], [1]])
def test_what_is_no_body_is_refused(bucket: cb.Bucket, body: object) -> None:
    with pytest.raises(cb.UsageError):
        bucket.put("a", body)  # type: ignore[arg-type]
    assert not bucket.exists("a")


def test_a_missing_file_is_an_error_of_ours(bucket: cb.Bucket, tmp_path: Path) -> None:
    with pytest.raises(cb.SourceError, match="No such file"):
        bucket.put("a", tmp_path / "nothing")
    with pytest.raises(cb.SourceError):
        bucket.put("a", tmp_path)


def test_a_file_object_is_put_from_its_position_and_stays_open(bucket: cb.Bucket) -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    bucket.put("a", file)
    assert bucket.get("a").read() == b"456789"
    assert not file.closed


def test_a_body_of_unknown_length_is_kept_as_ciphertext_in_an_unnamed_0600_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ciphertext, "SPOOL_THRESHOLD", 1 << 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cipher = Ctr(bytes(32), bytes(16))
    with Source(Pipe(PLAIN)) as source, Spool(cipher) as spool:
        spool.take(source)
        status = os.fstat(spool._file.fileno())
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_nlink == 0
        assert list(tmp_path.iterdir()) == []
        kept = b"".join(bytes(block) for block in spool)
        assert len(spool) == len(kept) == len(PLAIN)
    expected = bytearray(PLAIN)
    cipher.stream().apply(expected)
    assert kept == bytes(expected)


def test_no_room_for_the_temporary_file_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, bucket: cb.Bucket
) -> None:
    def full(self: Spool, block: memoryview) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    with pytest.raises(cb.SourceError, match="No space left") as caught:
        bucket.put("a", iter([b"x"]))
    assert "TMPDIR" in (caught.value.hint or "")


def test_the_last_block_is_not_handed_out_before_the_source_was_checked(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    handed_out = []
    with Source(path) as source:
        blocks = iter(EncryptedSource(source, Ctr(bytes(32), bytes(16))))
        handed_out.append(len(next(blocks)))
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(cb.SourceError):
            handed_out.extend(len(block) for block in blocks)
    assert sum(handed_out) < len(PLAIN)
