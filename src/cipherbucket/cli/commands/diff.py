"""``diff``: what is in one of two places only, or is another thing there.

Rule: listings are compared as they come, and objects are asked for by themselves, several at once,
only where the listings cannot decide. Nothing is written, and no time is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click

import cipherbucket as cb
from cipherbucket.cli.copying.encrypted_objects import EncryptedObjects, difference_of_objects
from cipherbucket.cli.copying.listings import Item, MergedItem, merged, objects_of
from cipherbucket.cli.copying.places import refuse_folder_of
from cipherbucket.cli.copying.sources import files_of
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.errors import say, write_line
from cipherbucket.cli.in_order import in_order
from cipherbucket.cli.no_object import FOLDER_AND_GLOBS, nothing_below
from cipherbucket.cli.options.access import FORMATS, UNBOUND, AccessOptions, access_options
from cipherbucket.cli.options.access_flags import BOTH_FORMATS
from cipherbucket.cli.options.config import open_without_keys
from cipherbucket.cli.options.globs import COPY_GLOBS, GlobCommand, Globs
from cipherbucket.cli.options.outcomes import write_json
from cipherbucket.cli.options.parsing import complete_files, is_url, split_tree_url
from cipherbucket.cli.options.passes import JSON_LINES
from cipherbucket.cli.options.places import opened_below
from cipherbucket.text import printable

_WORKERS = 16
_CHECKSUM_WORKERS = 4


@dataclass(frozen=True)
class _Sides:
    """Two places that are compared.

    Attributes:
        first: Lists one.
        second: Lists the other.
        difference: Says how what both have differs; None where it does not.
    """

    first: Iterator[Item]
    second: Iterator[Item]
    difference: Callable[[Item, Item], str | None]


_FOLDERS = "both are taken as folders; name those that they lie in"
_FORMAT = (
    f"Format of the objects: {BOTH_FORMATS} Default: that of the keys or of the rule, or else any."
)


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket diff photos oss://bucket/photos",
        "cipherbucket diff --checksum -k cmk.pem photos oss://bucket/photos",
        "cipherbucket diff --json oss://bucket/ file:///data/mirror/ | jq -r .name",
    ),
)
@click.argument("source", metavar="A", shell_complete=complete_files)
@click.argument("target", metavar="B", shell_complete=complete_files)
@click.option(
    "--checksum",
    is_flag=True,
    help="Compare contents: files are read and encrypted under each object's own key. Between"
    " stores, checksums of what is stored.",
)
@JSON_LINES
@COPY_GLOBS
@access_options(reads=True, many=True, formats=_FORMAT)
def diff(source: str, target: str, checksum: bool, as_json: bool, access: AccessOptions) -> int:
    """Print what is only in A, only in B, or differs in size, a line each; times are not compared.

    One of them, or both, is a URL; both are taken as folders. Sizes are those of the plaintext, as
    the store tells them: this needs no key, and only --checksum of a folder needs one. Between two
    stores --checksum compares what is stored, so that what was encrypted twice differs. Without -k,
    --format or a rule, objects of all formats are compared.

    The exit code is 0 if there is no difference, 1 if there is one or something failed, and 3 if no
    object's name begins with one of the URLs.
    """
    if access.as_name is not None:
        raise cb.UsageError("--as-name is for reading one object", hint="leave it out")
    globs = Globs.given()
    globs.note()
    tally = Tally()
    tally.verb = "compared"
    tally.remembers = True
    found = 0
    with ExitStack() as stack:
        sides = _opened(source, target, access, tally, stack, checksum=checksum)
        listed = (each for each in merged(sides.first, sides.second) if globs.take(each.relative))
        at_once = _CHECKSUM_WORKERS if checksum else _WORKERS
        compare = partial(_compare, sides, tally)
        for item, reason in in_order(listed, compare, workers=at_once):
            alone = item.source is None or item.target is None
            if not (alone and tally.has_left_out(item.relative)):
                found += _write(item, reason, (source, target), as_json=as_json)
    for glob in globs.idle:
        say(f"the pattern {glob!r} fitted no name")
    code = tally.report(quiet=False)
    return 1 if found else code


def _opened(
    source: str,
    target: str,
    access: AccessOptions,
    tally: Tally,
    stack: ExitStack,
    *,
    checksum: bool,
) -> _Sides:
    """Open both places until the stack is closed.

    Raises:
        UsageError: Neither is in a store, or one is no folder.
    """
    if is_url(source) and is_url(target):
        return _two_stores(source, target, stack, checksum=checksum)
    if not is_url(source) and not is_url(target):
        raise cb.UsageError(
            "neither A nor B is a URL",
            hint="give file:///folder, oss://bucket or s3://bucket for one of them",
        )
    if is_url(target):
        return _folder_and_store(source, target, access, tally, stack, checksum=checksum)
    turned = _folder_and_store(target, source, access, tally, stack, checksum=checksum)
    return _Sides(turned.second, turned.first, lambda a, b: turned.difference(b, a))


def _two_stores(source: str, target: str, stack: ExitStack, *, checksum: bool) -> _Sides:
    (here, prefix), (there, other_prefix) = map(split_tree_url, (source, target))
    first, second = (stack.enter_context(open_without_keys(each)) for each in (here, there))

    _refuse_missing(first, prefix)
    _refuse_missing(second, other_prefix)

    def difference(a: Item, b: Item) -> str | None:
        names = prefix + a.relative, other_prefix + b.relative
        return difference_of_objects((first, names[0], a), (second, names[1], b), checksum=checksum)

    return _Sides(objects_of(first, prefix), objects_of(second, other_prefix), difference)


def _folder_and_store(
    folder: str,
    url: str,
    access: AccessOptions,
    tally: Tally,
    stack: ExitStack,
    *,
    checksum: bool,
) -> _Sides:
    (files,) = files_of((folder,), stack, recursive=True, one=_FOLDERS)
    store_url, prefix = split_tree_url(url)
    refuse_folder_of(store_url, Path(folder))
    bound = _of_any_format(access.at(store_url, prefix, whole=False))
    bucket = stack.enter_context(bound.open(store_url))
    _refuse_missing(bucket, prefix)
    below = stack.enter_context(
        opened_below(access, store_url, prefix, lambda each: each.open(store_url))
    )
    places = {
        start: EncryptedObjects(each, bound.reading, each.access.policy)
        for start, each in {"": bucket, **below}.items()
    }

    def difference(file: Item, stored: Item) -> str | None:
        name, path = prefix + file.relative, files.path_of(file)
        objects = places[max(filter(name.startswith, places), key=len)]
        return objects.difference(name, stored, path, file, checksum=checksum)

    listed = files.items((bucket.url,), tally)
    return _Sides(listed, objects_of(bucket, prefix), difference)


def _refuse_missing(bucket: cb.Bucket, prefix: str) -> None:
    """Refuse a place without objects: a URL that is mistyped would look like a difference.

    Raises:
        ObjectNotFoundError: It is none; a whole store may be empty.
    """
    if prefix and next(iter(bucket.list(prefix)), None) is None:
        text = f"there is no object whose name begins with {prefix!r}"
        raise nothing_below(prefix, bucket, text, _FOLDERS, FOLDER_AND_GLOBS)


def _of_any_format(access: AccessOptions) -> AccessOptions:
    """Take objects of all formats where nothing says which there should be."""
    ruled = access.rule is not None and access.rule.line
    if ruled or access.key_files or access.chosen_format is not None:
        return access
    return replace(access, accept=(*FORMATS, UNBOUND), plaintext=True)


def _compare(sides: _Sides, tally: Tally, item: MergedItem) -> str | None:
    """Say what differs; None for what is the same, could not be compared, or is in one only."""
    if item.source is None or item.target is None:
        return None
    with tally.attempt(item.relative):
        reason = sides.difference(item.source, item.target)
        tally.add(item.source.size, name=item.relative)
        return reason
    return None


def _write(item: MergedItem, reason: str | None, places: tuple[str, str], *, as_json: bool) -> bool:
    """Write a line if there is a difference; return whether there is."""
    alone = "A" if item.target is None else "B" if item.source is None else None
    if alone is None and reason is None:
        return False
    if as_json:
        state = "differs" if alone is None else f"only in {alone}"
        write_json({"name": item.relative, "difference": state, "reason": reason})
    elif alone is None:
        write_line(f"differs: {printable(item.relative)} ({reason})")
    else:
        place = printable(places[alone == "B"])
        write_line(f"only in {place}: {printable(item.relative)}")
    return True
