"""The XML of answers, read element by element: by stores, and by layers above them.

Rule: an answer is input. It is elements and text of bounded sizes, without a document type,
comments or CDATA sections. That is checked on its bytes before a parser makes objects of them: it
may take hundreds of bytes for the four of ``<a/>``. What is missing, is there twice or is of
another type is a ValueError, whatever the answer holds besides.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from typing import Self
from urllib.parse import unquote_to_bytes

MAX_DOCUMENT = 8 << 20
"""Most bytes of an answer: 1,000 names of 1,023 bytes, each written as six, and the rest."""
_MAX_TAGS = 1 << 16
"""Most tags: 1,000 entries of a dozen elements are 24,000."""
_MAX_PIECES = 1 << 17
"""Most attributes, and places where a text is broken: the parser keeps each piece by itself."""
_MAX_TEXT = 8192
"""Longest text that is read: a name of 1,023 bytes in XML's longest notation has 6,138."""
_MAX_ID = 1024
"""Longest id of an upload or a version, and longest ETag, in characters; those of OSS have 64."""
_LARGE = 1 << 20
_LONG = re.compile(rb"[<>][^<>]{65536}")
"""A text or a tag of megabytes, of which the parser keeps copies."""
_MAX_DIGITS = 18  # fits 63 bits
_TAG = attrgetter("tag")
_CRC64 = re.compile(r"[0-9]{1,20}")


class Element:
    """An element of an answer; paths are those of its descendants, as ``Owner/ID``.

    Args:
        element: As the parser gives it.
        encoded: Whether names in it are percent-encoded; None where they should be, and it does
            not say that they are.
        distinct: Whether it is known that it has no two children of one name.
        plus: Whether a blank in an encoded name is written as ``+``, as S3 does.
    """

    __slots__ = ("_distinct", "_element", "_encoded", "_plus")

    def __init__(
        self, element: ET.Element, encoded: bool | None, distinct: bool, plus: bool = False
    ) -> None:
        self._element = element
        self._encoded = encoded
        self._distinct = distinct
        self._plus = plus

    @classmethod
    def of(cls, answer: bytes, *, plus: bool = False) -> Self:
        """Return the outermost element of an answer.

        Args:
            answer: The document.
            plus: See `Element`.

        Raises:
            ValueError: It is no XML, or more than any answer of a store holds.
        """
        pieces = sum(map(answer.count, (b"\n", b"\r", b"&", b"=")))
        if len(answer) > MAX_DOCUMENT or answer.count(b"<") > _MAX_TAGS or pieces > _MAX_PIECES:
            raise ValueError("a document larger than any answer of a store")
        if len(answer) > _LARGE and _LONG.search(answer):
            raise ValueError("a document with a text or a tag longer than any of a store")
        # In another encoding the bytes that are looked for here would be others: UTF-16 has NULs,
        # and what the document says of its encoding is overridden.
        if b"\0" in answer or (b"!" in answer and b"<!" in answer):  # one byte is found sooner
            raise ValueError("a document with a document type, a comment or a CDATA section")
        parser = ET.XMLParser(encoding="utf-8")  # noqa: S314  no document type, so no entities
        try:
            parser.feed(answer)
            root: ET.Element = parser.close()
        except ET.ParseError as error:
            raise ValueError(f"no XML: {error}") from error
        space, found, _ = root.tag.rpartition("}")
        if found:  # the documents of OSS show one, "http://doc.oss-cn-hangzhou.aliyuncs.com"
            for element in root.iter():
                element.tag = element.tag.removeprefix(space + found)
        encoding = cls(root, encoded=False, distinct=False).text("EncodingType", "")
        if encoding not in {"", "url"}:
            raise ValueError("names in an encoding that was not asked for")
        return cls(root, encoding == "url", distinct=False, plus=plus)

    @property
    def kind(self) -> str:
        """The element's own name, such as ``ListBucketResult``."""
        return self._element.tag

    def expect_encoding(self, asked: str) -> None:
        """Say how names were asked for: as ``url``, or as they are.

        Raises:
            ValueError: They are encoded, which was not asked for.
        """
        if self._encoded and asked != "url":
            raise ValueError("names in an encoding that was not asked for")
        if not self._encoded and asked == "url":
            self._encoded = None

    def all(self, path: str) -> Iterator[Self]:
        """Yield all elements of a path; what is there twice in one of them is a ValueError."""
        for element in self._element.findall(path):
            if len(set(map(_TAG, element))) != len(element):
                raise ValueError(f"a field of {path} is there twice")
            yield type(self)(element, self._encoded, True, self._plus)  # noqa: FBT003  quick

    def has(self, path: str) -> bool:
        """Return whether there is such an element."""
        return self._element.find(path) is not None

    def text(self, path: str, default: str | None = None) -> str:
        """Return a text; one that is missing is ``default``, or a ValueError."""
        found = self._element.findtext(path, default)
        if found is None:
            raise ValueError(f"{path} is missing")
        if not self._distinct and len(self._element.findall(path)) > 1:
            raise ValueError(f"{path} is there twice")
        if len(found) > _MAX_TEXT:
            raise ValueError(f"{path} is longer than {_MAX_TEXT:,} characters")
        return found

    def name(self, path: str, default: str | None = None) -> str:
        """Return a name as it is, however it travelled."""
        text = self.text(path, default)
        if self._encoded is None and "%" in text:
            raise ValueError(f"{path} may be encoded or not, and nothing says which")
        if self._encoded and self._plus:
            text = text.replace("+", " ")
        return unquote_to_bytes(text).decode() if self._encoded and "%" in text else text

    def id(self, path: str) -> str:
        """Return an id, which is not empty: without one a request would mean something else."""
        text = self.text(path)
        if not 0 < len(text) <= _MAX_ID:
            raise ValueError(f"{path} is empty or longer than any")
        return text

    def number(self, path: str) -> int:
        """Return a whole number, 0 or more, of 18 digits at most."""
        text = self.text(path)
        if not (text.isdigit() and text.isascii() and len(text) <= _MAX_DIGITS):
            raise ValueError(f"{path} is no number")
        return int(text)

    def flag(self, path: str, default: str | None = None) -> bool:
        """Return whether it says ``true``."""
        text = self.text(path, default)
        if text not in {"true", "false"}:
            raise ValueError(f"{path} is neither true nor false")
        return text == "true"

    def etag(self) -> str:
        """Return its ETag without quotes; an empty one is a ValueError."""
        etag = self.id("ETag").strip('"')
        if not etag:
            raise ValueError("ETag is empty")
        return etag

    def crc64(self) -> int | None:
        """Return the CRC-64 of a part; None where there is none."""
        if not self.has("HashCrc64ecma"):
            return None
        text = self.text("HashCrc64ecma")
        if not _CRC64.fullmatch(text) or int(text) >= 1 << 64:
            raise ValueError("HashCrc64ecma is no CRC-64")
        return int(text)

    def time(self, path: str) -> datetime:
        """Return a moment, UTC."""
        text = self.text(path)
        if not text.endswith("Z"):
            raise ValueError(f"{path} is no time of UTC")
        return datetime.fromisoformat(text)

    def prefixes(self) -> list[str]:
        """Return the common prefixes of a listing."""
        return [node.name("Prefix") for node in self.all("CommonPrefixes")]
