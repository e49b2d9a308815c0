"""Whether a file is what an object holds, found out without fetching the object.

Rule: a comparison sends nothing. The file is encrypted under the object's own key, in memory, and
the CRC-64 of that is compared with the one the store keeps; no digest of plaintext is made or
stored. A CRC finds accidents and honest changes: who writes to the store can make it fit, so what
must be certain is read (docs/security.md).
"""

from __future__ import annotations

import io
import os
import stat

from cipherbucket.errors import SourceError, UsageError, named
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.sealed import Sealed
from cipherbucket.local_files.folders import open_without_waiting
from cipherbucket.local_files.paths import local_path
from cipherbucket.reading.unlock import Reading, fetch_footer, fetch_from, unlock
from cipherbucket.stores.base import Store
from cipherbucket.transfers.file_at import read_as_stored
from cipherbucket.writing.ciphertext import BLOCK


def matches(
    store: Store, reading: Reading, path: str | os.PathLike[str], version_id: str | None
) -> bool:
    """Return whether a file has the plaintext of an object; see `Bucket.matches`.

    Args:
        store: Where the object lies.
        reading: How it is read.
        path: A regular file.
        version_id: This version rather than the newest.

    Raises:
        SourceError: The file cannot be read, or is no regular file.
        UsageError: The store keeps no CRC-64.
        And the errors of `unlock`.
    """
    local_path(path)
    fetch = fetch_from(store, reading.name, None, version_id)
    stored = store.head(reading.name, version_id=version_id)
    info, cipher = unlock(stored, reading, fetch)
    if stored.crc64 is None:
        raise UsageError(
            "the store keeps no CRC-64 to compare with", name=info.name, hint="read the object"
        )
    with _opened(path) as file, named(info.name):
        if os.fstat(file.fileno()).st_size != info.size:
            return False
        if isinstance(cipher, Sealed):
            cipher = cipher.with_footer(fetch_footer(stored, fetch))
        return _crc64_of(file, info.size, cipher, stored.crc) == stored.crc64


def _opened(path: str | os.PathLike[str]) -> io.FileIO:
    try:
        file = io.FileIO(os.fspath(path), "rb", opener=open_without_waiting)
    except OSError as error:
        raise SourceError(f"{os.fspath(path)}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise SourceError(f"{os.fspath(path)} is no regular file")
    return file


def _crc64_of(file: io.FileIO, size: int, cipher: ContentCipher | None, crc: Crc) -> int | None:
    """Return the CRC-64 that the file would have in the store; None if it became shorter."""
    value = 0
    for start in range(0, max(1, size), BLOCK):
        stop = min(size, start + BLOCK)
        ciphertext, count = read_as_stored(file.fileno(), cipher, start, stop, last=stop == size)
        if count != stop - start:
            return None
        value = crc.of(ciphertext, value)
    return value
