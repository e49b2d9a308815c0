"""Another master key, or another data key, for all objects under a prefix.

Rule: an object that was rewrapped without its line in the ledger is found done, and one that was
reencrypted is at worst written anew once more. Keys that are of use nowhere are refused before
anything is listed; where one is of no use in a single place, each object there fails by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.bulk.places import NO_OTHERS, Places
from cipherbucket.bulk.shards import Shards
from cipherbucket.bulk.steps import LoadsKey, OpensBucket, here
from cipherbucket.bulk.walk import PassProgress
from cipherbucket.envelopes.access import Access
from cipherbucket.errors import MasterKeyError
from cipherbucket.keys.base import MasterKey
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.rotation.change_all import (
    WORKERS,
    PassSettings,
    change_all,
    done,
    due,
    label_text,
    skipped,
)
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
from cipherbucket.rotation.report import RotationReport
from cipherbucket.stores.records import NOTHING, Entry, StoredObject
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import MEMORY, Halt

_HAS_NEW = "under the new key already"
RENEWING_WORKERS = 4
"""Objects at once, by default, where all bytes go through this machine."""


def rewrap_all(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    to: NewKey | LoadsKey | Sequence[LoadsKey] = None,
    *,
    only: Label | LoadsKey | None = None,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
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
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Each is looked at, and changed as it is now.
        executor: Whose workers share the pass: of threads, of processes, or that of a cluster of
            Dask. Bucket and keys are then given by reference, such as `BucketReference` and
            `KeyReference`; ``limit_rate`` is not taken.

    Raises:
        MasterKeyError: The new key could not be told from another, or writes no format that the
            bucket reads.
        UsageError: Another process is at the same pass.
        StoreError, KmsError: The listing failed, or a hundred objects in a row did. What was
            done stays done; run it again.
    """
    check_speed(workers, limit_rate)
    given: dict[str, Any] = {"to": to, "only": only, "key": key, "context": context, "below": below}
    how = {"dry_run": dry_run, "workers": workers, "limit_rate": limit_rate, "entries": entries}
    shards = Shards.of(executor, rewrap_all, bucket, {**given, **how})
    places, keys, at_once = (
        Places(here(bucket), here(below)),
        NewKeys.of(here(to)),
        workers or WORKERS,
    )
    label: Label | None = here(only)
    opener: MasterKey | None = here(key)
    memory = MEMORY // at_once
    make = partial(KeyChange, key=opener, old=label, context=context, workers=1, memory=memory)
    changes = _KeyChanges(keys, make)
    _check_any(places, changes.check)
    settings = PassSettings(context, dry_run, at_once, progress, Halt(limit_rate), entries, shards)
    change = partial(_rewrapped, changes, label, settings)
    what = [*_new_keys(keys, places), label_text(label), opener.id if opener else ""]
    return change_all("rotate", places, prefix, change, what, settings)


