"""A pass that the workers of an executor share: threads, processes, or the machines of a cluster.

Rule: names are cut into ranges of about equal count, and a worker does a step of one at a time: the
same pass as everywhere, over a limited number of its names, with a ledger of its own where it runs.
What it did comes back as lines of that ledger and is written into the one ledger of the pass, in
one transaction with the range that is done by it. So a worker that dies loses at most a step, which
its ledger, or the objects themselves, show to be done in part; and a step that two workers do is
written down once. Buckets and keys reach workers by reference only.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import FAILED, Ledger, Line
from cipherbucket.errors import CipherbucketError, UsageError, WorkerLostError
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.listing import list_objects
from cipherbucket.objects.split import NameRange, split
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry

STEP = 2000
"""Most objects of a step, so that what comes back fits into memory."""
_RANGES = 4
"""Ranges for each worker: they are never quite equal."""
_WORKERS = 16
"""So many workers are supposed where an executor does not say how many it has."""
_MOMENT = 0.1


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
    """

    names: NameRange
    most: int
    _last: list[str] = field(default_factory=list, compare=False)

    def listed(self, store: Store, prefix: str) -> Iterator[Entry]:
        """List them, and remember the last if there may be more."""
        found = list_objects(
            store, prefix, start_after=self.names.start_after, end_before=self.names.end_before
        )
        for number, entry in enumerate(itertools.islice(found, self.most), 1):
            yield entry
            if number == self.most:
                self._last.append(entry.name)

    @property
    def last(self) -> str | None:
        """The name that the next step begins after; None at the end of the range."""
        return self._last[-1] if self._last else None


@dataclass(frozen=True, slots=True)
class Step:
    """What a worker is given.

    Attributes:
        call: The pass: a function of this library over a bucket.
        bucket: What opens the bucket.
        prefix: Only names that begin with this.
        arguments: Of the pass, with keys and further buckets by reference.
        names: Which names.
        most: How many of them.
    """

    call: Callable[..., Any]
    bucket: OpensBucket
    prefix: str
    arguments: Mapping[str, Any]
    names: NameRange
    most: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """What a worker gives back.

    Attributes:
        lines: Of the worker's ledger, in byte order of names.
        last: The name that the next step begins after; None at the end of the range.
    """

    lines: Sequence[Line]
    last: str | None


def do_step(step: Step) -> StepDone:
    """Do a step; this runs in a worker.

    Raises:
        CipherbucketError: What the pass raises, with the worker named.
    """
    try:
        names = NamesOfStep(step.names, step.most)
        arguments = {name: here(value) for name, value in step.arguments.items()}
        with step.call(step.bucket.open(), step.prefix, entries=names, **arguments) as report:
            lines = list(report.ledger.lines())
            report.ledger.finish()  # what failed is the matter of the pass
    except CipherbucketError as error:
        error.message += f" (in process {os.getpid()} of {socket.gethostname()})"
        error.args = (error.message,)
        raise
    return StepDone(lines, names.last)


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


