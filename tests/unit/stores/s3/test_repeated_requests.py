"""What is sent to S3 again, and what is not: refusals, redirects, answers that nobody can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.scripted_http import Answer, Request, Scripted, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.errors import (
    IntegrityError,
    ObjectNotFoundError,
    StoreError,
    TransientStoreError,
)
from cipherbucket.stores.base import Store
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store

STORED = {"etag": '"e"', "last-modified": "Tue, 01 Dec 2026 03:00:00 GMT"}
REDIRECT = b"<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere.example</Endpoint></Error>"
WRONG_REGION = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"


class Lied:
    """A store, the server that it asks, and what that answers."""

    def __init__(self) -> None:
        self.answers: Callable[[Request], Answer] = lambda _: Answer(200, STORED)
        self.server: Scripted
        self.store: Store

    def answer(self, request: Request) -> Answer:
        return self.answers(request)

    @property
    def asked(self) -> list[str]:
        return [f"{each.method} {each.target}" for each in self.server.requests]


@pytest.fixture
def lied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lied]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    made = Lied()
    with scripted(made.answer) as made.server:
        settings = S3Settings(
            endpoint=made.server.url,
            region="us-east-1",
            credentials=Credentials("id", "secret"),
            addressing="path",
        )
        with S3Store("bucket", settings) as made.store:
            yield made


ONCE: list[Callable[[Store], object]] = [
    lambda store: store.put("a", b"x"),
    lambda store: store.begin_upload("a"),
]
READS: list[Callable[[Store], object]] = [lambda store: store.get("a"), lambda store: store.list()]


@pytest.mark.parametrize("code", ["RequestTimeout", "Throttling", "SlowDown"])
@pytest.mark.parametrize("verb", ONCE)
def test_what_is_sent_once_is_so_whatever_the_refusal(
    lied: Lied, code: str, verb: Callable[[Store], object]
) -> None:
    lied.answers = lambda _: Answer(400, {}, f"<Error><Code>{code}</Code></Error>".encode())
    with pytest.raises(StoreError):
        verb(lied.store)
    assert len(lied.asked) == 1


@pytest.mark.parametrize(
    "first",
    [
        Answer(301, {"x-amz-bucket-region": "eu-west-1"}, REDIRECT),
        Answer(400, {}, WRONG_REGION),
    ],
    ids=["redirected", "signed for another"],
)
def test_a_body_is_sent_again_to_the_region_of_its_bucket(lied: Lied, first: Answer) -> None:
    answers = [first, Answer(200, STORED)]
    lied.answers = lambda _: answers.pop(0)
    lied.store.put("a", b"body")
    again = lied.server.requests[1]
    assert again.body == b"body"
    assert "/eu-west-1/s3/" in again.headers["authorization"]


@pytest.mark.parametrize("status", [200, 301, 403, 404, 503])
@pytest.mark.parametrize(
    "verb", [*ONCE, lambda store: store.get("a"), lambda store: store.copy("a", "b")]
)
def test_what_is_said_of_the_bucket_is_not_said_of_the_object(
    lied: Lied, status: int, verb: Callable[[Store], object]
) -> None:
    """A bucket that is elsewhere is asked where; its answer is none to the request."""

    def answer(request: Request) -> Answer:
        if request.target == "/bucket":
            return Answer(status)
        return Answer(301, {}, REDIRECT)

    lied.answers = answer
    with pytest.raises(StoreError, match=r"HTTP 301") as caught:
        verb(lied.store)
    assert not isinstance(caught.value, ObjectNotFoundError | TransientStoreError)
    of_the_bucket = [each for each in lied.server.requests if each.target == "/bucket"]
    assert of_the_bucket
    assert not any("if-" in name or "copy" in name for name in of_the_bucket[0].headers)


def test_a_region_that_is_none_is_no_trouble_of_ours(lied: Lied) -> None:
    lied.answers = lambda _: Answer(301, {"x-amz-bucket-region": "evil.example/x"}, REDIRECT)
    with pytest.raises(StoreError, match="HTTP 301"):
        lied.store.put("a", b"body")
    assert len(lied.asked) == 1


@pytest.mark.parametrize(
    "header",
    [
        "last-modified",
        "x-amz-missing-meta",
        "x-amz-mp-parts-count",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-size",
        "x-amz-tagging-count",
    ],
)
def test_headers_that_nobody_reads_may_say_anything(lied: Lied, header: str) -> None:
    lied.answers = lambda _: Answer(200, {**STORED, header: "garbage"})
    assert lied.store.put("a", b"").etag == "e"
    assert lied.store.head("a").etag == "e"
    with lied.store.get("a") as body:
        assert body.stored.etag == "e"


def test_a_length_that_is_none(lied: Lied) -> None:
    lied.answers = lambda _: Answer(200, {**STORED, "content-length": "abc"})
    for verb in (lied.store.get, lied.store.head):
        with pytest.raises(IntegrityError, match="does not say how long"):
            verb("a")


@pytest.mark.parametrize("status", [301, 403, 404, 500])
@pytest.mark.parametrize(
    "document",
    [
        b"<Error>" + b"<a>" * 30_000 + b"</a>" * 30_000 + b"</Error>",
        b"<Error><Code>A</Code><Code>B</Code></Error>",
        b"<Error><Code><b>A</b></Code></Error>",
        b"<Error><Code>A</Code><Region><b/></Region></Error>",
        b"<Error><Code>&lt;/Code&gt;</Code></Error>",
    ],
    ids=["deep", "twice", "nested", "region", "escaped"],
)
def test_refusals_of_any_shape_are_refusals(lied: Lied, status: int, document: bytes) -> None:
    lied.answers = lambda _: Answer(status, {}, document)
    for verb in ONCE + READS:
        with pytest.raises(StoreError, match=f"HTTP {status}"):
            verb(lied.store)