def reencrypt_all(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    *,
    only: Label | LoadsKey | None = None,
    key: MasterKey | LoadsKey | None = None,
    context: Mapping[str, str] = NOTHING,
    kinds: Collection[str] | None = None,
    recipients: Sequence[MasterKey | LoadsKey] | None = None,
    to: NewKey | LoadsKey | Sequence[LoadsKey] = None,
    below: Mapping[str, Bucket | OpensBucket] = NO_OTHERS,
    dry_run: bool = False,
    workers: int | None = None,
    limit_rate: float | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> RotationReport:
    """Write all objects under a prefix anew, as `reencrypt` does with one.

    Each keeps its format, but that ``oss-v1`` becomes ``oss``; those of all formats that the
    bucket's policy accepts are taken. Other arguments and errors as `rewrap_all`.

    Args:
        bucket: Where they lie.
        prefix: Only names that begin with this.
        only: Only objects of this key, a `MasterKey` or a description.
        key: Open all objects with this key, whatever their descriptions say.
        context: The pairs that sealed objects were written with; also those of the new ones.
        kinds: Objects of these kinds get the bucket's format, and no others are touched; None for
            all encrypted objects that the bucket reads.
        recipients: Format ``sealed``: instead of the recipients that objects have.
        to: The master key that writes, or several.
        below: Other buckets of the same store, by prefixes.
        dry_run: Change nothing, and report as a run would. Of each object only the first bytes are
            read.
        workers: Objects at once; None for 4.
        limit_rate: Most bytes of plaintext a second in all.
        progress: Called with (objects looked at, None), some ten times a second.
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Each is looked at, and changed as it is now.
        executor: Whose workers share the pass: of threads, of processes, or that of a cluster of
            Dask. Bucket and keys are then given by reference, such as `BucketReference` and
            `KeyReference`; ``limit_rate`` is not taken.

    Raises:
        UsageError: Another process is at the same pass, or an unknown kind.
    """
    check_speed(workers, limit_rate)
    given: dict[str, Any] = {"to": to, "only": only, "key": key, "context": context, "below": below}
    given |= {"kinds": kinds, "recipients": recipients}
    how = {"dry_run": dry_run, "workers": workers, "limit_rate": limit_rate, "entries": entries}
    shards = Shards.of(executor, reencrypt_all, bucket, {**given, **how})
    places, keys = Places(here(bucket), here(below)), NewKeys.of(here(to))
    label: Label | None = here(only)
    opener: MasterKey | None = here(key)
    others: Sequence[MasterKey] | None = here(recipients)
    reencryption = Reencryption(opener, context, tuple(kinds) if kinds else None, others, keys)
    for _, each in places.all():
        reencryption.check(each.format)
    if label is not None:
        check_label(label)
    _check_any(places, keys.check_useful)
    what = [*_new_keys(keys, places), label_text(label), opener.id if opener else "", "kinds"]
    what += sorted(reencryption.kinds or ())
    what += ["-"] if others is None else [each.id for each in others]
    for start, each in places.all():
        what += [start, each.format, *sorted(each.policy.formats)]
        what += [further.id for further in each.recipients]
    at_once = workers or RENEWING_WORKERS
    settings = PassSettings(context, dry_run, at_once, progress, Halt(limit_rate), entries, shards)
    change = partial(_reencrypted, reencryption, label, settings)
    return change_all("reencrypt", places, prefix, change, what, settings)


def _rewrapped(
    changes: _KeyChanges,
    only: Label | None,
    settings: PassSettings,
    access: Access,
    seen: StoredObject,
) -> Outcome:
    info = ObjectInfo.of(seen)
    if info.envelope is None:
        return skipped(seen, "not encrypted")
    if only is not None and not _has(info, only):
        return skipped(seen, "of another key")
    its = changes.for_object(access, info)
    if its.is_made(info.envelope.recipients):
        return skipped(seen, _HAS_NEW)
    now = rewrapped_object(access, seen, its, settings.halt, dry_run=settings.dry_run)
    if now.envelope == info.envelope:
        return skipped(seen, _HAS_NEW)
    moved = 2 * seen.size if moves_body(access.store, info.envelope) else 0
    return due(seen, moved) if settings.dry_run else done(seen, now, moved)


def _reencrypted(
    reencryption: Reencryption,
    only: Label | None,
    settings: PassSettings,
    access: Access,
    seen: StoredObject,
) -> Outcome:
    info = ObjectInfo.of(seen)
    if info.format not in reencryption.kinds_in(access):
        return skipped(seen, f"of kind {info.format}")
    if only is not None and not _has(info, only):
        return skipped(seen, "of another key")
    dry_run, moved = settings.dry_run, 2 * seen.size
    now = reencrypted_object(access, seen, reencryption, settings.halt, dry_run=dry_run)
    return due(seen, moved) if dry_run else done(seen, now, moved)


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
