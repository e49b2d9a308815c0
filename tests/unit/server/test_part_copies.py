"""Parts that are copied inside the endpoint, and what the finished object has."""

import pytest
from tests.support.wire_client import WireClient

from cipherbucket.format.crc64 import crc64
from cipherbucket.server.operations.multipart import MIN_PART

BODY = bytes(range(256)) * 800  # two parts: 100 KiB and the rest


def begun(send: WireClient, **headers: str) -> str:
    upload = send("POST", "target", {"uploads": ""}, more=headers).text("UploadId")
    assert upload
    return upload


def completed(send: WireClient, upload: str, etags: list[str], **headers: str) -> tuple[int, str]:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    text = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    answer = send("POST", "target", {"uploadId": upload}, text, more=headers)
    return answer.status, answer.headers["x-oss-hash-crc64ecma"]


def copied(send: WireClient, upload: str, number: int, span: str, **headers: str) -> str:
    answer = send(
        "PUT",
        "target",
        {"partNumber": str(number), "uploadId": upload},
        more={
            "x-oss-copy-source": f"/{send.bucket}/source",
            "x-oss-copy-source-range": span,
            **headers,
        },
    )
    assert answer.status == 200, answer.body
    return answer.text("ETag") or ""


def test_an_object_of_copied_parts_has_what_its_upload_said(send: WireClient) -> None:
    etag = send("PUT", "source", body=BODY).headers["etag"]
    given = {
        "x-oss-tagging": "a=1&b=2",
        "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "KMS",
        "x-oss-server-side-encryption-key-id": "key-1",
        "x-oss-meta-k": "v",
        "cache-control": "no-cache",
    }
    upload = begun(send, **given)
    match = {"x-oss-copy-source-if-match": etag}
    etags = [
        copied(send, upload, 1, f"bytes=0-{MIN_PART - 1}", **match),
        copied(send, upload, 2, f"bytes={MIN_PART}-{len(BODY) - 1}", **match),
    ]

    assert completed(send, upload, etags) == (200, str(crc64(BODY)))

    head = send("HEAD", "target").headers
    assert head["x-oss-tagging-count"] == "2"
    for name in given.keys() - {"x-oss-tagging"}:
        assert head[name] == given[name]
    assert send("GET", "target").body == BODY
    assert send("GET", "target", {"tagging": ""}).texts("TagSet/Tag/Key") == ["a", "b"]


@pytest.mark.parametrize(
    ("at_the_beginning", "at_the_end", "has"),
    [("", "", "default"), ("private", "", "default"), ("", "private", "private")],
)
def test_the_acl_is_a_header_of_the_completion(
    send: WireClient, at_the_beginning: str, at_the_end: str, has: str
) -> None:
    send("PUT", "source", body=BODY)
    upload = begun(send, **{"x-oss-object-acl": at_the_beginning})
    etag = copied(send, upload, 1, f"bytes=0-{len(BODY) - 1}")
    assert completed(send, upload, [etag], **{"x-oss-object-acl": at_the_end})[0] == 200
    assert send("GET", "target", {"acl": ""}).text("AccessControlList/Grant") == has


def test_an_acl_that_is_none_completes_nothing(send: WireClient) -> None:
    upload = begun(send)
    wrong = {"x-oss-object-acl": "mine"}
    answer = send("POST", "target", {"uploadId": upload}, b"<X/>", more=wrong)
    assert answer.error == (400, "InvalidArgument")
    assert send("GET", "target", {"uploadId": upload}).status == 200


def test_a_part_of_another_body_or_of_ciphertext_is_refused(send: WireClient) -> None:
    send("PUT", "source", body=BODY)
    upload = begun(send)
    asked = {"partNumber": "1", "uploadId": upload}
    source = {"x-oss-copy-source": f"/{send.bucket}/source"}
    changed = {**source, "x-oss-copy-source-if-match": '"other"'}
    assert send("PUT", "target", asked, more=changed).error == (412, "PreconditionFailed")
    after = {**source, "x-oss-copy-source-range": f"bytes=0-{len(BODY)}"}
    assert send("PUT", "target", asked, more=after).error == (416, "InvalidRange")

    prefix = "x-oss-meta-client-side-encryption-"
    envelope = {prefix + name: "x" for name in ("key", "start", "cek-alg", "wrap-alg")}
    assert send("PUT", "source", body=BODY, more=envelope).status == 200
    refused = send("PUT", "target", asked, more=source)
    assert refused.error == (400, "InvalidArgument")
    assert refused.text("EC") == "0042-00000309"


def test_a_part_of_an_older_version(send: WireClient) -> None:
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert send("PUT", query={"versioning": ""}, body=enabled).status == 200
    old = send("PUT", "source", body=b"old").headers["x-oss-version-id"]
    send("PUT", "source", body=b"new")
    upload = begun(send)
    source = {"x-oss-copy-source": f"/{send.bucket}/source?versionId={old}"}
    etag = copied(send, upload, 1, "bytes=0-2", **source)
    assert completed(send, upload, [etag])[0] == 200
    assert send("GET", "target").body == b"old"


def test_the_tags_of_a_copy_are_the_sources_unless_replaced(send: WireClient) -> None:
    send("PUT", "source", body=b"x", more={"x-oss-tagging": "a=1"})
    source = {"x-oss-copy-source": f"/{send.bucket}/source", "x-oss-tagging": "b=2"}
    send("PUT", "target", more=source)
    assert send("GET", "target", {"tagging": ""}).texts("TagSet/Tag/Key") == ["a"]
    send("PUT", "target", more={**source, "x-oss-tagging-directive": "Replace"})
    assert send("GET", "target", {"tagging": ""}).texts("TagSet/Tag/Key") == ["b"]
