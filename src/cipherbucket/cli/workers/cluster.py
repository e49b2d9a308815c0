"""The workers of a Dask cluster, which share the work of a command.

Rule: a cluster that would never answer, or would not understand what it is sent, is refused before
it is sent anything. One that loses all its workers later keeps the work until there is another:
that the command waits is said. What was not begun there when the command ends is taken back.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any

import cipherbucket as cb
from cipherbucket import __version__

_CONNECT_TIMEOUT = 10
_PAUSE = 2.0
_LOGS = ("distributed", "distributed.client")
"""Loggers of Dask that have a level of their own."""
_DASK = "pip install 'distributed>=2025.1'"

_log = logging.getLogger("cipherbucket")


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Give the executor of a cluster.

    Raises:
        UsageError: No scheduler answers, or it has no workers that can do this.
        MissingExtraError: The extra ``dask`` is not installed.
    """
    try:
        from distributed import Client  # noqa: PLC0415  the extra
    except ImportError as error:
        raise cb.MissingExtraError("--dask takes dask.distributed", hint=_DASK) from error
    levels = {each: each.level for each in map(logging.getLogger, _LOGS)}
    if logging.getLogger("cipherbucket").getEffectiveLevel() > logging.DEBUG:
        for log in levels:
            log.setLevel(logging.CRITICAL + 1)  # it logs what it raises as well
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            client = _connected(Client, address)
            with client:
                _check_workers(client, address)
                with _waiting_said(client, address):
                    yield client.get_executor()
    finally:
        for log, level in levels.items():
            log.setLevel(level)


def _connected(connect: Callable[..., Any], address: str) -> Any:
    try:
        return connect(address, timeout=_CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise cb.UsageError(
            f"no scheduler of Dask answers at {address}",
            hint="start one with: dask scheduler",
        ) from error


def _check_workers(client: Any, address: str) -> None:
    """Refuse a cluster that would never answer, or not understand what it is sent."""
    if not client.nthreads():
        raise cb.UsageError(
            f"the scheduler at {address} has no workers",
            hint=f"start some with: dask worker {address}",
        )
    try:
        found = set(client.run(_version).values())
    except Exception as error:
        raise cb.UsageError(
            f"a worker of {address} cannot import cipherbucket",
            hint=f"install cipherbucket {__version__} where the workers run",
        ) from error
    if others := sorted(found - {__version__}):
        raise cb.UsageError(
            f"a worker of {address} has cipherbucket {others[0]}, and this is {__version__}",
            hint="install the same version where the workers run",
        )


@contextmanager
def _waiting_said(client: Any, address: str) -> Iterator[None]:
    """Say, each time that the last worker is gone, that the command waits for another."""
    ended = threading.Event()

    def watch() -> None:
        waits = False
        with suppress(Exception):  # the scheduler is lost, which the work fails of
            while not ended.wait(_PAUSE):
                is_empty = not client.nthreads()
                if is_empty and not waits and not ended.is_set():
                    _log.warning(
                        "the cluster at %s has no worker any more; waiting for one"
                        " (start some with: dask worker %s)",
                        address,
                        address,
                    )
                waits = is_empty

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _version() -> str:
    """Return the version of the process that runs this."""
    return __version__
