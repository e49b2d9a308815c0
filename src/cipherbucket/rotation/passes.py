"""Another master key, or another data key, for all objects under a prefix.

Rule: a pass may be killed and run again at any moment. What is done is in a ledger on disk; an
object that was rewrapped without its line is found done, and one that was reencrypted is at worst
written anew once more. Nothing is touched but what was asked for: each object is looked at right
before, and the report says of every one that was not done why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import Ledger, Outcome, validator_of
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import access_of
from cipherbucket.errors import ObjectNotFoundError, StoreError
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.listing import check_prefix, list_objects
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.rotation.new_data_key import Reencryption, foresee, reencrypted_object
from cipherbucket.rotation.new_master_key import (
    KeyChange,
    Label,
    check_label,
    is_of,
    moves_body,
    rewrappable,
    rewrapped_object,
)
from cipherbucket.rotation.report import DONE, DUE, SKIPPED, RotationReport
from cipherbucket.stores.records import NOTHING, Entry, StoredObject
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import MEMORY, Halt
from cipherbucket.writing.one_request import persist

_HAS_NEW = "has the new key"
WORKERS = 16
"""Objects at once, by default: most of the time is waiting for the store's answers."""
RENEWING_WORKERS = 4
"""Objects at once, by default, where all bytes go through this machine."""


def rewrap_all(
    bucket: Bucket,
    prefix: str = "",
    to: MasterKey | None = None,
    *,
    only: Label | None = None,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
) -> RotationReport:
    """Give all encrypted objects under a prefix another master key, as `rewrap` does for one.

    A pass that was interrupted goes on where it was when it is run again.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        to: The new master key; None for the ring's first.
        only: Only objects of this key, a `MasterKey` or a description; it is the recipient
            that is replaced.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that sealed objects were written with.
        dry_run: Change nothing; report what would be done.
        workers: Objects at once; None for 16.
        limit_rate: Most bytes a second in all, where ciphertext has to be uploaded again.
        progress: Called with (objects looked at, None), some ten times a second.

    Raises:
        MasterKeyError: The new key could not be told from another.
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_speed(workers, limit_rate)
    access = access_of(bucket)
    new, at_once = to or access.ring.writer(access.format), workers or WORKERS
    change = KeyChange(new, key, only, context, workers=1, memory=MEMORY // at_once)
    change.check(access.ring)
    halt = Halt(limit_rate)

    def work(seen: StoredObject, info: ObjectInfo) -> Outcome:
        if (reason := _not_rewrapped(info, change)) is not None:
            return _skipped(info, reason)
        assert info.envelope is not None
        moved = 2 * seen.size if moves_body(access.store, info.envelope) else 0
        if dry_run:
            rewrappable(access, info)
            return Outcome(info.name, DUE, seen.size, {"moved": moved})
        now = rewrapped_object(access, seen, change, halt)
        if now.envelope == info.envelope:
            return _skipped(info, _HAS_NEW)
        return _done(seen, now, moved)

    what = (change.to.id, _text(change.to), _text(only), key.id if key else "", str(dry_run))
    return _pass(bucket, "rotate", prefix, what, work, at_once, halt, progress, dry_run=dry_run)


def reencrypt_all(
    bucket: Bucket,
    prefix: str = "",
    *,
    only: Label | None = None,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    kinds: Collection[str] | None = None,
    recipients: Sequence[MasterKey] | None = None,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
) -> RotationReport:
    """Write all objects under a prefix anew, as `reencrypt` does with one.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        only: Only objects of this key, a `MasterKey` or a description.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that sealed objects were written with; also those of the new ones.
        kinds: Which kinds of objects; None for the bucket's own format alone.
        recipients: Format ``sealed``: instead of the recipients that objects have.
        dry_run: Change nothing; report what would be done.
        workers: Objects at once; None for 4.
        limit_rate: Most bytes of plaintext a second in all.
        progress: Called with (objects looked at, None), some ten times a second.

    Raises:
        UsageError: Another process is at the same pass, or an unknown kind.
        MasterKeyError: A key is none.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_speed(workers, limit_rate)
    access = access_of(bucket)
    reencryption = Reencryption(key, context, tuple(kinds or (access.format,)), recipients)
    reencryption.check(access.format)
    if only is not None:
        check_label(only)
    writer = access.ring.writer(access.format)
    halt = Halt(limit_rate)

    def work(seen: StoredObject, info: ObjectInfo) -> Outcome:
        if info.format not in reencryption.kinds:
            return _skipped(info, f"of kind {info.format}")
        if only is not None and not _has(info, only):
            return _skipped(info, "of another key")
        if dry_run:
            foresee(access, info, reencryption)
            return Outcome(info.name, DUE, seen.size, {"moved": 2 * seen.size})
        return _done(seen, reencrypted_object(access, seen, reencryption, halt), 2 * seen.size)

    whom = ["-"] if recipients is None else [each.id for each in recipients]
    by = (writer.id, _text(writer), _text(only), key.id if key else "", str(dry_run))
    further = (each.id for each in access.recipients)
    what = (*by, access.format, *sorted(reencryption.kinds), *whom, "and", *further)
    at_once = workers or RENEWING_WORKERS
    return _pass(bucket, "reencrypt", prefix, what, work, at_once, halt, progress, dry_run=dry_run)


