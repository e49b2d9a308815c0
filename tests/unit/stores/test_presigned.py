"""Presigned URLs of OSS and of S3: what answered is read as what it is, and no SDK is needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from urllib.parse import unquote

import pytest
from tests.support.scripted_http import Answer, Request, scripted

import cipherbucket as cb
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.presigned import fetch_url, name_in_url

BODY = b"0123456789"
SIGNED = "X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-Signature=f00d"


def answer_with(headers: dict[str, str], status: int = 200, body: bytes = BODY) -> Answer:
    return Answer(status, {"ETag": '"e"', **headers}, body)


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ({"x-amz-request-id": "1", "x-amz-meta-a": "s3"}, {"a": "s3"}),
        ({"x-oss-request-id": "1", "x-oss-meta-a": "oss"}, {"a": "oss"}),
        ({"x-oss-request-id": "1", "x-amz-meta-a": "s3"}, {"a": "s3"}),
        ({"x-amz-meta-a": "s3", "x-oss-meta-a": "oss"}, {"a": "oss"}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("settings", [cb.OssSettings(), cb.S3Settings()])
def test_the_headers_of_one_service_are_read(
    headers: dict[str, str], metadata: dict[str, str], settings: cb.OssSettings | cb.S3Settings
) -> None:
    with (
        scripted(lambda _: answer_with(headers)) as server,
        fetch_url(f"{server.url}/bucket/a?{SIGNED}", settings) as incoming,
    ):
        assert dict(incoming.stored.metadata) == metadata
        assert incoming.stored.name == "a"


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("s3.amazonaws.com", "bucket/a/b%20c", "a/b c"),
        ("s3.eu-central-1.amazonaws.com", "bucket/a", "a"),
        ("s3-fips.dualstack.us-gov-west-1.amazonaws.com", "bucket/a", "a"),
        ("s3.cn-north-1.amazonaws.com.cn", "bucket/a", "a"),
        ("127.0.0.1:9000", "bucket/a", "a"),
        ("[::1]:9000", "bucket//a", "/a"),
        ("localhost", "bucket/a", "a"),
        ("bucket.s3.eu-central-1.amazonaws.com", "a/b", "a/b"),
        ("s3.backup.s3.eu-central-1.amazonaws.com", "a/b", "a/b"),
        ("minio.example", "bucket/a", "bucket/a"),
        ("127.0.0.1", "a", "a"),
    ],
)
def test_the_name_in_a_url_of_s3_is_without_the_bucket(host: str, path: str, name: str) -> None:
    assert name_in_url(f"https://{host}/{path}?{SIGNED}") == name
    for others in ("", "?x-oss-signature=f00d"):
        assert name_in_url(f"https://{host}/{path}{others}") == unquote(path)


def test_an_object_behind_a_url_of_s3_is_decrypted() -> None:
    key = cb.AesKey(bytes(32), description={"desc": "k"})
    store = MemoryStore()
    cb.Bucket(store, cb.KeyRing(key), format="sealed").put("folder/a", BODY)
    stored = store.head("folder/a")
    with store.get("folder/a") as incoming:
        ciphertext = bytearray(stored.size)
        incoming.readinto(ciphertext)

    def answer(request: Request) -> Answer:
        headers = {f"x-amz-meta-{name}": text for name, text in stored.metadata.items()}
        return answer_with(headers, body=bytes(ciphertext))

    with (
        scripted(answer) as server,
        cb.open_url(f"{server.url}/bucket/folder/a?{SIGNED}", key, start=2, length=3) as stream,
    ):
        assert stream.read() == BODY[2:5]


@pytest.mark.parametrize(
    ("code", "text", "message", "hint"),
    [
        ("AccessDenied", "Request has expired", "expired at 2026-01-02 03:05:05 UTC", "new one"),
        ("AccessDenied", "Access Denied", "access denied: Access Denied", "another method"),
        ("SignatureDoesNotMatch", "", "the signature does not match", "incomplete"),
        ("InvalidAccessKeyId", "", "the access key is unknown", "is gone"),
    ],
)
def test_a_refusal_of_s3_says_what_the_holder_can_do(
    code: str, text: str, message: str, hint: str
) -> None:
    document = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
    refused = Answer(403, {"x-amz-request-id": "1"}, document)
    with scripted(lambda _: refused) as server, pytest.raises(cb.StoreError) as caught:
        fetch_url(f"{server.url}/bucket/a?{SIGNED}", cb.OssSettings())
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)
    assert "f00d" not in f"{caught.value} {caught.value.hint}"


def test_a_metadata_field_that_came_twice_is_refused() -> None:
    field = "x-amz-meta-client-side-encryption-key"

    def raw(wire: object) -> None:
        lines = ["HTTP/1.1 200 OK", 'ETag: "e"', f"{field}: a", f"{field}: b", "Content-Length: 0"]
        wire.write("\r\n".join([*lines, "", ""]).encode())  # type: ignore[attr-defined]

    with scripted(lambda _: Answer(raw=raw)) as server, pytest.raises(cb.EnvelopeError):
        fetch_url(f"{server.url}/bucket/a", cb.OssSettings())


def test_no_sdk_is_needed() -> None:
    program = """
        import sys
        for name in ("alibabacloud_oss_v2", "boto3", "botocore"):
            sys.modules[name] = None
        import cipherbucket as cb
        try:
            cb.open_url("http://127.0.0.1:1/bucket/a", cb.AesKey(bytes(32)))
        except cb.TransientStoreError:
            print("asked")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "asked\n"
