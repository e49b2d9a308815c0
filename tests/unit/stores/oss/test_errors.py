"""A server's refusals and nonsense are errors of ours, with what its support asks for."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.support.oss_objects import Objects, error_xml, misbehave, settings, store_at
from tests.support.scripted_http import Answer, Request, Scripted

import cipherbucket as cb

_READS: dict[str, Callable[[Any], object]] = {
    "ListBucketResult": lambda store: store.list(),
    "ListVersionsResult": lambda store: list(store.list_versions()),
    "ListMultipartUploadsResult": lambda store: store.list_uploads(),
    "ListPartsResult": lambda store: store.list_parts("a", "upload"),
}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", cb.ObjectNotFoundError),
        (404, "NoSuchVersion", cb.ObjectNotFoundError),
        (404, "NoSuchBucket", cb.StoreError),
        (409, "FileAlreadyExists", cb.PreconditionFailedError),
        (412, "PreconditionFailed", cb.PreconditionFailedError),
        (403, "AccessDenied", cb.StoreError),
        (403, "SignatureDoesNotMatch", cb.StoreError),
        (403, "InvalidObjectState", cb.StoreError),
        (400, "SomethingNew", cb.StoreError),
        (503, "SlowDown", cb.TransientStoreError),
    ],
)
def test_the_services_errors_are_ours_with_its_details(
    bucket: cb.Bucket, served: Scripted, status: int, code: str, kind: type[cb.StoreError]
) -> None:
    misbehave(served, lambda _: Answer(status, {"x-oss-request-id": "R1"}, error_xml(code)))
    with pytest.raises(kind) as caught:
        bucket.get("a")
    error = caught.value
    assert (error.status, error.code, error.ec, error.request_id) == (
        status,
        code,
        "0003-00000001",
        "R1",
    )
    assert error.host == served.url.removeprefix("http://")
    assert error.name == "a"
    for detail in (str(status), code, "0003-00000001", "R1"):
        assert detail in str(error)


def test_an_archived_object_says_what_to_do(bucket: cb.Bucket, served: Scripted) -> None:
    misbehave(served, lambda _: Answer(403, {}, error_xml("InvalidObjectState")))
    with pytest.raises(cb.StoreError, match="must be restored") as caught:
        bucket.get("a")
    assert "restore" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"x-oss-hash-crc64ecma": "minus one"}),
        Answer(206, {"content-range": "bytes 0-1/"}, b"ab"),
        Answer(404, {}, b"<html>not xml</p>"),
        Answer(404, {}, b"\xff\xfe"),
        Answer(302, {"location": "http://127.0.0.1:1/"}),
    ],
)
def test_nonsense_is_an_error_of_ours(bucket: cb.Bucket, served: Scripted, answer: Answer) -> None:
    misbehave(served, lambda _: answer)
    with pytest.raises(cb.CipherbucketError):
        bucket.get("a", start=0, length=2)


@pytest.mark.parametrize("body", [b"", b"<", b"<a/>", b"\xff", b"<ListBucketResult><Contents/>"])
def test_a_listing_that_is_none_is_an_error_or_empty(
    bucket: cb.Bucket, served: Scripted, body: bytes
) -> None:
    misbehave(served, lambda _: Answer(200, {"content-type": "application/xml"}, body))
    with suppress(cb.CipherbucketError):
        assert [entry.name for entry in bucket.list() if entry.name] == []


def test_nobody_listening_is_a_transient_error(key: cb.RsaKey) -> None:
    bucket = cb.open_bucket("oss://bucket", key, settings=settings("http://127.0.0.1:1"))
    with pytest.raises(cb.TransientStoreError):
        bucket.get("a")
    with pytest.raises(cb.TransientStoreError):
        bucket.put("a", b"x")


def test_what_oss_refuses_is_refused_first(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", b"secret")
    with pytest.raises(cb.UsageError, match="0005-00000421"):
        bucket.update_metadata("a", metadata={"owner": "me"})
    with pytest.raises(cb.UsageError, match="depends on an ETag"):
        bucket.put("a", b"x", if_match="E1")
    assert {request.method for request in served.requests} == {"PUT", "HEAD"}
    assert len([r for r in served.requests if r.method == "PUT"]) == 1


@pytest.mark.parametrize("status", [200, 403])
def test_an_endless_answer_is_not_read_into_memory(
    bucket: cb.Bucket, served: Scripted, status: int
) -> None:
    huge = Answer(status, body=b"<R>" + b"x" * (17 << 20))
    misbehave(served, lambda _: huge)
    with pytest.raises(cb.StoreError, match="more than 8 MiB" if status == 200 else "HTTP 403"):
        list(bucket.list())
    if status == 403:
        with pytest.raises(cb.StoreError, match="HTTP 403"):
            bucket.get("a")


def test_causes_lead_to_what_broke_and_not_in_a_circle() -> None:
    with pytest.raises(cb.TransientStoreError) as caught:
        store_at("http://127.0.0.1:1").head("a")
    chain: list[BaseException] = [caught.value]
    while (cause := chain[-1].__cause__) is not None:
        assert cause not in chain
        chain.append(cause)
    assert [type(error).__module__.partition(".")[0] for error in chain[:2]] == [
        "cipherbucket",
        "urllib3",
    ]


@pytest.mark.parametrize(
    ("root", "content"),
    [
        ("ListBucketResult", "<Contents><Size>1</Size></Contents>"),
        ("ListBucketResult", "<Contents><Key>a</Key></Contents>"),
        ("ListBucketResult", "<CommonPrefixes/>"),
        ("ListBucketResult", "<Contents><LastModified>x</LastModified></Contents>"),
        ("ListVersionsResult", "<Version><VersionId>1</VersionId></Version>"),
        ("ListVersionsResult", "<Version><Key>a</Key><Size>1</Size></Version>"),
        ("ListMultipartUploadsResult", "<Upload/>"),
        ("ListPartsResult", "<Part><PartNumber>1</PartNumber></Part>"),
    ],
)
def test_a_listing_that_lacks_what_it_must_hold_is_a_store_error(
    served: Scripted, root: str, content: str
) -> None:
    misbehave(served, lambda _: Answer(body=f"<{root}>{content}</{root}>".encode()))
    with pytest.raises(cb.StoreError, match="cannot be understood"):
        _READS[root](store_at(served.url))


def test_xml_in_an_encoding_that_nobody_knows_is_a_store_error(served: Scripted) -> None:
    misbehave(served, lambda _: Answer(body=b'<?xml version="1.0" encoding="foo"?><R/>'))
    with pytest.raises(cb.StoreError, match="cannot be understood"):
        _READS["ListBucketResult"](store_at(served.url))


@pytest.mark.parametrize(
    "root", ["ListVersionsResult", "ListMultipartUploadsResult", "ListPartsResult"]
)
def test_a_listing_that_goes_in_a_circle_is_a_store_error(served: Scripted, root: str) -> None:
    def circling(_: Request) -> Answer:
        assert len(served.requests) < 20
        turn = len(served.requests) % 2
        tags = ("NextKeyMarker", "NextUploadIdMarker", "NextVersionIdMarker")
        markers = "".join(f"<{tag}>{turn}</{tag}>" for tag in tags)
        number = f"<NextPartNumberMarker>{10_000 + len(served.requests)}</NextPartNumberMarker>"
        content = f"<IsTruncated>true</IsTruncated>{markers}{number}"
        return Answer(body=f"<{root}>{content}</{root}>".encode())

    misbehave(served, circling)
    with pytest.raises(cb.StoreError, match="does not advance"):
        _READS[root](store_at(served.url))
    assert len(served.requests) < 5


def test_the_words_of_a_store_in_an_error_are_cut_and_harmless(
    bucket: cb.Bucket, served: Scripted
) -> None:
    words = "<Error><Code>Odd&#155;</Code><Message>" + "m&#155;31m" * 5000 + "</Message></Error>"
    misbehave(served, lambda _: Answer(403, {}, words.encode()))
    with pytest.raises(cb.StoreError) as caught:
        bucket.get("a")
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_an_answer_that_breaks_off_is_asked_for_again(bucket: cb.Bucket, served: Scripted) -> None:
    listing = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated>"
        b'<Contents><Key>a</Key><Size>1</Size><ETag>"E"</ETag>'
        b"<LastModified>2026-11-21T10:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )

    def breaking(_: Request) -> Answer:
        answer = Answer(200, {"content-type": "application/xml"}, listing)
        answer.stop_after = 30 if len(served.requests) < 3 else None
        return answer

    misbehave(served, breaking)
    assert [entry.name for entry in bucket.list()] == ["a"]
    assert len(served.requests) == 3


def test_a_copy_with_a_condition_is_sent_once(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", b"1")

    def failing(request: Request) -> Answer:
        if "?acl" in request.target:
            return Answer(200, {}, b"<AccessControlPolicy></AccessControlPolicy>")
        if request.method == "HEAD" and request.target.endswith("/b"):
            return Answer(404)
        return Answer(503) if request.method == "PUT" else objects.get(request)

    misbehave(served, failing)
    with pytest.raises(cb.TransientStoreError):
        bucket.copy("a", "b", if_absent=True)
    assert len([r for r in served.requests if "x-oss-copy-source" in r.headers]) == 1


@pytest.mark.parametrize(
    ("method", "headers", "times"),
    [
        ("PUT", {"x-oss-copy-source": "/bucket/a"}, 4),
        ("PUT", {"x-oss-copy-source": "/bucket/a", "X-Oss-Forbid-Overwrite": "true"}, 1),
        ("POST", {}, 1),
    ],
)
def test_a_request_that_would_meet_its_own_success_is_sent_once(
    served: Scripted, bucket: cb.Bucket, method: str, headers: dict[str, str], times: int
) -> None:
    served.behave[:] = [lambda _: Answer(503)]  # type: ignore[attr-defined]
    store: Any = bucket.access.store
    with pytest.raises(cb.StoreError):
        store.client.request("CopyObject", method, "b", headers=headers)
    assert len(served.requests) == times
