"""``sync``: make a folder or a prefix hold what another holds."""

from __future__ import annotations

from contextlib import ExitStack

import click

import cipherbucket as cb
from cipherbucket.cli.copying.choices import Choice, what_differs
from cipherbucket.cli.copying.deletion import MOST, Deletion
from cipherbucket.cli.copying.groups import shared_out
from cipherbucket.cli.copying.places import refuse_overlap, store_place
from cipherbucket.cli.copying.sides import Sides
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.tree_copy import TreeCopy
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.copying import CopyOptions, copy_options
from cipherbucket.cli.options.globs import GlobCommand, Globs, glob_options
from cipherbucket.cli.options.outcomes import COPY_OUTCOMES, shown
from cipherbucket.cli.options.parsing import complete_files, is_url, split_tree_url
from cipherbucket.cli.options.writing import WriteOptions, write_options


def _refuse_recursive(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Refuse ``-r``, which cp, rm and others have; click calls it."""
    if value:
        raise click.BadParameter("sync is always recursive; leave it out", ctx, param)


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket sync -k cmk.pem photos file:///data/store/photos",
        "cipherbucket sync -k cmk.pem --delete --dry-run photos oss://bucket/photos",
        "cipherbucket sync -k cmk.pem --exclude '*' --include '*.csv' oss://b/ data",
        "cipherbucket sync oss://bucket/ file:///data/mirror",
        "cipherbucket sync --source-region cn-hangzhou oss://old/ oss://new/",
        "cipherbucket sync -k cmk.pem --checksum photos oss://bucket/photos",
    ),
)
@click.argument("source", shell_complete=complete_files)
@click.argument("target", shell_complete=complete_files)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    hidden=True,
    expose_value=False,
    callback=_refuse_recursive,
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
@click.option(
    "--max-delete",
    metavar="N",
    type=click.IntRange(min=0),
    help="Let --delete delete up to N; without it no more than half of what is in TARGET, nor than"
    f" {MOST:,}.",
)
@COPY_OUTCOMES
@glob_options("Neither copy nor delete names that fit GLOB.", "Copy, and delete, names that fit")
@copy_options
@access_options(reads=True, writes=True, many=True)
@write_options
def sync(
    source: str,
    target: str,
    checksum: bool,
    delete: bool,
    max_delete: int | None,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
    access: AccessOptions,
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
    sealed objects a listing gives no length of plaintext: each that seems unchanged is asked for
    by itself. Links to files are followed in SOURCE; what is left out there, such as a link to a
    folder or to nothing, or of another user, is not deleted in TARGET, nor is what lies below it.
    In TARGET only regular files are replaced or deleted, no link is followed, whoever makes one
    meanwhile, and empty folders stay. With --delete a file makes room for a folder of its name, and
    the reverse, once the files that take its place were fetched. Patterns say what is counted for
    --max-delete, too. A new file gets the permissions that the umask leaves, or --mode; one of
    yours that is replaced keeps its own.

    Files that this command itself uses are never replaced or deleted: its keys, with FILE.pub and
    FILE.json, its cipherbucket.toml and its journals. Its private keys go into no store.

    What fails is shown at the end and stops nothing else; the exit code is 1 then. Run the same
    command again to go on. The exit code is 3 if SOURCE is a URL that no object's name begins with.
    """
    if access.as_name is not None:
        raise cb.UsageError("--as-name is for reading one object", hint="leave it out")
    if options.mode is not None and is_url(target):
        raise cb.UsageError("--mode is for local files that are written", hint="leave it out")
    if max_delete is not None and not delete:
        raise cb.UsageError("--max-delete is for --delete", hint="add --delete, or leave it out")
    sides = Sides(
        (source,),
        target,
        access,
        writing,
        checksum=checksum,
        dry_run=dry_run,
        keep_times=True,
        patterns=False,
        whole=delete,
    )
    if is_url(source) and is_url(target):
        (store_url, prefix), (target_store, target_prefix) = map(split_tree_url, (source, target))
        place = store_place(store_url, access.origin)
        there = store_place(target_store)
        if delete and store_url == target_store and prefix != target_prefix:
            there = place  # at two hosts it could be one bucket, and the source would be deleted
        refuse_overlap(place, prefix, there, target_prefix)
    with ExitStack() as stack:
        direction = sides.open(stack)
        return TreeCopy(
            direction,
            Choice(what_differs(direction, checksum=checksum)),
            Globs.given(),
            Tally(shown(verbose=verbose, as_json=as_json)),
            options,
            Deletion(delete, max_delete),
            dry_run,
            as_json=as_json,
            shared=shared_out(sides, direction, options, dry_run=dry_run),
        ).carry_out()
