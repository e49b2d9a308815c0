"""The description of a master key: the label by which a reader finds the key.

Rule: two descriptions are the same when they are equal as mappings. Absent, empty text and ``{}``
are one and the same. The text is kept exactly as it was given, because several SDKs compare the
text; a description made here is compact JSON with sorted keys, the one form that every SDK
matched (docs/format.md, "Descriptions").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cipherbucket.errors import UsageError

_NO_MAPPING = "description is not a mapping of strings to strings"


class Description(Mapping[str, str]):
    """An immutable mapping of strings with its exact JSON text.

    Args:
        value: A mapping of strings, the exact JSON text of one, or None for no description.

    Raises:
        UsageError: Not a mapping or JSON object of strings, or a name stands twice in the text.
    """

    __slots__ = ("_entries", "text")

    text: str
    """The JSON text, "" for an empty description."""

    def __init__(self, value: Mapping[str, str] | str | None = None) -> None:
        if isinstance(value, Description):
            self._entries = dict(value)
            self.text = value.text
        elif isinstance(value, str):
            self._entries = _parse(value)
            self.text = value if self._entries else ""
        elif value is None or isinstance(value, Mapping):
            self._entries = dict(value or {})
            _check(self._entries)
            self.text = (
                json.dumps(self._entries, sort_keys=True, separators=(",", ":"))
                if self._entries
                else ""
            )
        else:
            raise UsageError(_NO_MAPPING)

    def __getitem__(self, name: str) -> str:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._entries == dict(other)

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __str__(self) -> str:
        """Give a form for people: the JSON text, or ``no description``."""
        if not self.text:
            return "no description"
        return self.text if self.text.isprintable() else ascii(self.text)

    def __repr__(self) -> str:
        return f"Description({self.text!r})"


def _parse(text: str) -> dict[str, str]:
    if not text.strip(" \t\r\n"):  # the white space of JSON
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates)
    except RecursionError:
        raise UsageError("description is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError("description is not JSON") from None
    if not isinstance(value, dict):
        raise UsageError("description is not a JSON object")
    _check(value)
    return value


def _no_duplicates(members: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(members)
    if len(entries) != len(members):
        raise UsageError("description holds a name twice")
    return entries


def _check(entries: Mapping[str, object]) -> None:
    for name, value in entries.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(_NO_MAPPING)
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError:
            raise UsageError("description holds a lone surrogate") from None
