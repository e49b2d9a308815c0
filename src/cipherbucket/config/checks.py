"""Checks of single values of ``cipherbucket.toml``: the type, and what is allowed.

Rule: a check takes a place and the value there, and returns the value as Python has it, or raises a
`UsageError` with the file, the line and what is allowed. No value is repeated in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from cipherbucket.config.document import Document, Place, suggestion
from cipherbucket.errors import UsageError
from cipherbucket.format.description import Description
from cipherbucket.local_files.ownership import find_stranger

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Check = Callable[[Place, Any], Any]


def text(place: Place, value: object) -> str:
    """Take a text."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise place.error('must be a text, such as "cmk.pem"')
    return value


def texts(place: Place, value: object) -> tuple[str, ...]:
    """Take an array of texts."""
    if not isinstance(value, list):
        raise place.error('must be an array of texts, such as ["a", "b"]')
    return tuple(text(place.at(number), each) for number, each in enumerate(value))


def one_of(*allowed: str) -> Check:
    """Return the check of a text that is one of few."""

    def chosen(place: Place, value: object) -> str:
        if value not in allowed:
            raise place.error(f"must be one of {', '.join(allowed)}")
        return str(value)

    return chosen


def boolean(place: Place, value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise place.error("must be true or false")
    return value


def number(place: Place, value: object) -> int:
    """Take a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise place.error("must be a whole number above 0")
    return value


def seconds(place: Place, value: object) -> float:
    """Take a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise place.error("must be a number of seconds above 0")
    return float(value)


def table_of_texts(place: Place, value: object) -> dict[str, str]:
    """Take a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise place.error('must be a table of texts, such as { desc = "2026" }')
    return value


def description(place: Place, value: object) -> Description:
    """Take a description, as a table or as its exact text."""
    content = value if isinstance(value, str) else table_of_texts(place, value)
    try:
        return Description(content)
    except UsageError as error:
        raise place.error(error.message, 'such as { desc = "2026" }') from None


def variable(place: Place, value: object) -> str:
    """Take the name of an environment variable."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise place.error("must be the name of an environment variable", 'such as "CMK_PASSPHRASE"')
    return value


def fingerprint_of(kind: str) -> Check:
    """Return the check of a fingerprint, which begins as the ids of one kind of key do."""
    pattern = re.compile(rf"{kind}:[A-Za-z0-9+/]{{43}}")

    def fingerprint(place: Place, value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise place.error(
                f'must be a fingerprint, such as "{kind}:..." with 43 characters of base64',
                "as 'cipherbucket keys' shows it",
            )
        return value

    return fingerprint


def file(place: Place, value: object) -> str:
    """Take a file of certificates, relative to the document, that its owner alone can replace."""
    path = place.document.relative(text(place, value))
    with suppress(OSError):  # a file that is missing is an error when it is used
        stranger = find_stranger(path, (path.stat().st_uid,))
        if stranger is not None:
            raise place.error(
                f"{path} decides whom we talk to, and others can replace it: {stranger}",
                stranger.remedy,
            )
    return str(path)


CONNECTION: dict[str, Check] = {
    "region": text,
    "endpoint": text,
    "ca_file": file,
    "connect_timeout": seconds,
    "read_timeout": seconds,
    "attempts": number,
}
"""Settings of OSS stores and of KMS keys: how the service is reached."""


def tables_of(document: Document, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables ``[name.NAME]``."""
    tables = document.tables.get(name, {})
    if not isinstance(tables, dict):
        raise document.place(name).error(f"{name} are written as [{name}.NAME]")
    for each, table in tables.items():
        if not isinstance(table, dict):
            raise document.place(name, each).error(f"{name} are written as [{name}.NAME]")
    return tables


def checked(place: Place, table: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Check each value of a table by its name."""
    place.refuse_unknown(table, checks)
    return {name: checks[name](place.at(name), value) for name, value in table.items()}


def required(place: Place, values: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there."""
    if name not in values:
        raise place.error(f"{name} is missing", f'add {name} = "..."')
    return str(values[name])


def refuse_other_formats(place: Place, formats: Collection[str], allowed: Collection[str]) -> None:
    """Refuse formats that are not among the allowed ones."""
    if not set(formats) <= set(allowed):
        raise place.error("unknown format", f"formats: {', '.join(sorted(allowed))}")


def refuse_unknown_keys(place: Place, names: Collection[str], keys: Collection[str]) -> None:
    """Refuse names of keys that are not in the file."""
    for name in names:
        if name not in keys:
            raise place.error("no such key", suggestion(name, keys))
