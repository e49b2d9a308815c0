"""What an audit covers: which objects it looks at, and what the store has that it does not list.

Rule: two audits share a ledger, so that one goes on with the other, only if they cover the same and
ask the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from cipherbucket.audit.key_labels import canonical
from cipherbucket.bulk.entries import PassEntries
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.errors import StoreError, UsageError
from cipherbucket.keys.ring import KeyRing
from cipherbucket.stores.base import Store

_MOST = 1000
"""So many versions show whether a store keeps them, where it is not to be listed."""


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
        given: Whether only objects that the caller named were looked at.
        inventory: When the inventory that names them was made, UTC; None without one.
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
    given: bool = False
    inventory: datetime | None = None


def ids_and_descriptions(ring: KeyRing) -> tuple[tuple[str, str], ...]:
    """Return what a report says of the keys given: of each its id and its description."""
    return tuple((key.id, canonical(key.description)) for key in ring.keys)


def open_ledger(scope: AuditScope, entries: PassEntries) -> Ledger:
    """Open the ledger of an audit; one with other keys or questions to the store is another.

    Args:
        scope: What is looked at.
        entries: The objects that are gone through.

    Raises:
        UsageError: Another process is at the same audit.
    """
    # "iv": ledgers that do not say of an IV what it is are not resumed.
    how = f"{scope.versions} {scope.footers} {scope.asked_kms} iv"
    ring = (text for pair in sorted(scope.ring) for text in pair)
    what = (scope.url, scope.prefix, how, *entries.identity, *ring)
    return entries.open_ledger("audit", *what, read_only=True)


def with_unlisted(scope: AuditScope, store: Store) -> AuditScope:
    """Add what the store has beside the objects that are looked at."""
    uploads = None
    with suppress(StoreError):
        uploads = len(store.list_uploads(scope.prefix))
    most = _MOST if scope.given else None
    versions = False if scope.versions else _keeps_versions(store, scope.prefix, most)
    return replace(scope, keeps_versions=versions, uploads=uploads)


def _keeps_versions(store: Store, prefix: str, most: int | None) -> bool | None:
    """Look for an old version or a delete marker; None where the store does not say.

    Args:
        store: Where they are.
        prefix: Of their names.
        most: How many versions are looked at; None for all, which is a listing of all objects.
    """
    seen = 0
    with suppress(StoreError):
        try:
            # An unversioned bucket of OSS lists its objects as version "null". So does one whose
            # versioning is suspended, among others: all of them have to be gone through.
            for each in islice(store.list_versions(prefix), most):
                if each.version_id != "null" or each.is_delete_marker or not each.is_latest:
                    return True
                seen += 1
        except UsageError:
            return False
        return False if seen != most else None
    return None
