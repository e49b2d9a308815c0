"""An object as a file to write to: what appears, when, and that nothing is left of what failed."""

import csv
import gc
import io
import os
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.counts import count
from tests.support.sdk_vectors import rsa_key
from tests.support.sealed_buckets import watched

import cipherbucket as cb
from cipherbucket.format.sealed import CHUNK
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.writing import ciphertext, unknown_length

AES = cb.AesKey(bytes(range(32)), description={"desc": "a"})
OTHER = cb.AesKey(bytes(32), description={"desc": "b"})
PART = 7 * CHUNK
TEXT = random.Random(1).randbytes(4 * PART + 5)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown_length, "growing_part_size", lambda n: PART if n == 1 else 2 * PART)


def oss(store: MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(rsa_key("key1").described({"desc": "2026"})))


def sealed(store: MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(AES), format="sealed")


FORMATS = pytest.mark.parametrize("bucket_in", [oss, sealed])
BucketIn = Callable[[MemoryStore], cb.Bucket]


@FORMATS
@pytest.mark.parametrize("size", [0, 1, CHUNK, PART - 1, PART, PART + 1, 3 * PART, len(TEXT)])
@pytest.mark.parametrize("step", [999, CHUNK, PART, len(TEXT)])
def test_what_is_written_in_pieces_is_the_object(bucket_in: BucketIn, size: int, step: int) -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    with bucket.open("name", "wb") as file:
        for at in range(0, size, step):
            piece = TEXT[at : min(size, at + step)]
            assert file.write(piece) == len(piece)
            assert file.tell() == at + len(piece)
        assert not bucket.exists("name")

    assert bucket.get("name").read() == TEXT[:size]
    assert file.info == bucket.head("name")
    assert file.info.size == size
    assert store.list_uploads() == []
    one = bucket.put("same", TEXT[:size])
    assert (one.stored_size, one.format) == (file.info.stored_size, file.info.format)
    assert one.envelope is not None
    assert file.info.envelope is not None
    assert one.envelope.content_length == file.info.envelope.content_length


@FORMATS
def test_pieces_of_any_kind_and_size_are_the_object(bucket_in: BucketIn) -> None:
    kinds: list[Callable[[bytes], Any]] = [bytes, bytearray, memoryview]
    chance = random.Random(6)
    for _ in range(count(300, 20)):
        bucket, at = bucket_in(MemoryStore()), 0
        with bucket.open("name", "wb") as file:
            while at < len(TEXT):
                size = chance.choice([0, 1, 100, CHUNK, chance.randrange(PART)])
                file.write(chance.choice(kinds)(TEXT[at : at + size]))
                at += size
        assert bucket.get("name").read() == TEXT


def test_views_of_other_items_are_bytes() -> None:
    bucket = sealed(MemoryStore())
    numbers = memoryview(bytes(range(64))).cast("I")
    with bucket.open("name", "wb") as file:
        assert file.write(numbers) == 64
        assert file.write(memoryview(bytes(range(10)))[::2]) == 5
        with pytest.raises(TypeError, match="mode 'w' takes text"):
            file.write("text")  # type: ignore[arg-type]
        file.writelines([b"a", b"b"])
    assert bucket.get("name").read() == bytes(range(64)) + bytes(range(0, 10, 2)) + b"ab"


def test_parts_leave_as_they_fill_and_a_short_one_is_a_single_put() -> None:
    store = MemoryStore()
    bucket = sealed(store)
    with watched(store) as calls:
        with bucket.open("name", "wb") as file:
            file.write(TEXT[: PART - 1])
            assert calls == []
            file.write(TEXT[PART - 1 : PART])
            assert calls == ["begin_upload", "upload_part"]
            file.write(TEXT[PART:])
            assert calls == ["begin_upload", "upload_part", "upload_part"]
        assert calls[3:] == ["upload_part", "complete_upload"]
        calls.clear()
        with bucket.open("short", "wb") as file:
            file.write(TEXT[: PART - 1])
        assert calls == ["put"]


def test_the_ciphertext_of_format_oss_is_put_at_the_end_from_a_file_without_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ciphertext, "SPOOL_THRESHOLD", 1 << 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = MemoryStore()
    bucket, text = oss(store), random.Random(2).randbytes(3 << 20)
    with watched(store) as calls:
        with bucket.open("name", "wb") as file:
            file.write(text)
            assert list(tmp_path.iterdir()) == []
            assert calls == []
        assert calls == ["put"]
    assert bucket.get("name").read() == text


