"""Inventories as OSS and S3 write them: a manifest and data files, in a folder or a store."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

import cipherbucket as cb
from cipherbucket.stores.base import Store

CREATED = datetime(2026, 11, 29, tzinfo=UTC)
MANIFEST = "inv/source/daily/2026-11-29T00-00Z/manifest.json"
OSS_COLUMNS = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass, LastModifiedDate, ETag,"
    " IsMultipartUploaded, EncryptionStatus"
)
S3_COLUMNS = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass,"
    " IsMultipartUploaded, ReplicationStatus, EncryptionStatus"
)
_PARQUET = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); }"
_ORC = "struct<bucket:string,key:string,version_id:string>"


@dataclass(frozen=True)
class Line:
    """One line: an object, a version or a delete marker."""

    key: str
    size: int = 0
    etag: str = "5D41402ABC4B2A76B9719D911017C592"
    modified: datetime = datetime(2026, 11, 1, 12, tzinfo=UTC)
    latest: bool = True
    marker: bool = False
    bucket: str = "source"
    storage_class: str = "Standard"


def lines_of(store: Store, bucket: str = "source") -> list[Line]:
    """Return what an inventory of a store says now."""
    return [
        Line(each.name, each.size, each.etag, each.modified or CREATED, bucket=bucket)
        for each in cb.Bucket(store, cb.KeyRing()).list()
    ]


def gzipped_csv(lines: Iterable[Line], columns: str = OSS_COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for line in lines:
        value = {
            "Bucket": line.bucket,
            "Key": quote_plus(line.key, safe="/"),
            "IsLatest": str(line.latest).lower(),
            "IsDeleteMarker": str(line.marker).lower(),
            "Size": "" if line.marker else str(line.size),
            "LastModifiedDate": line.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "ETag": line.etag,
            "StorageClass": line.storage_class,
            "EncryptionStatus": "False",
        }
        writer.writerow([value.get(name, "") for name in columns.split(", ")])
    return gzip.compress(text.getvalue().encode(), 1)


def table_of(lines: Iterable[Line]) -> pa.Table:
    lines = list(lines)
    return pa.table(
        {
            "bucket": [line.bucket for line in lines],
            "key": [line.key for line in lines],
            "version_id": pa.array([None] * len(lines), pa.string()),
            "is_latest": [line.latest for line in lines],
            "is_delete_marker": [line.marker for line in lines],
            "size": pa.array([None if line.marker else line.size for line in lines], pa.int64()),
            "last_modified_date": pa.array(
                [line.modified.replace(tzinfo=None) for line in lines], pa.timestamp("ms")
            ),
            "e_tag": [line.etag for line in lines],
            "storage_class": [line.storage_class for line in lines],
        }
    )


def parquet(lines: Iterable[Line]) -> bytes:
    file = io.BytesIO()
    pq.write_table(table_of(lines), file, row_group_size=20_000)
    return file.getvalue()


def orc_file(lines: Iterable[Line]) -> bytes:
    file = io.BytesIO()
    orc.write_table(table_of(lines), file)
    return file.getvalue()


@dataclass
class Written:
    """An inventory: what its files are called, and what is in them."""

    format: str = "CSV"
    schema: str = OSS_COLUMNS
    data: dict[str, bytes] = field(default_factory=dict)
    further: dict[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> bytes:
        files = [
            {"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest().upper()}
            for key, data in self.data.items()
        ]
        whole = {
            "creationTimestamp": str(int(CREATED.timestamp())),
            "destinationBucket": "acs:oss:::destination",
            "fileFormat": self.format,
            "fileSchema": self.schema,
            "files": files,
            "sourceBucket": "source",
            "version": "2019-09-01",
        }
        return json.dumps(whole | self.further).encode()

    def into(self, store: Store) -> cb.Inventory:
        for key, data in self.data.items():
            store.put(key, data)
        store.put(MANIFEST, self.manifest)
        return cb.read_inventory(MANIFEST, store, trusted=True)

    def below(self, folder: Path) -> Path:
        """Write what a download of its folder gives; return the path of the manifest."""
        for name, data in {MANIFEST: self.manifest, **self.data}.items():
            path = folder / name.removeprefix("inv/source/daily/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / MANIFEST.removeprefix("inv/source/daily/")


def of_oss(*files: Iterable[Line]) -> Written:
    """Write an inventory as OSS does: seconds, MD5 in capitals, compressed CSV."""
    data = {
        f"inv/source/daily/data/{number}.csv.gz": gzipped_csv(each)
        for number, each in enumerate(files)
    }
    return Written(data=data)


_OF_S3: dict[str, tuple[Callable[[Iterable[Line]], bytes], str, str]] = {
    "CSV": (lambda each: gzipped_csv(each, S3_COLUMNS), S3_COLUMNS, "csv.gz"),
    "Parquet": (parquet, _PARQUET, "parquet"),
    "ORC": (orc_file, _ORC, "orc"),
}


def of_s3(format: str, *files: Iterable[Line]) -> Written:  # noqa: A002  the word of the documents
    """Write an inventory as S3 does: milliseconds, and CSV, Parquet or ORC."""
    write, schema, end = _OF_S3[format]
    data = {
        f"inv/source/daily/data/{number}.{end}": write(each) for number, each in enumerate(files)
    }
    time = str(int(CREATED.timestamp()) * 1000)
    return Written(format, schema, data, {"creationTimestamp": time, "version": "2016-11-30"})
