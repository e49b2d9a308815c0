"""An object as a seekable file: fetches, the end, and objects that change meanwhile."""

import io
import os
import random
import secrets
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.counting_store import CountingStore
from tests.support.sdk_vectors import rsa_key

import cipherbucket as cb
from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    RangeError,
    TransientStoreError,
    UsageError,
)
from cipherbucket.format.sealed import CHUNK, HEADER
from cipherbucket.format.span import Span
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.bodies import Opened, Outgoing, RawBody
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import StoredObject
from cipherbucket.stores.requests import Condition, MetadataChange, NewObject

KEY = AesKey(bytes(range(32)), description={"desc": "a"})
OTHER = AesKey(bytes(32), description={"desc": "b"})
TEXT = random.Random(1).randbytes(40 * CHUNK + 100)
STRIDE = CHUNK + 16


def bucket_in(store: MemoryStore, text: bytes = TEXT) -> Bucket:
    bucket = Bucket(store, KeyRing(KEY), format="sealed")
    bucket.put("name", text)
    return bucket


def overwrite(store: MemoryStore, change: Callable[[bytearray], object]) -> None:
    """Change the stored body; the store's own checksum follows."""
    with store.get("name") as incoming:
        body = bytearray(incoming.stop)
        incoming.readinto(body)
    change(body)
    metadata = dict(store.head("name").metadata)
    store._put(NewObject("name", metadata, {}), Outgoing(body), Condition())


def flip(at: int) -> Callable[[bytearray], None]:
    def change(body: bytearray) -> None:
        body[at] ^= 1

    return change


def oss_bucket_in(store: MemoryStore, text: bytes = TEXT) -> Bucket:
    bucket = Bucket(store, KeyRing(rsa_key("key1").described({"desc": "2026"})))
    bucket.put("name", text)
    return bucket


BUCKETS = pytest.mark.parametrize("bucket_of", [oss_bucket_in, bucket_in], ids=["oss", "sealed"])
BucketOf = Callable[..., Bucket]


@BUCKETS
def test_random_reads_are_one_request_each_the_first_included(bucket_of: BucketOf) -> None:
    store = CountingStore()
    bucket = bucket_of(store)
    sealed = bucket.format == "sealed"
    store.forget()
    chance = random.Random(2)

    with bucket.open("name") as file:
        assert (store.gets, store.heads) == ([], 0)
        seen = 0
        for _ in range(100):
            start = chance.randrange(0, len(TEXT) - 4096)
            file.seek(start)
            assert file.read(4096) == TEXT[start : start + 4096]
            assert len(store.gets) <= seen + 1
            if len(store.gets) > seen and not sealed:
                first, length, _ = store.gets[-1]
                assert (first + (length or 0), first >= start) == (start + 4096, True)
            seen = len(store.gets)
    assert store.heads == 0
    assert seen >= 90  # some chunks are asked for again while they are there
    assert store.sent <= seen * (2 * STRIDE + HEADER if sealed else 4096)


@BUCKETS
def test_a_read_of_nothing_and_a_seek_ask_for_nothing(bucket_of: BucketOf) -> None:
    store = CountingStore()
    bucket = bucket_of(store)
    store.forget()

    with bucket.open("name") as file:
        assert file.seek(5) == file.tell() == 5
        assert file.seek(5, os.SEEK_CUR) == 10
        assert (file.read(0), file.read1(0), file.readinto(bytearray())) == (b"", b"", 0)
        assert file.readline(0) == b""
    assert (store.gets, store.heads) == ([], 0)


@BUCKETS
def test_what_is_told_of_the_object_is_asked_for_once(bucket_of: BucketOf) -> None:
    store = CountingStore()
    bucket = bucket_of(store)
    store.forget()

    file = bucket.open("name")
    assert file.info.size == len(TEXT)
    assert file.info == bucket.head("name")
    assert (len(store.gets), store.heads) == (0, 2)
    assert file.read(5) == TEXT[:5]
    assert file.info.size == len(TEXT)
    file.close()
    assert file.info.size == len(TEXT)
    assert (len(store.gets), store.heads) == (1, 2)
    with pytest.raises(UsageError, match="closed"):
        file.read()
    closed = bucket.open("name")
    closed.close()
    with pytest.raises(UsageError, match="closed"):
        _ = closed.info


