"""Data files of compressed CSV: no header, a line for each object, names percent-encoded.

Rule: a line is decompressed, parsed and forgotten before the next, and a long one is refused, so
that no file fills the memory, however far it expands.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from cipherbucket.errors import IntegrityError
from cipherbucket.inventory.rows import COLUMNS, column_of

_LONGEST = 16 << 10
"""Bytes of a line: a name has 1,023, percent-encoded three times as many."""
_BROKEN_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


def csv_rows(
    file: IO[bytes], columns: Sequence[str], name: str
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield each line's number and its values of `COLUMNS`.

    Raises:
        IntegrityError: A line cannot be read; the file is no gzip, or ends early.
    """
    there = [column_of(each) for each in columns]
    places = [there.index(each) if each in there else len(there) for each in COLUMNS]
    key = COLUMNS.index("key")
    number = 0
    try:
        for number, row in enumerate(csv.reader(_lines(file), strict=True), 1):
            if len(row) != len(there):
                raise ValueError(f"it has {len(row)} fields, the manifest {len(there)}")
            row.append("")
            values: list[str | None] = [row[place] or None for place in places]
            values[key] = _decoded(row[places[key]])
            yield number, values
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError(f"it cannot be decompressed: {error}", name=name) from error
    except (ValueError, csv.Error) as error:
        line = number + 1 if isinstance(error, csv.Error | _LineError) else number
        raise IntegrityError(f"line {line:,} cannot be read: {error}", name=name) from error


class _LineError(ValueError):
    """A line that is no row yet."""


def _lines(file: IO[bytes]) -> Iterator[str]:
    with gzip.GzipFile(fileobj=file) as unpacked:
        while line := unpacked.readline(_LONGEST + 1):
            if len(line) > _LONGEST:
                raise _LineError(f"it has more than {_LONGEST:,} bytes")
            if line.count(b'"') % 2:  # the field would go on in the next line, and the next
                raise _LineError("a quotation mark is not closed")
            try:
                yield line.decode()
            except UnicodeDecodeError:
                raise _LineError("it is no UTF-8") from None


def _decoded(key: str) -> str:
    """Return a name as it was before it was encoded for a form: a space is ``+``."""
    if "%" not in key and "+" not in key:
        return key
    if _BROKEN_ESCAPE.search(key):
        raise ValueError("its name is not percent-encoded")
    return unquote_to_bytes(key.replace("+", " ")).decode()
