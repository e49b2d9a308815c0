"""What ``cipherbucket.toml`` can say, read and checked: stores, keys and rules.

Nothing is opened here and no key is read; beside a key file only its description is looked at. Of
what is wrong the first is told, with its line and with what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipherbucket.config import toml_lines
from cipherbucket.config.checks import (
    Check,
    among,
    ca_file,
    checked,
    described,
    flag,
    known,
    needed,
    number,
    one_of,
    pairs,
    seconds,
    tables_of,
    text,
    texts,
    variable,
)
from cipherbucket.config.document import Document, suggestion
from cipherbucket.envelopes.policy import Policy
from cipherbucket.format.description import Description
from cipherbucket.format.metadata_names import FORMATS, OSS, SEALED
from cipherbucket.keys.files import facts_beside, has_facts_beside
from cipherbucket.stores.oss.settings import CHOICES

RSA, AES, KMS = "rsa", "aes", "kms"
KINDS = (RSA, AES, KMS)
WRITTEN = (OSS, SEALED)

_STORE_NAME = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED = {"oss", "file", "memory", "http", "https", "kms", "s3"}
_FILE = "file://"
_STORE_URL = re.compile(r"(?:oss|memory)://[^/]+|file:///[^\0]+")


@dataclass(frozen=True)
class StoreEntry:
    """A store with a name.

    Attributes:
        name: Its name.
        url: Its URL, without a slash at the end.
        settings: What `OssSettings` takes.
    """

    name: str
    url: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class KeyEntry:
    """A key with a name.

    Attributes:
        name: Its name.
        kind: ``rsa``, ``aes`` or ``kms``.
        file: Of RSA and AES keys.
        key_id: Of KMS keys.
        description: As the file says it, or None.
        formats: It serves these.
        read_only: Whether it never writes.
        passphrase_env: Name of the environment variable of its passphrase.
        settings: What `KmsSettings` takes.
        options: What `AliKmsKey` takes beside.
    """

    name: str
    kind: str
    file: Path | None
    key_id: str
    description: Description | None
    formats: frozenset[str]
    read_only: bool
    passphrase_env: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> toml_lines.Path:
        """Where it stands."""
        return ("keys", self.name)

    @property
    def label(self) -> Description | None:
        """Its description, without reading the key; None if that is not known."""
        if self.description is not None:
            return self.description
        if self.file is None:
            return Description({"kms": self.key_id})
        facts = facts_beside(self.file)
        if facts is not None:
            return facts[0]
        return Description() if self.file.exists() and not has_facts_beside(self.file) else None

    @property
    def writes(self) -> str:
        """The format that it writes where nothing else is said."""
        if OSS not in self.formats:
            return SEALED
        facts = facts_beside(self.file) if self.kind == RSA and self.file is not None else None
        return SEALED if facts is not None and facts[1] else OSS


@dataclass(frozen=True)
class Rule:
    """How a store, or what lies below a prefix in it, is written and read.

    Attributes:
        at: As the file says it; "" for what goes without a rule.
        url: What its URLs begin with; it ends with a slash.
        line: Where it stands in the file; 0 for none.
        write: Name of the key that writes, or None.
        read: Names of the keys that read beside it; None for every key of the file that serves a
            format which is read.
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
        """Tell whether both mean the same."""
        ours = (self.write, self.read, self.format, self.recipients, self.policy)
        return ours == (other.write, other.read, other.format, other.recipients, other.policy)


