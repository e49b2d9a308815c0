"""What every store must do alike, as a kit: a class of tests that asks for one fixture.

For a new store, derive a class from `StoreConformance` whose name begins with ``Test`` and give it
a fixture ``store``: an empty store, or one that may be emptied. The suite of multipart uploads is
`UploadConformance`, that of listings `ListingConformance`, to be derived from in the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.support.nvme_store import NvmeStore

from cipherbucket.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeError,
    SourceError,
    UsageError,
)
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Buffer
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import MAX_NAME, Page

NAMES = [
    "a",
    "a/b",
    "a/",
    "A",
    "..",
    ".",
    "../../x",
    "/lead",
    "trail/",
    "//",
    "/",
    "a b",
    "a%2Fb",
    "a\nb",
    "a\0b",
    "index.sqlite",
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{FULLWIDTH LATIN SMALL LETTER A}",
    "\N{GRINNING FACE}",
    "\U0010ffff",
    "'; DROP TABLE objects; --",
    "x" * MAX_NAME,
    "é" * (MAX_NAME // 2),
]
"""Legal names that some store, file system or protocol has got wrong."""


class Blocks:
    """A body of blocks that reuse one buffer, as the library's own bodies do."""

    def __init__(self, *blocks: bytes, length: int | None = None) -> None:
        self.blocks = blocks
        self.length = sum(map(len, blocks)) if length is None else length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Buffer]:
        buffer = bytearray(max(map(len, self.blocks), default=0))
        for block in self.blocks:
            buffer[: len(block)] = block
            yield memoryview(buffer)[: len(block)]


def read(store: Store, name: str, **how: Any) -> bytes:
    """Fetch bytes of an object."""
    with store.get(name, **how) as body:
        data = bytearray(body.stop - body.start + 1)
        return bytes(data[: body.readinto(data)])


def names_of(page: Page) -> list[str]:
    return [entry.name for entry in page.entries]


