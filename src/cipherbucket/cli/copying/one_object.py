"""``cp`` of one object, in each direction."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.own_files import OwnFiles
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.cli.copying.resume_notes import is_abandoned
from cipherbucket.cli.copying.shared_limits import SharedLimits, shared_limits
from cipherbucket.cli.copying.sources import no_such_file
from cipherbucket.cli.copying.store_to_store import StoreToStore
from cipherbucket.cli.copying.target_folder import safe_parts
from cipherbucket.cli.descriptors import name_of, opened_to_read, opened_to_write
from cipherbucket.cli.no_object import ADD_R, NAME_OR_R, missing_said
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.config import split_url
from cipherbucket.cli.options.copying import CopyOptions
from cipherbucket.cli.options.parsing import descriptor_of, is_file, split_object_url
from cipherbucket.cli.options.writing import WriteOptions
from cipherbucket.local_files.folders import Place


class CopiedObject(NamedTuple):
    """Where a copy is, a path or a URL, and its size in bytes."""

    target: str
    size: int


@dataclass(frozen=True)
class ObjectCopy:
    """Copies one object, in each direction, or an old version of one.

    Attributes:
        access: Keys and formats.
        writing: How the copy is written.
        options: How it is made.
        dry_run: Whether it is only looked at; of versions alone.
    """

    access: AccessOptions
    writing: WriteOptions
    options: CopyOptions
    dry_run: bool = False

    def upload(self, source: str, url: str, size: int | None = None) -> CopiedObject:
        """Store a file, or what comes from stdin."""
        store_url, name = split_url(url)
        descriptor = descriptor_of(source, pipe=0)
        if not name or name.endswith("/"):
            if descriptor is not None:
                text = f"what comes from {name_of(descriptor)} has no name"
                raise cb.UsageError(text, hint=f"add one to {url}")
            name += Path(source).resolve().name
        if descriptor is None and not Path(source).exists():
            raise no_such_file(source)
        if descriptor is None and Path(source).is_dir():
            raise cb.UsageError(f"{source} is a folder", hint="add -r to copy all in it")
        with (
            nullcontext(Path(source)) if descriptor is None else opened_to_read(descriptor) as body,
            self.access.at(store_url, name).open_to_write(store_url) as bucket,
            self._limits(bucket, name, shown=descriptor is None or is_file(descriptor)) as limits,
        ):
            info = object_transfers.upload(bucket, body, name, self.writing, limits, size)
            return CopiedObject(f"{bucket.url}/{name}", info.size)

    def download(self, url: str, target: str, version_id: str | None = None) -> CopiedObject:
        """Read an object, or a version of it, into a file, a pipe or what is open already."""
        store_url, name = split_object_url(url, NAME_OR_R)
        with (
            self.access.at(store_url, name).open(store_url) as bucket,
            missing_said(bucket, name, ADD_R),
            _place_named(target),
        ):
            reading = self.access.reading
            descriptor = descriptor_of(target)
            if descriptor is not None:
                shown = is_file(descriptor)  # another program may write to this terminal, too
                with (
                    shared_limits(self.options, shown=shown) as limits,
                    opened_to_write(descriptor) as file,
                ):
                    info = object_transfers.stream(bucket, name, file, reading, limits, version_id)
                return CopiedObject(target, info.size)
            path = Path(target)
            if path.is_dir() or target.endswith("/"):
                path /= safe_parts(name.rpartition("/")[2])[0]
            refuse_folder_of(store_url, path)
            refuse_present(path, self.writing)
            OwnFiles(self.access).refuse_replacement(path)
            if self.dry_run:
                info = bucket.head(name, version_id=version_id)
            else:
                with _folder_made(path.parent), self._limits(bucket, name) as limits:
                    info = object_transfers.download(
                        bucket, name, path, reading, limits, version_id
                    )
            return CopiedObject(str(path), info.size)

    def store_to_store(
        self, url: str, target_url: str, version_id: str | None = None
    ) -> CopiedObject:
        """Copy an object, or a version of it, to another store, or within one."""
        store_url, name = split_object_url(url)
        target_store, target = split_url(target_url)
        if not target or target.endswith("/"):
            target += name.rpartition("/")[2]
        with (
            StoreToStore(
                self.access, self.writing, (store_url, name), (target_store, target)
            ) as stores,
            shared_limits(self.options) as limits,
            missing_said(stores.origin, name, ADD_R),
        ):
            if self.dry_run:
                info = stores.origin.head(name, version_id=version_id)
                stores.target.access.check_name(target)
                there = target if stores.target.exists(target) else None
                refuse_present_object(target, there, self.writing)
            else:
                info = stores.copy(name, target, limits, version_id=version_id)
            return CopiedObject(f"{stores.target.url}/{target}", info.size)

    def _limits(
        self, bucket: cb.Bucket, name: str, *, shown: bool = True
    ) -> AbstractContextManager[SharedLimits]:
        return shared_limits(self.options, partial(is_abandoned, bucket.url, name), shown=shown)


@contextmanager
def _folder_made(folder: Path) -> Iterator[None]:
    """Make a folder that is missing, as copies of trees do; leave none where nothing was copied."""
    made = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    with suppress(OSError):  # writing to it fails, and says why
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):  # a part of the object may be in it, to go on with
                each.rmdir()
        raise


@contextmanager
def _place_named(target: str) -> Iterator[None]:
    """Have what the operating system refuses name the place that is written to."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not isinstance(error, cb.CipherbucketError):
            error.filename = "stdout" if descriptor_of(target) == 1 else target
        raise


def refuse_present(path: Path | Place, writing: WriteOptions) -> None:
    """Refuse to replace a file where that was not wanted.

    Raises:
        PreconditionFailedError: There is one.
    """
    if writing.if_absent and os.path.lexists(path):
        raise cb.ObjectExistsError(f"{path} is there already")


def refuse_present_object(name: str, there: object, writing: WriteOptions) -> None:
    """Refuse to replace what a listing says is there, where that was not wanted.

    Raises:
        PreconditionFailedError: Something is.
    """
    if writing.if_absent and there is not None:
        raise cb.ObjectExistsError("there is an object of this name already", name=name)
