"""One change made to all objects under a prefix: what every pass that writes shares.

Rule: a pass may be killed and run again at any moment. What is done is in a ledger on disk. Nothing
is touched but what was asked for: each object is looked at right before it is changed, and the
report says of every one that was not changed why. A dry run does all but the writing, object by
object, and so fails where the run would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from cipherbucket.bulk.entries import entries_of
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.outcomes import Outcome, validator_of
from cipherbucket.bulk.places import Places
from cipherbucket.bulk.shards import Shards, elsewhere
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import Access
from cipherbucket.errors import ObjectNotFoundError, StoreError
from cipherbucket.format.description import Description
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.rotation.new_master_key import Label
from cipherbucket.rotation.report import DONE, DUE, SKIPPED, RotationReport
from cipherbucket.stores.records import Entry, StoredObject
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.one_request import persist

WORKERS = 16
"""Objects at once, by default: most of the time is waiting for the store's answers."""


@dataclass(frozen=True)
class PassSettings:
    """How a pass is run.

    Attributes:
        context: The pairs that sealed objects were written with.
        dry_run: Whether nothing is written.
        workers: Objects at once, 1 or more; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
        halt: Set when all have to stop.
        entries: The objects to change; None for all that the store lists.
        shards: How workers of an executor share it; None for a pass in this process.
    """

    context: Mapping[str, str]
    dry_run: bool
    workers: int | None
    progress: PassProgress | None
    halt: Halt = field(default_factory=Halt)
    entries: Iterable[Entry] | None = None
    shards: Shards | None = None


def change_all(
    purpose: str,
    places: Places,
    prefix: str,
    change: Callable[[Access, StoredObject], Outcome],
    identity: Sequence[str],
    settings: PassSettings,
) -> RotationReport:
    """Change all objects under a prefix; one that fails stops no other.

    Args:
        purpose: The pass in a word, such as ``rotate``.
        places: With which bucket each object is worked on.
        prefix: Only names that begin with this.
        change: Changes an object that was just looked at, and returns `done`, `due` or `skipped`.
        identity: What makes this pass another than others of its purpose, such as ids of keys.
        settings: How it is run.

    Raises:
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The store is only read; or the listing failed, or a hundred objects
            in a row did.
    """
    store, dry_run = places.access.store, settings.dry_run
    listed = entries_of(store, prefix, settings.entries)
    identity = [*listed.identity, *identity]
    gone = "deleted since it was listed" if listed.given else "deleted meanwhile"
    store.check_writable()
    earlier = Ledger.earlier(purpose, store.url, prefix, *identity) if dry_run else None

    def one(entry: Entry) -> Outcome:
        if earlier is not None and earlier.status(entry) == DONE:
            return Outcome(entry.name, SKIPPED, entry.size, {"reason": "done by an earlier run"})
        if not entry.name.startswith(prefix):
            raise StoreError("the store lists what was not asked for", name=entry.name)
        try:
            seen = store.head(entry.name)
        except ObjectNotFoundError:
            return Outcome(entry.name, SKIPPED, 0, {"reason": gone})
        return change(places.access_for(entry.name), seen)

    what = list(identity)
    if dry_run:  # what other keys would do, or another policy, was not seen
        what += ["dry run", *places.reading_rules(settings.context)]
    with earlier or nullcontext():
        ledger = listed.open_ledger(purpose, store.url, prefix, *what, read_only=dry_run)
        return run_pass(
            listed.entries,
            lambda entry: persist(lambda _: one(entry)),
            ledger,
            workers=settings.workers or WORKERS,
            halt=settings.halt,
            tick=reporting(settings.progress, lambda looked: looked),
            report=lambda done: RotationReport(
                done, purpose, store.url, prefix, dry_run=dry_run, inventory=listed.inventory
            ),
            given=listed.given,
            elsewhere=elsewhere(settings.shards, store, prefix, listed.to_share),
        )


def skipped(seen: StoredObject, reason: str) -> Outcome:
    """Return that nothing was to be done with an object, and why."""
    return Outcome(seen.name, SKIPPED, seen.size, {"reason": reason})


def due(seen: StoredObject, moved: int = 0) -> Outcome:
    """Return that an object would be changed, and how many bytes would go through this machine."""
    return Outcome(seen.name, DUE, seen.size, {"moved": moved})


def done(seen: StoredObject, now: ObjectInfo, moved: int = 0) -> Outcome:
    """Return that an object was changed, and how many bytes went through this machine."""
    left = seen.version_id is not None and now.version_id != seen.version_id
    return Outcome(
        now.name,
        DONE,
        now.stored_size,
        {"moved": moved} | ({"version_left": 1} if left else {}),
        validator=validator_of(now.etag, now.modified),
    )


def label_text(label: Label | None) -> str:
    """Return what makes a pass for this key another than for others."""
    if label is None:
        return ""
    described = label if isinstance(label, Mapping) else getattr(label, "description", {})
    return f"{getattr(label, 'id', '')} {Description(dict(described)).text}"
