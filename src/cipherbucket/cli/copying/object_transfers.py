"""One object on its way from a file, or to a file.

Rule: a file or an object appears whole or not at all; the library sees to that. Devices and pipes
cannot be replaced by a finished file, so they are written to as the bytes come.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

import cipherbucket as cb
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.options.access import ReadArguments
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import Place, open_special

_BLOCK = 1 << 20
"""Bytes that are decrypted at once; a line can be of any length."""


def upload(
    bucket: cb.Bucket,
    body: Path | Place | BinaryIO,
    name: str,
    writing: WriteOptions,
    limits: SharedLimits,
    size: int | None = None,
) -> cb.ObjectInfo:
    """Encrypt a file, or what comes from an open one, and store it."""
    with limits.running(name, in_parts=isinstance(body, Path | Place)) as progress:
        if not isinstance(body, Path | Place):
            return bucket.put(name, body, **vars(writing), size=size, progress=progress)
        return bucket.upload(
            body,
            name,
            **vars(writing),
            **limits.options.transfer_arguments,
            progress=progress,
        )


def download(
    bucket: cb.Bucket,
    name: str,
    path: Path | Place,
    reading: ReadArguments,
    limits: SharedLimits,
    version_id: str | None = None,
) -> cb.ObjectInfo:
    """Decrypt an object into a file; into a device or a pipe, too, if the user named it."""
    if isinstance(path, Path) and (file := open_special(path)) is not None:
        with file:
            return stream(bucket, name, file, reading, limits, version_id)
    with limits.running(name, in_parts=True) as progress:
        return bucket.download(
            name,
            path,
            **reading,
            **limits.options.transfer_arguments,
            mode=limits.options.mode,
            version_id=version_id,
            progress=progress,
        )


def stream(
    bucket: cb.Bucket,
    name: str,
    file: BinaryIO,
    reading: ReadArguments,
    limits: SharedLimits,
    version_id: str | None = None,
) -> cb.ObjectInfo:
    """Decrypt an object into an open file, block by block."""
    with (
        limits.running(name, in_parts=False) as progress,
        bucket.get(name, **reading, version_id=version_id, progress=progress) as source,
    ):
        shutil.copyfileobj(source, file, _BLOCK)
        file.flush()
        return source.info
