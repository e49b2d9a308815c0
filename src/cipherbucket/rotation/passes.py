"""Another master key, or another data key, for all objects under a prefix.

Rule: a pass may be killed and run again at any moment. What is done is in a ledger on disk; an
object that was rewrapped without its line is found done, and one that was reencrypted is at worst
written anew once more. Nothing is touched but what was asked for: each object is looked at right
before, and the report says of every one that was not done why. A dry run does all but the writing,
object by object, and so fails where the run would.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.ledger import Ledger, Outcome, validator_of
from cipherbucket.bulk.places import NO_OTHERS, Places
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import Access
from cipherbucket.errors import MasterKeyError, ObjectNotFoundError, StoreError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.listing import check_prefix, list_objects
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.rotation.new_data_key import Reencryption, reencrypted_object
from cipherbucket.rotation.new_keys import NewKey, NewKeys
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
    to: NewKey = None,
    *,
    only: Label | None = None,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
) -> RotationReport:
    """Give all encrypted objects under a prefix another master key, as `rewrap` does for one.

    Each keeps its format; those of all formats that the bucket's policy accepts are taken. A pass
    that was interrupted goes on where it was when it is run again.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        to: The new master key, or several, of which each object gets the first that can write its
            format; None for the ring's first.
        only: Only objects of this key, a `MasterKey` or a description; it is the recipient
            that is replaced.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that sealed objects were written with.
        below: Other buckets of the same store, by prefixes: whatever lies below one of these is
            done with the keys, and by the policy, of its bucket; the longest prefix counts.
        dry_run: Change nothing; report what would be done, and what would fail. The keys do all
            that they would do, a KMS too.
        workers: Objects at once; None for 16.
        limit_rate: Most bytes a second in all, where ciphertext has to be uploaded again.
        progress: Called with (objects looked at, None), some ten times a second.

    Raises:
        MasterKeyError: The new key could not be told from another, or writes no format that the
            bucket reads.
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_speed(workers, limit_rate)
    places, keys, at_once = Places(bucket, below), NewKeys.of(to), workers or WORKERS
    halt = Halt(limit_rate)
    change = partial(
        KeyChange, key=key, old=only, context=context, workers=1, memory=MEMORY // at_once
    )
    changes = _KeyChanges(keys, change)
    _check_any(places, changes.check)

    def work(access: Access, seen: StoredObject, info: ObjectInfo) -> Outcome:
        if info.envelope is None:
            return _skipped(info, "not encrypted")
        if only is not None and not _has(info, only):
            return _skipped(info, "of another key")
        its = changes.for_object(access, info)
        if its.is_made(info.envelope.recipients):
            return _skipped(info, _HAS_NEW)
        now = rewrapped_object(access, seen, its, halt, dry_run=dry_run)
        if now.envelope == info.envelope:
            return _skipped(info, _HAS_NEW)
        moved = 2 * seen.size if moves_body(access.store, info.envelope) else 0
        return _due(info, moved) if dry_run else _done(seen, now, moved)

    what = [*_new_keys(keys, places), _text(only), key.id if key else ""]
    return _pass(
        "rotate", places, prefix, what, context, work, at_once, halt, progress, dry_run=dry_run
    )


