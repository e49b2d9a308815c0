"""An answer that does not prove that something was done is an error, whatever its status."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest
from tests.support.oss_objects import misbehave, store_at
from tests.support.scripted_http import Answer, Request, Scripted

import cipherbucket as cb
from cipherbucket.stores.base import Store
from cipherbucket.stores.http.client import answers_seen
from cipherbucket.stores.oss.buckets import buckets_seen_by
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import Part, StoredBucket

_PAGE = b"<html><head><title>Sign in</title></head><body>Welcome</body></html>"
_ERROR = b"<Error><Code>%s</Code><Message>m</Message><RequestId>R</RequestId></Error>"


def buckets(store: Store) -> list[StoredBucket]:
    """List the buckets of an account through the connections of a bucket's store."""
    assert isinstance(store, OssStore)
    client = copy(store.client)
    client.bucket = ""
    return list(buckets_seen_by(client))


_VERBS: dict[str, tuple[Callable[[Store], object], Answer]] = {
    "put": (lambda store: store.put("a", b"x"), Answer(headers={"etag": '"E"'})),
    "get": (lambda store: store.get("a").close(), Answer(headers={"etag": '"E"'}, body=b"x")),
    "head": (lambda store: store.head("a"), Answer(headers={"etag": '"E"'})),
    "delete": (lambda store: store.delete("a"), Answer(204)),
    "abort": (lambda store: store.abort_upload("a", "U"), Answer(204)),
    "restore": (lambda store: store.restore("a"), Answer(202)),
    "list": (
        lambda store: store.list(),
        Answer(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
    ),
    "versions": (
        lambda store: list(store.list_versions()),
        Answer(body=b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>"),
    ),
    "uploads": (
        lambda store: store.list_uploads(),
        Answer(
            body=b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
            b"</ListMultipartUploadsResult>"
        ),
    ),
    "buckets": (
        buckets,
        Answer(body=b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"),
    ),
    "parts": (
        lambda store: store.list_parts("a", "U"),
        Answer(body=b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>"),
    ),
    "begin": (
        lambda store: store.begin_upload("a"),
        Answer(
            body=b"<InitiateMultipartUploadResult><Key>a</Key><UploadId>U</UploadId>"
            b"</InitiateMultipartUploadResult>"
        ),
    ),
    "part": (lambda store: store.upload_part("a", "U", 1, b"x"), Answer(headers={"etag": '"E"'})),
    "complete": (
        lambda store: store.complete_upload("a", "U", [Part(1, 1, "E")]),
        Answer(
            headers={"etag": '"E"'},
            body=b'<CompleteMultipartUploadResult><ETag>"E"</ETag></CompleteMultipartUploadResult>',
        ),
    ),
}


def _but_for_head(verb: str, answer: Answer) -> Callable[[Request], Answer]:
    """Answer the HEAD that follows a write as it should be, so that only the write lies."""

    def answered(request: Request) -> Answer:
        if request.method == "HEAD" and verb != "head":
            return Answer(headers={"etag": '"E"'})
        return answer

    return answered


@pytest.mark.parametrize("verb", _VERBS)
def test_what_proves_it_is_taken(served: Scripted, verb: str) -> None:
    do, proof = _VERBS[verb]
    misbehave(served, _but_for_head(verb, proof))
    do(store_at(served.url))


_LIES = {
    "page": Answer(200, {"content-type": "text/html"}, _PAGE),
    "internal error": Answer(200, {}, _ERROR % b"InternalError"),
    "denied": Answer(200, {}, _ERROR % b"AccessDenied"),
    "nothing": Answer(200),
    "created": Answer(201),
    "no content": Answer(204, {"etag": '"E"'}),
    "redirect": Answer(302, {"location": "/elsewhere", "etag": '"E"'}),
}
_TRUE = {("delete", "no content"), ("abort", "no content"), ("restore", "nothing")}


@pytest.mark.parametrize(
    ("verb", "lie"), [(verb, lie) for verb in _VERBS for lie in _LIES if (verb, lie) not in _TRUE]
)
def test_what_proves_nothing_is_a_store_error(served: Scripted, verb: str, lie: str) -> None:
    do, _ = _VERBS[verb]
    misbehave(served, _but_for_head(verb, _LIES[lie]))
    with pytest.raises(cb.StoreError):
        do(store_at(served.url))


@pytest.mark.parametrize(
    "verb", ["begin", "buckets", "complete", "list", "parts", "uploads", "versions"]
)
def test_the_document_of_another_operation_is_a_store_error(served: Scripted, verb: str) -> None:
    do, proof = _VERBS[verb]
    other = _VERBS["begin" if verb != "begin" else "list"][1].body
    misbehave(served, _but_for_head(verb, replace(proof, body=other)))
    with pytest.raises(cb.StoreError, match="is no answer to"):
        do(store_at(served.url))


def test_an_error_in_a_200_has_its_code_and_may_pass(served: Scripted) -> None:
    misbehave(served, lambda _: Answer(200, {}, _ERROR % b"InternalError"))
    with pytest.raises(cb.TransientStoreError) as caught:
        store_at(served.url).list()
    assert (caught.value.code, caught.value.request_id) == ("InternalError", "R")


def test_answers_that_are_kept_hold_no_documents(served: Scripted) -> None:
    verb, proof = _VERBS["list"]
    misbehave(served, lambda _: proof)
    with answers_seen() as seen:
        verb(store_at(served.url))
    assert [answer.document for answer in seen] == [None]


def test_an_upload_of_another_object_is_a_store_error(served: Scripted) -> None:
    _, proof = _VERBS["begin"]
    misbehave(served, lambda _: replace(proof, body=proof.body.replace(b">a<", b">b<")))
    with pytest.raises(cb.StoreError, match="none of this object"):
        store_at(served.url).begin_upload("a")


def test_metadata_that_no_object_can_have_are_a_store_error(served: Scripted) -> None:
    headers = {"etag": '"E"', "x-oss-meta-a": "x" * 9000}
    misbehave(served, lambda _: Answer(headers=headers))
    with pytest.raises(cb.StoreError, match="9,001 characters of metadata"):
        store_at(served.url).head("a")


@pytest.mark.parametrize(
    ("verb", "page"),
    [
        (
            lambda store: store.list_uploads(),
            (
                b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a"
                b"</NextKeyMarker><NextUploadIdMarker>%d</NextUploadIdMarker><Upload><Key>a</Key>"
                b"<UploadId>U</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
                b"</ListMultipartUploadsResult>"
            ),
        ),
        (
            lambda store: store.list_parts("a", "U"),
            (
                b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>%d"
                b"</NextPartNumberMarker></ListPartsResult>"
            ),
        ),
        (
            buckets,
            (
                b"<ListAllMyBucketsResult><IsTruncated>true</IsTruncated><NextMarker>same"
                b"</NextMarker><Prefix>%d</Prefix><Buckets/></ListAllMyBucketsResult>"
            ),
        ),
    ],
)
def test_pages_that_repeat_or_hold_nothing_are_not_followed(
    served: Scripted, verb: Callable[[Store], object], page: bytes
) -> None:
    misbehave(served, lambda _: Answer(body=page % len(served.requests)))
    with pytest.raises(cb.StoreError, match="cannot be trusted"):
        verb(store_at(served.url))
    assert len(served.requests) < 5


def test_a_callback_excuses_only_what_has_one(served: Scripted) -> None:
    _, proof = _VERBS["begin"]
    store = store_at(served.url)
    assert isinstance(store, OssStore)
    called = store.adding({"x-oss-callback": "e30="}, {})
    misbehave(served, lambda _: Answer(headers={"etag": '"E"'}, body=b'{"of": "another server"}'))
    called.put("a", b"x")
    with pytest.raises(cb.StoreError, match="no XML"):
        called.begin_upload("a")
    misbehave(served, lambda _: proof)
    assert called.begin_upload("a") == "U"


def test_a_callback_that_failed_is_said_in_its_words(served: Scripted) -> None:
    misbehave(served, lambda _: Answer(203, {"etag": '"E"'}, _ERROR % b"CallbackFailed"))
    with pytest.raises(cb.StoreError) as caught:
        store_at(served.url).put("a", b"x")
    assert (caught.value.status, caught.value.code) == (203, "CallbackFailed")


def test_a_part_of_a_document_is_no_listing(served: Scripted) -> None:
    _, proof = _VERBS["list"]
    misbehave(served, lambda _: replace(proof, status=206))
    with pytest.raises(cb.StoreError, match="HTTP 206"):
        store_at(served.url).list()


def test_a_version_has_an_id(served: Scripted) -> None:
    version = (
        b"<Version><Key>a</Key><VersionId></VersionId><IsLatest>true</IsLatest><Size>1</Size>"
        b'<ETag>"E"</ETag><LastModified>2026-11-30T14:00:00.000Z</LastModified></Version>'
    )
    page = b"<ListVersionsResult><IsTruncated>false</IsTruncated>%s</ListVersionsResult>"
    misbehave(served, lambda _: Answer(body=page % version))
    with pytest.raises(cb.StoreError, match="VersionId is empty"):
        list(store_at(served.url).list_versions())


def _page_of_parts(marker: int, numbers: range) -> Answer:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>1</Size><ETag>E</ETag></Part>"
        for number in numbers
    )
    return Answer(
        body=f"<ListPartsResult><IsTruncated>true</IsTruncated>{parts}<NextPartNumberMarker>"
        f"{marker}</NextPartNumberMarker></ListPartsResult>".encode()
    )


@pytest.mark.parametrize("numbers", [range(1, 1001), range(1000, 0, -1)])
def test_parts_without_end_are_given_up(served: Scripted, numbers: range) -> None:
    misbehave(served, lambda _: _page_of_parts(len(served.requests), numbers))
    with pytest.raises(cb.StoreError, match="cannot be trusted"):
        store_at(served.url).list_parts("a", "U")
    assert len(served.requests) <= 100


_ACL = (
    b"<AccessControlPolicy><AccessControlList><Grant>default</Grant></AccessControlList>"
    b"</AccessControlPolicy>"
)
_COPIED = b'<CopyObjectResult><ETag>"E"</ETag></CopyObjectResult>'


@pytest.mark.parametrize(
    "old",
    [
        Answer(headers={"etag": '"E"', "x-oss-hash-crc64ecma": "2"}, body=b"new"),
        Answer(headers={"etag": '"E"', "x-oss-hash-crc64ecma": "1"}, body=b"older"),
        Answer(headers={"etag": '"E"', "x-oss-hash-crc64ecma": "1", "x-oss-meta-a": "1"}),
        Answer(headers={"etag": '"E"'}, body=b"new"),
    ],
)
def test_a_copy_that_was_not_made_is_no_copy(served: Scripted, old: Answer) -> None:
    """So a rename does not delete the only one."""
    new = Answer(headers={"etag": '"E"', "x-oss-hash-crc64ecma": "1"}, body=b"new")

    def answered(request: Request) -> Answer:
        if request.method == "PUT":
            return Answer(body=_COPIED)
        return old if request.target.endswith("/b") else new

    misbehave(served, answered)
    bucket = cb.Bucket(store_at(served.url), cb.KeyRing())
    with pytest.raises(cb.SecurityError, match="copy"):
        bucket.rename("a", "b")
    assert "DELETE" not in {request.method for request in served.requests}


@pytest.mark.parametrize("metadata", [{}, {"a": "1", "b": "2"}])
def test_metadata_that_were_not_replaced_are_an_error(
    served: Scripted, metadata: dict[str, str]
) -> None:
    def answered(request: Request) -> Answer:
        if request.method == "PUT":
            return Answer(body=_COPIED)
        if "acl" in request.target:
            return Answer(body=_ACL)
        return Answer(headers={"etag": '"E"', "x-oss-meta-a": "1"}, body=b"new")

    misbehave(served, answered)
    with pytest.raises(cb.ObjectChangedError):
        store_at(served.url).replace_metadata("a", metadata=metadata, headers=None)