@FORMATS
@pytest.mark.parametrize("written", [0, 5, 3 * PART])
def test_what_is_left_by_an_exception_is_no_object(bucket_in: BucketIn, written: int) -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    bucket.put("name", b"before")
    with pytest.raises(KeyError), bucket.open("name", "wb") as file:  # noqa: PT012
        file.write(TEXT[:written])
        raise KeyError
    assert file.closed
    file.close()
    file.abort()
    with pytest.raises(cb.UsageError, match="closed"):
        file.write(b"x")
    with pytest.raises(cb.UsageError, match="closed"):
        _ = file.info
    assert bucket.get("name").read() == b"before"
    assert store.list_uploads() == []


@FORMATS
def test_what_is_forgotten_is_no_object(bucket_in: BucketIn) -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    file = bucket.open("name", "wb")
    file.write(TEXT)
    with pytest.warns(ResourceWarning, match="'name' was never closed"):  # noqa: PT031
        del file
        gc.collect()
    assert not bucket.exists("name")
    assert store.list_uploads() == []


class Failing(MemoryStore):
    """Fails at one step, always."""

    step = ""

    def _put(self, *asked: Any) -> StoredObject:
        self._fail("put")
        return super()._put(*asked)

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        self._fail(f"part {number}")
        return super()._upload_part(name, upload_id, number, body)

    def _complete_upload(self, *asked: Any) -> StoredObject:
        self._fail("complete")
        return super()._complete_upload(*asked)

    def _fail(self, step: str) -> None:
        if step == self.step:
            raise cb.StoreError(f"no {step}")


@pytest.mark.parametrize("step", ["part 1", "part 2", "part 3", "complete"])
def test_a_store_that_fails_leaves_no_object_and_no_upload(step: str) -> None:
    store = Failing()
    bucket = sealed(store)
    store.step = step
    with (
        pytest.raises(cb.StoreError, match=f"'name': no {step}"),
        bucket.open("name", "wb") as file,
    ):
        file.write(TEXT)
    assert file.closed
    assert not bucket.exists("name")
    assert store.list_uploads() == []


@pytest.mark.parametrize("bucket_in", [oss, sealed])
def test_a_put_that_fails_is_told_by_close(bucket_in: BucketIn) -> None:
    store = Failing()
    file = bucket_in(store).open("name", "wb")
    file.write(b"x")
    store.step = "put"
    with pytest.raises(cb.StoreError, match="'name': no put"):
        file.close()
    assert file.closed
    store.step = ""
    file.close()
    assert not bucket_in(store).exists("name")


def test_after_a_write_that_failed_nothing_is_stored() -> None:
    store = Failing()
    bucket = sealed(store)
    store.step = "part 2"
    file = bucket.open("name", "wb")
    with pytest.raises(cb.StoreError):
        file.write(TEXT)
    store.step = ""
    with pytest.raises(cb.UsageError, match="an earlier write failed"):
        file.write(b"x")
    with pytest.raises(cb.UsageError, match="an earlier write failed"):
        file.close()
    file.close()
    assert not bucket.exists("name")
    assert store.list_uploads() == []


@FORMATS
def test_its_arguments_are_those_of_put(bucket_in: BucketIn) -> None:
    bucket = bucket_in(MemoryStore())
    asked: dict[str, Any] = {"metadata": {"owner": "me"}, "content_type": "text/plain"}
    with bucket.open("name", "wb", headers={"cache-control": "no-cache"}, **asked) as file:
        file.write(b"x")
    assert file.info.metadata == {"owner": "me"}
    assert file.info.headers == {"content-type": "text/plain", "cache-control": "no-cache"}

    again = bucket.open("name", "wb", if_absent=True)
    again.write(b"y")
    with pytest.raises(cb.PreconditionFailedError):
        again.close()
    assert bucket.get("name").read() == b"x"
    with pytest.raises(cb.UsageError):
        bucket.open("name", "wb", metadata={"client-side-encryption-key": "x"})
    with pytest.raises(cb.UsageError):
        bucket.open("x" * 2000, "wb")
    with pytest.raises(cb.UsageError):
        bucket.open("x" * 2000)


