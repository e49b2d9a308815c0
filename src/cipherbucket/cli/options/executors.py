"""``--processes`` and ``--dask``: the executor whose workers share the work of a command.

Rule: every process has to read the keys by itself, so that none is asked for at the terminal, and
passphrases come from the environment of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import click

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.by_reference import KeyByOptions
from cipherbucket.cli.options.config import SHARED
from cipherbucket.cli.options.passes import Decorator

_SCHEMES = {"tcp", "tls"}


@dataclass(frozen=True)
class ExecutorOptions:
    """What ``--processes`` and ``--dask`` say.

    Attributes:
        processes: How many of this machine; None for this one alone.
        dask: Address of the scheduler of a cluster.
    """

    processes: int | None = None
    dask: str | None = None

    def __bool__(self) -> bool:
        """Return whether the work is shared."""
        return self.processes is not None or self.dask is not None

    @property
    def option(self) -> str:
        """The one that was given."""
        return "--processes" if self.processes is not None else "--dask"

    def refuse_for_one(self, *, recursive: bool) -> None:
        """Refuse to share the work on one object.

        Raises:
            UsageError: It was asked for.
        """
        if self and not recursive:
            raise cb.UsageError(
                f"{self.option} is for many objects", hint="add -r, or leave it out"
            )

    def refuse_with(self, option: str, given: object) -> None:
        """Refuse an option that workers cannot follow.

        Raises:
            UsageError: Both were given.
        """
        if self and given:
            raise cb.UsageError(
                f"{option} and {self.option} exclude each other", hint="leave out one"
            )

    def key(self, key: Any, named: str | None, access: AccessOptions) -> Any:
        """Return a key as a pass takes it: by reference where the work is shared.

        Args:
            key: A master key; a description, or None, stays what it is.
            named: What named it.
            access: The options.
        """
        if not self or key is None or isinstance(key, cb.Description):
            return key
        assert named is not None
        return KeyByOptions(key, named, access)

    @contextmanager
    def opened(self) -> Iterator[Executor | None]:
        """Give the executor, and end at its end what it began; None where nothing is shared.

        Raises:
            UsageError: No scheduler answers, or it has no workers that can do this.
            MissingExtraError: The extra ``dask`` is not installed.
        """
        if self.processes is not None:
            from cipherbucket.cli.workers.processes import processes  # noqa: PLC0415  takes a while

            with processes(self.processes) as executor:
                yield executor
        elif self.dask is not None:
            from cipherbucket.cli.workers.cluster import cluster  # noqa: PLC0415  the extra

            with cluster(self.dask) as executor:
                yield executor
        else:
            yield None


def executor_options(note: str = "") -> Decorator:
    """Give a command ``--processes`` and ``--dask``; it gets them as ``executors``.

    Args:
        note: What the help of both begins with.
    """
    processes = click.option(
        "--processes",
        type=click.IntRange(1, 256),
        metavar="N",
        is_eager=True,
        callback=_note_sharing,
        help=f"{note}Share the work among so many processes. Each reads the keys itself, with"
        " passphrases from the environment.",
    )
    dask = click.option(
        "--dask",
        metavar="ADDRESS",
        is_eager=True,
        callback=_note_sharing,
        help=f"{note}Share the work among the workers of a Dask cluster, whose scheduler is at"
        " ADDRESS, such as tcp://scheduler:8786. They find key files under the same paths.",
    )

    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_executors(*args: Any, **kwargs: Any) -> Any:
            executors = ExecutorOptions(kwargs.pop("processes"), kwargs.pop("dask"))
            return function(*args, executors=executors, **kwargs)

        return processes(dask(with_executors))

    return with_options


def _note_sharing(context: click.Context, param: click.Parameter, value: Any) -> Any:
    """Keep that keys are read without asking, before any is read; click calls it."""
    if value is None or context.resilient_parsing:
        return value
    if SHARED in context.meta:
        raise click.UsageError("--processes and --dask exclude each other.")
    context.meta[SHARED] = True
    if param.name == "dask":
        _check_address(context, param, value)
    return value


def _check_address(context: click.Context, param: click.Parameter, address: str) -> None:
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_address = False
    if not is_address or parts.path:
        raise click.BadParameter("write tcp://HOST:PORT, or tls://HOST:PORT", context, param)
