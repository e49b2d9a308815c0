"""A bucket that was opened for one rule of ``cipherbucket.toml``.

Law: a name for which another rule holds is neither read, written nor copied, whatever the verb.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cipherbucket.bucket import Bucket
from cipherbucket.config.rules import Rule
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import UsageError
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects.metadata import Keyless
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import Reading
from cipherbucket.rotation.rewrap import Change
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.workers.progress import Progress
from cipherbucket.workers.threads import Halt
from cipherbucket.writing.one_request import Seal


@dataclass(frozen=True)
class Place:
    """Where a bucket was opened: as `Config.open` was told, whatever the store calls itself.

    Attributes:
        path: The file.
        store_url: The store.
        rule: The rule that it was opened for.
        rule_of: Gives the rule for an object's name.
        key: Gives a key by its name.
        refuse_to_write: Refuses a key that the file keeps from writing a format.
    """

    path: Path
    store_url: str
    rule: Rule
    rule_of: Callable[[str], Rule]
    key: Callable[[str], MasterKey]
    refuse_to_write: Callable[[MasterKey, str], None]

    def refuse_other_rule(self, name: str) -> None:
        """Refuse a name that another rule holds for.

        Raises:
            UsageError: It does.
        """
        rule = self.rule_of(name)
        if rule.is_like(self.rule):
            return
        theirs = f"rule {rule.at!r} (line {rule.line})" if rule.at else "no rule"
        ours = f"by rule {self.rule.at!r}" if self.rule.at else "without a rule"
        raise UsageError(
            f"{self.path}: {theirs} holds for it, and the bucket was opened {ours}",
            name=name,
            hint=f"open {rule.at or self.store_url!r} for it",
        )


class RuledBucket(Bucket):
    """A bucket that was opened for one rule, and refuses the names of another."""

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        place: Place,
        *,
        format: str,  # noqa: A002  the word of the documents
        policy: Policy,
    ) -> None:
        self._place = place
        self._further: tuple[str, ...] = ()
        super().__init__(store, ring, format=format, policy=policy)
        if format == SEALED:
            self._further = place.rule.recipients

    @property
    def _recipients(self) -> tuple[MasterKey, ...]:
        """Those of the rule, read where something is sealed."""
        return tuple(self._place.key(name) for name in self._further)

    @_recipients.setter
    def _recipients(self, recipients: tuple[MasterKey, ...]) -> None:
        assert not recipients, "they come from the rule"

    def _reading(
        self,
        name: str,
        *,
        key: MasterKey | None,
        context: Mapping[str, str],
        as_name: str | None = None,
        footer_recipients: bool = False,
    ) -> Reading:
        self._place.refuse_other_rule(name)
        return super()._reading(
            name, key=key, context=context, as_name=as_name, footer_recipients=footer_recipients
        )

    def _sealing(
        self,
        name: str,
        recipients: Sequence[MasterKey],
        context: Mapping[str, str],
        *,
        bind_name: bool,
    ) -> Seal:
        self._place.refuse_other_rule(name)
        return super()._sealing(name, recipients, context, bind_name=bind_name)

    def _rewrappable(self, info: ObjectInfo) -> Envelope:
        self._place.refuse_other_rule(info.name)
        return super()._rewrappable(info)

    def _rewrapped(
        self, seen: StoredObject, change: Change, halt: Halt, progress: Progress | None = None
    ) -> ObjectInfo:
        kind = ObjectInfo.of(seen).format
        if kind is not None:
            self._place.refuse_to_write(change.to, kind)
        return super()._rewrapped(seen, change, halt, progress)

    def copy(
        self,
        source: str,
        target: str,
        *,
        if_absent: bool = False,
        version_id: str | None = None,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] | None = None,
    ) -> ObjectInfo:
        """Copy an object, if one rule holds for both names; see `Copies.copy`."""
        for name in (source, target):
            self._place.refuse_other_rule(name)
        return super().copy(
            source,
            target,
            if_absent=if_absent,
            version_id=version_id,
            key=key,
            context=context,
            recipients=recipients,
        )

    def copy_to(
        self,
        target: Keyless,
        name: str,
        target_name: str | None = None,
        *,
        if_absent: bool = False,
        version_id: str | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Copy an object to another store, unchanged; see `Keyless.copy_to`."""
        self._place.refuse_other_rule(name)
        if isinstance(target, RuledBucket):
            target._place.refuse_other_rule(target_name or name)  # noqa: SLF001  of this class
        return super().copy_to(
            target,
            name,
            target_name,
            if_absent=if_absent,
            version_id=version_id,
            workers=workers,
            limit_rate=limit_rate,
            progress=progress,
        )
