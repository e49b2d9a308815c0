"""Data files of Parquet and ORC, read by pyarrow. Names are as they are, and not encoded.

Rule: some thousand rows are in memory at a time. What pyarrow allocates for a page of Parquet or a
stripe of ORC is by what the file says. Its reader of ORC crashes at some damaged files, so that ORC
is read only where the caller trusts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import IO, Any

from cipherbucket.errors import IntegrityError, missing_extra
from cipherbucket.inventory.rows import COLUMNS, check_once, column_of

_ROWS = 8192
_LARGEST_GROUP = 1 << 30
"""Bytes of a row group of Parquet, uncompressed; most writers take an eighth of it."""


def check_installed(format: str) -> None:  # noqa: A002  the word of the documents
    """Refuse a format that cannot be read here.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise missing_extra(f"pyarrow, which reads {format}, is not installed", "inventory")


def parquet_rows(
    file: IO[bytes], _: Sequence[str], name: str
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the number of each row of Parquet and its values of `COLUMNS`.

    Raises:
        IntegrityError: The file cannot be read.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415  the extra

    def batches() -> Iterator[Any]:
        with pq.ParquetFile(file) as table:
            groups = map(table.metadata.row_group, range(table.metadata.num_row_groups))
            if any(group.total_byte_size > _LARGEST_GROUP for group in groups):
                raise ValueError(f"a row group has more than {_LARGEST_GROUP:,} bytes")
            wanted = _wanted(table.schema_arrow.names)
            for group in range(table.metadata.num_row_groups):  # what it read is freed after each
                yield from table.iter_batches(_ROWS, [group], columns=wanted, use_threads=False)

    yield from _rows(batches(), name)


def orc_rows(file: IO[bytes], _: Sequence[str], name: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the number of each row of ORC and its values of `COLUMNS`; errors as `parquet_rows`."""
    from pyarrow import orc  # noqa: PLC0415  the extra

    def batches() -> Iterator[Any]:
        table = orc.ORCFile(file)
        wanted = _wanted(table.schema.names)
        for stripe in range(table.nstripes):
            batch = table.read_stripe(stripe, wanted)
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)

    yield from _rows(batches(), name)


def _rows(batches: Iterator[Any], name: str) -> Iterator[tuple[int, Sequence[Any]]]:
    import pyarrow as pa  # noqa: PLC0415  the extra

    number = 0
    try:
        for batch in batches:
            there = {column_of(each): batch.column(each) for each in batch.schema.names}
            if "key" not in there:
                raise ValueError("there is no column of names")
            nothing = [None] * batch.num_rows
            columns = [_values(there[each]) if each in there else nothing for each in COLUMNS]
            for number, values in enumerate(zip(*columns, strict=True), number + 1):  # noqa: B020
                yield number, values
    except (
        pa.ArrowException,
        ArithmeticError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise IntegrityError(f"after row {number:,}: {error}", name=name) from error


def _wanted(names: Sequence[str]) -> list[str]:
    check_once(names)
    return [each for each in names if column_of(each) in COLUMNS]


def _values(column: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415  the extra

    if pa.types.is_timestamp(column.type):  # nanoseconds have no `datetime`
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values
