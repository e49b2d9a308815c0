"""``[[rules]]``: how a store, or what lies below a prefix in it, is written and read.

Rule: a rule that could not be followed is refused when the file is read: a key that may not write,
or not in this format, recipients of a format that has none, a second rule for the same place. Where
each rule holds, `config` decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cipherbucket.config.checks import (
    Check,
    boolean,
    checked,
    number,
    refuse_other_formats,
    refuse_unknown_keys,
    required,
    text,
    texts,
)
from cipherbucket.config.document import Document, Place, suggestion
from cipherbucket.config.keys import WRITTEN, KeyEntry
from cipherbucket.config.stores import (
    StoreEntry,
    canonical_url,
    refuse_indirect_path,
    split_name,
)
from cipherbucket.envelopes.policy import Policy
from cipherbucket.format.metadata_names import FORMATS, OSS, SEALED

_POLICY: dict[str, Check] = {
    "plaintext": boolean,
    "min_rsa_bits": number,
    "strict_iv": boolean,
    "unbound_names": boolean,
}
SETTINGS: dict[str, Check] = {
    "at": text,
    "write": text,
    "read": texts,
    "format": text,
    "recipients": texts,
    "accept": texts,
    **_POLICY,
}
"""What a rule can say."""


@dataclass(frozen=True)
class Rule:
    """How a store, or what lies below a prefix in it, is written and read.

    Attributes:
        at: As the file says it; "" for what goes without a rule.
        url: What its URLs begin with; it ends with a slash.
        line: Where it stands in the file; 0 for none.
        write: Name of the key that writes, or None.
        read: Names of the keys that read beside it; None for every key of the file that may be
            used for a format which is read.
        format: The format of new objects, which is the one that is read.
        recipients: Names of further keys that new sealed objects are wrapped for.
        policy: What is accepted on reading.
    """

    at: str
    url: str
    line: int
    write: str | None
    read: tuple[str, ...] | None
    format: str
    recipients: tuple[str, ...]
    policy: Policy

    def is_like(self, other: Rule) -> bool:
        """Return whether both mean the same."""
        ours = (self.write, self.read, self.format, self.recipients, self.policy)
        return ours == (other.write, other.read, other.format, other.recipients, other.policy)


def rules_in(
    document: Document, stores: Mapping[str, StoreEntry], keys: Mapping[str, KeyEntry]
) -> tuple[Rule, ...]:
    """Read ``[[rules]]``; the longest come first.

    Raises:
        UsageError: Something in it cannot be.
    """
    tables = document.tables.get("rules", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise document.place("rules").error("rules are written as [[rules]]")
    rules: list[Rule] = []
    for index, table in enumerate(tables):
        place = document.place("rules", index)
        rule = _rule(place, table, stores, keys)
        for other in rules:
            if other.url == rule.url:
                raise place.at("at").error(f"the rule on line {other.line} is for the same")
        rules.append(rule)
    return tuple(sorted(rules, key=lambda rule: -len(rule.url)))


def _rule(
    place: Place,
    table: Mapping[str, Any],
    stores: Mapping[str, StoreEntry],
    keys: Mapping[str, KeyEntry],
) -> Rule:
    values = checked(place, table, SETTINGS)
    at = required(place, values, "at")
    write, recipients = values.get("write"), values.get("recipients", ())
    named = {
        "write": () if write is None else (write,),
        "read": values.get("read", ()),
        "recipients": recipients,
    }
    for setting, names in named.items():
        refuse_unknown_keys(place.at(setting), names, keys)
    writer = keys[write] if write is not None else None
    if writer is not None and writer.read_only:
        raise place.at("write").error(f"key {write} is read_only", "name another key")
    format_ = values.get("format") or (writer.writes if writer is not None else OSS)
    refuse_other_formats(place.at("format"), (format_,), WRITTEN)
    if recipients and format_ != SEALED:
        raise place.at("recipients").error(
            "recipients are of format sealed", 'add format = "sealed"'
        )
    if write in recipients:
        raise place.at("recipients").error(f"key {write} writes; recipients are further keys")
    for setting in ("write", "recipients"):
        for name in named[setting]:
            if format_ not in keys[name].formats:
                raise place.at(setting).error(f"key {name} is not for format {format_}")
    accept = values.get("accept", ())
    refuse_other_formats(place.at("accept"), accept, FORMATS)
    policy = Policy(
        Policy.of_format(format_).formats.union(accept),
        **{name: values[name] for name in _POLICY if name in values},
    )
    return Rule(
        at,
        _url_of(place.at("at"), at, stores),
        place.line,
        write,
        values.get("read"),
        format_,
        recipients,
        policy,
    )


def _url_of(place: Place, at: str, stores: Mapping[str, StoreEntry]) -> str:
    """Return what the URLs begin with that a rule is for, with a slash at the end."""
    name, rest = split_name(at)
    if name in stores:
        url = f"{stores[name].url}/{rest}"
    elif re.match(r"(?:oss|s3|memory)://[^/]|file:///", at):
        refuse_indirect_path(place, at)
        url = canonical_url(at, stores.values())
    else:
        raise place.error("no such store", suggestion(name, stores))
    return url if url.endswith("/") else f"{url}/"
