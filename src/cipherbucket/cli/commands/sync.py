"""``sync``: make a folder or a prefix hold what another holds.

Law: nothing is deleted unless everything else went well, and all of both listings came; nothing if
the source is empty; and nothing that the source has, or has as no folder, though it was left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

import cipherbucket as cb
from cipherbucket.cli.copying.folders import Tally, refuse_missing
from cipherbucket.cli.copying.listings import Item, Pair, paired
from cipherbucket.cli.copying.object_transfers import StoreToStore
from cipherbucket.cli.copying.shared_limits import SharedLimits, shared_limits
from cipherbucket.cli.copying.sync_directions import NOT_THERE, Across, Direction, Down, Up
from cipherbucket.cli.copying.tree import refuse_useless_key
from cipherbucket.cli.options.access import Access, key_options
from cipherbucket.cli.options.copying import CopyOptions, copy_options
from cipherbucket.cli.options.globs import GlobCommand, Globs, glob_options
from cipherbucket.cli.options.parsing import files, is_url, split_tree_url
from cipherbucket.cli.options.writing import WriteOptions, write_options
from cipherbucket.text import printable


def _always(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Refuse ``-r``, which cp, rm and others have; click calls it."""
    if value:
        raise click.BadParameter("sync is always recursive; leave it away", ctx, param)


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket sync -k cmk.pem photos file:///data/store/photos",
        "cipherbucket sync -k cmk.pem --delete --dry-run photos oss://bucket/photos",
        "cipherbucket sync -k cmk.pem --exclude '*' --include '*.csv' oss://bucket/ data",
        "cipherbucket sync oss://bucket/ file:///data/mirror",
        "cipherbucket sync --source-region cn-hangzhou oss://old/ oss://new/",
        "cipherbucket sync -k cmk.pem --checksum photos oss://bucket/photos",
    ),
)
@click.argument("source", shell_complete=files)
@click.argument("target", shell_complete=files)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    hidden=True,
    expose_value=False,
    callback=_always,
    help="Refused: sync is always recursive.",
)
@click.option(
    "--checksum",
    is_flag=True,
    help="Compare contents instead of times: files are read and encrypted under each object's own"
    " key, nothing is sent. Between stores, checksums of what is stored.",
)
@click.option(
    "--delete",
    is_flag=True,
    help="Delete in TARGET, at the end, what is not in SOURCE; nothing if anything failed, or if"
    " SOURCE is empty.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be done, a line each.")
@glob_options
@copy_options
@key_options(reads=True, writes=True)
@write_options
def sync(
    source: str,
    target: str,
    checksum: bool,
    delete: bool,
    dry_run: bool,
    access: Access,
    writing: WriteOptions,
    options: CopyOptions,
) -> int:
    """Copy from SOURCE to TARGET what is missing there, or differs in size or time.

    One of them, or both, is a URL; both are taken as folders. A file goes up if it was changed
    after the object was stored; an object comes down if it was stored after the file was changed,
    and the file gets the object's time; from store to store it is copied if it was stored later.
    Times are those of the store's clock and of this machine's. --checksum trusts no clock.

    Sizes and times are the store's word, and so are its checksums: only reading shows that an
    object is what was written. Where sealed objects are read, one of a format that is not accepted
    counts as different; going up, it is sealed anew from the file. Who the recipients of an object
    are is not compared.

    GLOB is compared with the whole name below SOURCE; '*' fits '/', too. All names are taken unless
    patterns say otherwise; of several that fit, the last given decides.

    Between two stores, ciphertext and envelope are moved unchanged, as cp does, and need no key. Of
    sealed objects a listing tells no length of plaintext: each that seems unchanged is asked for
    by itself. Links to files are followed in SOURCE; what is left out there, such as a link to a
    folder or to nothing, is not deleted in TARGET, nor is what lies below it. In TARGET only
    regular files are replaced or deleted, no link is followed, and empty folders stay.

    What fails is told at the end and stops nothing else; the exit code is 1 then. Run the same
    command again to go on. The exit code is 3 if SOURCE is a URL that no object's name begins with.
    """
    if access.as_name is not None:
        raise cb.UsageError("--as-name is for reading one object", hint="leave it away")
    tally = Tally()
    with ExitStack() as stack:
        chosen = _Chosen(source, target, access, writing, tally, checksum)
        direction = chosen.opened(stack, dry_run=dry_run)
        run = _Run(direction, Globs.given(), tally, options, delete, dry_run)
        try:
            run.carry_out()
        except cb.CipherbucketError:
            tally.report(quiet=options.quiet or dry_run)
            raise
    return tally.report(quiet=options.quiet or dry_run)


