"""The least endpoint that speaks enough of OSS to be uploaded to: objects in memory, no checks.

All contestants of a benchmark run against this one, so that its own cost is the same for each.
Usage: python -m bench.endpoint PORT [CERTIFICATE KEY]
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from cipherbucket.checksum import crc64

OBJECTS: dict[str, tuple[dict[str, str], bytearray, str]] = {}
TOLD = {"requests": 0, "bytes": 0}
"""Answers given and bytes of bodies in them; ``GET /told`` tells."""


class Handler(BaseHTTPRequestHandler):
    """PUT keeps a body and its metadata, GET and HEAD give them back, ranges too."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        """Keep an object."""
        body = self._body()
        headers = {
            name.lower(): text
            for name, text in self.headers.items()
            if name.lower().startswith("x-oss-meta-")
        }
        crc = str(crc64(body))
        OBJECTS[self._name()] = (headers, body, crc)
        self._answer(200, {"ETag": '"E"', "x-oss-hash-crc64ecma": crc})

    def do_GET(self) -> None:
        """Give an object back."""
        self._give(with_body=True)

    def do_HEAD(self) -> None:
        """Tell of an object."""
        self._give(with_body=False)

    def _give(self, *, with_body: bool) -> None:
        if self._name() == "/told":
            self._answer(200, {}, json.dumps(TOLD).encode())
            return
        if self._name() not in OBJECTS:
            self._answer(404, {})
            return
        headers, body, crc = OBJECTS[self._name()]
        told = {**headers, "ETag": '"E"', "x-oss-hash-crc64ecma": crc}
        told["Last-Modified"] = self.date_time_string()
        view, status = memoryview(body), 200
        if (span := self.headers.get("Range")) is not None:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(body)) + 1, len(body))
            view, status = view[start:stop], 206
            told["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
        self._answer(status, told, view, with_body=with_body)

    def _body(self) -> bytearray:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        body = bytearray(int(self.headers.get("Content-Length") or 0))
        view = memoryview(body)
        while view and (count := self.rfile.readinto(view)):
            view = view[count:]
        return body

    def _answer(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes | memoryview = b"",
        *,
        with_body: bool = True,
    ) -> None:
        TOLD["requests"] += 1
        TOLD["bytes"] += len(body) if with_body else 0
        self.send_response(status)
        for name, text in {"x-oss-request-id": "0" * 24, **headers}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body if with_body else b"")
        except ConnectionError:  # the client has heard enough
            self.close_connection = True

    def _name(self) -> str:
        return unquote(urlsplit(self.path).path)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def main() -> None:
    """Serve until killed."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
