"""A file for a report: it appears, or replaces one, when all of it is written, and not before."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cipherbucket.errors import CipherbucketError, UsageError
from cipherbucket.local_files.folders import Folder, open_folder
from cipherbucket.local_files.paths import local_path


@contextmanager
def report_file(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Yield a text file that takes a path's place when all of it is written, and not before.

    Raises:
        UsageError: It cannot be written.
    """
    target = Path(local_path(path))
    if target.exists() and not target.is_file():  # /dev/stdout, say, which it would replace
        raise UsageError(f"{target} is not a file", hint="name a file; it is replaced")
    try:
        with open_folder(target.parent) as folder, _part_in(folder) as (part, file):
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(
                part, target.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor
            )
    except OSError as error:
        if isinstance(error, CipherbucketError):
            raise
        raise UsageError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="name a file in a folder that you may write to",
        ) from error


@contextmanager
def _part_in(folder: Folder) -> Iterator[tuple[str, IO[str]]]:
    """Make a temporary file that only its owner can read; it is removed unless it was renamed."""
    part = f".cipherbucket-{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600, dir_fd=folder.descriptor)
    try:
        with os.fdopen(
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as file:
            yield part, file
    finally:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder.descriptor)
