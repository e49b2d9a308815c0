"""Inventories of OSS and S3, read from a store and from a folder, and what no inventory is."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count
from tests.support.inventories import (
    CREATED,
    MANIFEST,
    Line,
    Written,
    gzipped_csv,
    of_oss,
    of_s3,
    parquet,
    table_of,
)

import cipherbucket as cb

NAMES = [
    "plain",
    "with space",
    "plus+",
    "100%",
    "ümlaut/文",
    'quote",comma',
    "line\nbreak",
    "a/../b",
]
LINES = [Line(name, size=number) for number, name in enumerate(NAMES)]
BEFORE = [
    Line("old", latest=False),
    Line("deleted", latest=True, marker=True),
    Line("deleted", latest=False),
]
DATA = "inv/source/daily/data/0.csv.gz"
WRITERS: dict[str, Callable[..., Written]] = {
    "oss": of_oss,
    "s3-csv": lambda *files: of_s3("CSV", *files),
    "s3-parquet": lambda *files: of_s3("Parquet", *files),
    "s3-orc": lambda *files: of_s3("ORC", *files),
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Callable[..., Written]:
    return WRITERS[request.param]


def expected(lines: list[Line]) -> list[cb.Entry]:
    return [
        cb.Entry(
            name=each.key,
            size=each.size,
            etag=each.etag,
            modified=each.modified,
            storage_class=each.storage_class,
        )
        for each in lines
    ]


def test_newest_versions_are_entries_in_the_order_of_the_files(
    write: Callable[..., Written], tmp_path: Path
) -> None:
    written = write([*LINES, *BEFORE], [Line("another")])
    inventory = written.into(cb.MemoryStore())
    assert (inventory.bucket, inventory.created) == ("source", CREATED)
    assert list(inventory) == expected([*LINES, Line("another")])
    assert list(inventory) == expected([*LINES, Line("another")]), "it can be read again"
    downloaded = cb.read_inventory(written.below(tmp_path), trusted=True)
    assert list(downloaded) == list(inventory)
    assert downloaded.digest == inventory.digest


def test_an_inventory_is_read_through_a_bucket_and_data_files_beside_the_manifest(
    tmp_path: Path,
) -> None:
    written = of_oss(LINES)
    store = cb.MemoryStore()
    written.into(store)
    bucket = cb.Bucket(store, cb.AesKey(bytes(32), description={}), format="sealed")
    assert list(cb.read_inventory(MANIFEST, bucket)) == expected(LINES)
    (tmp_path / "manifest.json").write_bytes(written.manifest)
    (tmp_path / "0.csv.gz").write_bytes(written.data[DATA])
    assert list(cb.read_inventory(tmp_path / "manifest.json")) == expected(LINES)


def test_columns_that_nobody_asked_for_are_not_needed() -> None:
    written = Written(schema="Bucket, Key", data={DATA: gzipped_csv(LINES, "Bucket, Key")})
    assert list(written.into(cb.MemoryStore())) == [cb.Entry(name=name) for name in NAMES]


def test_an_inventory_without_objects_has_no_files() -> None:
    assert list(of_oss().into(cb.MemoryStore())) == []


@pytest.mark.parametrize(
    ("further", "why"),
    [
        ({"sourceBucket": None}, "sourceBucket is no text"),
        ({"fileFormat": "Avro"}, "none of"),
        ({"fileSchema": "Bucket, Size"}, "no column Key"),
        ({"creationTimestamp": "soon"}, "invalid literal"),
        ({"creationTimestamp": 10**30}, "no manifest"),
        ({"files": [{"key": "a", "size": -1, "MD5checksum": "0" * 32}]}, "size of -1"),
        ({"files": [{"key": "a", "size": 1 << 60, "MD5checksum": "0" * 32}]}, "a size of"),
        ({"files": [{"key": "a", "size": 1, "MD5checksum": "x"}]}, "no MD5"),
        ({"files": [{"size": 1, "MD5checksum": "0" * 32}]}, "no field 'key'"),
        ({"files": 5}, "files is no list"),
        ({"files": {}}, "files is no list"),
        ({"files": ""}, "files is no list"),
        ({"fileSchema": "Bucket, Key, key"}, "column key is there twice"),
    ],
)
def test_a_manifest_that_is_none_is_refused(further: dict[str, Any], why: str) -> None:
    with pytest.raises(cb.IntegrityError, match=why) as error:
        Written(further=further).into(cb.MemoryStore())
    assert error.value.name == MANIFEST


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"5", b"\xff", b"[" * 100_000, b" " * (17 << 20)]
)
def test_what_is_no_manifest_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(data)
    with pytest.raises(cb.IntegrityError):
        cb.read_inventory(path)


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        with pytest.raises(cb.UsageError, match=str(path)):
            cb.read_inventory(path)
    with pytest.raises(cb.ObjectNotFoundError):
        cb.read_inventory("none", cb.MemoryStore())


def csv_of(*lines: str) -> bytes:
    return gzip.compress("\n".join(lines).encode("utf-8", "surrogateescape"), mtime=0)


GOOD = '"source","a","","true","false","1","Standard","","","",""'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (csv_of(GOOD, '"source","b"'), "line 2 .* 2 fields"),
        (csv_of(GOOD, GOOD.replace("source", "other")), "line 2 .* another bucket"),
        (csv_of(GOOD.replace('"1"', '"-1"')), "line 1 .* size"),
        (csv_of(GOOD.replace('"1"', '"1e3"')), "line 1 .* size"),
        (csv_of(GOOD.replace('"1"', f'"{"9" * 30}"')), "line 1 .* size"),
        (csv_of(GOOD.replace("true", "perhaps")), "line 1 .* neither"),
        (csv_of(GOOD.replace('"a"', '""')), "line 1 .* name"),
        (csv_of(GOOD.replace('"a"', f'"{"a" * 1024}"')), "line 1 .* 1,023"),
        (csv_of(GOOD.replace('"a"', '"%4"')), "line 1 .* percent"),
        (csv_of(GOOD.replace('"a"', '"%ff"')), "line 1 .* decode"),
        (csv_of(GOOD, GOOD.replace('"a"', '"\udcff"')), "line 2 .* UTF-8"),
        (csv_of(GOOD, GOOD.replace('"a"', '"a')), "line 2 .* quotation"),
        (csv_of(GOOD, "x" * 20_000), "line 2 .* 16,384"),
        (gzip.compress(b'"' * (64 << 20), mtime=0), "line 1 .* 16,384"),
        (gzip.compress(bytes(64 << 20), mtime=0), "line 1 .* 16,384"),
        (csv_of(GOOD)[:-9], "decompressed"),
        (csv_of(GOOD) + b"more", "decompressed"),
        (GOOD.encode(), "decompressed"),
    ],
)
def test_a_hostile_file_is_an_error_that_names_file_and_line(data: bytes, why: str) -> None:
    inventory = Written(data={DATA: data}).into(cb.MemoryStore())
    tracemalloc.start()
    try:
        with pytest.raises(cb.IntegrityError, match=why) as error:
            list(inventory)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert error.value.name == DATA


@pytest.mark.parametrize("kind", ["Parquet", "ORC"])
@pytest.mark.parametrize("cut", [0, 4, 300])
def test_a_hostile_table_is_an_error_of_ours(kind: str, cut: int) -> None:
    written = of_s3(kind, LINES)
    (name,) = written.data
    written.data[name] = written.data[name][:cut]
    with pytest.raises(cb.IntegrityError) as error:
        list(written.into(cb.MemoryStore()))
    assert error.value.name == name


def test_orc_is_read_only_where_it_is_trusted(tmp_path: Path) -> None:
    path = of_s3("ORC", LINES).below(tmp_path)
    with pytest.raises(cb.UsageError, match="can crash this process"):
        cb.read_inventory(path)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"bucket": ["source"]}, "no column of names"),
        ({"Key": ["a"], "key": ["b"]}, "column key is there twice"),
    ],
)
def test_a_table_that_does_not_say_which_names_is_refused(columns: Any, why: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    written = of_s3("Parquet")
    written.data["x.parquet"] = file.getvalue()
    with pytest.raises(cb.IntegrityError, match=why):
        list(written.into(cb.MemoryStore()))


class _Executed:
    """What a pickle makes of this is a file that is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_in_a_table_is_not_executed(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    marker = tmp_path / "executed"
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(_Executed(marker)),
    }
    table = table_of([Line("a")])
    at = table.schema.get_field_index("key")
    table = table.cast(table.schema.set(at, pa.field("key", pa.string(), metadata=extension)))
    file = io.BytesIO()
    pq.write_table(table, file)
    written = of_s3("Parquet")
    written.data["x.parquet"] = file.getvalue()
    assert [entry.name for entry in written.into(cb.MemoryStore())] == ["a"]
    assert not marker.exists()


