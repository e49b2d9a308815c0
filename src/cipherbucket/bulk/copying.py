"""All objects under a prefix, copied to another store as they are.

Rule: ciphertext and envelope go along unchanged, under their names, so that no key is needed. What
the target has already is not copied again: a pass that was interrupted, or is repeated, moves only
what is missing or differs. Nothing is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.entries import entries_of
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import FAILED, Outcome
from cipherbucket.bulk.report import PassReport, Tally
from cipherbucket.bulk.shards import Shards, elsewhere
from cipherbucket.bulk.steps import OpensBucket, here
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import Access, access_of
from cipherbucket.errors import ObjectNotFoundError, StoreError, UsageError
from cipherbucket.format.metadata_names import V2
from cipherbucket.objects.store_to_store import copy_to_store
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING, Entry, StoredObject, same_crc64
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import Halt, usual_workers
from cipherbucket.writing.one_request import persist

COPIED, SAME, GONE = "copied", "same", "gone"
_SIZES = {f"{V2}data-size", f"{V2}part-size"}
"""What a copy in parts may add to an envelope."""


class CopyReport(PassReport):
    """What copying all objects under a prefix came to. Use it in a ``with`` statement.

    The status of an object is ``copied``; ``same``, the target had it; ``gone``, deleted since it
    was listed; or ``failed``.

    Attributes:
        target: URL of the store that they were copied to.
        copied: Objects that were, by this run and by those that it resumed.
        same: Objects that the target had already.
    """

    def __init__(self, ledger: Ledger, url: str, prefix: str, target: str, **more: Any) -> None:
        super().__init__(ledger, url, prefix, **more)
        self.target = target
        self.copied = self.counts.get(COPIED, Tally())
        self.same = self.counts.get(SAME, Tally())

    def close(self) -> None:
        """Close the ledger and remove it: the next run compares all with what the target has."""
        self._ledger.finish()
        self._ledger.close()

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a mapping for each object, and one for the whole, fit for JSON."""
        for each in self.objects():
            yield each.line()
        tallies = {status: self.counts.get(status, Tally()) for status in (COPIED, SAME, GONE)}
        yield self.summary("copy") | {
            "target": self.target,
            "finished": self.finished.isoformat(),
            "counts": {
                status: {"objects": tally.objects, "stored_bytes": tally.stored_size}
                for status, tally in {**tallies, FAILED: self.failed}.items()
            },
        }


def copy_all(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    *,
    to: Bucket | OpensBucket,
    headers: Mapping[str, str] = NOTHING,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> CopyReport:
    """Copy all objects under a prefix to another store, as `Bucket.copy_to` does for one.

    Each keeps its name. Of an object that is there already with the same bytes, metadata and
    content headers nothing is moved; another one is replaced. A pass that was interrupted resumes
    when it is run again: what it copied before is not compared with the target again, unless the
    source was changed. Stores that keep different CRC-64, as OSS and S3 do, cannot be compared: a
    further pass copies all again.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        to: The bucket that they go to; neither needs a key.
        headers: ACL, tags, storage class and encryption at rest there, as `Bucket.put` takes them.
        workers: Objects at once, 1 or more; None for four, or one a core.
        limit_rate: Most bytes a second in all, 1 or more.
        progress: Called with (stored bytes that were read, None), some ten times a second.
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. They are copied as they are now.
        executor: Whose workers share the pass, as in `rotation.rewrap_all`: both buckets are then
            given by reference; ``limit_rate`` is not taken.

    Returns:
        What came of it, best used in a ``with`` statement: it holds a file open.

    Raises:
        UsageError: Both are one store, or another process is at the same pass; or a number is too
            small.
        StoreError: The target is only read; or the listing failed, or a hundred objects in a row.
    """
    check_speed(workers, limit_rate)
    given = {"to": to, "headers": headers, "entries": entries}
    how = {"workers": workers, "limit_rate": limit_rate}
    shards = Shards.of(executor, copy_all, bucket, {**given, **how})
    origin, there = access_of(here(bucket)), access_of(here(to))
    source = origin.store
    if source is there.store:
        raise UsageError("source and target are one store", hint="name another target")
    there.store.check_writable()
    halt = Halt(limit_rate)
    listed = entries_of(source, prefix, entries)
    described = json.dumps(dict(headers), sort_keys=True)
    what = (source.url, prefix, *listed.identity, there.store.url, described)
    ledger = listed.open_ledger("copy", *what, read_only=False)

    def work(entry: Entry) -> Outcome:
        if not entry.name.startswith(prefix):
            raise StoreError("the store lists what was not asked for", name=entry.name)
        return _copied(origin, there, entry, headers, halt)

    return run_pass(
        listed.entries,
        work,
        ledger,
        workers=workers or usual_workers(),
        halt=halt,
        tick=reporting(progress, lambda _: halt.done),
        report=lambda done: CopyReport(
            done, source.url, prefix, there.store.url, inventory=listed.inventory
        ),
        given=listed.given,
        elsewhere=elsewhere(shards, source, prefix, listed.to_share, halt.skipped),
    )


def _copied(
    origin: Access, target: Access, entry: Entry, headers: Mapping[str, str], halt: Halt
) -> Outcome:
    name = entry.name
    origin.check_name(name)
    target.check_name(name)
    try:
        there = _head(target.store, name)
        if there is not None:
            seen = persist(lambda _: origin.store.head(name))
            if _is_same(seen, there):
                return Outcome(name, SAME, seen.size)
        # One part at a time: other objects are copied beside it.
        halt = Halt(above=halt)
        copied = copy_to_store(
            origin.store, name, target.store, name, headers=headers, workers=1, halt=halt
        )
    except ObjectNotFoundError:
        return Outcome(name, GONE, entry.size, {"reason": "deleted since it was listed"})
    return Outcome(name, COPIED, copied.size)


def _head(store: Store, name: str) -> StoredObject | None:
    try:
        return persist(lambda _: store.head(name))
    except ObjectNotFoundError:
        return None


def _is_same(seen: StoredObject, there: StoredObject) -> bool:
    """Return whether a copy is what it would be again; a store may add headers."""
    added = there.metadata.keys() - seen.metadata.keys()
    return (
        same_crc64(seen, there) is True
        and seen.size == there.size
        and seen.metadata.items() <= there.metadata.items()
        and added <= _SIZES
        and seen.headers.items() <= there.headers.items()
    )
