"""The objects that a pass goes over: those of a listing, or those that its caller gives.

Rule: what is given names objects, and nothing else of it is believed. It may be old, in any order,
and name an object twice: a pass looks at each object itself before it does anything with it, once
in a run. What was deleted since is reported as such; what is not given is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cipherbucket.bulk.ledger import Ledger
from cipherbucket.bulk.steps import STEP_LEDGER, EntriesOfStep, NamesOfStep
from cipherbucket.errors import UsageError
from cipherbucket.inventory.inventory import Inventory
from cipherbucket.objects.listing import check_prefix, list_objects
from cipherbucket.stores.base import Store
from cipherbucket.stores.checks import check_name
from cipherbucket.stores.records import Entry

_HINT = "give an Inventory, or an iterable of Entry"


@dataclass(frozen=True, slots=True)
class PassEntries:
    """What a pass goes over.

    Attributes:
        entries: The objects.
        given: Whether the caller named them; else the store listed them.
        inventory: When the inventory that names them was made, UTC; None without one.
        identity: What makes a pass over these another than one over the listing.
        is_step: Whether a worker goes over them, which keeps its ledger.
    """

    entries: Iterable[Entry]
    given: bool = False
    inventory: datetime | None = None
    identity: tuple[str, ...] = ()
    is_step: bool = False

    @property
    def to_share(self) -> Iterable[Entry] | None:
        """The objects that are given, and so not found in the workers that share a pass."""
        return self.entries if self.given else None

    def open_ledger(self, purpose: str, *what: str, read_only: bool) -> Ledger:
        """Open the ledger of a pass over these; arguments and errors as `Ledger.open`."""
        purpose = f"{STEP_LEDGER}{purpose}" if self.is_step else purpose
        return Ledger.open(purpose, *what, read_only=read_only, waits=self.is_step)


def entries_of(
    store: Store, prefix: str, given: Iterable[Entry] | NamesOfStep | EntriesOfStep | None
) -> PassEntries:
    """Return the objects under a prefix: those that are given, or all that the store lists.

    Raises:
        UsageError: The prefix is no text, what is given are no entries, or the inventory is one of
            another bucket.
    """
    check_prefix(prefix)
    if given is None:
        return PassEntries(list_objects(store, prefix))
    if isinstance(given, NamesOfStep):
        return PassEntries(given.listed(store, prefix), identity=given.identity, is_step=True)
    if isinstance(given, EntriesOfStep):
        return PassEntries(given.entries, given=True, identity=given.identity, is_step=True)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise UsageError(f"entries= is no {type(given).__name__}", hint=_HINT)
    below = _below(prefix, given)
    if not isinstance(given, Inventory):
        return PassEntries(below, given=True, identity=("entries",))
    given.check_is_of(store.url)
    return PassEntries(
        below, given=True, inventory=given.created, identity=("inventory", given.digest)
    )


def _below(prefix: str, given: Iterable[Entry]) -> Iterator[Entry]:
    for entry in given:
        if not isinstance(entry, Entry):
            raise UsageError(f"entries= has a {type(entry).__name__}, no Entry", hint=_HINT)
        if not entry.is_prefix:
            check_name(entry.name)
            if entry.name.startswith(prefix):
                yield entry
