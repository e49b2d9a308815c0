"""Arguments and values of options, parsed: names with values, ranges, sizes, URLs and paths.

Rule: an error shows how the value is written.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from itertools import chain
from pathlib import Path

import click
from click.shell_completion import CompletionItem

import cipherbucket as cb
from cipherbucket.cli.options.config import split_url

PIPE = "-"
"""The path that stands for stdin or stdout."""
_DESCRIPTOR = re.compile(r"/(?:dev|proc/([0-9]+)(?:/task/[0-9]+)?)/fd/([0-9]{1,9})")
_MOST_LINKS = 40
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([KMGT]?)(?:i?B)?", re.IGNORECASE)
_POWERS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_COMMA = re.compile(r"(?<!\\),")
_MODE = re.compile(r"0?[4-7][0-7]{2}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def complete_files(
    _context: click.Context, _param: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Let the shell complete the name of a file, for an argument that may be a URL instead."""
    return [] if is_url(begun) else [CompletionItem(begun, type="file")]


def names_with_values(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    r"""Turn a repeated option's NAME=VALUE, or several with ',' between, into a mapping.

    A comma parts two pairs only where each has a '=', and ``\,`` never does; click calls it.
    """
    mapping: dict[str, str] = {}
    for value in chain.from_iterable(map(_pairs, values)):
        name, separator, text = value.partition("=")
        if not separator or not name:
            raise click.BadParameter("write NAME=VALUE", ctx, param)
        if name in mapping:
            raise click.BadParameter(f"{name!r} is given twice", ctx, param)
        mapping[name] = text
    return mapping


def _pairs(text: str) -> list[str]:
    pairs = [pair.replace(r"\,", ",") for pair in _COMMA.split(text)]
    has_pairs = all(pair.partition("=")[0] and "=" in pair for pair in pairs)
    return pairs if has_pairs else [text.replace(r"\,", ",")]


def description_of(text: str) -> cb.Description:
    """Parse a description: JSON, whose text is kept, or NAME=VALUE with commas between.

    Raises:
        UsageError: Neither.
    """
    if text.lstrip().startswith("{"):
        return cb.Description(text)
    entries: dict[str, str] = {}
    for pair in text.split(","):
        name, separator, value = (part.strip() for part in pair.partition("="))
        if not separator or not name or name in entries:
            raise cb.UsageError(
                f"{text!r} is no description", hint='write {"desc":"2026"} or desc=2026'
            )
        entries[name] = value
    return cb.Description(entries)


def http_range(ctx: click.Context, param: click.Parameter, value: str | None) -> cb.Span:
    """Parse ``0-99``, ``100-`` or ``-50``; click calls it."""
    try:
        return cb.Span.from_http(value) if value is not None else cb.Span()
    except cb.UsageError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise click.BadParameter(f"{error}{hint}", ctx, param) from error


def byte_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Parse ``500K``, ``10M`` or ``1.5G``, in binary units; click calls it."""
    if value is None:
        return None
    match = _AMOUNT.fullmatch(value.strip())
    size = int(float(match[1]) * _POWERS[match[2].upper()]) if match is not None else 0
    if size < 1:
        raise click.BadParameter("write a number of bytes, such as 500K, 10M or 1.5G", ctx, param)
    return size


def seconds_of(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Parse ``90s``, ``30m``, ``1h``, ``7d`` or a number of seconds; click calls it."""
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("write a time such as 90s, 30m, 1h or 7d", ctx, param)
    return int(match[1]) * _SECONDS[match[2]]


def file_mode(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Parse ``640`` or ``0640``, in octal; click calls it."""
    if value is None:
        return None
    if _MODE.fullmatch(value) is None:
        raise click.BadParameter(
            "write permissions in octal, which let the owner read the file, such as 640", ctx, param
        )
    return int(value, 8)


def is_url(text: str) -> bool:
    """Return whether an argument is a URL and not a local path."""
    return _URL.match(text) is not None


def split_object_url(url: str, hint: str = "add /NAME") -> tuple[str, str]:
    """Split the URL of an object into store and name.

    Args:
        url: The URL.
        hint: What to do if it is the URL of a store.

    Raises:
        UsageError: It is the URL of a store, or no URL.
    """
    store_url, name = split_url(url)
    if not name:
        raise cb.UsageError(f"{url} is a store, not an object", hint=hint)
    return store_url, name


def split_tree_url(url: str) -> tuple[str, str]:
    """Split the URL of a store or a prefix into store and prefix; ``a/b`` and ``a/b/`` are one."""
    store_url, name = split_url(url)
    return store_url, folder_name(name)


def folder_name(name: str) -> str:
    """Return the prefix of all that lies in a folder; the empty name is the whole store."""
    return name if not name or name.endswith("/") else name + "/"


def is_special(path: Path) -> bool:
    """Return whether a path leads to a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_file(descriptor: int) -> bool:
    """Return whether what is open is a regular file, and no pipe or terminal."""
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def descriptor_of(path: str, pipe: int = 1) -> int | None:
    """Return the open file that a path such as ``/dev/stdout`` or ``-`` stands for; None for none.

    It may be a file that others write to as well: it is written to, never replaced. Links are
    followed as far as what is open, and no further.

    Args:
        path: It.
        pipe: What ``-`` stands for: 1 where something is written, 0 where it is read.
    """
    if path == PIPE:
        return pipe
    place = Path(path)
    with suppress(OSError, ValueError):  # it is no link, or nothing
        for _ in range(_MOST_LINKS):
            place = Path(os.path.realpath(place.parent)) / place.name
            match = _DESCRIPTOR.fullmatch(str(place))
            if match is not None and match[1] in {None, str(os.getpid())}:
                return int(match[2])
            place = place.parent / place.readlink()
    return None
