"""The guard of a bucket that was opened for one rule of ``cipherbucket.toml``.

Rule: a name for which another rule holds is neither read, written nor copied, whatever the verb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cipherbucket.config.rules import Rule
from cipherbucket.errors import UsageError
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.keys.base import MasterKey


@dataclass(frozen=True)
class RuleGuard:
    """What a rule allows in the bucket that was opened for it.

    Attributes:
        path: The file.
        store_url: The store, as `Config.open` was given it.
        rule: The rule that the bucket was opened for.
        format: The format that the bucket writes.
        rule_of: Returns the rule for an object's name.
        key: Returns a key by its name.
        refuse_to_write: Refuses a key that the file keeps from writing a format.
    """

    path: Path
    store_url: str
    rule: Rule
    format: str
    rule_of: Callable[[str], Rule]
    key: Callable[[str], MasterKey]
    refuse_to_write: Callable[[MasterKey, str], None]

    def check_name(self, name: str) -> None:
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

    def check_writer(self, key: MasterKey, format: str) -> None:  # noqa: A002  documents' word
        """Refuse a key that the file keeps from writing this format.

        Raises:
            MasterKeyError: It does.
        """
        self.refuse_to_write(key, format)

    def recipients(self) -> tuple[MasterKey, ...]:
        """Return the further master keys of the rule, read when something is sealed."""
        names = self.rule.recipients if self.format == SEALED else ()
        return tuple(self.key(name) for name in names)
