"""What a program hands over, checked and sorted: names, headers, parameters, bodies, ranges."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.errors import warn_caller
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.stores.records import CONTENT_HEADERS, OSS_HEADERS
from cipherbucket.writing.source import PutBody

ProgressCallback = Callable[[int, int | None], None]
FileName = str | bytes | os.PathLike[str]

_META = "x-oss-meta-"
_FORBID_OVERWRITE = "x-oss-forbid-overwrite"
_OURS = frozenset(
    {
        "accept-encoding",  # ciphertext does not compress
        "authorization",
        "content-length",
        "content-md5",
        "date",
        "host",
        "range",
        "transfer-encoding",
        "user-agent",
    }
)
"""Headers that are the transport's, or that mean something else here."""
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


@dataclass
class RequestHeaders:
    """The headers of a request, by what they are for.

    Attributes:
        metadata: User metadata.
        kept: Headers that are kept with the object.
        added: All others, to be sent as they are.
        md5: ``Content-MD5``, of the plaintext.
        length: ``Content-Length``, of the plaintext.
        range: ``Range``.
        if_absent: Whether an object that is there must not be replaced.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    md5: str | None = None
    length: int | None = None
    range: str | None = None
    if_absent: bool = False

    def as_sent(self) -> dict[str, str]:
        """Return them as one mapping again, for a request that needs no key."""
        metadata = {_META + name: text for name, text in self.metadata.items()}
        return metadata | self.kept | self.added | self.forbidding

    @property
    def forbidding(self) -> dict[str, str]:
        """The header that keeps an object from being replaced, where that is asked for."""
        return {_FORBID_OVERWRITE: "true"} if self.if_absent else {}


def object_name(key: str | bytes | None) -> str:
    """Return the name of an object as text.

    Raises:
        ClientError: It is empty.
    """
    if not key:
        raise ClientError("key must not be empty")
    return key.decode() if isinstance(key, bytes) else key


def sorted_headers(headers: Mapping[str, Any] | None) -> RequestHeaders:
    """Sort the headers of a request; one that is None is none.

    Raises:
        ClientError: ``Content-Length`` is no number.
    """
    sent = RequestHeaders()
    for name, text in _texts(headers or {}):
        if name.startswith(_META):
            sent.metadata[name.removeprefix(_META)] = text
        elif name in CONTENT_HEADERS or name in OSS_HEADERS:
            sent.kept[name] = text
        elif name == _FORBID_OVERWRITE:
            sent.if_absent = text.lower() == "true"
        elif name not in _OURS:
            sent.added[name] = text
        elif name == "content-md5":
            sent.md5 = text
        elif name == "range":
            sent.range = text
        elif name == "content-length":
            if not text.isdigit():
                raise ClientError(f"Content-Length is a number, not {text!r}")
            sent.length = int(text)
    return sent


def query_of(params: Mapping[str, Any] | None) -> dict[str, str]:
    """Return parameters as texts; one without a value has an empty one."""
    return {name: "" if text is None else str(text) for name, text in (params or {}).items()}


def warn_of_md5() -> None:
    """Say what a recorded MD5 of the plaintext reveals."""
    warn_caller(
        "Content-MD5 is recorded with the object in the clear: whoever sees it can tell whether the"
        " object holds a content that he knows"
    )


def warn_of_parts_md5() -> None:
    """Say that the MD5 of an object that goes in parts is left out."""
    warn_caller("Content-MD5 of an object that goes in parts is neither checked nor recorded")


def check_md5(body: Any, expected: str) -> None:
    """Compare the MD5 of a part with what the program says, where the part is bytes.

    Raises:
        ClientError: It is another.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        warn_caller("Content-MD5 of a part that is no bytes is neither checked nor recorded")
        return
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if digest != expected:
        raise ClientError("the MD5 of the part differs from Content-MD5")


def body_of(data: Any) -> tuple[PutBody, int | None]:
    """Return what a program wants stored, and its length where only it can tell.

    Raises:
        ClientError: Nothing at all: what a program forgot must not empty an object.
    """
    if data is None:
        raise ClientError("None is no body: give bytes, text, a binary file or an iterable")
    if isinstance(data, str):
        return data.encode(), None
    if (
        hasattr(data, "read")
        and not hasattr(data, "seek")
        and isinstance(length := getattr(data, "len", None), int)
    ):
        return data, length
    return data, None


@contextmanager
def file_named(filename: FileName, *, target: bool = False) -> Iterator[None]:
    """Let errors about a file name it as the program does.

    Args:
        filename: As the program names it.
        target: Whether it is to be written, at first under another name beside it; its folder
            stands for it where that is missing.
    """
    try:
        yield
    except OSError as error:
        path = os.path.realpath(os.fsdecode(filename))
        if isinstance(error.filename, str | bytes | os.PathLike):
            at = os.path.realpath(os.fsdecode(error.filename))
            folder = Path(path).parent
            if at == path or (target and folder in {Path(at), Path(at).parent}):
                error.filename, error.filename2 = os.fspath(filename), None
        raise


Bounds = tuple[int | None, int | None]
"""First and last byte, as programs name them."""
Wanted = tuple[int, int | None] | None
"""Offset and length of a range, None for all to the end; or None for the whole object."""


def span_of(byte_range: Bounds | None, header: str | None = None) -> Wanted:
    """Return the range that is asked for.

    Args:
        byte_range: First and last byte; None for the end of the object.
        header: ``Range``, where a program wrote it by itself.

    Raises:
        ClientError: A suffix, which oss2's encrypting bucket refuses too, or no range at all.
    """
    if not byte_range and header is not None:
        match = _RANGE.fullmatch(header.strip())
        if match is None:
            raise ClientError(f"the range {header!r} cannot be read: give byte_range=(first, last)")
        first, last = (int(text) if text else None for text in match.groups())
        byte_range = (first, last)
    if not byte_range:
        return None
    first, last = byte_range
    if first is None:
        if last is not None:
            raise ClientError("a range by its end alone cannot be had: give the first byte as well")
        return None
    if first < 0 or (last is not None and last < first):
        raise ClientError(f"byte_range {byte_range} is none: first and last byte, from 0")
    return first, None if last is None else last - first + 1


def _texts(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if value is not None:
            yield str(name).lower(), value.decode() if isinstance(value, bytes) else str(value)
