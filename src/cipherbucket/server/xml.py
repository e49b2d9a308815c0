"""XML as OSS writes and reads it: elements in order, no attributes, no namespaces.

Rule: a document is built from (name, content) pairs, and one that comes in is read without entities
or document types, to a bounded size.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from cipherbucket.server.errors import OssError, malformed_xml

Node = tuple[str, "str | int | bool | Iterable[Node] | None"]

MAX_DOCUMENT = 5 << 20
"""Most bytes of a document that a request may bring: ten thousand parts take about one MiB."""


def document(root: str, children: Iterable[Node]) -> bytes:
    """Write a document.

    Args:
        root: Name of the outermost element.
        children: Name and content of each element in it; None leaves an element out.
    """
    pieces = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write(pieces, root, children)
    return "".join(pieces).encode()


def parse(text: bytes, *roots: str) -> ET.Element:
    """Read a document whose outermost element is one of ``roots``; namespaces are dropped.

    Raises:
        OssError: MalformedXML.
    """
    if len(text) > MAX_DOCUMENT:
        raise malformed_xml("The XML you provided is too large.")
    # A NUL would be of an encoding in which the words could not be found.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text or b"\0" in text:
        raise malformed_xml("The XML you provided has a document type.")
    try:
        root = ET.fromstring(text)  # noqa: S314  no document type, so no entities
    except (ET.ParseError, ValueError, LookupError) as error:  # the last: an unknown encoding
        raise malformed_xml() from error
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    if root.tag not in roots:
        raise malformed_xml(f"The outermost element must be {' or '.join(roots)}.")
    return root


def text_of(parent: ET.Element, path: str, default: str = "") -> str:
    """Return the text of the element at ``path``, or ``default``."""
    return (parent.findtext(path) or default).strip()


def error_document(error: OssError, request_id: str, host: str) -> bytes:
    """Write the document of an error."""
    return document(
        "Error",
        [
            ("Code", error.code),
            ("Message", error.message),
            ("RequestId", request_id),
            ("HostId", host),
            *error.details.items(),
            ("EC", error.ec),
        ],
    )


def iso_time(moment: datetime) -> str:
    """Write a moment as listings do; to the second, because OSS's SDKs expect ``.000``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _write(pieces: list[str], name: str, content: object) -> None:
    if content is None:
        return
    pieces.append(f"<{name}>")
    if isinstance(content, bool):
        pieces.append("true" if content else "false")
    elif isinstance(content, str):
        pieces.append(_escaped(content))
    elif isinstance(content, int):
        pieces.append(str(content))
    elif isinstance(content, Iterable):
        for child, inner in content:
            _write(pieces, child, inner)
    pieces.append(f"</{name}>")


def _escaped(text: str) -> str:
    escaped = escape(text, {"\r": "&#13;"})
    if escaped.isprintable():
        return escaped
    # Control characters have no place in XML 1.0; OSS sends them as references all the same.
    return "".join(c if ord(c) >= 32 or c in "\t\n" else f"&#{ord(c)};" for c in escaped)
