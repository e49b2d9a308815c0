"""Recipients of all sealed objects under a prefix: one more, one less, or those of the footers.

Rule: as of every pass, what is done is in a ledger on disk, an object that fails stops no other,
and a dry run does all but the writing. Objects that are not sealed are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import Ledger, Outcome, validator_of
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.errors import (
    EnvelopeError,
    IntegrityError,
    ObjectNotFoundError,
)
from cipherbucket.format.description import Description
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import check_key
from cipherbucket.objects.listing import check_prefix, list_objects
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.recipients.membership import add, footer, is_named, remove, repaired
from cipherbucket.rotation.new_master_key import Label, check_label
from cipherbucket.rotation.report import DONE, DUE, SKIPPED, RotationReport
from cipherbucket.stores.records import NOTHING, Entry, StoredObject
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.one_request import persist

WORKERS = 16
"""Objects at once, by default: most of the time is waiting for the store's answers."""
_NOT_SEALED = "not sealed"


def add_all(
    bucket: Bucket,
    prefix: str,
    recipient: MasterKey,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
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
        dry_run: Change nothing; report what would be done, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.

    Raises:
        MasterKeyError: The key is none.
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_key(recipient)

    def work(info: ObjectInfo, sealed: tuple[Recipient, ...]) -> ObjectInfo | str:
        if any(is_named(each, recipient) for each in sealed):
            return "has the recipient"
        return add(bucket, info.name, recipient, key=key, context=context, dry_run=dry_run)

    what = ("recipients-add", recipient.id, _text(recipient), key.id if key else "")
    return _pass(bucket, prefix, what, _of_sealed(work), workers, progress, dry_run=dry_run)


def remove_all(
    bucket: Bucket,
    prefix: str,
    recipient: Label,
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
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
        dry_run: Change nothing; report what would be done, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
    """
    check_label(recipient)

    def work(info: ObjectInfo, sealed: tuple[Recipient, ...]) -> ObjectInfo | str:
        if not any(is_named(each, recipient) for each in sealed):
            return "has no such recipient"
        return remove(bucket, info.name, recipient, key=key, context=context, dry_run=dry_run)

    identity = getattr(recipient, "id", "")
    what = ("recipients-remove", identity, _text(recipient), key.id if key else "")
    return _pass(bucket, prefix, what, _of_sealed(work), workers, progress, dry_run=dry_run)


def repair_all(
    bucket: Bucket,
    prefix: str = "",
    *,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    dry_run: bool = False,
    workers: int | None = None,
    progress: PassProgress | None = None,
) -> RotationReport:
    """Give all sealed objects under a prefix that lost their metadata those of their footers.

    As `repair` does for one: the recipients are those of the day each was sealed. Objects whose
    metadata are sound, or that are not sealed, are ``skipped``. Other errors as `add_all`.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this; empty for all.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that they were written with.
        dry_run: Change nothing; report what would be repaired, and what would fail.
        workers: Objects at once; None for 16.
        progress: Called with (objects looked at, None), some ten times a second.
    """

    def work(seen: StoredObject) -> ObjectInfo | str:
        if not _may_be_sealed(bucket, seen):
            return _NOT_SEALED
        now, needed = repaired(bucket.access, seen.name, key, context, dry_run=dry_run)
        return now if needed else "its metadata is authentic"

    what = ("repair", key.id if key else "")
    return _pass(bucket, prefix, what, work, workers, progress, dry_run=dry_run)


def _may_be_sealed(bucket: Bucket, seen: StoredObject) -> bool:
    """Return whether an object is sealed, or was and lost its metadata."""
    try:
        envelope = ObjectInfo.of(seen).envelope
    except (EnvelopeError, IntegrityError):  # which is what is to be repaired
        return True
    if envelope is not None:
        return envelope.seal is not None
    try:
        footer(bucket, seen.name)
    except EnvelopeError:
        return False
    return True


def _of_sealed(
    work: Callable[[ObjectInfo, tuple[Recipient, ...]], ObjectInfo | str],
) -> Callable[[StoredObject], ObjectInfo | str]:
    def sealed_alone(seen: StoredObject) -> ObjectInfo | str:
        info = ObjectInfo.of(seen)
        if info.envelope is None or info.envelope.seal is None:
            return _NOT_SEALED
        return work(info, tuple(info.envelope.recipients))

    return sealed_alone


def _pass(
    bucket: Bucket,
    prefix: str,
    what: tuple[str, ...],
    work: Callable[[StoredObject], ObjectInfo | str],
    workers: int | None,
    progress: PassProgress | None,
    *,
    dry_run: bool,
) -> RotationReport:
    """Walk over a prefix; ``work`` returns the object that it changed, or why it left one."""
    check_speed(workers, None)
    check_prefix(prefix)
    if not dry_run:
        bucket.access.store.check_writable()

    def one(entry: Entry) -> Outcome:
        try:
            seen = bucket.access.store.head(entry.name)
        except ObjectNotFoundError:
            return Outcome(entry.name, SKIPPED, 0, {"reason": "deleted meanwhile"})
        now = work(seen)
        if isinstance(now, str):
            return Outcome(seen.name, SKIPPED, seen.size, {"reason": now})
        validator = validator_of(now.etag, now.modified)
        return Outcome(seen.name, DUE if dry_run else DONE, seen.size, validator=validator)

    purpose, *identity = what
    ledger = Ledger.open(purpose, bucket.url, prefix, *identity, str(dry_run), read_only=dry_run)
    return run_pass(
        list_objects(bucket.access.store, prefix),
        lambda entry: persist(lambda _: one(entry)),
        ledger,
        workers=workers or WORKERS,
        halt=Halt(),
        tick=reporting(progress, lambda looked: looked),
        report=lambda done: RotationReport(done, purpose, bucket.url, prefix, dry_run=dry_run),
    )


def _text(label: Label) -> str:
    described = label if isinstance(label, Mapping) else getattr(label, "description", {})
    return Description(dict(described)).text
