"""What whoever started the program has opened: ``-``, ``/dev/stdin``, ``/dev/fd/3``.

Rule: it is used as it is open, from where it stands. What is closed is never taken for something
that is empty: reading it would replace an object by nothing.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import cipherbucket as cb

_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}


def name_of(descriptor: int) -> str:
    """Return what an open file is called in messages."""
    return _NAMES.get(descriptor, f"/dev/fd/{descriptor}")


@contextmanager
def opened_to_read(descriptor: int) -> Iterator[BinaryIO]:
    """Give stdin, or another open file, which stays open.

    Raises:
        UsageError: It is not open for reading.
    """
    _refuse_closed(descriptor, "reading", os.O_WRONLY)
    if descriptor == 0:
        yield sys.stdin.buffer
        return
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        yield file


@contextmanager
def opened_to_write(descriptor: int) -> Iterator[BinaryIO]:
    """Give stdout, or another open file, which stays open.

    Raises:
        UsageError: It is not open for writing; of stdout that is an error when it is written to.
    """
    if descriptor == 1:
        yield sys.stdout.buffer
        return
    _refuse_closed(descriptor, "writing", os.O_RDONLY)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        yield file


def _refuse_closed(descriptor: int, purpose: str, unusable: int) -> None:
    """Refuse what is closed; for stdin that was, `cipherbucket.cli.main` opened it for writing."""
    try:
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        mode = unusable
    if mode == unusable:
        raise cb.UsageError(f"{name_of(descriptor)} is not open for {purpose}")