@BUCKETS
@pytest.mark.parametrize("step", [100, 4096, 70_000, 1 << 20])
def test_reading_in_order_takes_few_requests_that_reach_further_each_time(
    bucket_of: BucketOf, step: int
) -> None:
    text = bytes(64 << 20)
    store = CountingStore()
    bucket = bucket_of(store, text)
    store.forget()

    with bucket.open("name") as file:
        done = 0
        while count := len(file.read(step)):
            done += count
            if done > 1 << 20 and step < 4096:
                break
    if step >= 4096:
        assert done == len(text)
        assert store.sent <= 1.01 * len(text) + 4096
    assert len(store.gets) <= 10
    assert store.heads == 0
    lengths = [length or 0 for _, length, _ in store.gets[:-1]]  # the last one goes to the end
    assert lengths == sorted(lengths)
    assert max(lengths) <= (8 << 20) * 1.01


@BUCKETS
def test_a_short_gap_is_read_through_and_a_long_one_is_not(bucket_of: BucketOf) -> None:
    text = random.Random(3).randbytes(4 << 20)
    store = CountingStore()
    bucket = bucket_of(store, text)
    with bucket.open("name") as file:
        for at in range(0, 1 << 20, 1 << 16):
            assert file.read(1 << 16) == text[at : at + (1 << 16)]
        store.forget()
        for at in (1 << 20, (1 << 20) + 30_000, (1 << 20) + 90_000, (1 << 20) + 200_000):
            file.seek(at)
            assert file.read(100) == text[at : at + 100]
        assert len(store.gets) <= 1
        before = len(store.gets)
        file.seek(3 << 20)
        assert file.read(100) == text[3 << 20 :][:100]
        assert len(store.gets) == before + 1


@BUCKETS
def test_a_response_that_was_left_is_closed(bucket_of: BucketOf) -> None:
    closed: list[int] = []

    class Closing(CountingStore):
        def _get(self, *asked: Any) -> tuple[StoredObject, int, int, RawBody]:
            stored, start, stop, raw = super()._get(*asked)

            class Watched:
                def readinto(self, buffer: memoryview, /) -> int:
                    return raw.readinto(buffer)

                def close(self) -> None:
                    closed.append(start)
                    raw.close()

            return stored, start, stop, Watched()

    store = Closing()
    bucket = bucket_of(store, bytes(40 << 20))
    with bucket.open("name") as file:
        file.read(1 << 20)
        file.read(1 << 20)
        file.seek(30 << 20)
        file.read(1 << 20)
        file.read(1 << 20)
        assert len(closed) >= len(store.gets) - 1
    assert len(closed) == len(store.gets)


@BUCKETS
def test_lines_are_read_ahead(bucket_of: BucketOf) -> None:
    lines = [b"%d,%d\n" % (n, n * n) for n in range(20_000)]
    store = CountingStore()
    bucket = bucket_of(store, b"".join(lines) + b"the last")
    store.forget()

    with bucket.open("name") as file:
        assert list(file) == [*lines, b"the last"]
    assert len(store.gets) <= 4
    with bucket.open("name") as file:
        text = io.TextIOWrapper(file, encoding="ascii")
        assert list(text) == [line.decode() for line in [*lines, b"the last"]]