def test_another_data_file_than_the_manifest_describes_gives_no_entry(tmp_path: Path) -> None:
    written = of_oss(LINES)
    store = cb.MemoryStore()
    inventory = written.into(store)
    path = written.below(tmp_path)
    other = gzipped_csv([Line("other")])
    same_size = written.data[DATA][:-1] + b"\1"
    for data in (other, same_size):
        store.put(DATA, data)
        (tmp_path / "data" / "0.csv.gz").write_bytes(data)
        for each in (inventory, cb.read_inventory(path)):
            with pytest.raises(cb.IntegrityError, match="another size or MD5"):
                next(iter(each))
    store.delete(DATA)
    with pytest.raises(cb.ObjectNotFoundError):
        next(iter(inventory))
    (tmp_path / "data" / "0.csv.gz").unlink()
    with pytest.raises(cb.UsageError, match="is not there"):
        next(iter(cb.read_inventory(path)))


@pytest.mark.parametrize(
    "key", ["../secret", "..", "a/..", "data/\0", "data/", ".", "data/" + "d" * 300]
)
def test_no_manifest_leads_out_of_its_folder(key: str, tmp_path: Path) -> None:
    data = gzipped_csv(LINES)
    (tmp_path / "secret").write_bytes(data)
    written = Written(data={key: data})
    path = tmp_path / "a" / "b" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(written.manifest)
    with pytest.raises(cb.CipherbucketError):
        list(cb.read_inventory(path))


