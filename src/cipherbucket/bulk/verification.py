"""Reading objects through, to know that they can be read.

Rule: an object is verified when all of it was read, decrypted with its key and compared with all
that is recorded of it, as `Bucket.get` does. What is read is thrown away, a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from datetime import datetime
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.entries import entries_of
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import FAILED, Outcome
from cipherbucket.bulk.places import NO_OTHERS, Places
from cipherbucket.bulk.report import PassReport
from cipherbucket.bulk.shards import Shards, elsewhere
from cipherbucket.bulk.steps import LoadsKey, OpensBucket, here
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import Access, access_of
from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.errors import ObjectNotFoundError
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.records import NOTHING, Entry
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import Halt, usual_workers

VERIFIED, GONE, DUE = "verified", "gone", "due"
_WHOLE, _START = Span(), Span(length=1)
STATUSES = (VERIFIED, DUE, PLAINTEXT, FAILED, GONE)


class Verification(PassReport):
    """What reading all objects under a prefix came to. Use it in a ``with`` statement.

    The status of an object is ``verified``; ``due``, of a dry run: envelope and keys are right;
    ``plaintext``, of which only the store's own checksum was compared; ``failed``; or ``gone``,
    deleted since it was listed.

    Attributes:
        resumed: How many objects an earlier run has read, and this one has not.
        started: When that run started, UTC; else this one.
    """

    def __init__(
        self, ledger: Ledger, url: str, prefix: str, inventory: datetime | None = None
    ) -> None:
        super().__init__(ledger, url, prefix, inventory)
        self.resumed = ledger.unchanged
        self.started = ledger.started

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object for each object, and a last one for the whole (docs/audit.md)."""
        for each in self.objects():
            line = each.line()
            status = {name: line.pop(name) for name in ("type", "name", "status")}
            yield status | {"format": each.format or None} | line
        yield self.summary("verify") | {
            "resumed": self.resumed,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "counts": {
                status: {
                    "objects": self.counts[status].objects,
                    "stored_bytes": self.counts[status].stored_size,
                }
                for status in STATUSES
                if status in self.counts
            },
        }


def verify(
    bucket: Bucket,
    name: str,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    as_name: str | None = None,
    footer_recipients: bool = False,
    version_id: str | None = None,
) -> ObjectInfo:
    """Read all of an object, decrypt it, and compare all that is recorded of it.

    Nothing of it is kept. Arguments and errors as `Bucket.get`, and those of reading: what
    returns can be read. Of plaintext, where the policy accepts it, the store's CRC-64 is
    compared and nothing else is known.

    Returns:
        What is known of the object; its size is certain.
    """
    access = access_of(bucket)
    reading = Reading.of(
        access,
        name,
        key=key,
        context=context,
        as_name=as_name,
        footer_recipients=footer_recipients,
    )
    return _read(access, reading, version_id, None)


def verify_all(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    *,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> Verification:
    """Read all objects under a prefix, as `verify` does; one that fails stops no other.

    Called again with the same arguments and keys after an interrupt, or after failures, and
    within a week, it reads what was not verified, or was written since.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        key: Open all of them with this key, whatever descriptions say.
        context: The pairs that they were written with.
        below: Other buckets of the same store, by prefixes: whatever lies below one of these is
            read with the keys, and by the policy, of its bucket; the longest prefix counts.
        dry_run: Open each object, as reading does, and read no more than its first bytes.
        workers: Objects at once, 1 or more; None for four, or one a core.
        limit_rate: Most plaintext bytes a second, 1 or more.
        progress: Called with (bytes of plaintext read, None).
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. They are read as they are now; a repeated call reads none again that it read
            before, even if it was written since.
        executor: Whose workers share the pass; see `rotation.rewrap_all`.

    Returns:
        What came of it, best used in a ``with`` statement: it holds a file open.

    Raises:
        UsageError: Another process is at the same pass, or a number is too small.
        MasterKeyError: ``key`` is no master key.
        StoreError, KmsError: The listing failed, or a hundred objects in a row.
    """
    check_speed(workers, limit_rate)
    given: dict[str, Any] = {"key": key, "context": context, "below": below, "entries": entries}
    how = {"dry_run": dry_run, "workers": workers, "limit_rate": limit_rate}
    shards = Shards.of(executor, verify_all, bucket, {**given, **how})
    opener: MasterKey | None = here(key)
    if opener is not None:
        check_key(opener)
    halt = Halt(limit_rate)
    places = Places(here(bucket), here(below))
    store = places.access.store

    def work(entry: Entry) -> Outcome:
        reading = Reading.of(places.access_for(entry.name), entry.name, key=opener, context=context)
        return _verified(places.access, reading, entry, halt, dry_run=dry_run)

    # What was verified by other rules was not verified by these.
    listed = entries_of(store, prefix, entries)
    what = [
        *listed.identity,
        opener.id if opener is not None else "",
        str(dry_run),
        *places.reading_rules(context),
    ]
    ledger = listed.open_ledger("verify", store.url, prefix, *what, read_only=True)
    return run_pass(
        listed.entries,
        work,
        ledger,
        workers=workers or usual_workers(),
        halt=halt,
        tick=reporting(progress, lambda _: halt.done),
        report=lambda done: Verification(done, store.url, prefix, listed.inventory),
        given=listed.given,
        elsewhere=elsewhere(shards, store, prefix, listed.to_share, halt.skipped),
    )


def _verified(
    access: Access, reading: Reading, entry: Entry, halt: Halt, *, dry_run: bool
) -> Outcome:
    try:
        info = _read(access, reading, None, halt, _START if dry_run else _WHOLE)
    except ObjectNotFoundError as error:  # deleted since it was listed
        return Outcome(entry.name, GONE, entry.size, {"reason": error.message})
    status = PLAINTEXT if info.envelope is None else DUE if dry_run else VERIFIED
    return Outcome(entry.name, status, info.stored_size, {"format": info.format})


def _read(
    access: Access,
    reading: Reading,
    version_id: str | None,
    halt: Halt | None,
    span: Span = _WHOLE,
) -> ObjectInfo:
    fetch = fetch_from(access.store, reading.name, None, version_id)
    return read_through(open_stream(fetch, span, reading), halt)


def read_through(stream: ObjectStream, halt: Halt | None = None) -> ObjectInfo:
    """Read a stream to its end and throw away what comes.

    Raises:
        StoppedError: ``halt`` was set.
        And what reading raises.
    """
    block = memoryview(bytearray(min(BLOCK, max(1, stream.length))))
    with stream:
        while count := stream.readinto(block):
            if halt is not None:
                halt.passed(count)
    return stream.info