@BUCKETS
def test_ranges_are_joined_fetched_together_and_given_back_in_order(bucket_of: BucketOf) -> None:
    text = random.Random(4).randbytes(20 << 20)
    store = CountingStore()
    bucket = bucket_of(store, text)
    store.forget()
    far = [(n << 20, 1000) for n in range(19, 9, -1)]
    near = [(5000, 10), (100, 50), (100, 50), (70, 60), (60_000, 0)]
    ranges = [*far, *near, (len(text) - 5, 100), (len(text), 7)]

    with bucket.open("name") as file:
        file.seek(7)
        got = file.read_ranges(ranges, workers=3)
        assert file.tell() == 7
        assert got == [text[start : start + length] for start, length in ranges]
        assert (len(store.gets), store.heads) == (12, 0)
        assert store.sent <= 12 * (2 * STRIDE + 5000) + 60_000
        assert file.read_ranges([]) == []
        assert file.read_ranges(iter([(3, 4)])) == [text[3:7]]
        for wrong in ([(len(text) + 1, 5)], [(0, 5), (len(text) + 1, 0)]):
            with pytest.raises(RangeError, match="'name': the range begins at byte"):
                file.read_ranges(wrong)
        for bad in ([(-1, 5)], [(0, -1)]):
            with pytest.raises(UsageError):
                file.read_ranges(bad)
        with pytest.raises(UsageError, match="workers"):
            file.read_ranges([(0, 1)], workers=0)
    with pytest.raises(UsageError, match="closed"):
        file.read_ranges([(0, 1)])
    with bucket.open("name") as cold, pytest.raises(RangeError):
        cold.read_ranges([(len(text) + 1, 5)])


@BUCKETS
def test_neighbours_are_not_joined_without_end(bucket_of: BucketOf) -> None:
    text = random.Random(5).randbytes(20 << 20)
    store = CountingStore()
    bucket = bucket_of(store, text)
    store.forget()
    ranges = [(at, 100_000) for at in range(0, len(text), 100_000)]

    assert bucket.open("name").read_ranges(ranges) == [text[at:][:n] for at, n in ranges]
    assert len(store.gets) == 3


@BUCKETS
def test_ranges_of_an_object_that_changes_are_no_mixture(bucket_of: BucketOf) -> None:
    store = CountingStore()
    bucket = bucket_of(store)
    with bucket.open("name") as file:
        assert file.read_ranges([(0, 5)]) == [TEXT[:5]]
        bucket.put("name", TEXT)
        with pytest.raises(ObjectChangedError):
            file.read_ranges([(5, 5), (500_000, 5)])


@BUCKETS
def test_one_file_serves_several_threads(bucket_of: BucketOf) -> None:
    bucket = bucket_of(MemoryStore())

    def work(number: int) -> bool:
        start = number * 5000
        return file.read_ranges([(start, 5000)]) == [TEXT[start : start + 5000]]

    with bucket.open("name") as file, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
        pieces = list(pool.map(lambda _: file.read(1000), range(100)))
    assert sorted(pieces) == sorted(TEXT[at : at + 1000] for at in range(0, 100_000, 1000))


@BUCKETS
def test_positions_after_the_end_give_nothing(bucket_of: BucketOf) -> None:
    for size in (0, 10, CHUNK):
        store = CountingStore()
        bucket = bucket_of(store, TEXT[:size])
        for start in (size, size + 1, size + 5 * CHUNK):
            for read in ("read", "readline", "peek", "read1", "readall"):
                with bucket.open("name") as file:
                    file.seek(start)
                    store.forget()
                    assert getattr(file, read)() == b""
                    assert file.tell() == start
                    assert len(store.gets) + store.heads <= 3


def test_a_file_of_another_format_than_the_expected_is_read_too() -> None:
    store = CountingStore()
    bucket_in(store)
    oss = oss_bucket_in(MemoryStore())
    both = Bucket(store, KeyRing(*oss.ring.keys, KEY), policy=Policy(("oss", "sealed")))
    for start in (0, 5, 3 * CHUNK - 5, len(TEXT) - 3, len(TEXT), len(TEXT) + 7):
        with both.open("name") as file:
            file.seek(start)
            assert file.read(10) == TEXT[start : start + 10]
            assert file.seek(0, os.SEEK_END) == len(TEXT)


@BUCKETS
def test_a_read_that_fails_does_not_move_and_leaves_nothing(bucket_of: BucketOf) -> None:
    class Breaking(MemoryStore):
        breaks = False

        def _get(self, *asked: Any) -> tuple[StoredObject, int, int, RawBody]:
            if self.breaks:
                raise TransientStoreError("the connection broke")
            return super()._get(*asked)

    store = Breaking()
    with bucket_of(store).open("name") as file:
        file.seek(5)
        assert file.read(10) == TEXT[5:15]
        store.breaks = True
        buffer = bytearray(b"x" * 100_000)
        with pytest.raises(TransientStoreError):
            file.readinto(buffer)
        assert buffer == bytes(100_000)
        with pytest.raises(TransientStoreError):
            file.read()
        assert file.tell() == 15
        store.breaks = False
        assert file.read() == TEXT[15:]


