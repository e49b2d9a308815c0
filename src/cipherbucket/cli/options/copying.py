"""Options of commands that copy: how much at once, how fast, and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypedDict

import click

import cipherbucket as cb
from cipherbucket.cli.options.executors import ExecutorOptions, executor_options
from cipherbucket.cli.options.parsing import byte_size, file_mode
from cipherbucket.cli.options.passes import rate_option, workers_option

LARGE = 16 << 20
"""The library moves what is larger in parts, several at once, and goes on with it later."""
FILES_AT_ONCE = 8


class TransferArguments(TypedDict):
    """How the library moves a file."""

    part_size: int | None
    workers: int | None
    limit_rate: float | None
    resume: bool


@dataclass(frozen=True)
class CopyOptions:
    """How transfers are made.

    Attributes:
        workers: Parts of a large file, and small files, at once; None for the usual.
        rate: Most bytes a second.
        part_size: Bytes of a part; None for the usual.
        resume: Whether what was interrupted goes on.
        quiet: Nothing is shown.
        progress: A line is written every few seconds where there is no terminal.
        mode: Permissions of the files that are written; None for the usual.
        executors: Whose workers share the work on a tree.
    """

    workers: int | None = None
    rate: int | None = None
    part_size: int | None = None
    resume: bool = True
    quiet: bool = False
    progress: bool = False
    mode: int | None = None
    executors: ExecutorOptions = field(default_factory=ExecutorOptions)

    @property
    def transfer_arguments(self) -> TransferArguments:
        """What the verbs of the library that move files in parts take."""
        return {
            "part_size": self.part_size,
            "workers": self.workers,
            "limit_rate": self.rate,
            "resume": self.resume,
        }

    @property
    def files_at_once(self) -> int:
        """How many files of a tree are on their way at once."""
        return self.workers or FILES_AT_ONCE


_OPTIONS = (
    click.option(
        "--no-resume",
        is_flag=True,
        help="Begin anew; do not go on with what was interrupted.",
    ),
    workers_option(
        f"Parts of a large file, and small files, at once. Default: 4 and {FILES_AT_ONCE}."
    ),
    rate_option(),
    click.option(
        "--part-size",
        metavar="SIZE",
        callback=byte_size,
        help="Bytes of a part of a large file: 32M. Default: 16M, or more for very large files.",
    ),
    click.option(
        "--mode",
        metavar="MODE",
        callback=file_mode,
        help="Permissions of the files that are written, in octal: 640. Default: those of the file"
        " that is replaced, if it is yours; of a new one, what the umask leaves.",
    ),
    click.option(
        "--progress",
        is_flag=True,
        help="Where no bar is shown, because stderr is no terminal or the data go through a pipe,"
        " write a line every few seconds.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no notes, no summary."),
)


def copy_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``options``."""

    @wraps(function)
    def with_options(*args: Any, **kwargs: Any) -> Any:
        options = CopyOptions(
            workers=kwargs.pop("workers"),
            rate=kwargs.pop("limit_rate"),
            part_size=kwargs.pop("part_size"),
            resume=not kwargs.pop("no_resume"),
            quiet=kwargs.pop("quiet"),
            progress=kwargs.pop("progress"),
            mode=kwargs.pop("mode"),
            executors=kwargs.pop("executors"),
        )
        if options.quiet and options.progress:
            raise cb.UsageError("--quiet and --progress contradict each other")
        return function(*args, options=options, **kwargs)

    command: Callable[..., Any] = executor_options("For a tree: ")(with_options)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