def test_a_sealed_file_has_recipients_a_context_and_perhaps_no_name() -> None:
    store = MemoryStore()
    policy = cb.Policy(unbound_names=True)
    bucket = cb.Bucket(store, AES, format="sealed", policy=policy)
    with bucket.open(
        "name", "wb", recipients=[OTHER], context={"a": "b"}, bind_name=False, if_absent=True
    ) as file:
        file.write(TEXT)
    store.copy("name", "moved")
    theirs = cb.Bucket(store, cb.KeyRing(OTHER), format="sealed", policy=policy)
    assert theirs.get("moved", context={"a": "b"}).read() == TEXT
    with theirs.open("moved", context={"a": "b"}) as reading:
        assert reading.read(5) == TEXT[:5]
    with pytest.raises(cb.BindingError):
        theirs.open("moved").read(1)
    with pytest.raises(cb.UsageError, match="sealed"):
        oss(store).open("name", "wb", context={"a": "b"})


@pytest.mark.parametrize("mode", ["a", "ab", "r+b", "w+", "rb ", "b", "rbt", ""])
def test_an_object_is_read_or_written_anew(mode: str) -> None:
    with pytest.raises(cb.UsageError, match="'rb', 'wb' or 'xb', or 'r', 'w' or 'x' for text"):
        sealed(MemoryStore()).open("name", mode)  # type: ignore[call-overload]


def test_an_argument_of_the_other_mode_is_refused() -> None:
    bucket: Any = sealed(MemoryStore())
    for argument in (
        *({"metadata": {"a": "b"}}, {"content_type": ""}, {"headers": {"cache-control": "x"}}),
        *({"recipients": [OTHER]}, {"bind_name": False}, {"if_absent": True}),
    ):
        with pytest.raises(cb.UsageError, match="mode 'rb'"):
            bucket.open("name", **argument)
    others: tuple[dict[str, Any], ...] = (
        *({"key": AES}, {"as_name": "x"}, {"footer_recipients": True}, {"version_id": "1"}),
    )
    for argument in others:
        with pytest.raises(cb.UsageError, match="mode 'wb'"):
            bucket.open("name", "wb", **argument)


def test_a_key_that_cannot_write_is_told_by_open() -> None:
    bucket = cb.Bucket(MemoryStore(), cb.KeyRing())
    with pytest.raises(cb.MasterKeyError):
        bucket.open("name", "wb")


@FORMATS
def test_it_is_a_file_that_is_written_in_order(bucket_in: BucketIn) -> None:
    with bucket_in(MemoryStore()).open("name", "wb") as file:
        assert (file.readable(), file.seekable(), file.writable()) == (False, False, True)
        assert (file.name, file.mode) == ("name", "wb")
        for refused in (lambda: file.seek(0), file.read, lambda: file.truncate(0)):
            with pytest.raises(io.UnsupportedOperation):
                refused()
        file.flush()
        with pytest.raises(cb.UsageError, match="when the file is closed"):
            _ = file.info


@FORMATS
def test_a_forked_process_can_neither_write_nor_end_it(
    bucket_in: BucketIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    file = bucket.open("name", "wb")
    file.write(TEXT)
    ours = os.getpid()
    with monkeypatch.context() as patch, watched(store) as calls:
        patch.setattr(os, "getpid", lambda: ours + 1)
        with pytest.raises(cb.UsageError, match="process"):
            file.write(b"x")
        file.__del__()
        assert calls == []


@FORMATS
def test_libraries_write_to_it(bucket_in: BucketIn) -> None:
    bucket = bucket_in(MemoryStore())
    with bucket.open("a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1", TEXT)
        archive.writestr("2", b"two")
    with bucket.open("a.zip") as packed, zipfile.ZipFile(packed) as reading:
        assert reading.testzip() is None
        assert reading.read("1") == TEXT

    with bucket.open("a.tgz", "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo("1")
        member.size = len(TEXT)
        tar.addfile(member, io.BytesIO(TEXT))
    with bucket.open("a.tgz") as packed, tarfile.open(fileobj=packed) as tar:
        assert tar.getnames() == ["1"]

    table = pa.table({"n": list(range(10_000))})
    with bucket.open("t.parquet", "wb") as file:
        pq.write_table(table, file)
    with bucket.open("t.parquet") as packed:
        assert pq.read_table(packed).equals(table)

    with bucket.open("t.csv", "wb") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        csv.writer(text).writerow(["a", "ü"])
        text.detach()
    assert bucket.get("t.csv").read() == "a,ü\r\n".encode()