def test_all_that_is_left_is_one_fetch() -> None:
    store = CountingStore()
    bucket = bucket_in(store)
    store.forget()

    with bucket.open("name") as file:
        file.seek(3)
        assert file.read() == TEXT[3:]
        assert file.read() == b""
        assert file.seek(0, os.SEEK_END) == len(TEXT)
    assert len(store.gets) == 1


def test_seeking_to_the_end_opens_the_last_chunk_once_and_keeps_it() -> None:
    store = CountingStore()
    bucket = bucket_in(store)
    store.forget()

    with bucket.open("name") as file:
        assert store.gets == []
        for _ in range(3):
            assert file.seek(0, os.SEEK_END) == len(TEXT)
            assert file.read(10) == b""
        assert file.seek(-5, os.SEEK_END) == len(TEXT) - 5
        assert file.read() == TEXT[-5:]
        assert len(store.gets) == 1
    store.forget()
    with bucket.open("name") as file:
        assert file.read(5) == TEXT[:5]
        assert file.seek(0, os.SEEK_END) == len(TEXT)
        assert [start for start, _, _ in store.gets] == [0, HEADER + 40 * STRIDE]
    assert store.heads == 0


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK])
def test_the_end_of_an_object_of_whole_chunks_is_its_last_tag(size: int) -> None:
    store = CountingStore()
    bucket = bucket_in(store, TEXT[:size])

    with bucket.open("name") as file:
        assert file.seek(0, os.SEEK_END) == size
        file.seek(0)
        assert file.read() == TEXT[:size]
        assert file.read(1) == b""
    overwrite(store, flip(HEADER + size // CHUNK * STRIDE + size % CHUNK))
    with bucket.open("name") as file, pytest.raises(IntegrityError):
        file.seek(0, os.SEEK_END)


@pytest.mark.parametrize("where", ["seek", "read beyond", "read the rest", "readinto"])
def test_no_end_is_told_that_is_not_authentic(where: str) -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    overwrite(store, flip(HEADER + 40 * STRIDE + 99))
    file = bucket.open("name")
    steps: dict[str, Callable[[], object]] = {
        "seek": lambda: file.seek(0, os.SEEK_END),
        "read beyond": lambda: file.read(10),
        "read the rest": file.read,
        "readinto": lambda: file.readinto(bytearray(5)),
    }
    assert file.read(10) == TEXT[:10]
    file.seek(len(TEXT) + (5 if where == "read beyond" else 0))

    for _ in range(2):
        with pytest.raises(IntegrityError) as caught:
            steps[where]()
        assert caught.value.name == "name"
    file.seek(CHUNK)
    assert file.read(10) == TEXT[CHUNK : CHUNK + 10]


def test_a_body_that_was_cut_so_that_its_size_is_possible_has_no_end() -> None:
    store = MemoryStore()
    bucket = bucket_in(store)

    def cut(body: bytearray) -> None:
        foot = bucket.head("name").stored_size - HEADER - 40 * STRIDE - 116
        del body[HEADER + 20 * STRIDE : len(body) - foot - 116]

    overwrite(store, cut)
    with bucket.open("name") as file:
        assert file.info.size == 20 * CHUNK + 100
        assert file.read(10) == TEXT[:10]
        with pytest.raises(IntegrityError):
            file.seek(0, os.SEEK_END)
        file.seek(0)
        with pytest.raises(IntegrityError):
            file.read()


def test_another_object_of_the_same_name_is_no_mixture() -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    file = bucket.open("name")
    assert file.read(10) == TEXT[:10]
    bucket.put("name", TEXT)

    file.seek(30 * CHUNK)
    with pytest.raises(ObjectChangedError, match="replaced") as caught:
        file.read(10)
    assert caught.value.name == "name"
    assert caught.value.hint
    with pytest.raises(ObjectChangedError):
        file.seek(0, os.SEEK_END)
    bucket.delete("name")
    with pytest.raises(ObjectChangedError, match="deleted"):
        file.seek(0, os.SEEK_END)


class Renewing(CountingStore):
    """Gives an object another ETag with new metadata, as a store may."""

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        super()._replace_metadata(change)
        with self._lock:
            held = self._held(change.name)
            stored = replace(held.stored, etag=secrets.token_hex(16))
            self._hold(stored, held.body)
        return stored


@pytest.mark.parametrize("store", [MemoryStore, Renewing])
def test_an_object_whose_recipients_change_stays_itself(store: type[MemoryStore]) -> None:
    bucket = bucket_in(store())
    file = bucket.open("name")
    assert file.read(10) == TEXT[:10]
    cb.recipients.add(bucket, "name", OTHER)

    for start in (30 * CHUNK, 35 * CHUNK):
        file.seek(start)
        assert file.read(10) == TEXT[start : start + 10]
    assert file.seek(0, os.SEEK_END) == len(TEXT)


def test_a_file_from_the_body_alone_is_bound_to_the_object_too() -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    headers = dict(store.head("name").headers)
    store.replace_metadata("name", metadata={"owner": "me"}, headers=headers)

    file = bucket.open("name", footer_recipients=True)
    assert file.info.metadata == {"owner": "me"}
    assert file.read(10) == TEXT[:10]
    assert file.seek(0, os.SEEK_END) == len(TEXT)
    bucket.put("name", TEXT)
    file.seek(20 * CHUNK)
    with pytest.raises(ObjectChangedError):
        file.read(10)


class Denying(MemoryStore):
    """Says, once asked to, that every range lies beyond the end."""

    denies = False

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        if self.denies:
            raise RangeError("the range begins after the end")
        return super()._get(name, span, if_match, version_id)


def test_a_range_that_the_store_denies_is_not_taken_for_the_end() -> None:
    store = Denying()
    file = bucket_in(store).open("name")
    assert file.read(1) == TEXT[:1]
    file.seek(3 * CHUNK)
    store.denies = True

    for read in (lambda: file.read(10), lambda: file.seek(0, os.SEEK_END), file.read):
        with pytest.raises(ObjectChangedError):
            read()


def test_arguments_that_cannot_be_done_are_refused() -> None:
    file = bucket_in(MemoryStore()).open("name")

    with pytest.raises(UsageError, match="whence"):
        file.seek(0, 7)
    with pytest.raises(UsageError, match="negative"):
        file.seek(-1)
    with pytest.raises(UsageError, match="negative"):
        file.seek(-len(TEXT) - 1, os.SEEK_END)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    assert (file.name, file.mode) == ("name", "rb")
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    assert file.read(0) == b""
    assert file.readinto(bytearray()) == 0


def test_an_archive_is_read_in_place() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}", TEXT[number * CHUNK : (number + 2) * CHUNK])
    store = CountingStore()
    bucket = bucket_in(store, data.getvalue())
    store.forget()

    with bucket.open("name") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("7") == TEXT[7 * CHUNK : 9 * CHUNK]
        assert archive.testzip() is None
    assert store.heads == 0
    assert len(store.gets) <= 25


@BUCKETS
def test_libraries_read_from_it(bucket_of: BucketOf) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for number in range(20):
            member = tarfile.TarInfo(f"{number}")
            member.size = CHUNK
            archive.addfile(member, io.BytesIO(TEXT[number * CHUNK :][:CHUNK]))
    table = pa.table({"n": list(range(10_000))})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1000)

    bucket = bucket_of(MemoryStore(), data.getvalue())
    with bucket.open("name") as file, tarfile.open(fileobj=file) as archive:
        extracted = archive.extractfile("7")
        assert extracted is not None
        assert extracted.read() == TEXT[7 * CHUNK : 8 * CHUNK]
    store = CountingStore()
    bucket = bucket_of(store, sink.getvalue())
    with bucket.open("name") as file:
        assert pq.read_table(file).equals(table)