def _pass(
    bucket: Bucket,
    purpose: str,
    prefix: str,
    what: tuple[str, ...],
    work: Callable[[StoredObject, ObjectInfo], Outcome],
    workers: int,
    halt: Halt,
    progress: PassProgress | None,
    *,
    dry_run: bool,
) -> RotationReport:
    check_prefix(prefix)

    def one(entry: Entry) -> Outcome:
        if not entry.name.startswith(prefix):
            raise StoreError("the store lists what was not asked for", name=entry.name)
        try:
            seen = bucket.access.store.head(entry.name)
        except ObjectNotFoundError:
            return Outcome(entry.name, SKIPPED, 0, {"reason": "deleted meanwhile"})
        return work(seen, ObjectInfo.of(seen))

    if not dry_run:
        bucket.access.store.check_writable()
    ledger = Ledger.open(purpose, bucket.url, prefix, *what, read_only=dry_run)
    return run_pass(
        list_objects(bucket.access.store, prefix),
        lambda entry: persist(lambda _: one(entry)),
        ledger,
        workers=workers,
        halt=halt,
        tick=reporting(progress, lambda looked: looked),
        report=lambda done: RotationReport(done, purpose, bucket.url, prefix, dry_run=dry_run),
    )


def _not_rewrapped(info: ObjectInfo, change: KeyChange) -> str | None:
    """Say why an object is left as it is, if its labels show that."""
    if info.envelope is None:
        return "not encrypted"
    if change.old is not None and not _has(info, change.old):
        return "of another key"
    return _HAS_NEW if change.is_made(info.envelope.recipients) else None


def _has(info: ObjectInfo, label: Label) -> bool:
    """Return whether an object is of this key.

    Raises:
        EnvelopeError: It is not, as far as can be read: a description is damaged.
    """
    recipients = info.envelope.recipients if info.envelope is not None else ()
    if any(is_of(each, label) for each in recipients):
        return True
    for each in recipients:
        _ = each.description
    return False


def _skipped(info: ObjectInfo, reason: str) -> Outcome:
    return Outcome(info.name, SKIPPED, info.stored_size, {"reason": reason})


def _done(seen: StoredObject, now: ObjectInfo, moved: int) -> Outcome:
    left = seen.version_id is not None and now.version_id != seen.version_id
    return Outcome(
        now.name,
        DONE,
        now.stored_size,
        {"moved": moved} | ({"version_left": 1} if left else {}),
        validator=validator_of(now.etag, now.modified),
    )


def _text(label: Label | None) -> str:
    """Return what makes a pass for this key another than for others."""
    if label is None:
        return ""
    described = label if isinstance(label, Mapping) else getattr(label, "description", {})
    return f"{getattr(label, 'id', '')} {Description(dict(described)).text}"
