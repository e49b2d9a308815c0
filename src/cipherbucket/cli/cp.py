"""``cp``: files, pipes, folders and objects, in every direction that ends or begins at a store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

import cipherbucket as cb
from cipherbucket.cli import transfers
from cipherbucket.cli.access import SEALED, Access, key_options, of_sealed
from cipherbucket.cli.command import Command
from cipherbucket.cli.options import (
    assignments,
    descriptor_of,
    files,
    is_url,
    load_key,
    split_object_url,
    split_tree_url,
)
from cipherbucket.cli.progress import metered
from cipherbucket.cli.transfers import Writing
from cipherbucket.cli.trees import (
    Tally,
    TargetFolder,
    files_below,
    is_folder_marker,
    safe_parts,
)

_PIPE = "-"


@click.command(
    cls=Command,
    short_help="Copy to, from and between stores, encrypting and decrypting.",
    examples=(
        "cipherbucket cp -k cmk.pem report.pdf file:///data/store/reports/",
        "cipherbucket cp -k cmk.pem file:///data/store/reports/report.pdf .",
        "tar c photos | cipherbucket cp -k cmk.pem - file:///data/store/photos.tar",
        "cipherbucket cp -k cmk.pem file:///data/store/photos.tar - | tar t",
        "cipherbucket cp -k cmk.pem -r photos file:///data/store/photos/",
        "cipherbucket cp -k new.pem -k old.pem -r file:///data/store/ file:///data/new-store/",
        "cipherbucket cp -k cmk.pem --format sealed --recipient recovery.pub a.txt oss://bucket/",
        "cipherbucket cp -k cmk.pem --format sealed --accept oss -r oss://old/ oss://new/",
    ),
)
@click.argument("source", shell_complete=files)
@click.argument("target", shell_complete=files)
@click.option("-r", "--recursive", is_flag=True, help="Copy a folder, or all objects below a URL.")
@click.option("--content-type", metavar="TYPE", help="Content type of the objects, in the clear.")
@click.option(
    "--metadata",
    metavar="NAME=VALUE",
    multiple=True,
    callback=assignments,
    help="Metadata of the objects, stored in the clear; names of a-z, 0-9 and '-'. Repeatable.",
)
@click.option(
    "--recipient",
    "recipient_files",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="Format sealed: let this key open the objects, too; its public half does. Repeatable.",
)
@click.option(
    "--no-bind-name",
    is_flag=True,
    help="Format sealed: let the objects be renamed in the store, and read under any name.",
)
@click.option("--if-absent", is_flag=True, help="Only where there is nothing of that name yet.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar, no notes, no summary.")
@key_options(reads=True, writes=True)
def cp(
    source: str,
    target: str,
    recursive: bool,
    content_type: str | None,
    metadata: dict[str, str],
    recipient_files: tuple[str, ...],
    no_bind_name: bool,
    if_absent: bool,
    quiet: bool,
    access: Access,
) -> int:
    """Copy SOURCE to TARGET, one of which is a URL; '-' is stdin or stdout.

    A URL that ends in '/' takes the file's name, a folder takes the last part of the object's
    name. Files and objects appear whole or not at all; only what goes to stdout is written as it
    comes and checked for damage at its end: look at the exit code.

    With -r both are folders: names are taken relative to SOURCE. In a folder links to files are
    followed; links to folders, devices, pipes and sockets are left out, and so are empty folders.
    Modes and times of files are not kept; a pipe from tar keeps them. Objects whose names would
    lead out of the target folder are refused, and no link in it is followed. What fails is told at
    the end and stops nothing else; the exit code is 1 then.

    From URL to URL, objects are decrypted and encrypted anew: for the first key and those of
    --recipient. Within one store the ciphertext is copied as it is and needs no key, unless
    --metadata, --content-type, --recipient, --no-bind-name or --force-key is given, or the object
    is sealed under its name; that one is sealed anew, for all its recipients. --context is that of
    source and target.
    """
    up, down = is_url(target), is_url(source)
    if not up and not down:
        raise cb.UsageError(
            "neither source nor target is a URL",
            hint="give file:///folder/name or oss://bucket/name",
        )
    if recursive and _PIPE in {source, target}:
        raise cb.UsageError("a pipe holds one object, not a folder", hint="leave -r away")
    if (content_type is not None or metadata) and not up:
        raise cb.UsageError("--content-type and --metadata are for objects, not for files")
    if access.as_name is not None and (recursive or not down):
        raise cb.UsageError("--as-name is for reading one object", hint="leave it away")
    given = {"--recipient": bool(recipient_files), "--no-bind-name": no_bind_name}
    _refuse_misplaced(access, given, up=up, down=down)
    sealed_context = bool(access.context) and up and access.format == SEALED
    writing = Writing(
        content_type,
        metadata,
        if_absent,
        recipients=tuple(load_key(file) for file in recipient_files),
        context=access.context if sealed_context else {},
        bind_name=not no_bind_name,
    )
    copying = _Copying(access, writing, quiet)
    if up and down:
        return (
            copying.between_trees(source, target) if recursive else copying.between(source, target)
        )
    if up:
        return copying.up_tree(source, target) if recursive else copying.up(source, target)
    return copying.down_tree(source, target) if recursive else copying.down(source, target)


def _refuse_misplaced(access: Access, given: dict[str, bool], *, up: bool, down: bool) -> None:
    """Refuse, before anything is read or sent, what the format or the direction does not have."""
    for option in (option for option, is_given in given.items() if is_given):
        if not up:
            raise cb.UsageError(f"{option} is for objects, not for files", hint="leave it away")
        if access.format != SEALED:
            raise of_sealed(option)
    if access.context and not down and access.format != SEALED:
        raise of_sealed("--context")


@dataclass(frozen=True)
class _Copying:
    """The directions; each returns an exit code."""

    access: Access
    writing: Writing
    quiet: bool

    def up(self, source: str, url: str) -> int:
        store_url, name = cb.split_url(url)
        piped = source == _PIPE
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
        shown = not self.quiet and not (piped and sys.stdin.isatty())
        with self.access.open_to_write(store_url) as bucket, metered(shown=shown) as meter:
            transfers.upload(bucket, body, name, self.writing, meter)
        return 0

    def down(self, url: str, target: str) -> int:
        store_url, name = split_object_url(url)
        with self.access.open(store_url) as bucket:
            asked = self.access.asked
            descriptor = descriptor_of(target)
            if descriptor is not None:
                shown = not self.quiet and not os.isatty(descriptor)
                with metered(shown=shown) as meter, _opened(descriptor) as file:
                    transfers.stream(bucket, name, file, asked, meter)
                return 0
            path = Path(target)
            if path.is_dir() or target.endswith("/"):
                path /= safe_parts(name.rpartition("/")[2])[0]
            self._refuse_present(path)
            if path.is_symlink():  # what it leads to is meant
                path = path.resolve()
            with metered(shown=not self.quiet) as meter:
                transfers.download(bucket, name, path, asked, meter)
        return 0

    def between(self, url: str, target_url: str) -> int:
        store_url, name = split_object_url(url)
        target_store, target = cb.split_url(target_url)
        if not target or target.endswith("/"):
            target += name.rpartition("/")[2]
        with ExitStack() as stack:
            origin, bucket = self._both(stack, store_url, target_store)
            meter = stack.enter_context(metered(shown=not self.quiet))
            transfers.copy(origin, name, bucket, target, self.writing, self.access.asked, meter)
        return 0

    def up_tree(self, source: str, url: str) -> int:
        folder = Path(source)
        if not folder.is_dir():
            raise cb.UsageError(f"{source} is no folder", hint="leave -r away to copy a file")
        store_url, prefix = split_tree_url(url)
        tally = Tally()

        def total() -> int:
            return sum(size for _, _, size in files_below(folder, store_url, Tally()))

        with self.access.open_to_write(store_url) as bucket:
            bucket.ring.writer().algorithm_for(
                bucket.format
            )  # a key that cannot write fails every file
            with metered(shown=not self.quiet, total=total) as meter:
                for relative, path, _ in files_below(folder, store_url, tally):
                    with tally.attempt(prefix + relative):
                        name = prefix + relative
                        info = transfers.upload(bucket, path, name, self.writing, meter)
                        tally.add(info.size)
        return tally.report(quiet=self.quiet)

    def down_tree(self, url: str, target: str) -> int:
        store_url, prefix = split_tree_url(url)
        folder = TargetFolder(Path(target))
        if Path(target).exists() and not Path(target).is_dir():
            raise cb.UsageError(f"{target} is no folder", hint="leave -r away to copy one object")
        tally = Tally()
        try:
            with self.access.open(store_url) as bucket:
                self._down_all(bucket, prefix, folder, tally)
        except cb.CipherbucketError:
            tally.report(quiet=self.quiet)  # the listing broke off; what was done stays told
            raise
        return tally.report(quiet=self.quiet)

    def _down_all(self, bucket: cb.Bucket, prefix: str, folder: TargetFolder, tally: Tally) -> None:
        asked = self.access.asked
        with metered(shown=not self.quiet, total=_total(bucket, prefix)) as meter:
            for entry in bucket.list(prefix):
                relative = entry.name.removeprefix(prefix)
                if is_folder_marker(relative, entry.size):
                    tally.note(f"left out {entry.name!r}: it only stands for a folder")
                    continue
                with tally.attempt(entry.name):
                    path = folder.place(relative)
                    self._refuse_present(path)
                    progress = meter.of(relative)
                    tally.add(bucket.download(entry.name, path, **asked, progress=progress).size)
                    folder.remember(path)

    def between_trees(self, url: str, target_url: str) -> int:
        store_url, prefix = split_tree_url(url)
        target_store, target_prefix = split_tree_url(target_url)
        tally = Tally()
        with ExitStack() as stack:
            origin, bucket = self._both(stack, store_url, target_store)
            asked = self.access.asked
            # Listed to the end first: what is written may lie below what is read.
            names = [entry.name for entry in origin.list(prefix)]
            meter = stack.enter_context(metered(shown=not self.quiet, total=_total(origin, prefix)))
            for name in names:
                target = target_prefix + name.removeprefix(prefix)
                with tally.attempt(name):
                    info = transfers.copy(origin, name, bucket, target, self.writing, asked, meter)
                    tally.add(info.size)
        return tally.report(quiet=self.quiet)

    def _both(self, stack: ExitStack, origin_url: str, url: str) -> tuple[cb.Bucket, cb.Bucket]:
        """Open both stores; a copy within one needs no key."""
        origin = stack.enter_context(self.access.open(origin_url))
        asked_anew = self.access.force_key is not None or self.access.as_name is not None
        unchanged = not self.writing.renews and not asked_anew
        opened = self.access.open if unchanged and url == origin_url else self.access.open_to_write
        return origin, stack.enter_context(opened(url))

    def _refuse_present(self, path: Path) -> None:
        if self.writing.if_absent and (path.exists() or path.is_symlink()):
            raise cb.PreconditionFailedError(f"{path} is there already")


@contextmanager
def _opened(descriptor: int) -> Iterator[BinaryIO]:
    """Give stdout, or another file that whoever started the program has opened."""
    if descriptor == 1:
        yield sys.stdout.buffer
        return
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        yield file


def _total(bucket: cb.Bucket, prefix: str) -> Callable[[], int]:
    return lambda: sum(entry.size for entry in bucket.list(prefix))
