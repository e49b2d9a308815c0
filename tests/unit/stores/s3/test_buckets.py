"""The buckets of an account in S3: page by page, of services that know pages and that do not."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.scripted_http import Answer, Request, scripted

import cipherbucket as cb

KEYS = cb.Credentials("id", "secret")


def page(*names: str, token: str = "", region: str = "") -> Answer:
    where = f"<BucketRegion>{region}</BucketRegion>" if region else ""
    made = "<CreationDate>2026-01-02T03:04:05.000Z</CreationDate>"
    buckets = "".join(f"<Bucket><Name>{name}</Name>{made}{where}</Bucket>" for name in names)
    following = f"<ContinuationToken>{token}</ContinuationToken>" if token else ""
    kind = "ListAllMyBucketsResult"
    text = f"<{kind}><Buckets>{buckets}</Buckets>{following}</{kind}>"
    return Answer(200, {"x-amz-request-id": "1"}, text.encode())


def listed(*pages: Answer) -> list[cb.StoredBucket]:
    asked: list[str | None] = []

    def answer(request: Request) -> Answer:
        asked.append(parse_qs(urlsplit(request.target).query).get("continuation-token", [None])[0])
        return pages[len(asked) - 1]

    with scripted(answer) as server:
        settings = cb.S3Settings(endpoint=server.url, region="r", credentials=KEYS)
        return list(cb.list_buckets(settings))


def test_all_pages_are_listed() -> None:
    found = listed(page("a", "b", token="t", region="eu-central-1"), page(token="u"), page("c"))
    assert [bucket.name for bucket in found] == ["a", "b", "c"]
    assert [bucket.region for bucket in found] == ["eu-central-1"] * 2 + [""]
    assert found[0].created.year == 2026


def test_a_service_without_pages_answers_all_in_one() -> None:
    assert [bucket.name for bucket in listed(page("b", "a"))] == ["b", "a"]
    assert listed(page()) == []


def test_a_listing_that_goes_in_a_circle_is_refused() -> None:
    with pytest.raises(cb.StoreError, match="does not advance"):
        listed(page("a", token="t"), page("a", token="t"))
    with pytest.raises(cb.StoreError, match="does not advance"):
        listed(*[page(token="t")] * 200)
