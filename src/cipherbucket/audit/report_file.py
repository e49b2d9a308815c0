"""A file for a report: it appears, or replaces one, when all of it is written, and not before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cipherbucket.errors import CipherbucketError, UsageError
from cipherbucket.paths import local_path


@contextmanager
def report_file(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Yield a text file that takes a path's place when all of it is written, and not before.

    Raises:
        UsageError: It cannot be written.
    """
    target = Path(local_path(path))
    if target.exists() and not target.is_file():  # /dev/stdout, say, which it would replace
        raise UsageError(f"{target} is not a file", hint="name a file; it is replaced")
    part: str | None = None
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        with os.fdopen(
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as (file):
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(target)
        part = None
    except OSError as error:
        if isinstance(error, CipherbucketError):
            raise
        raise UsageError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="name a file in a folder that you may write to",
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                Path(part).unlink()
