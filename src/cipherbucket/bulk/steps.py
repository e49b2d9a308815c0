"""One step of a shared pass: what a worker is given, what it does, and what it gives back.

Rule: a worker keeps the ledger of a step until the process that shares the pass out has written
down what came back. So a step that is done again on the same machine, because its answer was lost,
is answered from that ledger, and nothing in it is done twice. Its file belongs to one pass and one
part of it; two workers that are given the same step at once do it one after the other.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from re import fullmatch
from typing import Any, Protocol

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import MAX_AGE
from cipherbucket.bulk.ledger_file import files_of, remove_unused
from cipherbucket.bulk.outcomes import Line
from cipherbucket.errors import CipherbucketError
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.listing import list_objects
from cipherbucket.objects.split import NameRange
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry
from cipherbucket.stores.urls import making_no_folders
from cipherbucket.transfers.state import state_folder, state_or_none

STEP_LEDGER = "step-"
"""How the names of ledgers of steps begin."""
_STEP_LEDGER = rf"{STEP_LEDGER}[\w-]+\.ledger"


class OpensBucket(Protocol):
    """What a worker opens a bucket by, such as a `BucketReference`."""

    def open(self) -> Bucket:
        """Return the bucket, the same in all of a process."""


class LoadsKey(Protocol):
    """What a worker finds a key by, such as a `KeyReference`."""

    def load(self) -> MasterKey:
        """Return the key."""


@dataclass(frozen=True, slots=True)
class NamesOfStep:
    """What a worker goes over: so many names of a range, as the store lists them there.

    It takes the place of ``entries=`` in a pass.

    Attributes:
        pass_id: Another for each pass that is shared out.
        names: The range.
        most: How many names of it.
    """

    pass_id: str
    names: NameRange
    most: int
    _last: list[str] = field(default_factory=list, compare=False)

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes this another step than others."""
        return (self.pass_id, self.names.start_after, self.names.end_before)

    def listed(self, store: Store, prefix: str) -> Iterator[Entry]:
        """List them, and remember the last if there may be more."""
        found = list_objects(
            store, prefix, start_after=self.names.start_after, end_before=self.names.end_before
        )
        self._last.clear()
        for number, entry in enumerate(itertools.islice(found, self.most), 1):
            yield entry
            if number == self.most:
                self._last.append(entry.name)

    @property
    def last(self) -> str | None:
        """The name that the next step begins after; None at the end of the range."""
        return self._last[-1] if self._last else None


@dataclass(frozen=True, slots=True)
class EntriesOfStep:
    """What a worker goes over where the objects of the pass are given: some of them.

    Attributes:
        pass_id: Another for each pass that is shared out.
        number: Which part of all that is given they are from.
        entries: They.
    """

    pass_id: str
    number: int
    entries: tuple[Entry, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes this another step than others."""
        return (self.pass_id, str(self.number))

    @property
    def last(self) -> str | None:
        """There is no next step."""
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """What a worker is given.

    Attributes:
        call: The pass: a function of this library over a bucket.
        bucket: What opens the bucket.
        prefix: Only names that begin with this.
        arguments: Of the pass, with keys and further buckets by reference.
        objects: Which objects.
        kept: Ledgers of steps that are written down: what is here of these may go.
    """

    call: Callable[..., Any]
    bucket: OpensBucket
    prefix: str
    arguments: Mapping[str, Any]
    objects: NamesOfStep | EntriesOfStep
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepDone:
    """What a worker gives back.

    Attributes:
        lines: Of the worker's ledger, in byte order of names.
        last: The name that the next step begins after; None at the end of the range.
        place: Where the worker keeps ledgers: host and folder.
        kept: The name of the one that holds these lines; None where none is kept.
    """

    lines: Sequence[Line]
    last: str | None
    place: str = ""
    kept: str | None = None


def do_step(step: Step) -> StepDone:
    """Do a step; this runs in a worker.

    Raises:
        CipherbucketError: What the pass raises, with the worker named.
    """
    forget(step.kept)
    _forget_old()
    try:
        with making_no_folders():
            arguments = {name: here(value) for name, value in step.arguments.items()}
            bucket, objects = step.bucket.open(), step.objects
        ledger = step.call(bucket, step.prefix, entries=objects, **arguments).ledger
        with ledger:  # and not the report, which would remove it
            lines = list(ledger.lines())
    except CipherbucketError as error:
        error.message += f" (in process {os.getpid()} of {socket.gethostname()})"
        error.args = (error.message,)
        raise
    kept = ledger.path.name if ledger.path.exists() else None
    return StepDone(lines, objects.last, place_of_ledgers(), kept)


def place_of_ledgers() -> str:
    """Return where this process keeps ledgers: host and folder."""
    return f"{socket.gethostname()} {state_folder()}"


def forget(names: Iterable[str]) -> str:
    """Remove ledgers of steps that are here; return where that is."""
    for name in names:
        folder = state_or_none(state_folder())
        if folder is not None and fullmatch(_STEP_LEDGER, name):
            remove_unused(folder / name)
    return place_of_ledgers()


def _forget_old() -> None:
    """Remove what passes have left that were not gone on with for a week."""
    folder, oldest = state_or_none(state_folder()), time.time() - MAX_AGE.total_seconds()
    for path in folder.glob(f"{STEP_LEDGER}*.ledger") if folder is not None else ():
        with suppress(OSError):  # another process may remove it
            written = (each.stat().st_mtime for each in files_of(path) if each.exists())
            if max(written, default=oldest) < oldest:
                remove_unused(path)


def here(value: Any) -> Any:
    """Return what a reference stands for, also in a sequence or mapping; all else as it is."""
    if isinstance(value, Bucket | MasterKey | str | bytes):
        return value
    if hasattr(value, "load"):
        return value.load()
    if hasattr(value, "open"):
        return value.open()
    if isinstance(value, list | tuple):
        return tuple(map(here, value))
    if isinstance(value, Mapping):
        return {name: here(each) for name, each in value.items()}
    return value
