"""Enough of OSS to put and get one object over HTTP, to be broken by each test."""

from collections.abc import Callable

from tests.support.plaintexts import pattern
from tests.support.scripted_http import Answer, Request, Scripted

import cipherbucket as cb
from cipherbucket.format.crc64 import crc64
from cipherbucket.stores.base import Store

PLAIN = pattern(5_000_000)


def settings(url: str) -> cb.OssSettings:
    return cb.OssSettings(
        region="cn-hangzhou", endpoint=url, credentials=cb.Credentials("id", "secret")
    )


def store_at(url: str) -> Store:
    """Open the bucket at a server."""
    return cb.open_store("oss://bucket", settings(url))


class Objects:
    """Enough of OSS to put and get one object, to be broken by each test."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def put(self, request: Request) -> Answer:
        self.body = request.body
        self.headers = {
            name: text
            for name, text in request.headers.items()
            if name.startswith("x-oss-meta-") or name == "content-type"
        }
        return Answer(headers=self.common())

    def common(self) -> dict[str, str]:
        return {"ETag": '"E1"', "x-oss-hash-crc64ecma": str(crc64(self.body)), **self.headers}

    def get(self, request: Request) -> Answer:
        text = request.headers.get("range")
        if text is None or request.method == "HEAD":
            return Answer(headers=self.common(), body=self.body)
        first, _, last = text.removeprefix("bytes=").partition("-")
        size = len(self.body)
        start = int(first) if first else max(0, size - int(last))
        stop = min(int(last) + 1, size) if first and last else size
        if start >= size:
            return Answer(416, {"x-oss-request-id": "R"}, error_xml("InvalidRange"))
        return self.part(start, stop)

    def part(self, start: int, stop: int) -> Answer:
        span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(self.body)}"}
        return Answer(206, {**self.common(), **span}, self.body[start:stop])

    def __call__(self, request: Request) -> Answer:
        return self.put(request) if request.method == "PUT" else self.get(request)


def error_xml(code: str) -> bytes:
    return (
        f"<Error><Code>{code}</Code><Message>m</Message><RequestId>R1</RequestId>"
        f"<HostId>h</HostId><EC>0003-00000001</EC></Error>"
    ).encode()


def misbehave(served: Scripted, behaviour: Callable[[Request], Answer]) -> None:
    served.behave[0] = behaviour  # type: ignore[attr-defined]
