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

SETTINGS: dict[str, Check] = {
    "url": text,
    "trusted": boolean,
    **CONNECTION,
    **{name: one_of(*allowed) for name, allowed in CHOICES.items()},
}
"""What a store can say."""
RESERVED = {"oss", "file", "memory", "http", "https", "kms", "s3"}
"""Names that no store can have."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_FILE = "file://"
_URL = re.compile(r"(?:oss|memory)://[^/]+|file:///[^\0]+")


@dataclass(frozen=True)
class StoreEntry:
    """A store with a name.

    Attributes:
        name: Its name.
        url: Its URL, without a slash at the end.
        settings: What `OssSettings` takes.
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
        values = checked(place, table, SETTINGS)
        given = required(place, values, "url")
        url = given.removesuffix("/")
        if not _URL.fullmatch(url):
            raise place.at("url").error(
                "not the URL of a store",
                "oss://bucket, file:///folder or memory://name; prefixes belong in [[rules]]",
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
