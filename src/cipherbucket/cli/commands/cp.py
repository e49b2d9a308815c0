"""``cp``: files, pipes, folders and objects, in every direction that ends or begins at a store."""

from __future__ import annotations

from contextlib import ExitStack

import click

import cipherbucket as cb
from cipherbucket.cli.copying.choices import (
    Reason,
    resumed_copy,
    what_is_missing,
    what_is_newer,
    whatever_is_there,
)
from cipherbucket.cli.copying.one_object import ObjectCopy
from cipherbucket.cli.copying.places import place_of
from cipherbucket.cli.copying.sides import Sides, writer_of
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.tree_copy import Deletion, TreeCopy
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.copying import CopyOptions, copy_options
from cipherbucket.cli.options.globs import GlobCommand, Globs, glob_options
from cipherbucket.cli.options.parsing import PIPE, byte_size, complete_files, is_url
from cipherbucket.cli.options.writing import WriteOptions, write_options


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket cp -k cmk.pem report.pdf file:///data/store/reports/",
        "cipherbucket cp -k cmk.pem file:///data/store/reports/report.pdf .",
        "tar c photos | cipherbucket cp -k cmk.pem - file:///data/store/photos.tar",
        "cipherbucket cp -k cmk.pem file:///data/store/photos.tar - | tar t",
        "cipherbucket cp -k cmk.pem -r photos file:///data/store/photos/",
        "cipherbucket cp -k cmk.pem -r --exclude '*.tmp' work oss://bucket/work/",
        "cipherbucket cp -k cmk.pem --workers 8 --limit-rate 20M disk.img oss://bucket/",
        "cipherbucket cp -r oss://bucket/ file:///data/mirror/",
        "cipherbucket cp --format oss -k new.pem -k old.pem -r oss://bucket/ oss://new-bucket/",
        "cipherbucket cp -k cmk.pem --format sealed --recipient recovery.pub a.txt oss://bucket/",
        "cipherbucket cp -k cmk.pem --format sealed --accept oss -r oss://old/ oss://new/",
    ),
)
@click.argument("source", shell_complete=complete_files)
@click.argument("target", shell_complete=complete_files)
@click.option("-r", "--recursive", is_flag=True, help="Copy a folder, or all objects below a URL.")
@click.option(
    "-u",
    "--update",
    is_flag=True,
    help="With -r: only what is not there, or was written later than what is there.",
)
@click.option("--skip-existing", is_flag=True, help="With -r: only what is not there.")
@click.option(
    "--if-absent",
    is_flag=True,
    help="Only where there is nothing of that name yet; anything else fails.",
)
@click.option(
    "-n", "--dry-run", is_flag=True, help="With -r: only print what would be copied, a line each."
)
@click.option(
    "--size",
    metavar="SIZE",
    callback=byte_size,
    help="How many bytes come from stdin, exactly: then format oss needs no temporary file.",
)
@glob_options
@copy_options
@access_options(reads=True, writes=True)
@write_options
def cp(
    source: str,
    target: str,
    recursive: bool,
    update: bool,
    skip_existing: bool,
    dry_run: bool,
    size: int | None,
    access: AccessOptions,
    writing: WriteOptions,
    options: CopyOptions,
) -> int:
    """Copy SOURCE to TARGET, one of which is a URL; '-' is stdin or stdout.

    A URL that ends in '/' takes the file's name, a folder takes the last part of the object's
    name. Files and objects appear whole or not at all; only what goes to stdout is written as it
    comes and checked for damage at its end: look at the exit code.

    A new file gets the permissions that the umask leaves, or --mode; one of yours that is replaced
    keeps its own. Links on the path that you name are followed if they are yours or root's; through
    a link of another user nothing is written.

    Above 16 MiB, files are moved in parts, several at once. What was interrupted, also by the end
    of the process, goes on when the same command is run again, and says so; what was sent is
    compared first. 'cipherbucket transfers' lists what was not resumed.

    With -r both are folders: names are taken relative to SOURCE. All is copied, unless --update,
    --skip-existing or patterns say otherwise. A copy that was interrupted, or that failed in part,
    goes on when the same command is run again: what it has copied is left out if both the source
    and the copy are still the same. --no-resume copies all again. GLOB is compared with the whole
    name below SOURCE; '*' fits '/', too. In a folder links to files are
    followed; links of other users, links to folders, devices, pipes and sockets are left out, and
    so are empty folders. Modes and times of files are not kept; a pipe from tar keeps them. Objects
    whose names would lead out of the target folder are refused, and no link in it is followed,
    whoever makes one meanwhile. Several files are copied at once. What fails is shown at the end
    and stops nothing else. The exit code is 1 then, and 3 if SOURCE is a URL that no object's name
    begins with.

    From one store to another, ciphertext and envelope are moved unchanged and compared; it needs
    no key, and who could read the object can read the copy. With --format, --force-key,
    --metadata, --content-type, --context, --recipient or --no-bind-name, objects are decrypted and
    encrypted anew, for the first key and those of --recipient; --context is then that of source
    and target. Within one store --format and --context change nothing in that.

    ACL, tags, storage class and server-side encryption stay behind: an object that is written to
    OSS has those of --acl, --tag and the like, or what its bucket gives it.

    An object that is sealed under its name and gets another is sealed anew, which takes its key:
    within one store for all its recipients, in another for the first key and those of --recipient.
    """
    up, down = is_url(target), is_url(source)
    if recursive and PIPE in {source, target}:
        raise cb.UsageError("a pipe holds one object, not a folder", hint="leave out -r")
    if size is not None and source != PIPE:
        raise cb.UsageError("--size is for what comes from stdin", hint="leave it out")
    if access.as_name is not None and (recursive or not down):
        raise cb.UsageError("--as-name is for reading one object", hint="leave it out")
    if options.mode is not None and (up or target == PIPE):
        raise cb.UsageError("--mode is for local files that are written", hint="leave it out")
    if update and skip_existing:
        raise cb.UsageError("--update and --skip-existing exclude each other", hint="leave one out")
    if recursive:
        sides = Sides(source, target, access, writing)
        return _copy_tree(
            sides, options, update=update, skip_existing=skip_existing, dry_run=dry_run
        )
    _refuse_for_one(update=update, skip_existing=skip_existing, dry_run=dry_run)
    copying = ObjectCopy(access, writing, options)
    if up and down:
        return copying.store_to_store(source, target)
    if source == PIPE:
        return copying.upload(source, target, size)
    return copying.upload(source, target) if up else copying.download(source, target)


def _refuse_for_one(*, update: bool, skip_existing: bool, dry_run: bool) -> None:
    for option, given in (
        ("--update", update),
        ("--skip-existing", skip_existing),
        ("--dry-run", dry_run),
        ("--include or --exclude", not Globs.given().take_all),
    ):
        if given:
            raise cb.UsageError(f"{option} is for copies of a folder or a prefix", hint="add -r")


def _copy_tree(
    sides: Sides, options: CopyOptions, *, update: bool, skip_existing: bool, dry_run: bool
) -> int:
    with ExitStack() as stack:
        direction = sides.open(stack)
        reason: Reason = whatever_is_there
        if update:
            reason = what_is_newer(direction)
        elif skip_existing:
            reason = what_is_missing
        choice = stack.enter_context(
            resumed_copy(
                reason,
                place_of(sides.source, sides.access.origin),
                place_of(sides.target),
                writer_of(direction),
                sides.writing.identity,
                resume=options.resume,
                needs_targets=update or skip_existing or dry_run,
            )
        )
        copying = TreeCopy(direction, choice, Globs.given(), Tally(), options, Deletion(), dry_run)
        return copying.carry_out()