@dataclass(frozen=True)
class _Chosen:
    """What is to be synced with what."""

    source: str
    target: str
    access: Access
    writing: WriteOptions
    tally: Tally
    checksum: bool

    def opened(self, stack: ExitStack, *, dry_run: bool) -> Direction:
        """Open what takes part."""
        access, reading = self.access, self.access.reading
        checksum = self.checksum
        if is_url(self.source) and is_url(self.target):
            return self._across(stack)
        if is_url(self.target):
            folder = Path(self.source)
            if not folder.is_dir():
                raise cb.UsageError(f"{folder} is no folder", hint="cp copies a file")
            store_url, prefix = split_tree_url(self.target)
            _refuse_folder_of(store_url, folder)
            access = access.at(store_url, prefix)
            policy = access.policy
            opened = access.open if dry_run else access.open_to_write
            bucket = stack.enter_context(opened(store_url))
            if not dry_run:
                refuse_useless_key(bucket)
            return Up(
                *(folder, bucket, prefix, reading, self.writing, self.tally, policy),
                checksum=checksum,
            )
        folder = Path(self.target)
        if folder.exists() and not folder.is_dir():
            raise cb.UsageError(f"{folder} is no folder", hint="cp copies one object")
        store_url, prefix = split_tree_url(self.source)
        _refuse_folder_of(store_url, folder)
        access = access.at(store_url, prefix)
        bucket = stack.enter_context(access.open(store_url))
        refuse_missing(bucket, prefix)
        return Down(bucket, prefix, folder, reading, self.tally, access.policy, checksum=checksum)

    def _across(self, stack: ExitStack) -> Across:
        store_url, prefix = split_tree_url(self.source)
        target_store, target_prefix = split_tree_url(self.target)
        nested = target_prefix.startswith(prefix) or prefix.startswith(target_prefix)
        if store_url == target_store and self.access.origin is None and nested:
            raise cb.UsageError("one of source and target is in the other", hint="use cp -r")
        places = (store_url, prefix), (target_store, target_prefix)
        stores = stack.enter_context(StoreToStore(self.access, self.writing, *places))
        if self.checksum and not stores.unchanged:
            raise cb.UsageError(
                "what is encrypted anew has another checksum", hint="leave --checksum away"
            )
        refuse_missing(stores.origin, prefix)
        return Across(stores, prefix, target_prefix, checksum=self.checksum)


@dataclass(frozen=True)
class _Run:
    """One run of the command."""

    direction: Direction
    globs: Globs
    tally: Tally
    options: CopyOptions
    delete: bool
    dry_run: bool

    def carry_out(self) -> None:
        """Copy what has to be, then delete."""
        is_resumable = not self.dry_run
        with (
            _Names() as doomed,
            shared_limits(
                self.options, lambda: is_resumable, shown=not self.dry_run, many=True
            ) as limits,
        ):

            def work(pair: Pair) -> None:
                with self.tally.attempt(pair.relative):
                    self._settle(pair, limits)

            limits.do_all(self._pairs(doomed, limits), work)
            if not any(True for _ in self._superfluous(doomed)):
                return
            if self.tally.failed:
                self.tally.note("nothing was deleted, because not everything went well")
                return
            if doomed.source_is_empty:
                raise cb.UsageError(
                    "the source is empty, so --delete would delete all that is in the target",
                    hint="see that the source is there and mounted; if it is meant, use rm -r",
                )
            limits.do_all(self._superfluous(doomed), self._delete)

    def _pairs(self, doomed: _Names, limits: SharedLimits) -> Iterator[Pair]:
        for pair in paired(self.direction.sources(), self.direction.targets()):
            if pair.source is not None:
                doomed.source_is_empty = False
            if not self.globs.take(pair.relative):
                continue
            if pair.source is not None:
                yield pair
            elif self.delete:
                doomed.add(pair.relative)
        limits.progress.expect_no_more()

    def _superfluous(self, doomed: _Names) -> Iterator[str]:
        """Give what is only in the target, now that all is known that the source left out."""
        return (name for name in doomed.names() if not self.tally.has_left_out(name))

    def _settle(self, pair: Pair, limits: SharedLimits) -> None:
        source = pair.source
        assert source is not None
        reason = self._reason(source, pair.target)
        if reason is None:
            self.tally.add_unchanged()
        elif self.dry_run:
            click.echo(f"would copy {printable(pair.relative)} ({reason})")
        else:
            limits.progress.expect(source.size)
            with limits.lane(source.size):
                self.tally.add(self.direction.copy(source, limits))

    def _reason(self, source: Item, target: Item | None) -> str | None:
        if target is None:
            return NOT_THERE
        return self.direction.difference(source, target)

    def _delete(self, relative: str) -> None:
        if self.dry_run:
            click.echo(f"would delete {printable(relative)}")
            return
        with self.tally.attempt(relative):
            self.direction.delete(relative)
            self.tally.add_deleted()


class _Names:
    """Names in a temporary file, however many, that are only in the target."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed on exit
        self.source_is_empty = True

    def add(self, name: str) -> None:
        self._file.write(json.dumps(name) + "\n")

    def names(self) -> Iterator[str]:
        self._file.seek(0)
        return (json.loads(line) for line in self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def _refuse_folder_of(store_url: str, folder: Path) -> None:
    """Refuse to take the files that a directory store is made of for a folder of files.

    Raises:
        UsageError: The folder is in the store, or the store itself.
    """
    if not store_url.startswith("file://"):
        return
    store = Path(store_url.removeprefix("file://")).resolve()
    if folder.resolve().is_relative_to(store):
        raise cb.UsageError(f"{folder} is in the folder of the store", hint="name another folder")
