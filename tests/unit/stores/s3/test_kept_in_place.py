"""What an object keeps where it stays in its place: locks and tags, which no HEAD need tell of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.support.scripted_http import Answer, Request, Scripted, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.errors import StoreError
from cipherbucket.stores.base import Store
from cipherbucket.stores.s3 import copying
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store

LOCKS = {
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2999-01-01T00:00:00Z",
}
TAGS = b"<Tagging><TagSet><Tag><Key>a b</Key><Value>1</Value></Tag></TagSet></Tagging>"
STORED = {
    "etag": '"e"',
    "last-modified": "Tue, 01 Dec 2026 03:00:00 GMT",
    "content-length": "4",
}


def document(kind: str, within: str) -> Answer:
    return Answer(200, {}, f"<{kind}>{within}</{kind}>".encode())


ANSWERS = {
    "uploads": document("InitiateMultipartUploadResult", "<UploadId>u</UploadId>"),
    "partNumber": document("CopyPartResult", "<ETag>p</ETag>"),
    "POST": document("CompleteMultipartUploadResult", "<ETag>e</ETag>"),
    "PUT": document("CopyObjectResult", "<ETag>e</ETag>"),
}
"""By a word of the query, or by method."""


@dataclass
class OneObject:
    """A service with one object, which says in a HEAD what it is told to say."""

    headers: dict[str, str] = field(default_factory=dict)
    tags: Answer = field(default_factory=lambda: Answer(200, {}, TAGS))
    acl: Answer = field(
        default_factory=lambda: Answer(501, {}, b"<Error><Code>NotImplemented</Code></Error>")
    )
    metadata: dict[str, str] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    server: Scripted = field(init=False)
    store: Store = field(init=False)

    def answer(self, request: Request) -> Answer:
        query = request.target.partition("?")[2].partition("&")[0].partition("=")[0]
        if request.method == "HEAD":
            return Answer(200, {**STORED, **self.headers, **self.metadata})
        if query in {"acl", "tagging"}:
            return self.acl if query == "acl" else self.tags
        if query in {"", "uploads"}:
            self.begun = {k: v for k, v in request.headers.items() if k.startswith("x-amz-meta-")}
        if (query, request.method) in {("", "PUT"), ("uploadId", "POST")}:
            self.metadata = self.begun
        if "partNumber" in request.target:
            query = "partNumber"
        return ANSWERS.get(query) or ANSWERS[request.method]

    @property
    def written(self) -> dict[str, str]:
        """The headers of what was first written."""
        return next(r.headers for r in self.server.requests if r.method in {"PUT", "POST"})


@pytest.fixture
def one() -> Iterator[OneObject]:
    made = OneObject()
    with scripted(made.answer) as made.server:
        settings = S3Settings(
            endpoint=made.server.url,
            region="us-east-1",
            credentials=Credentials("id", "secret"),
            addressing="path",
            attempts=1,
        )
        with S3Store("bucket", settings) as made.store:
            yield made


def locks_of(headers: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in headers.items() if "object-lock" in key}


@pytest.mark.parametrize("largest", [5 << 30, 2], ids=["at once", "by parts"])
def test_locks_stay(one: OneObject, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(copying, "_LARGEST", largest)
    one.headers = LOCKS
    one.store.replace_metadata("a", metadata={"k": "1"}, headers=None)
    assert locks_of(one.written) == LOCKS
    assert locks_of(one.store.attributes("a")) == LOCKS


def test_locks_do_not_go_to_another_place(one: OneObject) -> None:
    one.headers = LOCKS
    one.store.copy("a", "b")
    assert locks_of(one.written) == {}


def test_locks_that_have_ended_are_not_given_again(one: OneObject) -> None:
    one.headers = {
        "x-amz-object-lock-legal-hold": "OFF",
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": "2020-01-01T00:00:00Z",
    }
    one.store.copy("a", "a")
    assert locks_of(one.written) == {}


def test_tags_are_asked_for_whatever_a_head_says(one: OneObject) -> None:
    assert one.store.attributes("a")["x-amz-tagging"] == "a%20b=1"


@pytest.mark.parametrize("how", ["copied", "changed"])
def test_tags_stay_where_the_copy_is_by_parts(
    one: OneObject, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(copying, "_LARGEST", 2)
    if how == "copied":
        one.store.copy("a", "a")
    else:
        one.store.replace_metadata("a", metadata={"k": "1"}, headers=None)
    assert one.written["x-amz-tagging"] == "a%20b=1"


def test_one_request_keeps_tags_by_itself(one: OneObject) -> None:
    one.store.copy("a", "a")
    assert "x-amz-tagging-directive" not in one.written
    assert not any("tagging" in request.target for request in one.server.requests)


def test_tags_that_cannot_be_read_are_not_dropped(one: OneObject) -> None:
    one.tags = Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(StoreError, match="access denied"):
        one.store.attributes("a")


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (404, "NoSuchTagSet"), (405, "MethodNotAllowed")]
)
def test_services_without_tags(one: OneObject, status: int, code: str) -> None:
    one.tags = Answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
    assert "x-amz-tagging" not in one.store.attributes("a")


def test_documents_that_are_cut_short_are_no_empty_lists(one: OneObject) -> None:
    one.tags = Answer(200, {}, b"<Tagging/>")
    with pytest.raises(StoreError, match="TagSet is missing"):
        one.store.attributes("a")
    one.acl = Answer(200, {}, b"<AccessControlPolicy/>")
    with pytest.raises(StoreError, match="AccessControlList is missing"):
        one.store.attributes("a")


def test_rights_of_others_stay(one: OneObject) -> None:
    grants = "".join(
        f"<Grant><Grantee><ID>{who}</ID></Grantee><Permission>{right}</Permission></Grant>"
        for who, right in (("me", "FULL_CONTROL"), ("you", "READ"))
    )
    kept = f"<Owner><ID>me</ID></Owner><AccessControlList>{grants}</AccessControlList>"
    one.acl = document("AccessControlPolicy", kept)
    one.store.copy("a", "a")
    assert one.written["x-amz-grant-full-control"] == 'id="me"'
    assert one.written["x-amz-grant-read"] == 'id="you"'


@pytest.mark.parametrize("algorithm", ["AES256", "aws:kms", "aws:kms:dsse"])
def test_encryption_at_rest_stays(one: OneObject, algorithm: str) -> None:
    at_rest = "x-amz-server-side-encryption"
    one.headers = {at_rest: algorithm, f"{at_rest}-aws-kms-key-id": "arn:key"}
    one.store.copy("a", "a")
    assert one.written[at_rest] == algorithm
    assert one.written.get(f"{at_rest}-aws-kms-key-id") == (
        None if algorithm == "AES256" else "arn:key"  # S3 takes a key with KMS alone
    )


def test_a_copy_is_of_the_object_that_was_looked_at(
    one: OneObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.store.copy("a", "b")
    monkeypatch.setattr(copying, "_LARGEST", 2)
    one.store.copy("a", "b")
    copies = [r.headers for r in one.server.requests if "x-amz-copy-source" in r.headers]
    assert [each["x-amz-copy-source-if-match"] for each in copies] == ['"e"', '"e"']
    assert copies[0]["x-amz-tagging-directive"] == "REPLACE"
