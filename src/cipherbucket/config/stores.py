"""``[stores.NAME]``: stores by name, and the one URL by which each folder is known.

Rule: a rule must not be missed because of how a path is written. A URL in the file has no ``.``,
``..`` or ``//``, and a folder is compared without the links in its path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cipherbucket.config.checks import (
    CONNECTION,
    Check,
    boolean,
    checked,
    one_of,
    required,
    tables_of,
    text,
)
from cipherbucket.config.document import Document, Place
from cipherbucket.stores.oss.settings import CHOICES
from cipherbucket.stores.s3.settings import CHOICES as S3_CHOICES

_ANY: dict[str, Check] = {"url": text, "trusted": boolean}
SETTINGS: Mapping[str, dict[str, Check]] = {
    "oss": {**CONNECTION, **{name: one_of(*allowed) for name, allowed in CHOICES.items()}},
    "s3": {
        **CONNECTION,
        "profile": text,
        "requester_pays": boolean,
        "sign_payload": boolean,
        **{name: one_of(*allowed) for name, allowed in S3_CHOICES.items()},
    },
}
"""What a store can say beside ``url`` and ``trusted``, by the scheme of its URL."""
RESERVED = {"oss", "file", "memory", "http", "https", "kms", "s3"}
"""Names that no store can have."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_FILE = "file://"
_URL = re.compile(r"(?:oss|s3|memory)://[^/]+|file:///[^\0]+")
_ENDPOINTS = {
    "oss": ("OSS_REGION", "OSS_ENDPOINT"),
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
"""Variables that lead to another place than a store's settings do."""
_ALONE = {"s3": {"region": ("AWS_REGION", "AWS_DEFAULT_REGION"), "profile": ("AWS_PROFILE",)}}
"""Variables that take the place of one setting."""


@dataclass(frozen=True)
class StoreEntry:
    """A store with a name.

    Attributes:
        name: Its name.
        url: Its URL, without a slash at the end.
        settings: What `OssSettings` or `S3Settings` takes.
        trusted: Whether those who can write the folder are trusted.
    """

    name: str
    url: str
    settings: Mapping[str, Any]
    trusted: bool = False


def stores_in(document: Document) -> dict[str, StoreEntry]:
    """Read ``[stores.*]``.

    Raises:
        UsageError: Something in it cannot be.
    """
    stores: dict[str, StoreEntry] = {}
    for name, table in tables_of(document, "stores").items():
        place = document.place("stores", name)
        if not _NAME.fullmatch(name) or name in RESERVED:
            raise place.error(
                "no name that a store can have",
                f"a-z, 0-9 and '-', beginning with a letter; not {', '.join(sorted(RESERVED))}",
            )
        given = table.get("url", "")
        scheme = given.partition("://")[0] if isinstance(given, str) else ""
        values = checked(place, table, _settings_of(place, scheme, table))
        given = required(place, values, "url")
        url = given.removesuffix("/")
        if not _URL.fullmatch(url):
            raise place.at("url").error(
                "not the URL of a store",
                "oss://bucket, s3://bucket, file:///folder or memory://name; prefixes belong in"
                " [[rules]]",
            )
        refuse_indirect_path(place.at("url"), given)
        for other in stores.values():
            if _without_links(other.url) == _without_links(url):
                raise place.at("url").error(f"it is that of store {other.name}, too")
        trusted = values.pop("trusted", False)
        if trusted and not url.startswith(_FILE):
            raise place.at("trusted").error("only folders need it", "leave it out")
        settings = {k: v for k, v in values.items() if k != "url"}
        stores[name] = StoreEntry(name, url, settings, trusted)
    return stores


def settings_beside_environment(store: StoreEntry) -> dict[str, Any]:
    """Return the settings of a store, without those that the environment says."""
    scheme = store.url.partition("://")[0]
    left_out = {setting for setting, names in _ALONE.get(scheme, {}).items() if _any_is_set(names)}
    if _any_is_set(_ENDPOINTS.get(scheme, ())):
        left_out |= {"region", "endpoint"}
    return {name: value for name, value in store.settings.items() if name not in left_out}


def _any_is_set(names: Iterable[str]) -> bool:
    return any(os.environ.get(name) for name in names)


def _settings_of(place: Place, scheme: str, table: Mapping[str, Any]) -> dict[str, Check]:
    """Return the checks of a store's settings.

    Raises:
        UsageError: A setting of another service.
    """
    own = SETTINGS.get(scheme)
    if own is None:
        return {**_ANY, **SETTINGS["oss"]}
    for other, checks in SETTINGS.items():
        for name in checks.keys() & table.keys() - own.keys():
            raise place.at(name).error(f"a setting of {other}:// stores", "leave it out")
    return {**_ANY, **own}


def split_name(place: str) -> tuple[str, str]:
    """Split ``records/a`` or ``records://a`` at the end of the store's name, or of the scheme."""
    name, _, rest = place.partition("://" if "://" in place else "/")
    return name, rest


def canonical_url(url: str, stores: Iterable[StoreEntry]) -> str:
    """Return the one URL of what a URL names: in the file's own words if a store there holds it.

    The path of a folder that is in no store loses its links.
    """
    if not url.startswith(_FILE):
        return url
    plain = _without_links(url)
    for store in stores:
        root = _without_links(store.url)
        if f"{plain}/".startswith(f"{root}/"):
            return store.url + plain.removeprefix(root)
    return plain


def refuse_indirect_path(place: Place, url: str) -> None:
    """Refuse the URL of a folder that is written with ``.``, ``..`` or ``//``."""
    parts = url.removeprefix(_FILE).removesuffix("/").split("/")[1:]
    if url.startswith(_FILE) and not {"", ".", ".."}.isdisjoint(parts):
        raise place.error("a path with '.', '..' or '//'", "write it without")


def _without_links(url: str) -> str:
    if not url.startswith(_FILE):
        return url
    return _FILE + os.path.realpath(url.removeprefix(_FILE))
