"""What an audit tells: its scope, its sums, its answers, and what all of that is worth.

Law: whether a key can be retired is never answered by what was not looked at. Where a store keeps
versions and only the newest were looked at, no key is found to be retirable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cipherbucket._version import __version__
from cipherbucket.audit_summary import Retirement, Summary

STORES_WORD = (
    "All of this is what the store says. A store can leave objects out of a listing, and show an"
    " object with other metadata than it has."
)
UNOPENED = "No envelope was opened: keys are told by the descriptions they go under."
UNREAD = "The footers of sealed objects, which name their first recipients, were not read."
RETIRED = (
    "Yes means that no object that was looked at needs the key to be read. It does not mean that"
    " the key opens nothing: whoever has it, and has kept an object's metadata from before a"
    " rotation, or a sealed object's footer, can still open that object's body. Where a key may be"
    " in other hands, reencrypt the objects."
)
TOOL = f"cipherbucket {__version__}"
_NOT_LOOKED_AT, _UNKNOWN = "not looked at", "unknown"
_ABOUT_VERSIONS = {
    _NOT_LOOKED_AT: "old versions were not looked at, and the store keeps them",
    _UNKNOWN: "whether the store keeps old versions could not be told",
}


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What was looked at, and how.

    Attributes:
        url: URL of the store.
        prefix: Of the names.
        versions: Whether all versions were asked for.
        footers: Whether the footers of sealed objects were read.
        asked_kms: Whether a KMS was asked for the keys of KMS envelopes.
        started: When, UTC.
        ring: Id and description of each key at hand.
    """

    url: str
    prefix: str
    versions: bool
    footers: bool
    asked_kms: bool
    started: datetime
    ring: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AuditFacts:
    """All that a report tells, but for the single objects.

    Attributes:
        scope: What was looked at.
        summary: What it came to.
        finished: When, UTC.
        probed: Whether the store told of versions beside its objects; None where it did not say.
    """

    scope: AuditScope
    summary: Summary
    finished: datetime
    probed: bool | None

    @property
    def versions(self) -> str:
        """``looked at``, ``none kept`` by this store, ``not looked at``, or ``unknown``."""
        if self.scope.versions:
            return "looked at"
        if self.probed or self.summary.keeps_versions:
            return _NOT_LOOKED_AT
        # Objects that were looked at and told of no version are of a store that keeps none.
        return _UNKNOWN if self.probed is None and not self.summary.objects else "none kept"

    @property
    def retirements(self) -> list[Retirement]:
        """For every key that an object names or the ring has: can it be retired?"""
        return self.summary.retirements(_ABOUT_VERSIONS.get(self.versions, ""))

    @property
    def answers(self) -> list[Retirement]:
        """For the keys that were asked about: can they be retired?"""
        return self.summary.answers(_ABOUT_VERSIONS.get(self.versions, ""))

    @property
    def notes(self) -> list[str]:
        """What the report is worth, in sentences."""
        notes = [STORES_WORD, UNOPENED]
        if count := self.summary.verified:
            one = count == 1
            opened = "One envelope was" if one else f"{count:,} envelopes were"
            notes[1] = (
                f"{opened} opened with a key given to this audit: of {'it' if one else 'these'}"
                " the key is certain."
            )
        if about := _ABOUT_VERSIONS.get(self.versions):
            notes.append(f"{about[0].upper()}{about[1:]}.")
        if "sealed" in self.summary.formats and not self.scope.footers:
            notes.append(UNREAD)
        return [*notes, RETIRED]
