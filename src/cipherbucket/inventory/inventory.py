"""An inventory as a sequence of entries, in the order of its files, which is none.

Strategy: a manifest is read when the inventory is opened, data files one after another when it is
gone through, each time anew. Names are not sorted and may occur twice: what goes through it does
not mind (`bulk.entries`), so that neither memory nor disk has to hold all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import access_of
from cipherbucket.errors import IntegrityError, UsageError, not_copied
from cipherbucket.inventory.arrow_rows import check_installed, orc_rows, parquet_rows
from cipherbucket.inventory.csv_lines import csv_rows
from cipherbucket.inventory.data_file import Files, FilesInFolder, FilesInStore
from cipherbucket.inventory.manifest import MAX_MANIFEST, Manifest, parse
from cipherbucket.inventory.rows import column_of, entry_of
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry

_READERS: dict[
    str, Callable[[IO[bytes], Sequence[str], str], Iterator[tuple[int, Sequence[Any]]]]
] = {"CSV": csv_rows, "Parquet": parquet_rows, "ORC": orc_rows}


class Inventory(Iterable[Entry]):
    """The objects that a bucket had when its service went through it: one `Entry` for each.

    Each time it is gone through the files are read anew. Old versions and delete markers are passed
    over. Going through it raises IntegrityError, which names file and line, where a file is not the
    one that the manifest describes or cannot be read; and what the store raises.

    Attributes:
        bucket: Name of the bucket.
        created: When the service began to go through it, UTC. What was written later may not
            be in it.
        digest: SHA-256 of the manifest, by which it is known again.
    """

    def __init__(self, files: Files, manifest: Manifest, of: str | None) -> None:
        self.bucket = manifest.bucket
        self.created: datetime = manifest.created
        self.digest = manifest.digest
        self._files = files
        self._manifest = manifest
        self._is_of = of

    __reduce__ = not_copied("an inventory", "read it where it is used")

    def __iter__(self) -> Iterator[Entry]:
        read = _READERS[self._manifest.format]
        for file in self._manifest.files:
            with self._files.data(file) as opened:
                for number, values in read(opened, self._manifest.columns, file.key):
                    try:
                        entry = entry_of(values, self.bucket)
                    except ValueError as error:
                        raise IntegrityError(
                            f"line {number:,} cannot be used: {error}", name=file.key
                        ) from error
                    if entry is not None:
                        yield entry

    def check_is_of(self, url: str) -> None:
        """Refuse to be the inventory of a store that is another bucket.

        Raises:
            UsageError: The store's URL does not end with the bucket's name, and nobody said that
                it is of this bucket all the same.
        """
        if self._is_of is None and url.rstrip("/").rpartition("/")[2] != self.bucket:
            raise UsageError(
                f"this is an inventory of bucket {self.bucket!r}, not of {url}",
                hint=f"if that bucket has the same objects, say so: of={self.bucket!r}",
            )

    def __repr__(self) -> str:
        files = len(self._manifest.files)
        return f"Inventory({self.bucket!r}, {self.created:%Y-%m-%d %H:%M} UTC, {files} files)"


def read_inventory(
    manifest: str | os.PathLike[str],
    where: Bucket | Store | None = None,
    *,
    of: str | None = None,
    trusted: bool = False,
) -> Inventory:
    """Read the manifest of an inventory of OSS or S3, for ``entries=`` of a pass.

    CSV, and with the extra ``inventory`` Parquet, and ORC where that is trusted.

    Args:
        manifest: Path of ``manifest.json``, its data files beside it or in ``data/`` as the service
            lays them out; or with ``where``, the object's name.
        where: The bucket that the service wrote it to. Nothing is decrypted.
        of: Name of the bucket that the inventory has to be of, where that is not the bucket of the
            pass but one with the same objects. None: it has to be that of the pass.
        trusted: Read ORC, too: a damaged file can crash the reader of pyarrow, and this process
            with it. Say so where nobody but the service can write the files.

    Raises:
        IntegrityError: It is no such manifest.
        UsageError: It cannot be read, or is of another bucket, or ORC that is not trusted.
        MissingExtraError: Its data files are read by pyarrow, which is not installed.
        StoreError: It is not there, or the store failed.
    """
    if where is None:
        files: Files = FilesInFolder(manifest)
    else:
        store = where if isinstance(where, Store) else access_of(where).store
        files = FilesInStore(store, os.fspath(manifest))
    data = files.manifest()
    if len(data) > MAX_MANIFEST:
        raise IntegrityError(f"a manifest has at most {MAX_MANIFEST:,} bytes", name=files.name)
    parsed = parse(data, files.name)
    if parsed.format == "ORC" and not trusted:
        raise UsageError(
            "this inventory is ORC, and a damaged file of ORC can crash this process",
            hint="let the service write CSV or Parquet"
            "; or say trusted=True, where nobody else can write its files",
        )
    if parsed.format != "CSV":
        check_installed(parsed.format)
    elif "key" not in map(column_of, parsed.columns):
        raise IntegrityError("the inventory has no column Key", name=files.name)
    if of is not None and of != parsed.bucket:
        raise UsageError(f"this is an inventory of bucket {parsed.bucket!r}, not of {of!r}")
    return Inventory(files, parsed, of)
