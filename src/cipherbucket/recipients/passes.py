"""Recipients of all sealed objects under a prefix: one more, one less, or those of the footers.

Rule: objects that are not sealed, and those that are as asked, are left as they are; all else is
that of every pass that changes objects (`rotation.change_all`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.bulk.places import NO_OTHERS, Places
from cipherbucket.bulk.shards import Shards
from cipherbucket.bulk.steps import LoadsKey, OpensBucket, here
from cipherbucket.bulk.walk import PassProgress
from cipherbucket.envelopes.access import Access
from cipherbucket.errors import EnvelopeError, IntegrityError
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import fetch_footer, fetch_from
from cipherbucket.recipients.membership import added, is_named, removed, repaired
from cipherbucket.rotation.change_all import (
    PassSettings,
    change_all,
    done,
    due,
    label_text,
    skipped,
)
from cipherbucket.rotation.new_master_key import Label, check_label
from cipherbucket.rotation.report import RotationReport
from cipherbucket.stores.records import NOTHING, Entry, StoredObject
from cipherbucket.workers.rate_limit import check_speed

_NOT_SEALED = "not sealed"
_Change = Callable[[Access, StoredObject], ObjectInfo | str]
"""Changes an object and returns it; or returns why it is left as it is."""


def add_all(
    bucket: Bucket | OpensBucket,
    prefix: str,
    recipient: MasterKey | LoadsKey,
    *,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> RotationReport:
    """Let one more master key open all sealed objects under a prefix, as `add` does for one.

    A pass that was interrupted goes on where it was when it is run again. Objects that have the
    recipient, or are not sealed, are ``skipped``.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this; empty for all.
        recipient: The key; a public half does.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that they were written with.
        below: Other buckets of the same store, by prefixes, for what lies below these.
        dry_run: Change nothing; report what would be done, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Each is looked at, and changed as it is now.

        executor: Whose workers share the pass; see `rotation.rewrap_all`.

    Raises:
        MasterKeyError: A key is none.
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    given = {"recipient": recipient, "key": key, "context": context, "below": below}
    settings = PassSettings(context, dry_run, workers, progress, entries=entries)
    settings = _shared(executor, add_all, bucket, given, settings)
    new: MasterKey = here(recipient)
    opener: MasterKey | None = here(key)
    check_key(new)

    def change(access: Access, info: ObjectInfo, there: Sequence[Recipient]) -> ObjectInfo | str:
        if any(is_named(each, new) for each in there):
            return "with the recipient already"
        return added(access, info, new, opener, context, dry_run=dry_run)

    what, places = ("recipients-add", label_text(new)), Places(here(bucket), here(below))
    return _pass(places, prefix, what, _of_sealed(change), opener, settings)


def remove_all(
    bucket: Bucket | OpensBucket,
    prefix: str,
    recipient: Label | LoadsKey,
    *,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> RotationReport:
    """Take a master key from those that open the sealed objects under a prefix, as `remove` does.

    Objects that have no such recipient, or are not sealed, are ``skipped``; one whose only
    recipient it is fails. Other arguments and errors as `add_all`.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this; empty for all.
        recipient: The key, or its description.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that they were written with.
        below: Other buckets of the same store, by prefixes, for what lies below these.
        dry_run: Change nothing; report what would be done, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Each is looked at, and changed as it is now.
        executor: Whose workers share the pass; see `rotation.rewrap_all`.
    """
    given = {"recipient": recipient, "key": key, "context": context, "below": below}
    settings = PassSettings(context, dry_run, workers, progress, entries=entries)
    settings = _shared(executor, remove_all, bucket, given, settings)
    label: Label = here(recipient)
    opener: MasterKey | None = here(key)
    check_label(label)

    def change(access: Access, info: ObjectInfo, there: Sequence[Recipient]) -> ObjectInfo | str:
        if not any(is_named(each, label) for each in there):
            return "without such a recipient"
        return removed(access, info, label, opener, context, dry_run=dry_run)

    what, places = ("recipients-remove", label_text(label)), Places(here(bucket), here(below))
    return _pass(places, prefix, what, _of_sealed(change), opener, settings)


def repair_all(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    *,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> RotationReport:
    """Give all sealed objects under a prefix that lost their metadata those of their footers.

    As `repair` does for one: the recipients are those of the day each was sealed. Objects whose
    metadata are sound, or that are not sealed, are ``skipped``. Other errors as `add_all`.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this; empty for all.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that they were written with.
        below: Other buckets of the same store, by prefixes, for what lies below these.
        dry_run: Change nothing; report what would be repaired, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Each is looked at, and changed as it is now.
        executor: Whose workers share the pass; see `rotation.rewrap_all`.
    """
    given = {"key": key, "context": context, "below": below}
    settings = PassSettings(context, dry_run, workers, progress, entries=entries)
    settings = _shared(executor, repair_all, bucket, given, settings)
    opener: MasterKey | None = here(key)

    def change(access: Access, seen: StoredObject) -> ObjectInfo | str:
        if not _may_be_sealed(access, seen):
            return _NOT_SEALED
        now, needed = repaired(access, seen, opener, context, dry_run=dry_run)
        return now if needed else "with authentic metadata"

    places = Places(here(bucket), here(below))
    return _pass(places, prefix, ("repair", ""), change, opener, settings)


def _shared(
    executor: Executor | None,
    call: Callable[..., RotationReport],
    bucket: Bucket | OpensBucket,
    given: Mapping[str, Any],
    settings: PassSettings,
) -> PassSettings:
    """Return the settings of a pass, with how it is shared among workers."""
    names = ("dry_run", "workers", "entries")
    how = {name: getattr(settings, name) for name in names}
    return replace(settings, shards=Shards.of(executor, call, bucket, {**given, **how}))


def _may_be_sealed(access: Access, seen: StoredObject) -> bool:
    """Return whether an object is sealed, or was and lost its metadata."""
    try:
        envelope = ObjectInfo.of(seen).envelope
    except (EnvelopeError, IntegrityError):  # which is what is to be repaired
        return True
    if envelope is not None:
        return envelope.seal is not None
    try:
        fetch_footer(seen, fetch_from(access.store, seen.name, seen.etag, None))
    except EnvelopeError:
        return False
    return True


def _of_sealed(
    change: Callable[[Access, ObjectInfo, Sequence[Recipient]], ObjectInfo | str],
) -> _Change:
    def of_sealed(access: Access, seen: StoredObject) -> ObjectInfo | str:
        info = ObjectInfo.of(seen)
        if info.envelope is None or info.envelope.seal is None:
            return _NOT_SEALED
        return change(access, info, info.envelope.recipients)

    return of_sealed


def _pass(
    places: Places,
    prefix: str,
    what: tuple[str, str],
    change: _Change,
    key: MasterKey | None,
    settings: PassSettings,
) -> RotationReport:
    check_speed(settings.workers, None)
    if key is not None:
        check_key(key)

    def outcome(access: Access, seen: StoredObject) -> Outcome:
        now = change(access, seen)
        if isinstance(now, str):
            return skipped(seen, now)
        return due(seen) if settings.dry_run else done(seen, now)

    purpose, label = what
    identity = [label, key.id if key else ""]
    return change_all(purpose, places, prefix, outcome, identity, settings)
