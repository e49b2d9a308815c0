"""The XML of OSS's answers, read element by element: by the store, and by layers above it.

Rule: an answer is input. What is missing or of another type is a ValueError, whatever the answer
holds besides.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from typing import Self
from urllib.parse import unquote


class Element:
    """An element of an answer; paths are those of its descendants, as ``Owner/ID``.

    Args:
        element: As the parser gives it.
        encoded: Whether names in it are percent-encoded.
    """

    def __init__(self, element: ET.Element, *, encoded: bool) -> None:
        self._element = element
        self._encoded = encoded

    @classmethod
    def of(cls, answer: bytes) -> Self:
        """Return the outermost element of an answer.

        Raises:
            ValueError: It is no XML.
        """
        try:
            root = ET.fromstring(answer)  # noqa: S314  bounded, and expat expands no bombs
        except (ET.ParseError, LookupError) as error:  # the latter: an unknown encoding
            raise ValueError(f"no XML: {error}") from error
        return cls(root, encoded=root.findtext("EncodingType") == "url")

    def all(self, path: str) -> Iterator[Self]:
        """Yield all elements of a path."""
        return (
            type(self)(element, encoded=self._encoded) for element in self._element.findall(path)
        )

    def has(self, path: str) -> bool:
        """Return whether there is such an element."""
        return self._element.find(path) is not None

    def text(self, path: str, default: str | None = None) -> str:
        """Return a text; one that is missing is ``default``, or a ValueError."""
        found = self._element.findtext(path, default)
        if found is None:
            raise ValueError(f"{path} is missing")
        return found

    def name(self, path: str, default: str | None = None) -> str:
        """Return a name as it is, however it travelled."""
        text = self.text(path, default)
        return unquote(text) if self._encoded else text

    def number(self, path: str) -> int:
        """Return a whole number."""
        return int(self.text(path))

    def flag(self, path: str, default: str | None = None) -> bool:
        """Return whether it says ``true``."""
        text = self.text(path, default)
        if text not in {"true", "false"}:
            raise ValueError(f"{path} is neither true nor false")
        return text == "true"

    def etag(self, default: str | None = None) -> str:
        """Return its ETag without quotes."""
        return self.text("ETag", default).strip('"')

    def crc64(self) -> int | None:
        """Return the CRC-64 of a part; None where there is none."""
        return self.number("HashCrc64ecma") if self.has("HashCrc64ecma") else None

    def time(self, path: str) -> datetime:
        """Return a moment, UTC."""
        text = self.text(path)
        if not text.endswith("Z"):
            raise ValueError(f"{path} is no time of UTC")
        return datetime.fromisoformat(text)

    def prefixes(self) -> list[str]:
        """Return the common prefixes of a listing."""
        return [node.name("Prefix") for node in self.all("CommonPrefixes")]
