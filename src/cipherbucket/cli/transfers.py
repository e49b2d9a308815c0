"""One object on its way: from a file, to a file, from one store to another.

Law: a file or an object appears whole or not at all; the library sees to that. Devices and pipes
cannot be replaced by a finished file, so they are written to as the bytes come.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import cipherbucket as cb
from cipherbucket.cli.access import SEALED, Asked
from cipherbucket.cli.meter import Meter
from cipherbucket.cli.options import is_special


@dataclass(frozen=True)
class Writing:
    """How objects are written.

    Attributes:
        content_type: Stored with the object, or None.
        metadata: The user's own, stored in the clear.
        if_absent: Only where there is nothing of that name yet.
        recipients: Further keys that open sealed objects.
        context: Pairs that sealed objects are bound to.
        bind_name: Whether sealed objects are bound to their names.
    """

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_absent: bool = False
    recipients: tuple[cb.MasterKey, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    bind_name: bool = True

    @property
    def describes(self) -> bool:
        """Whether something is to be stored beside the body."""
        return self.content_type is not None or bool(self.metadata)

    @property
    def renews(self) -> bool:
        """Whether a copy is something else than the object was."""
        return self.describes or bool(self.recipients) or not self.bind_name


def upload(
    bucket: cb.Bucket, body: Path | BinaryIO, name: str, writing: Writing, meter: Meter
) -> cb.ObjectInfo:
    """Encrypt a file, or what comes from an open one, and store it."""
    info = bucket.put(
        name,
        body,
        metadata=writing.metadata,
        content_type=writing.content_type,
        recipients=writing.recipients,
        context=writing.context,
        bind_name=writing.bind_name,
        if_absent=writing.if_absent,
        progress=meter.of(name),
    )
    meter.end(info.size)
    return info


def download(bucket: cb.Bucket, name: str, path: Path, asked: Asked, meter: Meter) -> cb.ObjectInfo:
    """Decrypt an object into a file, a device or a pipe."""
    if not is_special(path):
        return bucket.download(name, path, **asked, progress=meter.of(name))
    with path.open("wb") as file:
        return stream(bucket, name, file, asked, meter)


def stream(
    bucket: cb.Bucket, name: str, file: BinaryIO, asked: Asked, meter: Meter
) -> cb.ObjectInfo:
    """Decrypt an object into an open file, block by block."""
    with bucket.get(name, **asked, progress=meter.of(name)) as source:
        file.writelines(source)  # a block at a time
        file.flush()
        return source.info


def copy(
    origin: cb.Bucket,
    name: str,
    bucket: cb.Bucket,
    target: str,
    writing: Writing,
    asked: Asked,
    meter: Meter,
) -> cb.ObjectInfo:
    """Copy an object: as it is within one store, else decrypted and encrypted anew.

    Raises:
        UsageError: Both are one object.
    """
    same_store = origin.url == bucket.url
    if same_store and name == target:
        raise cb.UsageError("source and target are the same object", name=name)
    if same_store and not writing.renews and asked["key"] is None and asked["as_name"] is None:
        return origin.copy(name, target, context=asked["context"], if_absent=writing.if_absent)
    with origin.get(name, **_fitting(origin, name, asked), progress=meter.of(name)) as source:
        headers = dict(source.info.headers)
        if writing.content_type is not None:
            headers["content-type"] = writing.content_type
        copied = bucket.put(
            target,
            source,
            metadata=writing.metadata or source.info.metadata,
            headers=headers,
            recipients=writing.recipients,
            context=writing.context,
            bind_name=writing.bind_name,
            if_absent=writing.if_absent,
        )
        _warn_of_lost(source.info, (*origin.ring.keys, *writing.recipients))
        return copied


def _fitting(origin: cb.Bucket, name: str, asked: Asked) -> Asked:
    """Leave the context, which is the copy's as well, away for an object that can have none."""
    if asked["context"] and origin.head(name).format != SEALED:
        return {**asked, "context": {}}
    return asked


def _warn_of_lost(info: cb.ObjectInfo, keys: tuple[cb.MasterKey, ...]) -> None:
    """Say whose key opened the original and is not among those that were given."""
    if info.format != SEALED or info.envelope is None:
        return
    for recipient in info.envelope.recipients:
        with suppress(cb.EnvelopeError):
            theirs = recipient.description
            if not any(
                recipient.algorithm in key.algorithms and theirs == cb.Description(key.description)
                for key in keys
            ):
                warnings.warn(
                    f"copies are not sealed for {theirs}, a recipient of what was copied;"
                    " name the public half of its key with --recipient",
                    cb.CipherbucketWarning,
                    stacklevel=2,
                )