_REACHED: dict[str, Check] = {
    "region": text,
    "endpoint": text,
    "ca_file": ca_file,
    "connect_timeout": seconds,
    "read_timeout": seconds,
    "attempts": number,
}
_STORE: dict[str, Check] = {
    "url": text,
    **_REACHED,
    **{name: one_of(*allowed) for name, allowed in CHOICES.items()},
}
_KEY: dict[str, Check] = {
    "description": described,
    "formats": texts,
    "read_only": flag,
    "passphrase_env": variable,
}
_KMS_SETTINGS: dict[str, Check] = {
    **_REACHED,
    "network": one_of("public", "vpc"),
    "patience": seconds,
}
_KMS_OPTIONS: dict[str, Check] = {
    "blob": one_of("single", "double"),
    "allowed": texts,
    "encryption_context": pairs,
}
_KEYS_OF: dict[str, dict[str, Check]] = {
    RSA: {RSA: text, **_KEY},
    AES: {AES: text, **{name: _KEY[name] for name in ("description", "formats", "read_only")}},
    KMS: {KMS: text, **_KEY, **_KMS_SETTINGS, **_KMS_OPTIONS},
}
_POLICY: dict[str, Check] = {
    "plaintext": flag,
    "min_rsa_bits": number,
    "strict_iv": flag,
    "unbound_names": flag,
}
_RULE: dict[str, Check] = {
    "at": text,
    "write": text,
    "read": texts,
    "format": text,
    "recipients": texts,
    "accept": texts,
    **_POLICY,
}


def stores_in(document: Document) -> dict[str, StoreEntry]:
    """Read ``[stores.*]``.

    Raises:
        UsageError: Something in it cannot be.
    """
    stores: dict[str, StoreEntry] = {}
    for name, table in tables_of(document, "stores").items():
        at: toml_lines.Path = ("stores", name)
        if not _STORE_NAME.fullmatch(name) or name in _RESERVED:
            raise document.error(
                at,
                "no name that a store can have",
                f"a-z, 0-9 and '-', beginning with a letter; not {', '.join(sorted(_RESERVED))}",
            )
        values = checked(document, at, table, _STORE)
        url = str(needed(document, at, values, "url")).removesuffix("/")
        if not _STORE_URL.fullmatch(url):
            raise document.error(
                (*at, "url"),
                "not the URL of a store",
                "oss://bucket, file:///folder or memory://name; prefixes are told by [[rules]]",
            )
        _refuse_winding(document, (*at, "url"), url)
        for other in stores.values():
            if same_store(other.url, url):
                raise document.error((*at, "url"), f"it is that of store {other.name}, too")
        stores[name] = StoreEntry(name, url, {k: v for k, v in values.items() if k != "url"})
    return stores


def keys_in(document: Document) -> dict[str, KeyEntry]:
    """Read ``[keys.*]``.

    Raises:
        UsageError: Something in it cannot be.
    """
    tables = tables_of(document, "keys")
    return {name: _key(document, name, table) for name, table in tables.items()}


def _key(document: Document, name: str, table: Mapping[str, Any]) -> KeyEntry:
    at: toml_lines.Path = ("keys", name)
    # '=' and '{' begin descriptions where a key may be named by one, '-' an option.
    if not name.isprintable() or not name or set("/:={") & set(name) or name.startswith("-"):
        raise document.error(
            at, "no name that a key can have", "without '/', ':', '=' and '{'; not '-' first"
        )
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        every = {each: None for kind in KINDS for each in _KEYS_OF[kind]}
        document.refuse_unknown(at, table, every)
        raise document.error(
            at,
            "a key is one of rsa, aes and kms",
            'rsa = "FILE", aes = "FILE", or kms = "KEY ID, ALIAS OR ARN"',
        )
    kind = kinds[0]
    values = checked(document, at, table, _KEYS_OF[kind])
    serves = frozenset(WRITTEN if kind != AES else {SEALED})
    formats = frozenset(among(document, (*at, "formats"), values.get("formats"), serves) or serves)
    description = values.get("description")
    return KeyEntry(
        name,
        kind,
        file=document.relative(values[kind]) if kind != KMS else None,
        key_id=values[kind] if kind == KMS else "",
        description=description,
        formats=formats,
        read_only=values.get("read_only", False),
        passphrase_env=values.get("passphrase_env"),
        settings={each: values[each] for each in _KMS_SETTINGS if each in values},
        options={each: values[each] for each in _KMS_OPTIONS if each in values},
    )


