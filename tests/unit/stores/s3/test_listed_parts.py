"""What S3 says of the parts of an upload, and when that is no list of them."""

from __future__ import annotations

import pytest
from tests.support.scripted_http import Answer, Request, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.errors import StoreError
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store

PAGE = (
    b"<ListPartsResult>%s<Part><PartNumber>%d</PartNumber><Size>5</Size><ETag>E</ETag></Part>"
    b"</ListPartsResult>"
)


def parts(*ends: bytes) -> list[int]:
    pages = iter(PAGE % (end, number) for number, end in enumerate(ends, 1))

    def answer(_: Request) -> Answer:
        return Answer(body=next(pages))

    with scripted(answer) as server:
        settings = S3Settings(
            endpoint=server.url,
            region="us-east-1",
            credentials=Credentials("id", "secret"),
            addressing="path",
        )
        with S3Store("bucket", settings) as store:
            return [part.number for part in store.list_parts("a", "upload")]


def more(marker: int) -> bytes:
    return (
        b"<IsTruncated>true</IsTruncated><NextPartNumberMarker>%d</NextPartNumberMarker>" % marker
    )


LAST = b"<IsTruncated>false</IsTruncated>"


def test_pages_follow_each_other() -> None:
    assert parts(more(1), more(2), LAST) == [1, 2, 3]


@pytest.mark.parametrize("ends", [[b""], [more(1), b""], [more(1), more(1)], [more(0)]])
def test_a_list_ends_where_it_says_so(ends: list[bytes]) -> None:
    with pytest.raises(StoreError):
        parts(*ends)
