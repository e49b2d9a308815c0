"""``cp`` of one object, in each direction; an exit code comes of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.object_transfers import Between
from cipherbucket.cli.copying.resume_notes import is_abandoned, resumable
from cipherbucket.cli.copying.shared_limits import Steering
from cipherbucket.cli.copying.target_folder import safe_parts
from cipherbucket.cli.options.access import Access
from cipherbucket.cli.options.config import split_url
from cipherbucket.cli.options.copying import Manner
from cipherbucket.cli.options.parsing import descriptor_of, split_object_url
from cipherbucket.cli.options.writing import Writing
from cipherbucket.cli.terminal.progress import metered

PIPE = "-"


@dataclass(frozen=True)
class Copying:
    """The directions."""

    access: Access
    writing: Writing
    manner: Manner

    def up(self, source: str, url: str, size: int | None = None) -> int:
        """Store a file, or what comes from stdin."""
        store_url, name = split_url(url)
        piped = source == PIPE
        if not name or name.endswith("/"):
            if piped:
                raise cb.UsageError("what comes from stdin has no name", hint=f"add one to {url}")
            name += Path(source).resolve().name
        body = sys.stdin.buffer if piped else Path(source)
        if isinstance(body, Path):
            if not body.exists():
                raise cb.UsageError(f"{source}: there is no such file")
            if body.is_dir():
                raise cb.UsageError(f"{source} is a folder", hint="add -r to copy all in it")
        with (
            self.access.at(store_url, name).open_to_write(store_url) as bucket,
            self._going_on(bucket, name),
            self._steered(shown=not (piped and sys.stdin.isatty())) as steering,
        ):
            object_transfers.upload(bucket, body, name, self.writing, steering, size)
        return 0

    def down(self, url: str, target: str) -> int:
        """Read an object into a file, a pipe or what is open already."""
        store_url, name = split_object_url(url)
        with self.access.at(store_url, name).open(store_url) as bucket:
            asked = self.access.asked
            descriptor = descriptor_of(target)
            if descriptor is not None:
                shown = not os.isatty(descriptor)
                with self._steered(shown=shown) as steering, _opened(descriptor) as file:
                    object_transfers.stream(bucket, name, file, asked, steering)
                return 0
            path = Path(target)
            if path.is_dir() or target.endswith("/"):
                path /= safe_parts(name.rpartition("/")[2])[0]
            refuse_present(path, self.writing)
            if path.is_symlink():  # what it leads to is meant
                path = path.resolve()
            with self._going_on(bucket, name), self._steered() as steering:
                object_transfers.download(bucket, name, path, asked, steering)
        return 0

    def between(self, url: str, target_url: str) -> int:
        """Copy an object to another store, or within one."""
        store_url, name = split_object_url(url)
        target_store, target = split_url(target_url)
        if not target or target.endswith("/"):
            target += name.rpartition("/")[2]
        with (
            Between(
                self.access, self.writing, (store_url, name), (target_store, target)
            ) as between,
            self._steered() as steering,
        ):
            between.copy(name, target, steering)
        return 0

    @contextmanager
    def _steered(self, *, shown: bool = True) -> Iterator[Steering]:
        wanted = shown and not self.manner.quiet
        with metered(shown=wanted, lines=self.manner.progress) as meter:
            yield Steering(self.manner, meter)

    @contextmanager
    def _going_on(self, bucket: cb.Bucket, name: str) -> Iterator[None]:
        left = lambda: is_abandoned(bucket.url, name)  # noqa: E731  two words
        with resumable(left, quiet=self.manner.quiet):
            yield


def refuse_present(path: Path, writing: Writing) -> None:
    """Refuse to replace a file where that was not wanted.

    Raises:
        PreconditionFailedError: There is one.
    """
    if writing.if_absent and (path.exists() or path.is_symlink()):
        raise cb.PreconditionFailedError(f"{path} is there already")


@contextmanager
def _opened(descriptor: int) -> Iterator[BinaryIO]:
    """Give stdout, or another file that whoever started the program has opened."""
    if descriptor == 1:
        yield sys.stdout.buffer
        return
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        yield file
