"""Checks of single values of ``cipherbucket.toml``: the type, and what is allowed.

Each raises a `UsageError` that carries the file and the line. No value is repeated in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cipherbucket.config import toml_lines
from cipherbucket.config.document import Document, suggestion
from cipherbucket.errors import UsageError
from cipherbucket.format.description import Description

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Check = Callable[[Document, toml_lines.Path, Any], Any]


def text(document: Document, path: toml_lines.Path, value: object) -> str:
    """Take a text."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise document.error(path, 'must be a text, such as "cmk.pem"')
    return value


def texts(document: Document, path: toml_lines.Path, value: object) -> tuple[str, ...]:
    """Take an array of texts."""
    if not isinstance(value, list):
        raise document.error(path, 'must be an array of texts, such as ["a", "b"]')
    return tuple(text(document, (*path, place), each) for place, each in enumerate(value))


def one_of(*allowed: str) -> Check:
    """Return the check of a text that is one of few."""

    def chosen(document: Document, path: toml_lines.Path, value: object) -> str:
        if value not in allowed:
            raise document.error(path, f"must be one of {', '.join(allowed)}")
        return str(value)

    return chosen


def flag(document: Document, path: toml_lines.Path, value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise document.error(path, "must be true or false")
    return value


def number(document: Document, path: toml_lines.Path, value: object) -> int:
    """Take a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise document.error(path, "must be a whole number above 0")
    return value


def seconds(document: Document, path: toml_lines.Path, value: object) -> float:
    """Take a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise document.error(path, "must be a number of seconds above 0")
    return float(value)


def pairs(document: Document, path: toml_lines.Path, value: object) -> dict[str, str]:
    """Take a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise document.error(path, 'must be a table of texts, such as { desc = "2026" }')
    return value


def described(document: Document, path: toml_lines.Path, value: object) -> Description:
    """Take a description, as a table or as its exact text."""
    try:
        return Description(value if isinstance(value, str) else pairs(document, path, value))
    except UsageError as error:
        if error.message.startswith(str(document.path)):
            raise
        raise document.error(path, error.message, 'such as { desc = "2026" }') from None


def variable(document: Document, path: toml_lines.Path, value: object) -> str:
    """Take the name of an environment variable."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise document.error(
            path, "must be the name of an environment variable", 'such as "CMK_PASSPHRASE"'
        )
    return value


def ca_file(document: Document, path: toml_lines.Path, value: object) -> str:
    """Take a file, relative to the document."""
    return str(document.relative(text(document, path, value)))


def tables_of(document: Document, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the tables below a name."""
    tables = document.tables.get(name, {})
    if not isinstance(tables, dict):
        raise document.error((name,), f"{name} are written as [{name}.NAME]")
    for each, table in tables.items():
        if not isinstance(table, dict):
            raise document.error((name, each), f"{name} are written as [{name}.NAME]")
    return tables


def checked(
    document: Document, at: toml_lines.Path, table: Mapping[str, Any], checks: Mapping[str, Check]
) -> dict[str, Any]:
    """Check each value of a table by its name."""
    document.refuse_unknown(at, table, checks)
    return {name: checks[name](document, (*at, name), value) for name, value in table.items()}


def needed(document: Document, at: toml_lines.Path, values: Mapping[str, Any], name: str) -> object:
    """Return a value that must be there."""
    if name not in values:
        raise document.error(at, f"{name} is missing", f'add {name} = "..."')
    return values[name]


def among(
    document: Document,
    at: toml_lines.Path,
    given: tuple[str, ...] | None,
    allowed: frozenset[str] | tuple[str, ...],
) -> tuple[str, ...] | None:
    """Take formats, if all are allowed."""
    for each in given or ():
        if each not in allowed:
            raise document.error(at, "unknown format", f"formats: {', '.join(sorted(allowed))}")
    return given


def known(
    document: Document,
    at: toml_lines.Path,
    names: tuple[str, ...],
    keys: Iterable[str],
) -> None:
    """Refuse names of keys that are not in the file."""
    for name in names:
        if name not in keys:
            raise document.error(at, "no such key", suggestion(name, keys))
