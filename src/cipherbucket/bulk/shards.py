"""A pass that the workers of an executor share: threads, processes, or the machines of a cluster.

Rule: names are cut into ranges of about equal count, and a worker does a step of one at a time: the
same pass as everywhere, over a limited number of its names, with a ledger of its own where it runs.
Where the objects are given, a step is some of these, and a bounded number of steps is on its way.
What came of a step comes back as lines of its ledger and is written into the one ledger of the
pass, in one transaction with the range that is done by it; only then the worker's ledger may go. So
a worker that dies loses at most what it was at, and every object is written down as done once.
Buckets and keys reach workers by reference only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.ranges import done_by, joined, last_before, not_done
from cipherbucket.bulk.steps import (
    EntriesOfStep,
    NamesOfStep,
    OpensBucket,
    Step,
    StepDone,
    do_step,
    forget,
    place_of_ledgers,
)
from cipherbucket.errors import UsageError, WorkerLostError
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.listing import list_objects
from cipherbucket.objects.split import NameRange, split
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry
from cipherbucket.workers.executors import result_of

STEP = 1000
"""Most objects of a step, so that what comes back fits into memory."""
_GIVEN = 1000
"""Objects of a step where they are given: few are shared out, too."""
_RANGES = 4
"""Ranges for each worker: they are never quite equal."""
_AHEAD = 2
"""Steps on their way for each worker where the objects are given."""
_WORKERS = 16
"""So many workers are supposed where an executor does not say how many it has."""
_MOMENT = 0.1
_SECONDS_TO_FORGET = 10.0


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
        passed = {
            name: dict(value) if isinstance(value, Mapping) else value  # a proxy is not pickled
            for name, value in arguments.items()
            if name != "entries"  # of which each worker gets its part
        }
        for name, value in passed.items():
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
        return cls(executor, call, bucket, passed)

    def run(
        self,
        store: Store,
        prefix: str,
        ledger: Ledger,
        tick: Callable[[int], None],
        given: Iterable[Entry] | None = None,
        moved: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Share out what the ledger does not say to be done, and write down what comes back.

        Args:
            store: Whose names are cut into ranges.
            prefix: Only names that begin with this.
            ledger: That of the pass.
            tick: Called some ten times a second, with the number of objects that came back.
            given: The objects, where they are given.
            moved: Called with stored bytes of objects that came back.

        Raises:
            WorkerLostError: A worker died. What came back is in the ledger.
            CipherbucketError: What a step raised.
        """
        steps = _Steps(self, prefix, ledger, tick, moved)
        try:
            if given is None:
                earlier = list(joined(ledger.done_ranges()))
                steps.do_ranges(split(store, _RANGES * steps.workers, prefix))
                again = (
                    list_objects(store, prefix, start_after=start, end_before=end)
                    for start, end in earlier
                )
                steps.do_entries(itertools.chain.from_iterable(again), listed=True)
            else:
                steps.do_entries(given)
            if ledger.read_only:
                ledger.forget_unseen()
            steps.forget_elsewhere()
        except BrokenExecutor as error:
            raise _lost() from error
        finally:
            steps.cancel()


