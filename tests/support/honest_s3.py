"""The honest store, spoken to by the protocol of S3, and the lies about what S3 alone has.

Both protocols have the same requests and documents but for a few, and header names of the same
length. So requests of S3 are turned into those of OSS, and answers, lies too, into those of S3.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.honest_store import KEY_ID, SECRET, Asked, Honest
from tests.support.lies_in_http import present
from tests.support.lies_in_xml import saying, twice, without
from tests.support.lying_store import BELIEVED, LOOKS, WRITES, Lie
from tests.support.scripted_http import Answer, Request, Wire

from cipherbucket.credentials import Credentials
from cipherbucket.format.crc64 import Crc
from cipherbucket.server.operations import client_encryption
from cipherbucket.stores.s3.settings import S3Settings

Answerer = Callable[[Request], Answer]
CHECKSUM = "x-oss-checksum-crc64nvme"
"""Becomes S3's name of it on the way out."""
_SPOKEN = "x-spoken"
_ACL = (
    b"<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee>"
    b"<ID>%s</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    b"</AccessControlPolicy>"
)
_ERROR = b"<Error><Code>%s</Code><Message>m</Message></Error>"


def s3_settings(url: str) -> S3Settings:
    """Return settings that lead to a store at ``url``."""
    credentials = Credentials(KEY_ID, SECRET)
    return S3Settings(endpoint=url, region="us-east-1", credentials=credentials, addressing="path")


def as_s3(answer: Answerer) -> Answerer:
    """Return what answers requests of S3, by what answers those of OSS; for this process."""
    # OSS alone forbids that a copy has another envelope.
    pytest.MonkeyPatch().setattr(client_encryption, "check_copy", lambda *_, **__: None)

    def translated(request: Request) -> Answer:
        told = answer(_of_oss(request))
        if told.raw is None:
            return replace(
                told,
                headers={
                    name.replace("x-oss-", "x-amz-"): text for name, text in told.headers.items()
                },
            )
        write = told.raw
        return replace(told, raw=lambda wire: write(_Renaming(wire)))

    return translated


class _Renaming:
    """Renames headers in what passes; names have the same length."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def write(self, data: bytes, /) -> object:
        """Send some bytes."""
        return self._wire.write(data.replace(b"x-oss-", b"x-amz-"))


def _of_oss(request: Request) -> Request:
    headers = {
        re.sub("^x-amz-", "x-oss-", name): text
        for name, text in request.headers.items()
        if name not in {"authorization", "x-amz-date", "x-amz-content-sha256"}
    }
    headers |= {_SPOKEN: "S3", "x-oss-range-behavior": "standard"}
    if "if-none-match" in headers and request.method != "GET":
        headers["x-oss-forbid-overwrite"] = "true"
        del headers["if-none-match"]
    body = (
        re.sub(rb' xmlns="[^"]*"', b"", request.body) if request.method == "POST" else request.body
    )
    return replace(request, headers=headers, body=body)


class HonestS3(Honest):
    """Answers as S3 does where it is spoken to as S3 is."""

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked, and answer."""
        if _SPOKEN not in asked.request.headers:
            return super().answer(asked)
        operation = asked.operation.rpartition(".")[2]
        if operation in {"put_object", "complete"} and (refused := self._unmatched(asked)):
            return refused
        told = super().answer(asked)
        if b"FileAlreadyExists" in told.body and told.status == 409:
            return _refusal(412, b"PreconditionFailed")
        if operation == "get_acl" and told.status == 200:
            owner = b"me" if b"<Grant>default" in told.body else b"other"
            return _document(200, _ACL % owner)
        if "x-oss-hash-crc64ecma" in told.headers:
            headers = {**told.headers, CHECKSUM: self._checksum(asked)}
            del headers["x-oss-hash-crc64ecma"]
            return replace(told, headers=headers)
        return told

    def _looked_at(self, asked: Asked, method: str) -> Answer:
        headers = {name: asked.request.headers[name] for name in ("host",)}
        target = asked.request.target
        if not target.partition("?")[2].startswith("versionId"):
            target = target.partition("?")[0]
        return super().answer(self.understand(Request(method, target, headers, b"")))

    def _unmatched(self, asked: Asked) -> Answer | None:
        wanted = asked.request.headers.get("if-match")
        if wanted is None:
            return None
        there = self._looked_at(asked, "HEAD")
        if there.status == 404:
            return _refusal(404, b"NoSuchKey")
        return None if there.headers["etag"] == wanted else _refusal(412, b"PreconditionFailed")

    def _checksum(self, asked: Asked) -> str:
        request = asked.request
        body = request.body if request.method == "PUT" else self._looked_at(asked, "GET").body
        return b64encode(Crc.NVME.of(body).to_bytes(8, "big")).decode()


def _document(status: int, body: bytes) -> Answer:
    headers = {"content-type": "application/xml", "content-length": str(len(body))}
    return Answer(status, headers, body)


def _refusal(status: int, code: bytes) -> Answer:
    return _document(status, _ERROR % code)


LIES = [
    Lie("another CRC-64/NVME", present(CHECKSUM, "AAAAAAAAAAA="), WRITES),
    Lie("another CRC-64/NVME of a look", present(CHECKSUM, "AAAAAAAAAAA="), LOOKS, BELIEVED),
    Lie("a CRC-64/NVME of words", present(CHECKSUM, "abc"), WRITES | {"get_object"}),
    Lie("a CRC-64/NVME too long", present(CHECKSUM, "A" * 400), WRITES | {"get_object"}),
    Lie("a right of words", saying("Permission", "WHATEVER"), frozenset({"get_acl"}), BELIEVED),
    Lie("no right", without("Permission"), frozenset({"get_acl"})),
    Lie("two rights", twice("Permission", "READ"), frozenset({"get_acl"})),
]
