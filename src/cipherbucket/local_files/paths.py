"""Paths as they are given: text, or an object that stands for text.

Rule: an empty path is a variable that was not set, and never the working directory, which is what
``Path("")`` makes of it. It is checked here, before there is a ``Path``.
"""

from __future__ import annotations

import os

from cipherbucket.errors import UsageError


def local_path(path: object) -> str:
    """Return a path as text.

    Raises:
        UsageError: It is neither text nor an object that stands for text; it holds a zero byte; or
            it is empty, which ``Path`` would take for the working directory.
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise UsageError(
            f"a path is a str or a pathlib.Path, not {type(path).__name__}",
            hint="a path in bytes: os.fsdecode(path); content in bytes: put()",
        )
    if "\0" in text:
        raise UsageError(f"{text!r} is no path: it holds a zero byte")
    if not text:
        raise UsageError("the path of a file is empty", hint="perhaps a variable is not set")
    return text
