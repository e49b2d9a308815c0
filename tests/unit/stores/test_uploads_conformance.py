"""Multipart uploads, as every store must do them: the second half of the kit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.nvme_store import NvmeStore
from tests.unit.stores.test_conformance import Blocks, read

from cipherbucket.errors import (
    ObjectNotFoundError,
    PreconditionFailedError,
    SourceError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Buffer
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import MAX_PARTS, Part


def named(parts: Iterable[Part]) -> list[tuple[int, int, str]]:
    """Return what every store names of parts; few list their checksums."""
    return [(part.number, part.size, part.etag) for part in parts]


class UploadConformance:
    """The suite of multipart uploads."""

    def test_an_object_of_parts_appears_whole(self, store: Store) -> None:
        upload = store.begin_upload("a", metadata={"k": "1"}, headers={"expires": "x"})
        pieces = {3: b"three" * 1000, 1: b"one", 9: b"", 2: b"two" * 70_000}
        parts = {
            number: store.upload_part("a", upload, number, pieces[number]) for number in pieces
        }
        with pytest.raises(ObjectNotFoundError):
            store.head("a")
        assert store.list().entries == ()
        listed = store.list_parts("a", upload)
        assert [replace(part, crc64=None) for part in listed] == [
            replace(parts[number], crc64=None) for number in sorted(parts)
        ]
        assert all(part.crc64 in {None, parts[part.number].crc64} for part in listed)
        assert [part.number for part in listed] == [1, 2, 3, 9]
        made = store.complete_upload("a", upload, listed)
        whole = b"".join(pieces[number] for number in sorted(pieces))
        assert (made.size, made.crc64) == (len(whole), store.crc.of(whole))
        assert {made.crc, *(part.crc for part in listed)} == {store.crc}
        assert (made.metadata, made.headers) == ({"k": "1"}, {"expires": "x"})
        assert store.head("a") == made
        assert read(store, "a") == whole

    def test_an_upload_ends_with_its_completion(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"1")
        store.complete_upload("a", upload, [part])
        self.assert_ended(store, "a", upload, part)

    def test_an_upload_ends_with_its_abortion(self, store: Store) -> None:
        store.put("a", b"old")
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"1")
        store.abort_upload("a", upload)
        self.assert_ended(store, "a", upload, part)
        assert read(store, "a") == b"old"

    def assert_ended(self, store: Store, name: str, upload: str, part: Part) -> None:
        for verb in (
            lambda: store.upload_part(name, upload, 1, b""),
            lambda: store.list_parts(name, upload),
            lambda: store.complete_upload(name, upload, [part]),
        ):
            with pytest.raises(UploadNotFoundError):
                verb()
        store.abort_upload(name, upload)
        assert store.list_uploads() == []

    @pytest.mark.parametrize("upload", ["", "none", "../../bodies", "\ud800", "x" * 5000, "é"])
    def test_what_is_no_upload(self, store: Store, upload: str) -> None:
        self.assert_ended(store, "a", upload, Part(1, 0, "etag"))

    def test_an_upload_belongs_to_its_name(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"1")
        with pytest.raises(UploadNotFoundError):
            store.upload_part("b", upload, 1, b"")
        with pytest.raises(UploadNotFoundError):
            store.list_parts("b", upload)
        with pytest.raises(UploadNotFoundError):
            store.complete_upload("b", upload, [part])
        store.abort_upload("b", upload)
        assert named(store.list_parts("a", upload)) == named([part])

    def test_a_part_is_replaced(self, store: Store) -> None:
        upload = store.begin_upload("a")
        old = store.upload_part("a", upload, 1, b"old")
        new = store.upload_part("a", upload, 1, b"new")
        assert old.etag != new.etag
        assert named(store.list_parts("a", upload)) == named([new])
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [old])
        store.complete_upload("a", upload, [new])
        assert read(store, "a") == b"new"

    def test_only_the_parts_named_count(self, store: Store) -> None:
        upload = store.begin_upload("a")
        parts = [store.upload_part("a", upload, number, b"%d" % number) for number in (1, 2, 3)]
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [*parts, Part(4, 1, "none")])
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [replace(parts[0], etag=parts[1].etag)])
        store.complete_upload("a", upload, [parts[0], parts[2]])
        assert read(store, "a") == b"13"

    def test_etags_decide_and_not_what_else_the_caller_says(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"12345")
        made = store.complete_upload("a", upload, [replace(part, size=1, crc64=None)])
        assert (made.size, made.crc64) == (5, store.crc.of(b"12345"))

    def test_a_part_that_has_arrived_is_known_by_its_bytes(self, store: Store) -> None:
        upload = store.begin_upload("a")
        store.upload_part("a", upload, 1, b"12345")
        (part,) = store.list_parts("a", upload)
        assert store.holds(part, memoryview(b"12345"))
        for other in (b"1234", b"12346", b"123456", b""):
            assert not store.holds(part, memoryview(other))
        assert not store.holds(replace(part, size=6), memoryview(b"12345"))

    def test_completion_that_is_refused_changes_nothing(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"1")
        for parts in ([], [part, part], [replace(part, number=2), part]):
            with pytest.raises(UsageError):
                store.complete_upload("a", upload, parts)
        store.put("a", b"old")
        with pytest.raises(PreconditionFailedError):
            store.complete_upload("a", upload, [part], if_absent=True)
        assert read(store, "a") == b"old"
        store.delete("a")
        store.complete_upload("a", upload, [part], if_absent=True)
        assert read(store, "a") == b"1"

    def test_a_part_of_another_length_leaves_the_part_before(self, store: Store) -> None:
        upload = store.begin_upload("a")
        part = store.upload_part("a", upload, 1, b"old")
        with pytest.raises(SourceError):
            store.upload_part("a", upload, 1, Blocks(b"12", length=3))
        assert named(store.list_parts("a", upload)) == named([part])
        assert read(store, store.complete_upload("a", upload, [part]).name) == b"old"

    @pytest.mark.parametrize("number", [-1, 0, MAX_PARTS + 1])
    def test_part_numbers_have_bounds(self, store: Store, number: int) -> None:
        upload = store.begin_upload("a")
        with pytest.raises(UsageError):
            store.upload_part("a", upload, number, b"")
        assert store.upload_part("a", upload, MAX_PARTS, b"").number == MAX_PARTS

    def test_an_upload_that_ends_while_a_part_comes(self, store: Store) -> None:
        upload = store.begin_upload("a")

        class Late(Blocks):
            def __iter__(self) -> Iterator[Buffer]:
                yield b"12"
                store.abort_upload("a", upload)
                yield b"34"

        with pytest.raises(UploadNotFoundError):
            store.upload_part("a", upload, 1, Late(b"1234"))

    def test_uploads_are_listed_by_name_and_start(self, store: Store) -> None:
        started = [(name, store.begin_upload(name)) for name in ("é", "b", "a/1", "a", "b", "A")]
        order = [5, 3, 2, 1, 4, 0]
        listed = store.list_uploads()
        assert [(upload.name, upload.upload_id) for upload in listed] == [
            started[index] for index in order
        ]
        assert all(upload.started.tzinfo is not None for upload in listed)
        assert [upload.name for upload in store.list_uploads("a")] == ["a", "a/1"]


class TestMemoryUploads(UploadConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestNvmeUploads(UploadConformance):
    @pytest.fixture
    def store(self) -> NvmeStore:
        return NvmeStore()


class TestLocalUploads(UploadConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", create=True) as store:
            yield store