def test_the_bucket_can_be_named() -> None:
    store = cb.MemoryStore()
    of_oss(LINES).into(store)
    with pytest.raises(cb.UsageError, match="of bucket 'source', not of 'other'"):
        cb.read_inventory(MANIFEST, store, of="other")
    inventory = cb.read_inventory(MANIFEST, store, of="source")
    inventory.check_is_of("oss://replica")
    assert repr(inventory) == "Inventory('source', 2026-11-29 00:00 UTC, 1 files)"


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.inventory.arrow_rows.find_spec", lambda _: None)
    with pytest.raises(cb.MissingExtraError, match="Parquet") as error:
        of_s3("Parquet", LINES).into(cb.MemoryStore())
    assert "pyarrow" in str(error.value.hint)


@pytest.mark.parametrize("writer", [gzipped_csv, parquet])
def test_memory_does_not_grow_with_the_lines(
    writer: Callable[[Iterator[Line]], bytes], tmp_path: Path
) -> None:
    number = count(1_000_000, 40_000)
    lines = (Line(f"folder/object-{place:09}", size=place) for place in range(number))
    written = of_oss() if writer is gzipped_csv else of_s3("Parquet")
    written.data["inv/source/daily/data/0"] = writer(lines)
    inventory = cb.read_inventory(written.below(tmp_path))
    written.data.clear()
    next(iter(inventory))  # what is imported
    tracemalloc.start()
    try:
        assert sum(1 for _ in inventory) == number
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_lines_as_csv_of_python_writes_them_are_read() -> None:
    text = io.StringIO()
    csv.writer(text).writerow(
        ["source", "a%2Cb", "v", "True", "False", 7, "IA", "?", '"E"', "", ""]
    )
    (entry,) = Written(data={DATA: gzip.compress(text.getvalue().encode())}).into(cb.MemoryStore())
    assert entry == cb.Entry(name="a,b", size=7, etag="E", storage_class="IA")


def test_a_manifest_has_a_largest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    from cipherbucket.inventory import inventory

    monkeypatch.setattr(inventory, "MAX_MANIFEST", 100)
    with pytest.raises(cb.IntegrityError, match="at most 100 bytes"):
        of_oss(LINES).into(cb.MemoryStore())
