"""A tree that the workers of an executor copy: other processes, here or on other machines.

Rule: the command lists, decides and writes down; a worker is given a group of items and copies each
with the same code, between places that it opened by their names. What it answers is what the
command would have seen itself. Nothing is written down, or removed from a source, before its answer
is there: a group whose worker died is looked at again, or copied once more, by the next run.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cipherbucket as cb
from cipherbucket.cli.copying.between_stores import BetweenStores
from cipherbucket.cli.copying.changed_kinds import InTheWayError
from cipherbucket.cli.copying.direction import Copied, Direction
from cipherbucket.cli.copying.directions import ToFolder, ToStore
from cipherbucket.cli.copying.listings import Item
from cipherbucket.cli.copying.resume_notes import is_resumption
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.copying.sides import Sides
from cipherbucket.cli.errors import log_written
from cipherbucket.cli.options.by_reference import Origin, refuse_other_key
from cipherbucket.cli.options.config import Settings, absolute_key
from cipherbucket.cli.options.copying import LARGE, CopyOptions
from cipherbucket.cli.options.parsing import is_url
from cipherbucket.cli.options.writing import recipient_key
from cipherbucket.cli.terminal.progress import Progress
from cipherbucket.workers.executors import result_of
from cipherbucket.workers.threads import Halt

MOST = 100
"""Most items of a group."""
_MOST_BYTES = 4 * LARGE
"""A group that has so many is complete; what is large is one by itself."""
_AHEAD = 2
"""Groups for each worker: one is copied while the answer to another is written down."""
_MOMENT = 0.1

Outcome = Copied | cb.CipherbucketError | OSError | None
"""What became of an item; None if something in its way is the command's to decide on."""

_log = logging.getLogger("cipherbucket")
_one_at_a_time = threading.Lock()
"""A group has threads of its own; a worker of a cluster may be given several at once."""


@dataclass(frozen=True)
class SidesByName:
    """Source and target of a copy, for other processes: names, paths and addresses, no secret.

    Attributes:
        sides: Both, and how copies are written, without keys.
        options: How copies are made.
        source: The service, region and endpoint of a source, where they are its own.
        keys: The ids of keys, by what names them.
        recipients: The ids of those of ``--recipient``.
        origin: What names mean.
    """

    sides: Sides
    options: CopyOptions
    source: tuple[type[Settings], str, str] | None
    keys: Mapping[str, str]
    recipients: tuple[str, ...]
    origin: Origin

    @classmethod
    def of(cls, sides: Sides, direction: Direction, options: CopyOptions) -> SidesByName:
        """Return what opens a direction in another process.

        Args:
            sides: By which it was opened here.
            direction: It.
            options: How copies are made.

        Raises:
            UsageError: Workers cannot reach the places, or follow the options.
        """
        executors, access = options.executors, sides.access
        executors.refuse_with("--limit-rate", options.rate)
        ends = (*sides.sources, sides.target)
        if executors.dask is not None and not all(map(is_url, ends)):
            path = next(each for each in ends if not is_url(each))
            raise cb.UsageError(
                f"--dask is for copies from store to store: {path} is on this machine, and workers"
                " on others do not see it",
                hint="copy with --processes",
            )
        if any(each.startswith("memory:") for each in ends):
            raise cb.UsageError(
                "other processes cannot reach a store in memory",
                hint=f"leave out {executors.option}",
            )
        if isinstance(direction, ToStore):
            found: tuple[Any, ...] = tuple(each.closed() for each in direction.files)
        else:
            assert isinstance(direction, ToFolder | BetweenStores)
            found = tuple(each.named_alone() for each in direction.origins)
        settings = access.origin
        return cls(
            replace(
                sides,
                access=replace(access, rule=None, place="").absolute(),
                writing=replace(sides.writing, recipients=()),
                found=found,
            ),
            options,
            None
            if settings is None
            else (type(settings), settings.region or "", settings.endpoint or ""),
            {absolute_key(named): key.id for named, key in access.keys_read()},
            tuple(each.id for each in sides.writing.recipients),
            Origin.of(access),
        )

    def open(self) -> Direction:
        """Return the direction, the same in all of a process.

        Raises:
            CipherbucketError: A place, a key or ``cipherbucket.toml`` is not here, or is another.
        """
        opened: tuple[Direction, ExitStack] = self.origin.opened(self._opened)
        return opened[0]

    def _opened(self) -> tuple[Direction, ExitStack]:
        """Open it, and what closes it, which is kept with it."""
        settings = None
        if self.source is not None:
            service, region, endpoint = self.source
            settings = service(region=region, endpoint=endpoint)
        access = replace(self.sides.access, origin=settings, _read={})
        keys = tuple(recipient_key(access, each) for each in access.recipient_files)
        for named, key, meant in zip(access.recipient_files, keys, self.recipients, strict=True):
            refuse_other_key(named, key, meant)
        writing = replace(self.sides.writing, recipients=keys)
        stack = ExitStack()
        direction = replace(self.sides, access=access, writing=writing).open(stack)
        if isinstance(direction, BetweenStores):
            direction.stores.open_sealed()  # now, while names mean what they mean
        for named, key in access.keys_read():
            refuse_other_key(named, key, self.keys.get(named))
        return direction, stack