@dataclass(frozen=True, slots=True)
class Shards:
    """A pass that is shared out.

    Attributes:
        executor: Whose workers do the steps.
        call: The pass.
        bucket: What opens the bucket.
        arguments: Of the pass.
    """

    executor: Executor
    call: Callable[..., Any]
    bucket: OpensBucket
    arguments: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        executor: Executor | None,
        call: Callable[..., Any],
        bucket: Bucket | OpensBucket,
        arguments: Mapping[str, Any],
    ) -> Shards | None:
        """Return how a pass is shared out; None without an executor.

        Raises:
            UsageError: A bucket or a key is given, and not a reference; or what each machine would
                do by itself.
        """
        if executor is None:
            return None
        if isinstance(bucket, Bucket):
            raise UsageError(
                "with executor= the bucket is given by reference", hint="pass a BucketReference"
            )
        for name, value in arguments.items():
            each = value.values() if isinstance(value, Mapping) else value
            if any(isinstance(one, Bucket | MasterKey) for one in _flat(each)):
                raise UsageError(
                    f"with executor= {name} is given by reference",
                    hint="pass KeyReference and BucketReference",
                )
        if arguments.get("limit_rate") is not None:
            raise UsageError(
                "limit_rate= is for one process, and there are several with executor=",
                hint="leave out one of them",
            )
        given = arguments.get("entries")
        if given is not None:
            raise UsageError(
                "entries= are gone through here, and executor= lists in the workers",
                hint="leave out one of them",
            )
        passed = {
            name: dict(value) if isinstance(value, Mapping) else value  # a proxy is not pickled
            for name, value in arguments.items()
            if name != "entries"
        }
        return cls(executor, call, bucket, passed)

    def run(self, store: Store, prefix: str, ledger: Ledger, tick: Callable[[int], None]) -> None:
        """Share out what the ledger does not say to be done, and write down what comes back.

        Raises:
            WorkerLostError: A worker died. What came back is in the ledger.
            CipherbucketError: What a step raised.
        """
        count = _RANGES * _workers_of(self.executor)
        at_work: dict[Future[StepDone], NameRange] = {}
        done, looked = ledger.done_ranges(), 0

        def submit(names: NameRange) -> None:
            step = Step(self.call, self.bucket, prefix, self.arguments, names, STEP)
            at_work[self.executor.submit(do_step, step)] = names

        try:
            for names in split(store, count, prefix):
                for left in not_done(names, done):
                    submit(left)
            while at_work:
                for future in wait(at_work, _MOMENT, FIRST_COMPLETED).done:
                    names, came = at_work.pop(future), _result_of(future)
                    ledger.merge(came.lines, done_parts(names, came))
                    looked += len(came.lines)
                    if came.last is not None:
                        submit(NameRange(came.last, names.end_before))
                tick(looked)
        except BrokenExecutor as error:
            raise _lost() from error
        finally:
            for future in at_work:
                future.cancel()


def elsewhere(
    shards: Shards | None, store: Store, prefix: str
) -> Callable[[Ledger, Callable[[int], None]], None] | None:
    """Return what does a pass in the workers of an executor, for `run_pass`; None for none."""
    return None if shards is None else partial(shards.run, store, prefix)


def _flat(value: Any) -> Iterable[Any]:
    return value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)


def _result_of(future: Future[StepDone]) -> StepDone:
    try:
        return future.result()
    except CipherbucketError:
        raise
    except (BrokenExecutor, CancelledError) as error:
        raise _lost() from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "distributed":
            raise _lost() from error
        raise


def _lost() -> WorkerLostError:
    return WorkerLostError(
        "a worker of the executor died, or was stopped",
        hint="what came back is in the ledger; run the same again, with a new executor, to go on",
    )


def _workers_of(executor: Executor) -> int:
    """Return how many workers an executor has, as far as it says so."""
    client = getattr(executor, "_client", None)  # of dask.distributed
    if client is not None:
        return max(1, sum(int(threads) for threads in client.nthreads().values()))
    return int(getattr(executor, "_max_workers", None) or _WORKERS)


def done_parts(names: NameRange, came: StepDone) -> Iterator[tuple[str, str | None]]:
    """Yield the ranges that a step has done, as `Ledger.merge` takes them.

    What failed is left out, with the names right before it, so that the next run tries it again.
    """
    start = before = names.start_after
    for line in came.lines:
        name = line.name.decode()
        if line.status == FAILED:
            if before > start:
                yield start, before
            start = name
        before = name
    last = came.last if came.last is not None else names.end_before.removesuffix("\0") or None
    if last is None or last > start:
        yield start, last


def not_done(names: NameRange, done: Sequence[tuple[str, str | None]]) -> Iterator[NameRange]:
    """Yield what of a range none of the ranges that are done holds.

    Args:
        names: The range; where it has an end, that is a name with a zero byte, as of `split`.
        done: As `Ledger.done_ranges` returns them, in order.
    """
    start, end = names.start_after, names.end_before
    for after, last in done:
        if end and f"{after}\0" >= end:
            break
        if after > start:
            yield NameRange(start, f"{after}\0")
        if last is None:
            return
        start = max(start, last)
        if end and f"{start}\0" >= end:
            return
    yield NameRange(start, end)