def rules_in(
    document: Document, stores: Mapping[str, StoreEntry], keys: Mapping[str, KeyEntry]
) -> tuple[Rule, ...]:
    """Read ``[[rules]]``; the longest come first.

    Raises:
        UsageError: Something in it cannot be.
    """
    tables = document.tables.get("rules", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise document.error(("rules",), "rules are written as [[rules]]")
    rules: list[Rule] = []
    for place, table in enumerate(tables):
        rule = _rule(document, place, table, stores, keys)
        for other in rules:
            if other.url == rule.url:
                raise document.error(
                    ("rules", place, "at"), f"the rule on line {other.line} is for the same"
                )
        rules.append(rule)
    return tuple(sorted(rules, key=lambda rule: -len(rule.url)))


def _rule(
    document: Document,
    place: int,
    table: Mapping[str, Any],
    stores: Mapping[str, StoreEntry],
    keys: Mapping[str, KeyEntry],
) -> Rule:
    at: toml_lines.Path = ("rules", place)
    values = checked(document, at, table, _RULE)
    where = str(needed(document, at, values, "at"))
    write = values.get("write")
    for name in ("write", "read", "recipients"):
        given = values.get(name, ())
        known(document, (*at, name), (given,) if isinstance(given, str) else given, keys)
    writer = keys[write] if write is not None else None
    if writer is not None and writer.read_only:
        raise document.error((*at, "write"), f"key {write} is read_only", "name another key")
    chosen = values.get("format") or (writer.writes if writer is not None else OSS)
    among(document, (*at, "format"), (chosen,), WRITTEN)
    recipients = values.get("recipients", ())
    if recipients and chosen != SEALED:
        raise document.error(
            (*at, "recipients"), "recipients are of format sealed", 'add format = "sealed"'
        )
    if write in recipients:
        raise document.error(
            (*at, "recipients"), f"key {write} writes; recipients are further keys"
        )
    for name, each in (("write", write), *(("recipients", each) for each in recipients)):
        if each is not None and chosen not in keys[each].formats:
            raise document.error((*at, name), f"key {each} does not serve format {chosen}")
    accept = among(document, (*at, "accept"), values.get("accept"), FORMATS) or ()
    policy = Policy(
        Policy.of_format(chosen).formats.union(accept),
        **{name: values[name] for name in _POLICY if name in values},
    )
    return Rule(
        where,
        _url_of(document, (*at, "at"), where, stores),
        toml_lines.line_of(dict(document.lines), at),
        write,
        values.get("read"),
        chosen,
        recipients,
        policy,
    )


def _url_of(
    document: Document, at: toml_lines.Path, where: str, stores: Mapping[str, StoreEntry]
) -> str:
    """Return what the URLs begin with that a rule is for."""
    name, separator, rest = where.partition("://")
    if separator and name not in stores:
        if not re.match(r"(?:oss|memory)://[^/]|file:///", where):
            raise document.error(at, "no such store", suggestion(name, stores))
        _refuse_winding(document, at, where)
        return _folder(as_named(where, stores.values()))
    if not separator:
        name, _, rest = where.partition("/")
    if name not in stores:
        raise document.error(at, "no such store", suggestion(name, stores))
    return _folder(f"{stores[name].url}/{rest}")


def same_store(url: str, other: str) -> bool:
    """Tell whether two URLs are of one store, also where links lead to its folder."""
    return _resolved(url) == _resolved(other)


def as_named(url: str, stores: Iterable[StoreEntry]) -> str:
    """Return a URL as it begins in the file, where it leads into the folder of a store there.

    What leads elsewhere is returned without the links in its path, so that a folder has one URL.
    """
    if not url.startswith(_FILE):
        return url
    plain = _resolved(url)
    for store in stores:
        if f"{plain}/".startswith(f"{_resolved(store.url)}/"):
            return store.url + plain.removeprefix(_resolved(store.url))
    return plain


def _resolved(url: str) -> str:
    if not url.startswith(_FILE):
        return url
    return _FILE + os.path.realpath(url.removeprefix(_FILE))


def _refuse_winding(document: Document, at: toml_lines.Path, url: str) -> None:
    """Refuse a path that goes back and forth: no rule may be missed for the way it is written."""
    path = url.removeprefix(_FILE).rstrip("/")
    if url.startswith(_FILE) and path and os.path.normpath(path) != path:
        raise document.error(at, "a path with '.', '..' or '//'", "write it without")


def _folder(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
