"""One object on its way: from a file, to a file, from one store to another.

Law: a file or an object appears whole or not at all; the library sees to that. Devices and pipes
cannot be replaced by a finished file, so they are written to as the bytes come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import cipherbucket as cb
from cipherbucket.cli.meter import Meter
from cipherbucket.cli.options import is_special


@dataclass(frozen=True)
class Writing:
    """How objects are written.

    Attributes:
        content_type: Stored with the object, or None.
        metadata: The user's own, stored in the clear.
        if_absent: Only where there is nothing of that name yet.
    """

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_absent: bool = False

    @property
    def describes(self) -> bool:
        """Whether something is to be stored beside the body."""
        return self.content_type is not None or bool(self.metadata)


def upload(
    bucket: cb.Bucket, body: Path | BinaryIO, name: str, writing: Writing, meter: Meter
) -> cb.ObjectInfo:
    """Encrypt a file, or what comes from an open one, and store it."""
    info = bucket.put(
        name,
        body,
        metadata=writing.metadata,
        content_type=writing.content_type,
        if_absent=writing.if_absent,
        progress=meter.of(name),
    )
    meter.end(info.size)
    return info


def download(
    bucket: cb.Bucket, name: str, path: Path, key: cb.MasterKey | None, meter: Meter
) -> cb.ObjectInfo:
    """Decrypt an object into a file, a device or a pipe."""
    if not is_special(path):
        return bucket.download(name, path, key=key, progress=meter.of(name))
    with path.open("wb") as file:
        return stream(bucket, name, file, key, meter)


def stream(
    bucket: cb.Bucket, name: str, file: BinaryIO, key: cb.MasterKey | None, meter: Meter
) -> cb.ObjectInfo:
    """Decrypt an object into an open file, block by block."""
    with bucket.get(name, key=key, progress=meter.of(name)) as source:
        file.writelines(source)  # a block at a time
        file.flush()
        return source.info


def copy(
    origin: cb.Bucket,
    name: str,
    bucket: cb.Bucket,
    target: str,
    writing: Writing,
    key: cb.MasterKey | None,
    meter: Meter,
) -> cb.ObjectInfo:
    """Copy an object: as it is within one store, else decrypted and encrypted anew.

    Raises:
        UsageError: Both are one object.
    """
    same_store = origin.url == bucket.url
    if same_store and name == target:
        raise cb.UsageError("source and target are the same object", name=name)
    if same_store and not writing.describes and key is None:
        return origin.copy(name, target, if_absent=writing.if_absent)
    with origin.get(name, key=key, progress=meter.of(name)) as source:
        headers = dict(source.info.headers)
        if writing.content_type is not None:
            headers["content-type"] = writing.content_type
        return bucket.put(
            target,
            source,
            metadata=writing.metadata or source.info.metadata,
            headers=headers,
            if_absent=writing.if_absent,
        )
