"""Moves: which file goes where, known before the first of them goes.

Rule: no target is itself a file that is moved, and no two files have one target. So whatever is
deleted after its copy has another name than the copy, and no copy takes the place of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsspec.spec import AbstractFileSystem

from cipherbucket.bucket import Bucket
from cipherbucket.errors import ObjectChangedError, ObjectNotFoundError, UsageError


class _Planned:
    """Stands in for a file system in the `copy` of fsspec, and copies nothing."""

    def __init__(self, fs: AbstractFileSystem) -> None:
        self._fs = fs
        self.pairs: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def cp_file(self, source: str, target: str, **_: Any) -> None:
        strip = self._strip_protocol  # the file system's
        self.pairs.append((strip(source), strip(target)))


def planned_moves(
    fs: AbstractFileSystem, source: Any, target: Any, *, recursive: bool, maxdepth: int | None
) -> list[tuple[str, str]]:
    """Return the paths that `copy` of fsspec would copy from and to, directories among them.

    Raises:
        FileNotFoundError: There is nothing to move.
        UsageError: A file would be lost.
    """
    planned = _Planned(fs)
    AbstractFileSystem.copy(
        planned, source, target, recursive=recursive, maxdepth=maxdepth, on_error="raise"
    )
    if not planned.pairs:
        raise ObjectNotFoundError(
            "there is no such file", name=str(source), hint="recursive=True moves directories"
        )
    sources = {each for each, _ in planned.pairs}
    targets: set[str] = set()
    for each, new in planned.pairs:
        if new in sources:
            what = "itself" if new == each else "what is moved too"
            raise UsageError(f"{each!r} would be moved onto {what}: {new!r}")
        if new in targets:
            raise UsageError(f"several files would be moved to {new!r}", hint="move them singly")
        targets.add(new)
    return planned.pairs


def copy_to_bucket(
    source: Bucket,
    name: str,
    target: Bucket,
    new: str,
    reading: Mapping[str, str],
    writing: Mapping[str, str],
    *,
    move: bool,
) -> None:
    """Seal an object anew in another bucket, with its metadata and content headers.

    Args:
        source: Its bucket.
        name: Its name there.
        target: The other bucket, which may be the same store by another rule or URL.
        new: Its name there.
        reading: Its context.
        writing: The context of the copy.
        move: Whether to delete it then.

    Raises:
        ObjectChangedError: It was replaced meanwhile, perhaps by its own copy; it is left.
    """
    with source.get(name, context=reading) as body:
        before = body.info
        target.put(
            new,
            body,
            size=before.size,
            metadata=before.metadata,
            headers=before.headers,
            context=writing,
        )
    if not move:
        return
    now = source.head(name)
    if (now.etag, now.metadata, now.headers) != (before.etag, before.metadata, before.headers):
        raise ObjectChangedError(
            "the object was replaced or changed while it was moved, perhaps by its own copy",
            name=name,
            hint="it is left; look at it and at the copy",
        )
    source.delete(name)
