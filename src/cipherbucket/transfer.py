"""Objects to files, wholly or not at all.

Strategy: the plaintext goes to a temporary file of mode 0600 beside the target, is synced, and is
renamed over the target only when the whole read was found good. Whatever fails before leaves the
target as it was and removes the temporary file.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cipherbucket.decryption import BLOCK
from cipherbucket.errors import UsageError
from cipherbucket.reader import ObjectStream


def save(stream: ObjectStream, target: str | os.PathLike[str]) -> None:
    """Write a stream to a file; the file appears, or is replaced, only when all of it is good.

    Args:
        stream: Read from where it stands to its end.
        target: A new file is readable by its owner alone (0600); one that is replaced keeps its
            permissions. A link is followed; a device or a pipe is refused.

    Raises:
        UsageError: The target cannot be written.
        IntegrityError: The object is not what was stored.
        StoreError: The store failed meanwhile.
    """
    if "\0" in os.fspath(target):
        raise UsageError(f"{os.fspath(target)!r} is no path")
    path = Path(os.path.realpath(target))
    buffer = memoryview(bytearray(max(1, min(BLOCK, stream.length))))
    with _local_errors(path):
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no regular file", hint="name a file to write")
    temporary = path.with_name(f".cipherbucket-{secrets.token_hex(8)}.part")
    try:  # around the opening too: a signal may come right after it
        with _local_errors(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            while count := stream.readinto(buffer):
                with _local_errors(path):
                    _write_all(descriptor, buffer[:count])
            with _local_errors(path):
                os.fsync(descriptor)
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        with _local_errors(path):
            temporary.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _local_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
        ) from error
