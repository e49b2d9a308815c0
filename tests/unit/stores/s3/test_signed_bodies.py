"""Bodies that are read beforehand, to be signed: by botocore, or by its library in C."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from tests.support.scripted_http import Answer, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.errors import SourceError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.s3.boto import SentBody
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store


class Blocks:
    """A body of blocks, which may fail the first time or another."""

    def __init__(self, *blocks: bytes, fails: int = 0) -> None:
        self.blocks = blocks
        self.fails = fails
        self.begun = 0

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[bytes]:
        self.begun += 1
        for block in self.blocks:
            if self.begun == self.fails:
                raise SourceError("the body broke")
            yield block


def put(body: Blocks | bytes) -> list[tuple[str, bytes]]:
    """Put a body, and return what arrived: its signed digest, and itself."""
    with scripted(lambda _: Answer(200, {"etag": '"e"'})) as server:
        settings = S3Settings(
            endpoint=server.url,
            region="us-east-1",
            credentials=Credentials("id", "secret"),
            addressing="path",
            sign_payload=True,
        )
        try:
            with S3Store("bucket", settings) as store:
                store.put("a", body)
        finally:
            arrived = [(r.headers["x-amz-content-sha256"], r.body) for r in server.requests]
    return arrived


@pytest.mark.parametrize("blocks", [(b"",), (b"abc", b"", b"def"), (b"1" * 3_000_000, b"2")])
def test_a_body_is_signed(blocks: tuple[bytes, ...]) -> None:
    whole = b"".join(blocks)
    assert put(Blocks(*blocks)) == [(hashlib.sha256(whole).hexdigest(), whole)]


def test_a_body_that_breaks_while_it_is_signed(capfd: pytest.CaptureFixture[str]) -> None:
    body = Blocks(b"1", fails=1)
    with pytest.raises(SourceError, match="the body broke"):
        put(body)
    assert body.begun == 1
    assert capfd.readouterr().err == ""


def test_a_body_that_breaks_once_it_is_sent() -> None:
    with pytest.raises(SourceError, match="the body broke"):
        put(Blocks(b"1", fails=2))


def test_no_more_is_read_than_was_asked_for() -> None:
    body = SentBody(Outgoing(Blocks(b"abcd", b"", b"ef")))
    assert [body.read(3) for _ in range(4)] == [b"abc", b"d", b"ef", b""]
    body.seek(0, 0)
    assert body.read() == b"abcd"
