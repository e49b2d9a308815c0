"""An object as a seekable file: fetches, the end, and objects that change meanwhile."""

import io
import os
import random
import secrets
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from tests.counting_store import CountingStore

from cipherbucket import object_file
from cipherbucket.bucket import Bucket
from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    RangeError,
    UsageError,
)
from cipherbucket.format.sealed import CHUNK, HEADER
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.bodies import Outgoing, RawBody
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.objects import StoredObject

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
    store._put("name", Outgoing(body), metadata, {}, if_absent=False, if_match=None)


def flip(at: int) -> Callable[[bytearray], None]:
    def change(body: bytearray) -> None:
        body[at] ^= 1

    return change


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_file, "_BUFFER", 4096)


@pytest.mark.usefixtures("small_buffer")
def test_random_reads_of_4_kib_are_one_fetch_each_of_their_chunks() -> None:
    store = CountingStore()
    bucket = bucket_in(store)
    store.forget()
    chance = random.Random(2)

    with bucket.open("name") as file:
        assert (len(store.gets), store.heads) == (0, 1)
        for number in range(1, 101):
            start = chance.randrange(0, len(TEXT) - 4096)
            file.seek(start)
            assert file.read(4096) == TEXT[start : start + 4096]
            assert len(store.gets) == number
    assert store.heads == 1
    assert store.sent <= 100 * (2 * STRIDE + HEADER)


def test_what_lies_in_the_buffer_is_not_fetched_again() -> None:
    store = CountingStore()
    bucket = bucket_in(store)
    store.forget()

    with bucket.open("name") as file:
        for start in range(0, 128 << 10, 4096):
            assert file.read(4096) == TEXT[start : start + 4096]
        assert len(store.gets) == 1


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


def test_seeking_to_the_end_opens_the_last_chunk_once() -> None:
    store = CountingStore()
    bucket = bucket_in(store)
    store.forget()

    with bucket.open("name") as file:
        assert store.gets == []
        for _ in range(3):
            assert file.seek(0, os.SEEK_END) == len(TEXT)
            assert file.read(10) == b""
        assert [start for start, _, _ in store.gets] == [HEADER + 40 * STRIDE]
        assert file.seek(-5, os.SEEK_END) == len(TEXT) - 5
        assert file.read() == TEXT[-5:]


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

    def _replace_metadata(
        self, name: str, metadata: dict[str, str], headers: dict[str, str], if_match: str | None
    ) -> StoredObject:
        super()._replace_metadata(name, metadata, headers, if_match)
        with self._lock:
            held = self._held(name)
            stored = replace(held.stored, etag=secrets.token_hex(16))
            self._hold(stored, held.body)
        return stored


@pytest.mark.parametrize("store", [MemoryStore, Renewing])
def test_an_object_whose_recipients_change_stays_itself(store: type[MemoryStore]) -> None:
    bucket = bucket_in(store())
    file = bucket.open("name")
    assert file.read(10) == TEXT[:10]
    bucket.add_recipient("name", OTHER)

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

    def _get(
        self,
        name: str,
        start: int,
        length: int | None,
        tail: int | None,
        if_match: str | None,
        version_id: str | None,
    ) -> tuple[StoredObject, int, int, RawBody]:
        if self.denies:
            raise RangeError("the range begins after the end")
        return super()._get(name, start, length, tail, if_match, version_id)


def test_a_range_that_the_store_denies_is_not_taken_for_the_end() -> None:
    store = Denying()
    file = bucket_in(store).open("name")
    store.denies = True

    for read in (lambda: file.read(10), lambda: file.seek(0, os.SEEK_END), file.read):
        with pytest.raises(ObjectChangedError):
            read()


def test_arguments_that_cannot_be_done_are_refused() -> None:
    file = bucket_in(MemoryStore()).open("name")

    raw = cast("io.RawIOBase", file.raw)
    with pytest.raises(UsageError, match="whence"):
        raw.seek(0, 7)
    with pytest.raises(UsageError, match="negative"):
        raw.seek(-1)
    with pytest.raises((UsageError, OSError)):
        file.seek(-len(TEXT) - 1, os.SEEK_END)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    assert file.name == "name"
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
    assert store.heads == 1