class StoreConformance:
    """The suite, but for multipart uploads.

    Attributes:
        names: Legal names of every kind.
        place: Headers that belong to an object's place, as this store takes and reports them.
    """

    names = NAMES
    place: Mapping[str, str] = MappingProxyType(
        {"x-oss-object-acl": "private", "x-oss-tagging": "a=1"}
    )

    def test_any_legal_name_holds_its_own_object(self, store: Store) -> None:
        for name in self.names:
            put = store.put(name, name.encode())
            assert read(store, name) == name.encode()
            assert put == store.head(name)
            assert put.name == name
            assert names_of(store.list()) == [name]
            store.delete(name)
            assert names_of(store.list()) == []

    def test_names_lie_beside_each_other_in_byte_order(self, store: Store) -> None:
        for name in self.names:
            store.put(name, name.encode())
        assert names_of(store.list()) == sorted(self.names, key=str.encode)
        for name in self.names:
            assert read(store, name) == name.encode()

    @pytest.mark.parametrize("name", ["", "x" * (MAX_NAME + 1), "é" * 512, "\ud800"])
    def test_illegal_names_are_refused_by_every_verb(self, store: Store, name: str) -> None:
        verbs = [
            lambda: store.put(name, b""),
            lambda: store.get(name),
            lambda: store.head(name),
            lambda: store.delete(name),
            lambda: store.copy(name, "target"),
            lambda: store.copy("source", name),
            lambda: store.replace_metadata(name, metadata={}, headers={}),
            lambda: store.begin_upload(name),
            lambda: store.upload_part(name, "upload", 1, b""),
            lambda: store.list_parts(name, "upload"),
            lambda: store.abort_upload(name, "upload"),
        ]
        for verb in verbs:
            with pytest.raises(UsageError):
                verb()  # type: ignore[no-untyped-call]

    def test_a_put_returns_what_the_store_holds(self, store: Store) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        put = store.put("a", b"body", metadata={"k": "vü"}, headers={"content-type": "text/x"})
        assert (put.size, put.crc64) == (4, store.crc.of(b"body"))
        assert put.crc is store.crc
        assert put.metadata == {"k": "vü"}
        assert put.headers == {"content-type": "text/x"}
        assert put.version_id is None
        assert put.modified.tzinfo is UTC
        assert put.modified > before
        assert store.head("a") == put
        with store.get("a") as body:
            assert body.stored == put
        (entry,) = store.list().entries
        assert (entry.name, entry.size, entry.etag) == ("a", 4, put.etag)
        assert entry.modified == put.modified

    def test_a_put_replaces_everything(self, store: Store) -> None:
        first = store.put("a", b"one", metadata={"k": "1"}, headers={"expires": "x"})
        second = store.put("a", b"one")
        assert second.etag != first.etag
        assert (store.head("a").metadata, store.head("a").headers) == ({}, {})
        assert len(store.list().entries) == 1

    def test_bodies_of_reused_buffers_arrive_whole(self, store: Store) -> None:
        store.put("a", Blocks(b"first", b"", b"2nd", b"third"))
        assert read(store, "a") == b"first2ndthird"

    @pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
    def test_any_size(self, store: Store, size: int) -> None:
        data = bytes(range(251)) * (size // 251 + 1)
        assert store.put("a", memoryview(data)[:size]).size == size
        assert read(store, "a") == data[:size]

    @pytest.mark.parametrize("length", [8, 10])
    def test_a_body_of_another_length_leaves_the_old_object(
        self, store: Store, length: int
    ) -> None:
        put = store.put("a", b"old")
        with pytest.raises(SourceError, match="it gave"):
            store.put("a", Blocks(b"12345", b"6789", length=length))
        assert read(store, "a") == b"old"
        assert store.head("a") == put

    def test_what_a_body_raises_passes_unchanged(self, store: Store) -> None:
        class Broken(Blocks):
            def __iter__(self) -> Iterator[Buffer]:
                yield b"12"
                raise FileNotFoundError(2, "my own file")

        with pytest.raises(FileNotFoundError, match="my own file") as caught:
            store.put("a", Broken(b"1234"))
        assert type(caught.value) is FileNotFoundError
        with pytest.raises(ObjectNotFoundError):
            store.head("a")

    def test_what_is_not_there(self, store: Store) -> None:
        for verb in (
            lambda: store.get("a"),
            lambda: store.get("a", start=5),
            lambda: store.get("a", if_match="x"),
            lambda: store.head("a"),
            lambda: store.copy("a", "b"),
            lambda: store.copy("a", "a"),
            lambda: store.replace_metadata("a", metadata={}, headers={}),
            lambda: store.replace_metadata("a", metadata={}, headers={}, if_match="x"),
        ):
            with pytest.raises(ObjectNotFoundError) as caught:
                verb()
            assert caught.value.name == "a"
        store.delete("a")

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({}, b"0123456789"),
            ({"start": 3}, b"3456789"),
            ({"start": 3, "length": 4}, b"3456"),
            ({"start": 3, "length": 0}, b""),
            ({"start": 3, "length": 99}, b"3456789"),
            ({"start": 10}, b""),
            ({"start": 10, "length": 1}, b""),
            ({"tail": 4}, b"6789"),
            ({"tail": 0}, b""),
            ({"tail": 99}, b"0123456789"),
        ],
    )
    def test_ranges(self, store: Store, how: dict[str, int], expected: bytes) -> None:
        store.put("a", b"0123456789")
        assert read(store, "a", **how) == expected

    def test_ranges_that_cannot_be(self, store: Store) -> None:
        store.put("a", b"0123456789")
        with pytest.raises(RangeError):
            store.get("a", start=11)
        for how in ({"start": -1}, {"length": -1}, {"tail": -1}, {"tail": 1, "start": 1}):
            with pytest.raises(UsageError):
                store.get("a", **how)  # type: ignore[arg-type]

    def test_an_open_body_outlives_its_object(self, store: Store) -> None:
        store.put("a", Blocks(b"old" * 100))
        with store.get("a") as first, store.get("a", start=3) as second:
            store.put("a", b"new")
            store.delete("a")
            data = bytearray(300)
            assert first.readinto(data) == 300
            assert second.readinto(data) == 297

    def test_if_absent(self, store: Store) -> None:
        store.put("a", b"1", if_absent=True)
        with pytest.raises(PreconditionFailedError) as caught:
            store.put("a", b"2", if_absent=True)
        assert isinstance(caught.value, FileExistsError)
        with pytest.raises(ObjectExistsError):
            store.copy("a", "a", if_absent=True)
        assert read(store, "a") == b"1"
        store.delete("a")
        store.put("a", b"3", if_absent=True)

    def test_if_match(self, store: Store) -> None:
        with pytest.raises(PreconditionFailedError):
            store.put("a", b"1", if_match="etag")
        first = store.put("a", b"1")
        second = store.put("a", b"2", if_match=first.etag)
        with pytest.raises(PreconditionFailedError):
            store.put("a", b"3", if_match=first.etag)
        with pytest.raises(PreconditionFailedError):
            store.get("a", if_match=first.etag)
        with pytest.raises(PreconditionFailedError):
            store.get("a", start=99, if_match=first.etag)
        with pytest.raises(PreconditionFailedError):
            store.replace_metadata("a", metadata={}, headers={}, if_match=first.etag)
        assert read(store, "a", if_match=second.etag) == b"2"
        with pytest.raises(UsageError):
            store.put("a", b"3", if_match=second.etag, if_absent=True)

    def test_a_condition_that_fails_while_the_body_comes(self, store: Store) -> None:
        class Overtaken(Blocks):
            def __iter__(self) -> Iterator[Buffer]:
                yield b"la"
                store.put("a", b"early")
                yield b"te"

        with pytest.raises(PreconditionFailedError):
            store.put("a", Overtaken(b"late"), if_absent=True)
        assert read(store, "a") == b"early"

    def test_of_many_that_put_if_absent_one_succeeds(self, store: Store) -> None:
        won: list[bytes] = []

        def race(body: bytes) -> None:
            try:
                store.put("a", body, if_absent=True)
            except PreconditionFailedError:
                return
            won.append(body)

        threads = [threading.Thread(target=race, args=(b"%d" % number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [read(store, "a")]

    def test_metadata_is_replaced_without_the_body(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "1"}, headers={"expires": "x"})
        with store.get("a") as body:
            replaced = store.replace_metadata(
                "a", metadata={"l": "2"}, headers={"content-type": "t"}, if_match=put.etag
            )
            assert body.stored == put
        assert (replaced.metadata, replaced.headers) == ({"l": "2"}, {"content-type": "t"})
        assert (replaced.etag, replaced.size, replaced.crc64) == (put.etag, put.size, put.crc64)
        assert replaced.modified >= put.modified
        assert store.head("a") == replaced
        assert read(store, "a", if_match=put.etag) == b"body"

    def test_attributes_are_what_a_new_object_is_given_to_keep_them(self, store: Store) -> None:
        headers = {"content-type": "t", "expires": "x", **self.place}
        store.put("a", b"1", metadata={"k": "v"}, headers=headers)
        assert store.attributes("a") == headers
        store.put("a", b"2", headers=store.attributes("a"))
        assert store.attributes("a") == headers
        with pytest.raises(ObjectNotFoundError):
            store.attributes("b")

    def test_a_copy_is_an_object_of_its_own(self, store: Store) -> None:
        put = store.put("a", b"body", metadata={"k": "1"}, headers={"expires": "x"})
        copy = store.copy("a", "b/a")
        assert (copy.name, copy.size, copy.crc64) == ("b/a", 4, put.crc64)
        assert (copy.metadata, copy.headers) == (put.metadata, put.headers)
        store.put("a", b"other")
        assert store.head("b/a") == copy
        store.delete("a")
        assert read(store, "b/a") == b"body"
        assert store.copy("b/a", "b/a").metadata == {"k": "1"}
        assert read(store, "b/a") == b"body"

    def test_a_copy_has_of_acl_tags_and_their_like_only_what_it_is_given(
        self, store: Store
    ) -> None:
        given = dict(self.place)
        (tagging,) = (key for key in given if key.endswith("-tagging"))
        store.put("a", b"body", headers={"expires": "x", **given})
        with store.get("a") as incoming:
            assert incoming.stored.headers == {"expires": "x"}
        assert store.copy("a", "b").headers == {"expires": "x"}
        assert store.attributes("b") == {"expires": "x"}
        store.copy("a", "c", headers={tagging: "b=2"})
        assert store.attributes("c") == {"expires": "x", tagging: "b=2"}
        store.copy("a", "a")
        assert store.attributes("a") == {"expires": "x", **given}
        for headers in ({"expires": "x"}, None):
            store.replace_metadata("a", metadata={"k": "v"}, headers=headers)
            assert store.attributes("a") == {"expires": "x", **given}
        for other in ({"content-type": "t"}, {"x-oss-meta-k": "v"}, {tagging: "a\nb"}):
            with pytest.raises(UsageError, match="'d'"):
                store.copy("a", "d", headers=other)

    def test_a_copy_only_if_absent(self, store: Store) -> None:
        store.put("a", b"1")
        store.put("b", b"2")
        with pytest.raises(PreconditionFailedError) as caught:
            store.copy("a", "b", if_absent=True)
        assert caught.value.name == "b"
        assert read(store, "b") == b"2"
        store.copy("a", "c", if_absent=True)
        assert read(store, "c") == b"1"

    def test_no_versions(self, store: Store) -> None:
        store.put("a", b"")
        for verb in (store.get, store.head, store.delete):
            with pytest.raises(UsageError, match="no versions"):
                verb("a", version_id="1")
        with pytest.raises(UsageError, match="no versions"):
            store.copy("a", "b", version_id="1")

    def test_no_presigned_urls(self, store: Store) -> None:
        with pytest.raises(UsageError, match="no presigned URLs"):
            store.presign("a")

    def test_caller_and_store_share_no_mapping(self, store: Store) -> None:
        metadata, headers = {"k": "1"}, {"expires": "x"}
        put = store.put("a", b"", metadata=metadata, headers=headers)
        metadata["k"] = headers["expires"] = "changed"
        assert put.metadata == store.head("a").metadata == {"k": "1"}
        assert put.headers == store.head("a").headers == {"expires": "x"}


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    def test_named_stores_are_shared_in_the_process(self) -> None:
        name = f"{__name__}.shared"
        MemoryStore.named(name).put("a", b"1")
        assert read(MemoryStore.named(name), "a") == b"1"
        assert MemoryStore.named(name).url == f"memory://{name}"
        assert MemoryStore(name).list().entries == ()


class TestNvmeStore(StoreConformance):
    """That of S3 in place of OSS's CRC-64: nothing else is other."""

    @pytest.fixture
    def store(self) -> NvmeStore:
        return NvmeStore()


class TestLocalStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store", create=True) as store:
            yield store
