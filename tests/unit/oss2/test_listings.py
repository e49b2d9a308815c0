"""Pages that are not what was asked for: names, order, where the next page begins."""

import re
from collections.abc import Callable

import pytest

from cipherbucket.oss2 import _listings
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.http import Response

ASKED = {
    "prefix": "a/",
    "delimiter": "",
    "marker": "",
    "continuation-token": "",
    "start-after": "",
    "max-keys": "3",
}
ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>E</ETag>"
    "<Type>Normal</Type><Size>1</Size><StorageClass>Standard</StorageClass></Contents>"
)


def page(*names: str, more: str = "", prefixes: tuple[str, ...] = ()) -> bytes:
    entries = "".join(map(ENTRY.format, names))
    folded = "".join(
        f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in prefixes
    )
    ends = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    following = (
        f"<NextMarker>{more}</NextMarker><NextContinuationToken>{more}</NextContinuationToken>"
    )
    text = (
        f"<ListBucketResult>{ends}{following if more else ''}{entries}{folded}</ListBucketResult>"
    )
    return text.encode()


@pytest.mark.parametrize("read", [_listings.list_objects, _listings.list_objects_v2])
@pytest.mark.parametrize(
    ("answer", "asked", "said"),
    [
        (page("a/1", "b"), {}, "does not begin with"),
        (page("a/2", "a/1"), {}, "out of order"),
        (page("a/1", "a/1"), {}, "there twice"),
        (page("a/1", "a/2", "a/3", "a/4"), {}, "4 entries where 3 were asked for"),
        (page("a/1", prefixes=("a/b/",)), {}, "not asked for"),
        (page("a/1", prefixes=("a/b",)), {"delimiter": "/"}, "not folded"),
        (page("a/b/1"), {"delimiter": "/"}, "not folded"),
        (page("a/1"), {"marker": "a/1", "start-after": "a/1"}, "does not come after"),
        (page("a/3", more="t"), {"marker": "t", "continuation-token": "t"}, "come after|advance"),
    ],
)
def test_a_page_that_is_none_is_an_error(
    read: Callable[..., object], answer: bytes, asked: dict[str, str], said: str
) -> None:
    with pytest.raises(InconsistentError, match=re.compile(said)):
        read(Response(200, {}, answer), {**ASKED, **asked})


def test_the_next_page_begins_after_this_one() -> None:
    good = Response(200, {}, page("a/1", "a/2", more="a/2"))
    assert _listings.list_objects(good, ASKED).next_marker == "a/2"
    bad = Response(200, {}, page("a/1", "a/2", more="a/1"))
    with pytest.raises(InconsistentError, match="does not advance"):
        _listings.list_objects(bad, ASKED)