def reencrypt_all(
    bucket: Bucket,
    prefix: str = "",
    *,
    only: Label | None = None,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    kinds: Collection[str] | None = None,
    recipients: Sequence[MasterKey] | None = None,
    to: NewKey = None,
    below: Mapping[str, Bucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
) -> RotationReport:
    """Write all objects under a prefix anew, as `reencrypt` does with one.

    Each keeps its format, but that ``oss-v1`` becomes ``oss``; those of all formats that the
    bucket's policy accepts are taken.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        only: Only objects of this key, a `MasterKey` or a description.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that sealed objects were written with; also those of the new ones.
        kinds: Objects of these kinds get the bucket's format, and no others are touched; None for
            all encrypted objects that the bucket reads.
        recipients: Format ``sealed``: instead of the recipients that objects have.
        to: The master key that writes, or several, of which each object gets the first that can
            write its format; None for the ring's first.
        below: Other buckets of the same store, by prefixes: whatever lies below one of these is
            done with the keys, and by the policy, of its bucket; the longest prefix counts.
        dry_run: Change nothing; report what would be done, and what would fail. Of each object
            only the first bytes are read. The keys do all that they would do, a KMS too.
        workers: Objects at once; None for 4.
        limit_rate: Most bytes of plaintext a second in all.
        progress: Called with (objects looked at, None), some ten times a second.

    Raises:
        UsageError: Another process is at the same pass, or an unknown kind.
        MasterKeyError: A key is none, or the new one writes no format that the bucket reads.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_speed(workers, limit_rate)
    places, keys = Places(bucket, below), NewKeys.of(to)
    reencryption = Reencryption(key, context, tuple(kinds) if kinds else None, recipients, keys)
    for _, each in places.all():
        reencryption.check(each.format)
    if only is not None:
        check_label(only)
    _check_any(places, keys.check_useful)
    halt = Halt(limit_rate)

    def work(access: Access, seen: StoredObject, info: ObjectInfo) -> Outcome:
        if info.format not in reencryption.kinds_in(access):
            return _skipped(info, f"of kind {info.format}")
        if only is not None and not _has(info, only):
            return _skipped(info, "of another key")
        now = reencrypted_object(access, seen, reencryption, halt, dry_run=dry_run)
        return _due(info, 2 * seen.size) if dry_run else _done(seen, now, 2 * seen.size)

    what = [*_new_keys(keys, places), _text(only), key.id if key else "", "kinds"]
    what += sorted(reencryption.kinds or ())
    what += ["-"] if recipients is None else [each.id for each in recipients]
    for start, each in places.all():
        what += [start, each.format, *sorted(each.policy.formats)]
        what += [further.id for further in each.recipients]
    at_once = workers or RENEWING_WORKERS
    return _pass(
        "reencrypt", places, prefix, what, context, work, at_once, halt, progress, dry_run=dry_run
    )


def _pass(
    purpose: str,
    places: Places,
    prefix: str,
    what: Sequence[str],
    context: Mapping[str, str],
    work: Callable[[Access, StoredObject, ObjectInfo], Outcome],
    workers: int,
    halt: Halt,
    progress: PassProgress | None,
    *,
    dry_run: bool,
) -> RotationReport:
    check_prefix(prefix)
    store = places.access.store

    earlier = _earlier_run(purpose, store.url, prefix, *what) if dry_run else None

    def one(entry: Entry) -> Outcome:
        if earlier is not None and earlier.status(entry) == DONE:
            return Outcome(entry.name, SKIPPED, entry.size, {"reason": "done by an earlier run"})
        if not entry.name.startswith(prefix):
            raise StoreError("the store lists what was not asked for", name=entry.name)
        try:
            seen = store.head(entry.name)
        except ObjectNotFoundError:
            return Outcome(entry.name, SKIPPED, 0, {"reason": "deleted meanwhile"})
        return work(places.access_for(entry.name), seen, ObjectInfo.of(seen))

    store.check_writable()
    if dry_run:  # what other keys would do, or another policy, was not seen
        bound = (text for pair in sorted(context.items()) for text in pair)
        what = [*what, "dry run", *places.reading_rules(), "", *bound]
    with earlier or nullcontext():
        ledger = Ledger.open(purpose, store.url, prefix, *what, read_only=dry_run)
        return run_pass(
            list_objects(store, prefix),
            lambda entry: persist(lambda _: one(entry)),
            ledger,
            workers=workers,
            halt=halt,
            tick=reporting(progress, lambda looked: looked),
            report=lambda done: RotationReport(done, purpose, store.url, prefix, dry_run=dry_run),
        )


def _earlier_run(*identity: str) -> Ledger | None:
    """Return what an interrupted run has done, which the run would not do again; None if none."""
    with suppress(UsageError):  # a run that is at work has its ledger for itself
        ledger = Ledger.open(*identity)
        if ledger.resumed:
            return ledger
        ledger.finish()
        ledger.close()
    return None


class _KeyChanges:
    """What is to become of the keys of objects, by bucket and format.

    Args:
        keys: The new keys.
        make: Makes the change to one of them; it is checked once a bucket.
    """

    def __init__(self, keys: NewKeys, make: Callable[[MasterKey], KeyChange]) -> None:
        self._keys = keys
        self._make = make
        self._checked: dict[tuple[int, str], KeyChange] = {}  # buckets live as long as the pass

    def check(self, access: Access) -> None:
        """Refuse keys that could not be told from others of a bucket, or that write nothing there.

        Raises:
            MasterKeyError: They are such.
        """
        for new in self._keys.of_bucket(access):
            self._to(new, access)
        self._keys.check_useful(access)

    def for_object(self, access: Access, info: ObjectInfo) -> KeyChange:
        """Return the change for an object.

        Raises:
            PolicyError, MasterKeyError: It may not be read; or no new key writes its format.
        """
        try:
            return self._to(self._keys.for_format(access, info.format), access)
        except MasterKeyError:
            rewrappable(access, info)  # what may not be read at all says so first
            raise

    def _to(self, new: MasterKey, access: Access) -> KeyChange:
        change = self._checked.get((id(access), new.id))
        if change is None:
            change = self._make(new)
            change.check(access.ring)
            self._checked[id(access), new.id] = change
        return change


def _check_any(places: Places, check: Callable[[Access], None]) -> None:
    """Refuse keys that are of use nowhere; where they are not, each object fails by itself."""
    errors: list[MasterKeyError] = []
    for _, access in places.all():
        try:
            check(access)
        except MasterKeyError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def _new_keys(keys: NewKeys, places: Places) -> Iterator[str]:
    for start, access in places.all():
        yield from (start, *keys.identity(access))


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


def _due(info: ObjectInfo, moved: int) -> Outcome:
    return Outcome(info.name, DUE, info.stored_size, {"moved": moved})


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
