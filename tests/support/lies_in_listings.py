"""Lies of a store in its listings: fields, names, and pages that do not end."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.lies_in_xml import edits, element, saying, twice, without
from tests.support.lying_store import BELIEVED, LISTINGS, SAME, Exchange, Lie, Tell
from tests.support.scripted_http import Answer

_OBJECTS = frozenset({"list_objects", "list_objects_v2"})
_NAMED = LISTINGS - {"list_uploaded_parts"}
_PARTS = frozenset({"list_uploaded_parts"})
_ITEMS = rb"<(Contents|Version|DeleteMarker|Upload|Part)>.*?</\1>"
NEXT = rb"NextContinuationToken|NextMarker|NextKeyMarker|NextPartNumberMarker"
_LONG = "n" * 5000
_FOREIGN = b"zz-outside"


def items(change: Callable[[list[bytes]], list[bytes]]) -> Tell:
    """Return a lie about the entries of a listing."""

    def edit(body: bytes) -> bytes:
        found = [match.group() for match in re.finditer(_ITEMS, body, re.DOTALL)]
        if not found:
            return body
        start = body.index(found[0])
        end = body.rindex(found[-1]) + len(found[-1])
        return body[:start] + b"".join(change(found)) + body[end:]

    return edits(edit)


def named(name: bytes) -> Tell:
    """Return a lie that adds an entry of this name behind the others."""
    return items(lambda found: [*found, element(b"Key").sub(rb"<Key>%s</Key>" % name, found[-1])])


def first_named(name: bytes) -> Tell:
    """Return a lie that adds an entry of this name before the others."""
    return items(lambda found: [element(b"Key").sub(rb"<Key>%s</Key>" % name, found[0]), *found])


def endless_pages(change: Callable[[bytes, int], bytes]) -> Tell:
    """Return a lie that always has a page more."""

    def tell(exchange: Exchange) -> Answer:
        body = change(exchange.truth.body, exchange.number)
        body = element(b"IsTruncated").sub(b"<IsTruncated>true</IsTruncated>", body)
        return exchange.bent(body=body)

    return tell


def following(body: bytes, token: bytes, upload: bytes = b"") -> bytes:
    """Say where the next page begins."""
    for name in (NEXT, b"NextUploadIdMarker|NextVersionIdMarker"):
        body = element(name).sub(b"", body)
    fields = b"".join(
        b"<%s>%s</%s>" % (name, text, name)
        for name, text in [
            (b"NextContinuationToken", token),
            (b"NextMarker", token),
            (b"NextKeyMarker", token),
            (b"NextPartNumberMarker", token),
            (b"NextUploadIdMarker", upload),
            (b"NextVersionIdMarker", upload),
        ]
    )
    return re.sub(rb"(</\w+>)\s*$", fields + rb"\1", body)


def last_name(body: bytes) -> bytes:
    """Return the name or number of the last entry of a page."""
    names = re.findall(rb"<(?:Key|PartNumber)>([^<]*)<", body)
    return names[-1] if names else b"z"


def emptied(body: bytes) -> bytes:
    """Leave out all entries."""
    return re.sub(_ITEMS, b"", body, flags=re.DOTALL)


LIES = [
    # Fields.
    Lie("no IsTruncated", without("IsTruncated"), LISTINGS, later=True),
    Lie("IsTruncated twice", twice("IsTruncated", "false"), LISTINGS, later=True),
    Lie("IsTruncated of words", saying("IsTruncated", "maybe"), LISTINGS),
    Lie("no IsTruncated in it", saying("IsTruncated", ""), LISTINGS),
    Lie("no next page named", without(NEXT.decode()), LISTINGS, SAME),
    Lie("an empty next page", saying(NEXT.decode(), ""), LISTINGS, SAME),
    Lie("two next pages", twice(NEXT.decode(), "zzz"), LISTINGS, SAME),
    Lie("no Key", without("Key"), _NAMED, later=True),
    Lie("an empty Key", saying("Key", ""), _NAMED),
    Lie("two Keys", twice("Key", "other"), _NAMED, later=True),
    Lie("no Size", without("Size"), LISTINGS - {"list_uploads"}),
    Lie("a Size of words", saying("Size", "many"), LISTINGS - {"list_uploads"}),
    Lie("a negative Size", saying("Size", "-5"), LISTINGS - {"list_uploads"}),
    Lie("a Size of a float", saying("Size", "1e3"), LISTINGS - {"list_uploads"}),
    Lie("a Size of 10**18", saying("Size", "1" + "0" * 18), LISTINGS - {"list_uploads"}, BELIEVED),
    Lie("a Size of 10**4000", saying("Size", "1" + "0" * 4000), LISTINGS - {"list_uploads"}),
    Lie("two Sizes", twice("Size", "1"), LISTINGS - {"list_uploads"}),
    Lie("no ETag in a list", without("ETag"), LISTINGS - {"list_uploads"}, SAME),
    Lie("other ETags in a list", saying("ETag", '"OTHER"'), LISTINGS - {"list_uploads"}, BELIEVED),
    Lie("no time in a list", without("LastModified|Initiated"), LISTINGS, SAME),
    Lie(
        "times of words in a list",
        saying("LastModified|Initiated", "soon"),
        LISTINGS - _PARTS,
        SAME,
    ),
    Lie(
        "times beyond time",
        saying("LastModified|Initiated", "99999-01-01T00:00:00.000Z"),
        LISTINGS - _PARTS,
        SAME,
    ),
    Lie("no VersionId", without("VersionId"), frozenset({"list_object_versions"})),
    Lie("no UploadId in a list", without("UploadId"), frozenset({"list_uploads"})),
    Lie("no PartNumber", without("PartNumber"), _PARTS),
    Lie("part 0", saying("PartNumber", "0"), _PARTS),
    Lie("part 10**9", saying("PartNumber", "1" + "0" * 9), _PARTS),
    Lie("one part for all", saying("PartNumber", "1"), _PARTS, SAME),
    Lie("CRC-64 of words in a list", saying("HashCrc64ecma", "abc"), _PARTS, SAME),
    # Names.
    Lie("a name outside the prefix", named(_FOREIGN), _NAMED, SAME, later=True, topic="prefix"),
    Lie("a name before the prefix", first_named(b"AA"), _NAMED, SAME, topic="prefix"),
    Lie("a name that leads up", named(b"zz%2F..%2F..%2Fescape"), _NAMED, SAME),
    Lie(
        "names turned around",
        items(lambda found: found[::-1]),
        _NAMED,
        SAME,
        later=True,
        topic="order",
    ),
    Lie("a name again", items(lambda found: [*found, found[-1]]), _OBJECTS, later=True),
    Lie("a first name again", items(lambda found: [*found, found[0]]), _OBJECTS),
    Lie("1,100 names", items(lambda found: found * 1100), _OBJECTS),
    Lie("a name of half a sign", named(b"zz%FF%FE"), _NAMED),
    Lie("a name of no percent", named(b"zz%zz%"), _NAMED, SAME),
    Lie("a name with NUL", named(b"zz%00a"), _NAMED, SAME),
    Lie("a name of 5,000 bytes", named(_LONG.encode()), _NAMED, SAME),
    Lie("a name of a surrogate", named(b"zz%ED%A0%80"), _NAMED),
    Lie("a space as a name", named(b" "), _NAMED, SAME, topic="prefix"),
    Lie(
        "a prefix nobody asked for",
        edits(
            lambda body: re.sub(
                rb"(</\w+>)\s*$",
                rb"<CommonPrefixes><Prefix>o%2Fz</Prefix></CommonPrefixes>\1",
                body,
            )
        ),
        _NAMED,
        SAME,
    ),
    Lie(
        "a prefix of nothing",
        edits(
            lambda body: re.sub(
                rb"(</\w+>)\s*$", rb"<CommonPrefixes><Prefix/></CommonPrefixes>\1", body
            )
        ),
        _NAMED,
        SAME,
    ),
    Lie("names not encoded", without("EncodingType"), _NAMED, SAME),
    Lie("names encoded somehow", saying("EncodingType", "base64"), _NAMED, SAME),
    # Pages.
    Lie(
        "two tokens by turns",
        endless_pages(lambda b, n: following(b, b"ab"[n % 2 :][:1])),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "the same token",
        endless_pages(lambda body, _: following(body, b"1", b"1")),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "the same page for ever",
        endless_pages(lambda body, n: following(body, b"7%05d" % n, b"u%d" % n)),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "a page of one name for ever",
        endless_pages(lambda body, n: following(body, last_name(body), b"u%d" % n)),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "empty pages for ever",
        endless_pages(lambda body, n: following(emptied(body), b"%d" % (n + 1), b"u%d" % n)),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "markers that go back",
        endless_pages(lambda body, n: following(emptied(body), b"z%05d" % (9999 - n))),
        LISTINGS,
        topic="pages",
    ),
    Lie(
        "truncated at the end",
        edits(lambda body: body.replace(b"<IsTruncated>false", b"<IsTruncated>true")),
        LISTINGS - _PARTS,
    ),
    Lie("ended before its end", saying("IsTruncated", "false"), LISTINGS - _PARTS, BELIEVED),
    Lie("parts of another upload", saying("Key|UploadId", "other"), _PARTS, SAME),
]
