"""A client as plain as can be: one signed request, and what came back byte by byte."""

import http.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from cipherbucket.server import Endpoint
from cipherbucket.server.http_api.string_to_sign import SignedRequest, sign_v1, string_to_sign_v1
from cipherbucket.server.operations.ranges import http_time


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)

    def text(self, path: str) -> str | None:
        return self.xml.findtext(path)

    def texts(self, path: str) -> list[str | None]:
        return [node.text for node in self.xml.findall(path)]

    @property
    def error(self) -> tuple[int, str | None]:
        return self.status, self.text("Code")


class WireClient:
    """Sends requests signed with version 1 to one endpoint."""

    def __init__(self, endpoint: Endpoint, bucket: str = "") -> None:
        self.endpoint = endpoint
        self.bucket = bucket

    def __call__(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] = b"",
        *,
        bucket: str | None = None,
        host: str | None = None,
        signed: bool = True,
        more: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Response:
        """Send a request; headers by name, or ``more`` of them, an underscore is a hyphen."""
        bucket = self.bucket if bucket is None else bucket
        query = dict(query or {})
        sent = {
            name.replace("_", "-").lower(): value
            for name, value in {**headers, **(more or {})}.items()
        }
        sent["date"] = sent.get("date") or http_time(datetime.now(UTC))
        if host:
            sent["host"] = host
        if signed:
            sent["authorization"] = self.authorization(method, key, sent, query, bucket=bucket)
        path = f"/{quote(key, safe='')}" if host else f"/{bucket}/{quote(key, safe='')}"
        if not bucket:
            path = "/"
        pairs = (f"{quote(k, safe='')}={quote(v, safe='')}" if v else k for k, v in query.items())
        target = f"{path}?{'&'.join(pairs)}" if query else path
        connection = http.client.HTTPConnection(urlsplit(self.endpoint.url).netloc, timeout=30)
        try:
            connection.request(method, target, body, {k: v.encode() for k, v in sent.items()})
            answer = connection.getresponse()
            return Response(answer.status, _lower(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def authorization(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        *,
        bucket: str | None = None,
    ) -> str:
        """Sign a request whose headers have a date."""
        name = self.bucket if bucket is None else bucket
        request = SignedRequest(method, name, key, tuple((query or {}).items()), headers)
        text = string_to_sign_v1(request, headers["date"])
        return f"OSS {self.endpoint.access_key_id}:{sign_v1(self.endpoint.access_key_secret, text)}"

    @property
    def address(self) -> tuple[str, int]:
        """Where the endpoint listens."""
        parts = urlsplit(self.endpoint.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def head_of(self, method: str, key: str, **headers: str) -> bytes:
        """Write the head of a request that closes its connection, for a socket."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"date": http_time(datetime.now(UTC)), "host": "x", "connection": "close"}
        sent["authorization"] = self.authorization(method, key, sent)
        lines = [f"{method} /{self.bucket}/{quote(key, safe='')} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        return "\r\n".join([*lines, "", ""]).encode()


def _lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
