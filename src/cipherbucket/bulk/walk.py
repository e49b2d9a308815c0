"""One pass over many objects: listed ahead, worked on by several threads, resumable.

Rule: the listing runs ahead of the work by a bounded number of entries, so that neither waits for
the other and memory stays flat whatever the number of objects; a listing that goes back, and so
might never end, stops the pass. What is given in place of a listing may come in any order and name
an object twice: it is worked on once in a run. One object's failure is written down and stops
nothing; a store or KMS that fails for a hundred objects in a row does stop the pass, which then
goes on from there when it is run again.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import FAILED, Outcome, validator_of
from cipherbucket.errors import CipherbucketError, KmsError, StoreError
from cipherbucket.stores.records import Entry, Version
from cipherbucket.workers.threads import Halt, StoppedError, run

AHEAD = 2000
"""Most entries that are listed and not yet worked on."""
_IN_A_ROW = 100
"""So many objects one after another that store or KMS failed for are no bad luck."""
_MOMENT = 0.1

Item = TypeVar("Item", bound=Entry | Version)
Report = TypeVar("Report")
PassProgress = Callable[[int, int | None], None]
"""Called with (what is done so far, None: how much there is shows only at the end)."""


def walk(
    entries: Iterable[Item],
    work: Callable[[Item], Outcome],
    ledger: Ledger,
    *,
    workers: int,
    halt: Halt,
    tick: Callable[[int], None] = lambda _: None,
    given: bool = False,
) -> None:
    """Work on every entry that the ledger does not have yet, and write down what became of it.

    Args:
        entries: A listing; read in a thread of its own. Common prefixes are passed over.
        work: Does one; called by several threads. What it raises of our errors is written down
            as ``failed`` with the error's text as ``reason``.
        ledger: What is done.
        workers: Threads, 1 or more.
        halt: Set when all have to stop.
        tick: Called in this thread some ten times a second, with the number of objects that were
            worked on.
        given: Whether the entries were given, and not listed: they may come in any order, and
            twice. The next run is given them as they are now: a line of the ledger holds for the
            object as it was given, whatever the work made of it.

    Raises:
        StoreError, KmsError: Of the last of a hundred objects that failed by store or KMS in a
            row; or what the listing raised. All that was done is in the ledger.
    """
    row = _Row()
    counter, looked = itertools.count(1), 0
    at_work: set[str] = set()

    def done(entry: Item) -> None:
        nonlocal looked
        try:
            try:
                outcome = work(entry)
            finally:  # threads may lose a count for a moment, never for good
                looked = max(looked, next(counter))
        except CipherbucketError as error:
            ledger.add(entry, _failed(entry, error))
            row.add(error)
        else:
            if given:
                outcome = replace(outcome, validator=validator_of(entry.etag, entry.modified))
            ledger.add(entry, outcome)
            row.end()
        finally:
            at_work.discard(entry.name)

    def is_fresh(entry: Item) -> bool:
        if getattr(entry, "is_prefix", False) or ledger.has(entry):
            return False
        # What is at work is written down before it is not at work any more.
        if given and (entry.name in at_work or ledger.was_seen(entry.name)):
            return False
        at_work.add(entry.name)
        return True

    ahead = _Ahead(entries, halt, ordered=not given)
    fresh = (entry for entry in ahead if is_fresh(entry))
    try:
        run(fresh, done, workers=workers, halt=halt, tick=lambda: tick(looked))
    finally:
        halt.set()  # the listing's thread, too


def run_pass(
    entries: Iterable[Item],
    work: Callable[[Item], Outcome],
    ledger: Ledger,
    *,
    workers: int,
    halt: Halt,
    tick: Callable[[int], None],
    report: Callable[[Ledger], Report],
    given: bool = False,
    elsewhere: Callable[[Ledger, Callable[[int], None]], None] | None = None,
) -> Report:
    """Walk over a whole listing and return its report, which closes the ledger; so does an error.

    Arguments and errors as `walk`. The ledger of a pass that changes nothing drops what the listing
    does not show any more. ``elsewhere`` is given the ledger, and a tick, where the workers of an
    executor do the pass.
    """
    try:
        if elsewhere is not None:
            elsewhere(ledger, tick)
            return report(ledger)
        walk(entries, work, ledger, workers=workers, halt=halt, tick=tick, given=given)
        if ledger.read_only:
            ledger.forget_unseen()
        return report(ledger)
    except BaseException:
        ledger.close()
        raise


def reporting(progress: PassProgress | None, done: Callable[[int], int]) -> Callable[[int], None]:
    """Return a ``tick`` that reports what ``done`` makes of the number of objects so far."""

    def tick(looked: int) -> None:
        if progress is not None:
            progress(done(looked), None)

    return tick


def _failed(entry: Entry | Version, error: CipherbucketError) -> Outcome:
    reason = str(error) if error.hint is None else f"{error.message} ({error.hint})"
    detail = {"reason": reason, "error": type(error).__name__}
    return Outcome(entry.name, FAILED, entry.size, detail, getattr(entry, "version_id", None))


class _Row:
    """Failures of store or KMS, one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._length = 0

    def end(self) -> None:
        with self._lock:
            self._length = 0

    def add(self, error: CipherbucketError) -> None:
        """Count a failure; raise it if there were too many."""
        if not isinstance(error, StoreError | KmsError) or isinstance(error, FileNotFoundError):
            return
        with self._lock:
            self._length += 1
            if self._length >= _IN_A_ROW:
                raise error


class _Ahead(Iterator[Item]):
    """A listing that a thread of its own reads, at most `AHEAD` entries before they are wanted."""

    def __init__(self, entries: Iterable[Item], halt: Halt, *, ordered: bool = True) -> None:
        self._ordered = ordered
        self._ready: queue.Queue[Item | BaseException] = queue.Queue(AHEAD)
        self._halt = halt
        threading.Thread(target=self._read, args=(entries,), daemon=True).start()

    def __next__(self) -> Item:
        while True:
            self._halt.passed(0)
            with suppress(queue.Empty):
                item = self._ready.get(timeout=_MOMENT)
                if isinstance(item, BaseException):
                    raise item
                return item

    def _read(self, entries: Iterable[Item]) -> None:
        last = b""
        try:
            for entry in entries:
                name = entry.name.encode()
                if self._ordered and (name < last or (name == last and isinstance(entry, Entry))):
                    raise StoreError("the store's listing does not advance", name=entry.name)
                last = name
                self._offer(entry)
            self._offer(StopIteration())
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001  raised where it is drawn
            self._offer(error)

    def _offer(self, item: Item | BaseException) -> None:
        while True:
            self._halt.passed(0)
            with suppress(queue.Full):
                self._ready.put(item, timeout=_MOMENT)
                return
