"""``cat``: objects, presigned URLs and plain files with sealed bodies, decrypted to stdout.

Rule: only what is found good is written of a sealed object; of an ``oss`` object damage is reported
at its end, and tampering not at all. What a plain file says of itself is shown, never acted on.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypedDict

import click

import cipherbucket as cb
from cipherbucket.cli.descriptors import opened_to_read
from cipherbucket.cli.errors import OutputError, say
from cipherbucket.cli.named_objects import object_names
from cipherbucket.cli.no_object import LIST_THEM, missing_said
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.access_flags import ON_READING
from cipherbucket.cli.options.parsing import (
    complete_files,
    descriptor_of,
    http_range,
    is_special,
    is_url,
)
from cipherbucket.cli.options.passes import VERSION_ID
from cipherbucket.cli.terminal.help import Command

_BLOCK = 1 << 20
_NO_FOOTER = "does not end as a sealed one"
_NOT_SEALED = (
    "it was cut short or altered, or was not sealed: the envelope of an oss object is in its"
    " headers, which a file does not keep; give cat the URL"
)


class _Range(TypedDict):
    start: int
    length: int | None
    tail: int | None


@click.command(
    cls=Command,
    examples=(
        "cipherbucket cat -k cmk.pem file:///data/store/report.csv | head",
        "cipherbucket cat -k cmk.pem --range 0-99 file:///data/store/report.csv",
        "cipherbucket cat -k cmk.pem --range -50 file:///data/store/app.log",
        "cipherbucket cat -k cmk.pem 'https://bucket.oss-cn-hangzhou.aliyuncs.com/...'",
        "cipherbucket cat -k cmk.pem 'oss://bucket/logs/2026-11-*.csv'",
        "cipherbucket cat -k cmk.pem --version-id CAEQ... oss://bucket/report.csv",
        "cipherbucket cat -k cmk.pem --as-name reports/q3.csv downloaded.csv",
    ),
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True, shell_complete=complete_files)
@click.option(
    "--range",
    "span",
    metavar="RANGE",
    callback=http_range,
    help="Bytes of the plaintext, as HTTP writes them: 0-99 (inclusive), 100-, or -50, the last.",
)
@VERSION_ID
@access_options(reads=True, formats=ON_READING)
def cat(
    urls: tuple[str, ...], span: cb.Span, version_id: str | None, access: AccessOptions
) -> None:
    r"""Decrypt objects and write them to stdout, block by block.

    In quotes, '*' and '?' in the name of an object stand for anything but '/', and '**' for
    anything: what fits is written in order of names. '\*' and '\?' are the characters themselves.

    A presigned URL (https://...) needs no access key, only the master key.

    What is no URL is a plain file ('-' is stdin) with the body of a sealed object, as another tool
    downloaded it. It is opened by the recipients of the day it was sealed, and the name that it was
    sealed under is shown on stderr; --as-name demands one.

    Of a sealed object no byte is written that is not authentic. A whole oss object is checked for
    damage at its end, when its bytes have been written already: look at the exit code. A range is
    fetched by itself; nothing before it is read.
    """
    if version_id is not None and (len(urls) > 1 or _kind_of(urls[0]) != "object"):
        raise cb.UsageError(
            "--version-id is for one object of a store",
            hint="leave it out; a presigned URL names its version itself",
        )
    part: _Range = {"start": span.start, "length": span.length, "tail": span.tail}
    for url in urls:
        for opened in _opened(url, part, access, version_id):
            with opened as stream:
                while block := stream.read(_BLOCK):  # lines can be of any length
                    _write(block)
    _write(b"")


def _write(block: bytes) -> None:
    """Write to stdout; nothing stands for the end.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        sys.stdout.buffer.write(block)
        if not block:
            sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputError(error) from error


def _opened(
    url: str, part: _Range, access: AccessOptions, version_id: str | None
) -> Iterator[AbstractContextManager[cb.ObjectStream]]:
    """Yield what a URL or a path stands for; a pattern may stand for several objects."""
    kind = _kind_of(url)
    if kind == "file":
        yield _opened_file(url, part, access)
    elif kind == "presigned":
        access.refuse_misplaced()
        yield cb.open_url(
            url,
            access.ring,
            format=access.format,
            policy=access.policy,
            **access.reading,
            **part,
        )
    else:
        for store_url, name in object_names(url, version_id):
            yield _opened_object(store_url, name, part, access, version_id)


@contextmanager
def _opened_object(
    store_url: str, name: str, part: _Range, access: AccessOptions, version_id: str | None
) -> Iterator[cb.ObjectStream]:
    with (
        access.at(store_url, name).open(store_url) as bucket,
        missing_said(bucket, name, LIST_THEM),
        bucket.get(name, **access.reading, **part, version_id=version_id) as stream,
    ):
        yield stream


def _kind_of(url: str) -> str:
    if not is_url(url):
        return "file"
    return "presigned" if url.startswith(("https://", "http://")) else "object"


@contextmanager
def _opened_file(path: str, part: _Range, access: AccessOptions) -> Iterator[cb.ObjectStream]:
    """Open a plain file through its footer, and say what name it contains."""
    if descriptor_of(path, pipe=0) is None and not os.path.lexists(path):
        raise cb.UsageError(
            f"{path}: there is no such file",
            hint="an object is file:///folder/name, oss://... or s3://...",
        )
    if Path(path).is_dir():
        raise cb.UsageError(f"{path} is a folder")
    with _seekable(path) as body, ExitStack() as stack:
        try:
            stream = stack.enter_context(
                cb.open_sealed_file(
                    body, access.ring, key=access.forced, context=access.context, **part
                )
            )
        except cb.CipherbucketError as error:
            error.name = path
            if _NO_FOOTER in error.message:
                error.hint = _NOT_SEALED
            raise
        _check_name(stream.info, path, access.as_name)
        yield stream


def _check_name(info: cb.ObjectInfo, path: str, wanted: str | None) -> None:
    """Compare the name that the file was sealed under with the one that is wanted, or say it.

    Raises:
        BindingError: It is another, or none.
    """
    assert info.envelope is not None
    assert info.envelope.seal is not None
    name = info.name if info.envelope.seal.binds_name else None
    text = "no name" if name is None else f"the name {name!r}"
    if wanted is None:
        say(f"{path!r} was sealed under {text}")
    elif name != wanted:
        raise cb.BindingError(f"it was sealed under {text}", name=path)


@contextmanager
def _seekable(path: str) -> Iterator[Path | BinaryIO]:
    """Give a file that can be read from its end; a pipe is copied into one that has no name."""
    descriptor = descriptor_of(path, pipe=0)
    if descriptor is None and not is_special(Path(path)):
        yield Path(path)
        return
    with (
        Path(path).open("rb") if descriptor is None else opened_to_read(descriptor) as pipe,
        tempfile.TemporaryFile() as kept,
    ):
        shutil.copyfileobj(pipe, kept, _BLOCK)
        yield kept