class _Steps:
    """The steps of a pass that are on their way."""

    def __init__(
        self,
        shards: Shards,
        prefix: str,
        ledger: Ledger,
        tick: Callable[[int], None],
        moved: Callable[[int], None],
    ) -> None:
        self.workers = _workers_of(shards.executor)
        self._shards = shards
        self._prefix = prefix
        self._ledger = ledger
        self._pass_id = ledger.started.isoformat()
        self._tick = tick
        self._moved = moved
        self._looked = 0
        self._at_work: dict[Future[StepDone], Step] = {}
        self._kept: dict[str, set[str]] = {}  # elsewhere, of what is written down, by place

    def do_ranges(self, ranges: Iterable[NameRange]) -> None:
        """Do all names of ranges, but for what the ledger says to be done."""
        begun = self._ledger.begun()  # by an earlier run: a worker may have the answer
        done = [*self._ledger.done_ranges(), *((each, last_before(end)) for each, end in begun)]
        done.sort(key=lambda pair: pair[0])
        left = [each for names in ranges for each in not_done(names, done)]
        for names in (*itertools.starmap(NameRange, begun), *left):
            self._begin(names)
        while self._at_work:
            for step, came in self._coming():
                assert isinstance(step.objects, NamesOfStep)
                names = step.objects.names
                ended = (names.start_after, names.end_before)
                self._ledger.merge(came.lines, done_by(names, came), ended)
                self._forget(came)
                if came.last is not None:
                    self._begin(NameRange(came.last, names.end_before))

    def _begin(self, names: NameRange) -> None:
        self._ledger.begin(names.start_after, names.end_before)
        self._submit(NamesOfStep(self._pass_id, names, STEP))

    def do_entries(self, given: Iterable[Entry], *, listed: bool = False) -> None:
        """Do the objects that are given, but for what the ledger says to be done.

        Args:
            given: The objects.
            listed: Whether they are listed anew in ranges that an earlier run has done. What comes
                of that is found by the next listing, and no step to go on with.
        """
        at_work: set[str] = set()
        parts = self._parts(given, at_work)
        while True:
            room = _AHEAD * self.workers - len(self._at_work)
            for part in itertools.islice(parts, max(0, room)):
                at_work.update(each.name for each in part.entries)
                if not listed:
                    self._ledger.begin(str(part.number), "")
                self._submit(part)
                self._tick(self._looked)
            if not self._at_work:
                break
            for step, came in self._coming():
                assert isinstance(step.objects, EntriesOfStep)
                names = {each.name for each in step.objects.entries}
                lines = (line for line in came.lines if line.name.decode() in names)
                self._ledger.merge(lines, ended=None if listed else (str(step.objects.number), ""))
                at_work -= names
                self._forget(came)

    def _parts(self, given: Iterable[Entry], at_work: set[str]) -> Iterator[EntriesOfStep]:
        """Cut what is given, at the same places in every run, and leave out what is done."""
        entries, most = iter(given), min(STEP, _GIVEN)
        for number in itertools.count():
            part = list(itertools.islice(entries, most))
            if not part:
                return
            fresh: dict[str, Entry] = {}
            for each in part:
                name = each.name
                done = self._ledger.has(each) or self._ledger.was_seen(name)
                if not done and name not in at_work:
                    fresh[name] = Entry(
                        name=name, size=each.size, etag=each.etag, modified=each.modified
                    )
            self._tick(self._looked)
            if fresh:
                yield EntriesOfStep(self._pass_id, number, tuple(fresh.values()))

    def _submit(self, objects: NamesOfStep | EntriesOfStep) -> None:
        kept = tuple(itertools.chain.from_iterable(self._kept.values()))
        shards = self._shards
        step = Step(shards.call, shards.bucket, self._prefix, shards.arguments, objects, kept)
        self._at_work[shards.executor.submit(do_step, step)] = step

    def _coming(self) -> Iterator[tuple[Step, StepDone]]:
        """Wait a moment, and yield the steps that are done by then."""
        for future in wait(self._at_work, _MOMENT, FIRST_COMPLETED).done:
            step, came = self._at_work.pop(future), result_of(future, _lost())
            yield step, came
            self._looked += len(came.lines)
            self._moved(sum(line.size for line in came.lines))
            self._kept.get(came.place, set()).difference_update(step.kept)
        self._tick(self._looked)

    def _forget(self, came: StepDone) -> None:
        """Remove the worker's ledger of what is written down, or have a worker there do it."""
        if came.kept is None:
            return
        if came.place == place_of_ledgers():
            forget([came.kept])
        else:
            self._kept.setdefault(came.place, set()).add(came.kept)

    def forget_elsewhere(self) -> None:
        """Have workers remove the ledgers that are left, as far as the executor reaches them.

        What is left all the same goes after a week, when a worker there does a step.
        """
        names = tuple(itertools.chain.from_iterable(self._kept.values()))
        if names:
            executor = self._shards.executor
            with suppress(Exception):
                wait(
                    [executor.submit(forget, names) for _ in range(self.workers)],
                    _SECONDS_TO_FORGET,
                )

    def cancel(self) -> None:
        """Take back what was not begun."""
        for future in self._at_work:
            future.cancel()


def elsewhere(
    shards: Shards | None,
    store: Store,
    prefix: str,
    given: Iterable[Entry] | None,
    moved: Callable[[int], None] = lambda _: None,
) -> Callable[[Ledger, Callable[[int], None]], None] | None:
    """Return what does a pass in the workers of an executor, for `run_pass`; None for none.

    Arguments as `Shards.run`.
    """
    if shards is None:
        return None
    return lambda ledger, tick: shards.run(store, prefix, ledger, tick, given, moved)


def _flat(value: Any) -> Iterable[Any]:
    return value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)


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