def shared_out(
    sides: Sides, direction: Direction, options: CopyOptions, *, dry_run: bool
) -> SidesByName | None:
    """Return what workers copy between; None where they are not asked for, or nothing is copied.

    Raises:
        UsageError: Workers cannot reach the places, or follow the options.
    """
    if not options.executors:
        return None
    shared = SidesByName.of(sides, direction, options)
    return None if dry_run else shared


@dataclass(frozen=True)
class Answer:
    """What a worker gives back.

    Attributes:
        outcomes: Of each item of its group.
        warnings: What it would have warned of.
        logged: Level and text of what it would have logged, warnings and resumptions alone.
    """

    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...]
    logged: tuple[tuple[int, str], ...]


def copy_group(sides: SidesByName, group: Sequence[Item]) -> Answer:
    """Copy items; this runs in a worker.

    Raises:
        CipherbucketError: The places cannot be opened; with the worker named.
    """
    try:
        direction = sides.open()
    except cb.CipherbucketError as error:
        error.message += f" (in process {os.getpid()} of {socket.gethostname()})"
        error.args = (error.message,)
        raise
    limits = SharedLimits(sides.options, Progress(), Halt())
    outcomes: dict[int, Outcome] = {}

    def work(number: int) -> None:
        item = group[number]
        try:
            with limits.lane(item.size):
                outcomes[number] = direction.copy(item, limits)
        except InTheWayError:
            outcomes[number] = None
        except (cb.CipherbucketError, OSError) as error:
            outcomes[number] = error

    with _one_at_a_time, _kept() as (warned, logged):
        limits.do_all(range(len(group)), work)
    return Answer(
        tuple(outcomes[number] for number in range(len(group))),
        tuple({str(each.message) for each in warned if _is_ours(each)}),
        tuple(logged),
    )


def _is_ours(warning: warnings.WarningMessage) -> bool:
    return issubclass(warning.category, cb.CipherbucketWarning)


class _Kept(logging.Handler):
    """Keeps what the command is to say."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or is_resumption(record):
            self.lines.append((record.levelno, record.getMessage()))


@contextmanager
def _kept() -> Iterator[tuple[list[warnings.WarningMessage], list[tuple[int, str]]]]:
    """Keep warnings and the log for the command; nothing is written here."""
    handler = _Kept()
    with warnings.catch_warnings(record=True) as warned, log_written(handler, logging.INFO):
        warnings.simplefilter("always", cb.CipherbucketWarning)
        yield warned, handler.lines


@dataclass(frozen=True)
class Workers:
    """The workers that copy.

    Attributes:
        executor: Theirs.
        sides: What they copy between.
    """

    executor: Executor
    sides: SidesByName

    @property
    def groups_at_once(self) -> int:
        """How many groups are given out at once."""
        client = getattr(self.executor, "_client", None)  # of dask.distributed
        processes = self.sides.options.executors.processes or 1
        return _AHEAD * (processes if client is None else max(1, len(client.nthreads())))

    def copied(self, group: Sequence[Item], limits: SharedLimits) -> Iterator[tuple[Item, Outcome]]:
        """Have a group copied; give what became of each item.

        Raises:
            WorkerLostError: The worker died; nothing is known of the group.
            CipherbucketError: It could not begin.
        """
        future = self._submitted(group)
        try:
            while not wait([future], _MOMENT).done:
                limits.go_on()
        except BaseException:
            future.cancel()
            raise
        answer = result_of(future, _lost())
        for text in answer.warnings:
            warnings.warn(text, cb.CipherbucketWarning, stacklevel=2)
        for level, line in answer.logged:
            _log.log(level, line)
        yield from zip(group, answer.outcomes, strict=True)

    def _submitted(self, group: Sequence[Item]) -> Future[Answer]:
        try:
            return self.executor.submit(copy_group, self.sides, group)
        except BrokenExecutor as error:  # by another group, a moment ago
            raise _lost() from error


def groups_of(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Put items together so that each group is worth a worker's while."""
    group: list[Item] = []
    size = 0
    for item in items:
        if item.size > LARGE:
            yield [item]
            continue
        group.append(item)
        size += item.size
        if len(group) == MOST or size >= _MOST_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _lost() -> cb.WorkerLostError:
    return cb.WorkerLostError(
        "a worker died, or was stopped; the next run looks at what it was copying",
        hint="see whether it had enough memory",
    )
