"""What an audit covers: which objects it looks at, and what the store has that it does not list.

Rule: two audits share a ledger, so that one goes on with the other, only if they cover the same and
ask the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from cipherbucket.audit.key_labels import canonical
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.errors import StoreError, UsageError
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.base import Store


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What was looked at, and how.

    Attributes:
        url: URL of the store.
        prefix: Of the names.
        versions: Whether all versions were asked for.
        footers: Whether the footers of sealed objects were read.
        asked_kms: Whether a KMS was asked for the keys of KMS envelopes.
        started: When, UTC; where an earlier run was gone on with, when that was.
        ring: Id and description of each key given.
        keeps_versions: Whether the store keeps old versions, if these were not asked for; None
            where it did not say.
        uploads: How many uploads are unfinished; None where the store did not say.
    """

    url: str
    prefix: str
    versions: bool
    footers: bool
    asked_kms: bool
    started: datetime
    ring: tuple[tuple[str, str], ...]
    keeps_versions: bool | None = False
    uploads: int | None = 0


def ids_and_descriptions(ring: KeyRing) -> tuple[tuple[str, str], ...]:
    """Return what a report says of the keys given: of each its id and its description."""
    return tuple((key.id, canonical(key.description)) for key in ring.keys)


def open_ledger(scope: AuditScope) -> Ledger:
    """Open the ledger of an audit; one with other keys or questions to the store is another.

    Raises:
        UsageError: Another process is at the same audit.
    """
    # "iv": ledgers that do not say of an IV what it is are not resumed.
    how = f"{scope.versions} {scope.footers} {scope.asked_kms} iv"
    ring = (text for pair in sorted(scope.ring) for text in pair)
    return Ledger.open("audit", scope.url, scope.prefix, how, *ring, read_only=True)


def with_unlisted(scope: AuditScope, store: Store) -> AuditScope:
    """Add what the store has beside the objects that are looked at."""
    uploads = None
    with suppress(StoreError):
        uploads = len(store.list_uploads(scope.prefix))
    versions = False if scope.versions else _keeps_versions(store, scope.prefix)
    return replace(scope, keeps_versions=versions, uploads=uploads)


def _keeps_versions(store: Store, prefix: str) -> bool | None:
    """Look for an old version or a delete marker; None where the store does not say."""
    with suppress(StoreError):
        try:
            # An unversioned bucket of OSS lists its objects as version "null". So does one whose
            # versioning is suspended, among others: all of them have to be gone through.
            return any(
                each.version_id != "null" or each.is_delete_marker or not each.is_latest
                for each in store.list_versions(prefix)
            )
        except UsageError:
            return False
    return None
