"""What an audit found as a whole, and what that is worth.

Rule: whether a key can be retired is never answered by what was not looked at. Where a store keeps
versions and only the newest were looked at, or has unfinished uploads, or where nothing was found
to look at, no key is found to be retirable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cipherbucket._version import __version__
from cipherbucket.audit.key_labels import KeyLabel
from cipherbucket.audit.retirement import Retirement
from cipherbucket.audit.scope import AuditScope
from cipherbucket.audit.summary import Summary
from cipherbucket.text import count

_STORES_WORD = (
    "All of this is what the store says. A store can leave objects out of a listing, and show an"
    " object with other metadata than it has."
)
_UNOPENED = "No envelope was opened: keys are known by the descriptions they go under."
_FOOTERS_UNREAD = "The footers of sealed objects, which name their first recipients, were not read."
_RETIRED = (
    "Yes means that no object that was looked at needs the key to be read; what was written while"
    " the audit ran, or since, was not. It does not mean that"
    " the key opens nothing: whoever has it, and has kept an object's metadata from before a"
    " rotation, or a sealed object's footer, can still open that object's body. Where a key may be"
    " in other hands, reencrypt the objects."
)
TOOL = f"cipherbucket {__version__}"
_NOT_LOOKED_AT, _UNKNOWN = "not looked at", "unknown"
_ABOUT_VERSIONS = {
    _NOT_LOOKED_AT: "old versions were not looked at, and the store keeps them",
    _UNKNOWN: "whether the store keeps old versions is not known",
}


@dataclass(frozen=True)
class AuditFacts:
    """All that a report says, but for the single objects.

    Attributes:
        scope: What was looked at.
        summary: What it adds up to.
        finished: When, UTC.
        resumed: How many of the objects an earlier run has looked at.
    """

    scope: AuditScope
    summary: Summary
    finished: datetime
    resumed: int = 0

    @property
    def thing(self) -> str:
        """What is counted: ``object``, or ``version`` where all of these are looked at."""
        return "version" if self.scope.versions else "object"

    def counted(self, number: int) -> str:
        """Write a number of objects, or of versions."""
        return count(number, self.thing)

    @property
    def whole(self) -> str:
        """How much there is: ``5 objects``, or ``16 versions of 5 objects``."""
        of = f" of {count(self.summary.names, 'object')}" if self.scope.versions else ""
        return self.counted(self.summary.objects) + of

    @property
    def versions(self) -> str:
        """``looked at``, ``none kept`` by this store, ``not looked at``, or ``unknown``."""
        if self.scope.versions:
            return "looked at"
        if self.scope.keeps_versions or self.summary.has_versions:
            return _NOT_LOOKED_AT
        # Objects that were looked at and had no version id are of a store that keeps none.
        known = self.scope.keeps_versions is not None or self.summary.objects
        return "none kept" if known else _UNKNOWN

    @property
    def retirements(self) -> dict[KeyLabel, Retirement]:
        """For every key that an object names or the ring has: can it be retired?"""
        return self.summary.retirements(self._why_unknown, self.thing)

    @property
    def answers(self) -> list[Retirement]:
        """For the keys that were asked about: can they be retired?"""
        return self.summary.answers(self._why_unknown, self.thing)

    @property
    def _why_unknown(self) -> list[str]:
        """Why no key is found to be retirable; empty where nothing speaks against it."""
        reasons = [_ABOUT_VERSIONS.get(self.versions, "")]
        if self.scope.given:
            reasons.append("what was written since the objects were listed was not looked at")
        if not self.summary.objects:
            reasons.append("there was no object to look at")
        if (number := self.scope.uploads) is None:
            reasons.append("whether uploads are unfinished is not known")
        elif number:
            one = number == 1
            reasons.append(
                f"{number:,} unfinished upload{'' if one else 's'}, whose key the store does not"
                f" report: complete or abort {'it' if one else 'them'}"
            )
        if (number := self.summary.maybe_stripped) and not self.scope.footers:
            reasons.append(
                f"{self.counted(number)} without an envelope, which may be sealed and have lost it"
                " (--footers)"
            )
        return [reason for reason in reasons if reason]

    @property
    def notes(self) -> list[str]:
        """What the report is worth, in sentences."""
        notes = [_STORES_WORD, _UNOPENED]
        if number := self.summary.verified:
            one = number == 1
            opened = "One envelope was" if one else f"{number:,} envelopes were"
            notes[1] = (
                f"{opened} opened with a key given to this audit: of {'it' if one else 'these'}"
                " the key is certain."
            )
        if number := self.summary.random_ivs:
            have = "has an IV that is" if number == 1 else "have IVs that are"
            notes.append(
                f"{self.counted(number)} of these {have} random in all bytes: programs with the SDK"
                " for C++ v2 write such, and readers that seek may disagree about them."
            )
        if (made := self.scope.inventory) is not None:
            notes.append(
                f"Only objects of an inventory that was made at {made:%Y-%m-%d %H:%M} UTC were"
                " looked at: what was written since was not, unless it replaced one of them."
            )
        elif self.scope.given:
            notes.append("Only objects that --since or entries= chose were looked at.")
        if about := _ABOUT_VERSIONS.get(self.versions):
            notes.append(f"{about[0].upper()}{about[1:]}.")
        if self.resumed:
            notes.append(
                f"{self.counted(self.resumed)} of these, looked at by an earlier run that was"
                f" interrupted, begun {self.scope.started:%Y-%m-%d %H:%M} UTC, "
                f"{'is' if self.resumed == 1 else 'are'} reported as then."
            )
        if "sealed" in self.summary.formats and not self.scope.footers:
            notes.append(_FOOTERS_UNREAD)
        return [*notes, _RETIRED]
