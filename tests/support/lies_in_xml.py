"""Lies of a store in its documents: of another kind, without a proof, or dearer than they look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from tests.support.lies_in_http import DATE, XML
from tests.support.lying_store import (
    BELIEVED,
    DOCUMENTS,
    SAME,
    SURE,
    Exchange,
    Lie,
    Tell,
)
from tests.support.scripted_http import Answer


def edits(edit: Callable[[bytes], bytes]) -> Tell:
    """Return a lie that edits the right document."""

    def tell(exchange: Exchange) -> Answer:
        body = exchange.truth.body
        new = edit(body)
        return exchange.truth if new == body else exchange.bent(body=new)

    return tell


def element(name: bytes) -> re.Pattern[bytes]:
    """Return what finds an element, empty or not."""
    return re.compile(rb"<(%s)>([^<]*)</\1>|<(%s)/>" % (name, name))


def without(name: str) -> Tell:
    """Return a lie that leaves an element out."""
    return edits(lambda body: element(name.encode()).sub(b"", body))


def saying(name: str, text: str) -> Tell:
    """Return a lie that puts another text into an element."""
    into = text.encode()
    return edits(lambda body: element(name.encode()).sub(rb"<\1>%s</\1>" % into, body))


def twice(name: str, other: str = "") -> Tell:
    """Return a lie that has an element once more, with another text."""
    into = rb"\g<0><\1>" + (other.encode() or rb"\2") + rb"</\1>"
    return edits(lambda body: element(name.encode()).sub(into, body))


def root(name: bytes) -> Tell:
    """Return a lie that calls the document something else."""
    return edits(lambda body: re.sub(rb"(</?)(\w+)(>\s*)$", rb"\1%s\3" % name, _begun(body, name)))


def _begun(body: bytes, name: bytes) -> bytes:
    return re.sub(rb"<(\w+)>", rb"<%s>" % name, body, count=1)


def inside(blocks: Callable[[], Iterator[bytes]]) -> Tell:
    """Return a lie that has these inside the right document, at its beginning."""

    def tell(exchange: Exchange) -> Answer:
        body = exchange.truth.body
        match = re.search(rb"<\w+>", body)
        if match is None:
            return exchange.truth
        head, tail = body[: match.end()], body[match.end() :]
        length = len(head) + len(tail) + sum(map(len, blocks()))
        headers = [DATE, XML, ("content-length", str(length))]
        return exchange.written(exchange.truth.status, headers, chain([head], blocks(), [tail]))

    return tell


def much(
    size: int, block: bytes, before: bytes = b"", after: bytes = b""
) -> Callable[[], Iterator[bytes]]:
    """Return blocks of so many bytes in all."""
    many = block * max(1, 65536 // len(block))
    return lambda: chain([before], repeat(many, size // len(many)), [after])


def typed(declared: bytes, use: bytes = b"") -> Tell:
    """Return a lie that declares a document type."""

    def edit(body: bytes) -> bytes:
        start = re.search(rb"<\w+>", body)
        if start is None:
            return body
        return b"<?xml version='1.0'?>%s%s%s%s" % (
            declared,
            start.group(),
            use,
            body[start.end() :],
        )

    return edits(edit)


_COSTLY: dict[str, tuple[bytes, ...]] = {
    "text": (b"t",),
    "lines": (b"\n",),
    "elements": (b"<a/>",),
    "entries": (b"<Contents><Key>k</Key></Contents>",),
    "attributes": (b" a='b'", b"<a", b"/>"),
    "one attribute": (b"b", b"<a b='", b"'/>"),
    "a comment": (b"c", b"<!--", b"-->"),
    "a name": (b"n", b"<", b"/>"),
    "instructions": (b"<?a b?>",),
    "references": (b"&#97;",),
}
"""What a document has much of: a block, and what stands before and after all of them."""
_BILLION = b"".join(
    b"<!ENTITY e%d '%s'>" % (number, b"&e%d;" % (number - 1) * 10) for number in range(1, 10)
)

LIES = [
    # What kind of document.
    Lie("another root", root(b"Other"), DOCUMENTS, later=True),
    Lie("the root of an error", root(b"Error"), DOCUMENTS),
    Lie("an XHTML page", edits(lambda _: b"<html><body><p/></body></html>"), DOCUMENTS),
    Lie("only a declaration", edits(lambda _: b"<?xml version='1.0'?>"), DOCUMENTS),
    Lie("JSON", edits(lambda _: b'{"IsTruncated": false}'), DOCUMENTS),
    Lie("half a document", edits(lambda body: body[: len(body) // 2]), DOCUMENTS, later=True),
    Lie("two documents", edits(lambda body: body + body), DOCUMENTS),
    Lie("no UTF-8", edits(lambda body: body[:-4] + b"\xff\xfe" + body[-4:]), DOCUMENTS),
    Lie("NUL in a document", edits(lambda body: body[:60] + b"\0" + body[60:]), DOCUMENTS),
    Lie(
        "an unknown encoding",
        edits(lambda body: body.replace(b"UTF-8", b"x-none", 1)),
        DOCUMENTS,
        SAME,
    ),
    Lie(
        "UTF-16",
        edits(lambda body: body.replace(b"UTF-8", b"UTF-16", 1).decode().encode("utf-16")),
        DOCUMENTS,
        SAME,
    ),
    # What costs.
    *(
        Lie(f"{size >> 20} MiB of {what}", inside(much(size, *blocks)), DOCUMENTS, kind)
        for size, kind in ((7 << 20, SAME), (16 << 20, SURE))
        for what, blocks in _COSTLY.items()
    ),
    Lie(
        "a million deep",
        inside(lambda: chain(repeat(b"<a>" * 1000, 1000), repeat(b"</a>" * 1000, 1000))),
        DOCUMENTS,
    ),
    Lie("a document type", typed(b"<!DOCTYPE a>"), DOCUMENTS),
    Lie(
        "a billion laughs",
        typed(b"<!DOCTYPE a [<!ENTITY e0 'ha'>%s]>" % _BILLION, b"<a>&e9;</a>"),
        DOCUMENTS,
    ),
    Lie(
        "an entity of a file",
        typed(b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", b"<Prefix>&e;</Prefix>"),
        DOCUMENTS,
    ),
    Lie(
        "a type from elsewhere", typed(b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/a.dtd'>"), DOCUMENTS
    ),
    # Proofs.
    Lie("no upload id", without("UploadId"), frozenset({"initiate"})),
    Lie("an empty upload id", saying("UploadId", ""), frozenset({"initiate"})),
    Lie("two upload ids", twice("UploadId", "B"), frozenset({"initiate"})),
    Lie("an upload of another", saying("Key", "other"), frozenset({"initiate", "complete"}), SAME),
    Lie(
        "no ETag in a proof",
        edits(lambda body: element(b"ETag").sub(b"", body)),
        frozenset({"copy_object", "complete", "upload_part_copy"}),
        SAME,
    ),
    Lie("other names deleted", saying("Key", "other"), frozenset({"delete_multiple"})),
    Lie(
        "nothing deleted",
        edits(lambda body: re.sub(rb"<Deleted>.*</Deleted>", b"", body, flags=re.DOTALL)),
        frozenset({"delete_multiple"}),
        BELIEVED,
    ),
    Lie("no Grant", without("Grant"), frozenset({"get_acl"})),
    Lie("two Grants", twice("Grant", "public-read-write"), frozenset({"get_acl"})),
    Lie("a Grant of words", saying("Grant", "whatever"), frozenset({"get_acl"}), BELIEVED),
    Lie("a tag without a name", without("Key"), frozenset({"get_tagging"})),
]
