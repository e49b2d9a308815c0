"""``rm``: delete objects.

Rule: many are deleted only after they were counted and shown, and then only those.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from itertools import islice, takewhile

import click

import cipherbucket as cb
from cipherbucket.cli.copying.names_on_disk import NamesOnDisk
from cipherbucket.cli.copying.sources import Objects, objects_at
from cipherbucket.cli.copying.tally import Show, Tally
from cipherbucket.cli.errors import INTERRUPTED, one_line, say
from cipherbucket.cli.no_object import ADD_R, no_object, nothing_below
from cipherbucket.cli.options.config import open_without_keys, split_url, trust_store
from cipherbucket.cli.options.globs import GlobCommand, Globs, glob_options
from cipherbucket.cli.options.outcomes import outcome_options, shown, would
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.passes import RECURSIVE
from cipherbucket.cli.options.wildcards import escaped, literal_name
from cipherbucket.text import count, printable


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket rm file:///data/store/report.pdf",
        "cipherbucket rm oss://bucket/a.csv oss://bucket/b.csv",
        "cipherbucket rm 'oss://bucket/reports/2025-*'",
        "cipherbucket rm -r file:///data/store/reports/",
        "cipherbucket rm -r --exclude '*.pdf' --dry-run oss://bucket/reports/",
    ),
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@RECURSIVE
@click.option("-f", "--force", is_flag=True, help="Do not ask, and ignore what is not there.")
@click.option(
    "--version-id",
    metavar="ID",
    help="Delete this version, or delete marker, of one object for good; ls --versions lists them.",
)
@outcome_options("name")
@click.option("-q", "--quiet", is_flag=True, help="No notes, no summary.")
@glob_options("Keep objects whose names fit GLOB.", "Delete objects whose names fit")
@trust_store("Delete in a directory store")
def rm(
    urls: tuple[str, ...],
    recursive: bool,
    force: bool,
    version_id: str | None,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    r"""Delete the object at each URL; with -r all objects below it, after asking.

    With -r, URL is taken as a folder: reports deletes reports/..., and not reports-2026. In quotes,
    '*' and '?' in a name stand for anything but '/', and '**' for anything; '\*', '\?' and '\\' in
    such a name are the characters themselves. What fits is counted and asked about, too, and
    deleted without asking only with -rf. Where a pattern is also the name of an object and fits
    others, nothing is deleted.
    GLOB is compared with the whole name below URL; '*' fits '/' there. No key is needed.

    In a bucket that keeps versions a delete marker comes before the others, and deleting that
    brings the object back.
    """
    globs = Globs.given()
    _refuse_contradictions(urls, globs, version_id, recursive=recursive)
    show = shown(verbose=verbose, as_json=as_json)
    if version_id is not None:
        show = partial(would, as_json=as_json) if dry_run else show
        return _delete_version(urls[0], version_id, show, dry_run=dry_run, force=force)
    with open_without_keys(_one_store(urls)) as bucket, tempfile.TemporaryFile("w+") as file:
        bucket.access.store.check_writable()
        listed = NamesOnDisk(file)  # only what was counted when the question was asked is deleted
        meant = [objects_at(url, bucket, recursive=recursive) for url in dict.fromkeys(urls)]
        _refuse_forced_patterns(meant, recursive=recursive, force=force)
        _list_all(meant, bucket, globs, listed, force=force, quiet=quiet)
        if not listed.count:
            return 0 if force else 3
        if dry_run:
            return _show(listed, as_json=as_json, quiet=quiet)
        all_named = all(each.is_one for each in meant)
        if not (force or all_named) and not _agreed(
            listed.count, meant, bucket, recursive=recursive
        ):
            say("nothing was deleted")
            return 1
        said = not quiet and not (all_named and len(meant) == 1)
        return _delete(bucket, listed, Tally(show), said=said)


def _refuse_contradictions(
    urls: tuple[str, ...], globs: Globs, version_id: str | None, *, recursive: bool
) -> None:
    if not (globs.take_all or recursive):
        raise cb.UsageError("--include and --exclude are for folders", hint="add -r")
    globs.refuse_include_alone()
    if version_id is not None and (recursive or len(urls) > 1):
        raise cb.UsageError("--version-id is for one object", hint="leave it out, or name one")


def _refuse_forced_patterns(meant: list[Objects], *, recursive: bool, force: bool) -> None:
    """Refuse a pattern with ``-f`` alone.

    A program that deletes the object "what?.pdf" twice would delete "what1.pdf" the second time.
    """
    pattern = next((each.named for each in meant if not (each.is_one or each.is_folder)), None)
    if pattern is not None and force and not recursive:
        raise cb.UsageError(
            f"'{pattern}' is a pattern, and -f alone takes none",
            hint=f"in quotes, '{escaped(literal_name(pattern))}' is the object of this name; to"
            " delete all that fits, and what lies below it, without asking, add -r",
        )


def _one_store(urls: tuple[str, ...]) -> str:
    stores = {split_url(each)[0] for each in urls}
    if len(stores) > 1:
        raise cb.UsageError("the URLs are of several stores", hint="delete in one after the other")
    return stores.pop()


def _list_all(
    meant: list[Objects],
    bucket: cb.Bucket,
    globs: Globs,
    listed: NamesOnDisk,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """List the names that are meant; say, or refuse, that a pattern may be another than was meant.

    Raises:
        ObjectNotFoundError: One object is not there.
        UsageError: A pattern may not protect what it should, and nothing will be asked.
    """
    doubt = None
    try:
        for each in meant:
            doubt = _list(each, bucket, globs, listed, force=force, quiet=quiet) or doubt
    except cb.ObjectNotFoundError as error:
        if len(meant) > 1:
            error.hint = "; ".join(filter(None, ("nothing was deleted", error.hint)))
        raise
    if force and listed.count:
        globs.refuse_idle()
    if force and doubt is not None:
        raise doubt
    if quiet:
        return
    if doubt is not None:
        say(one_line(doubt))
    for glob in globs.idle:
        say(f"the pattern {glob!r} fitted no name")


def _list(
    objects: Objects,
    bucket: cb.Bucket,
    globs: Globs,
    listed: NamesOnDisk,
    *,
    force: bool,
    quiet: bool,
) -> cb.UsageError | None:
    """List the names that are meant; return what `Globs.deeper` says of the first of them.

    Raises:
        ObjectNotFoundError: It is one object, which is not there.
    """
    before = listed.count
    if objects.is_one:
        name = objects.prefix
        if not force and not bucket.exists(name):
            raise no_object(name, bucket, ADD_R)
        if not force or any(each.name == name for each in islice(bucket.list(name), 1)):
            listed.add(name)
        return None
    doubt = None
    for entry in objects.entries(bucket):
        relative = entry.name.removeprefix(objects.parent)
        if globs.take(relative):
            doubt = doubt or globs.deeper(relative)
            listed.add(entry.name)
    if listed.count == before and not quiet:
        text = f"no objects {_place(objects, bucket)}"
        if objects.is_folder:
            text = one_line(nothing_below(objects.prefix, bucket, text, wildcards=None))
        say(text)
    return doubt


def _show(listed: NamesOnDisk, *, as_json: bool, quiet: bool) -> int:
    for name in listed.names():
        would({"action": "would delete", "name": name}, as_json=as_json)
    if not quiet:
        say(f"would delete {count(listed.count, 'object')}")
    return 0


def _agreed(number: int, meant: list[Objects], bucket: cb.Bucket, *, recursive: bool) -> bool:
    what = f"{count(number, 'object')} {', '.join(_place(each, bucket) for each in meant)}"
    if not sys.stdin.isatty():
        hint = "to delete them, add -f"
        if not recursive:
            hint = "to delete them, and what lies below folders that fit, add -rf"
        raise cb.UsageError(f"not deleting {what} without asking", hint=hint)
    return click.confirm(f"Delete {what}?", err=True)


def _place(objects: Objects, bucket: cb.Bucket) -> str:
    return f"{'below' if objects.is_folder else 'at'} {printable(f'{bucket.url}/{objects.named}')}"


def _delete(bucket: cb.Bucket, listed: NamesOnDisk, tally: Tally, *, said: bool) -> int:
    try:
        for name in listed.names():
            with tally.attempt(name):
                bucket.delete(name)
                tally.add_deleted(name)
    except KeyboardInterrupt:
        done = f"deleted {tally.deleted:,} of {count(listed.count, 'object')}"
        raise KeyboardInterrupt(f"{INTERRUPTED}; {done}") from None
    for line in tally.failures:
        say(line)
    if said:
        failed = f"; {listed.count - tally.deleted:,} failed" if tally.failed else ""
        say(f"deleted {count(tally.deleted, 'object')}{failed}")
    return 1 if tally.failed else 0


def _delete_version(
    url: str, version_id: str, show: Show | None, *, dry_run: bool, force: bool
) -> int:
    store_url, written = split_object_url(url)
    name = literal_name(written)
    with open_without_keys(store_url) as bucket:
        bucket.access.store.check_writable()
        if not force and not _has_version(bucket, name, version_id):
            raise cb.ObjectNotFoundError("there is no such version", name=name)
        if not dry_run:
            bucket.delete(name, version_id=version_id)
    if show is not None:
        action = "would delete" if dry_run else "deleted"
        show({"action": action, "name": name, "version_id": version_id})
    return 0


def _has_version(bucket: cb.Bucket, name: str, version_id: str) -> bool:
    """Return whether there is a version or a delete marker of this id, of which no head tells."""
    own = takewhile(lambda each: each.name == name, bucket.versions(name))
    return any(each.version_id == version_id for each in own)
