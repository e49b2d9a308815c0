"""The least endpoint that speaks enough of OSS to be uploaded to: objects in memory, no checks.

All contestants of a benchmark run against this one, so that its own cost is the same for each. A
body stays in the pieces it came in, so that no byte is ever in memory twice.
Usage: python -m bench.endpoint PORT [CERTIFICATE KEY]
"""

import json
import re
import ssl
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from cipherbucket.format.crc64 import crc64, crc64_combine

TOLD = {"requests": 0, "bytes": 0}
"""Answers given and bytes of bodies in them; ``GET /told`` tells, and CPU seconds so far."""
ENVELOPE = "x-oss-meta-client-side-encryption-"
LISTED = {
    "key": "Key",
    "start": "Start",
    "cek-alg": "CekAlg",
    "wrap-alg": "WrapAlg",
    "data-size": "DataSize",
    "part-size": "PartSize",
}
"""The fields of an envelope that ListParts repeats."""


class Piece:
    """Bytes as they came, with their CRC-64."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.crc = crc64(data)
        self.etag = f'"{self.crc:016X}"'


@dataclass
class Kept:
    """An object, or an upload that becomes one."""

    headers: dict[str, str]
    parts: dict[int, Piece] = field(default_factory=dict)
    crc: int = 0
    size: int = 0
    modified: str = ""

    def finish(self, modified: str) -> None:
        """Put the pieces in order."""
        self.parts = dict(sorted(self.parts.items()))
        pieces = self.parts.values()
        self.size = sum(len(piece.data) for piece in pieces)
        self.crc = reduce(lambda crc, p: crc64_combine(crc, p.crc, len(p.data)), pieces, 0)
        self.modified = modified

    def told(self) -> dict[str, str]:
        """Return the headers of an answer."""
        return {
            **self.headers,
            "ETag": f'"{self.crc:016X}"',
            "x-oss-hash-crc64ecma": str(self.crc),
            "Last-Modified": self.modified,
        }

    def views(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yield the bytes of a range, piece by piece."""
        for piece in self.parts.values():
            if start < len(piece.data) and stop > 0:
                yield memoryview(piece.data)[max(start, 0) : stop]
            start, stop = start - len(piece.data), stop - len(piece.data)


OBJECTS: dict[str, Kept] = {}
UPLOADS: dict[str, Kept] = {}


class Handler(BaseHTTPRequestHandler):
    """PUT keeps a body and its metadata, GET and HEAD give them back, in ranges and parts too."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve a connection until the client has heard enough."""
        with suppress(ConnectionError):
            super().handle()

    def do_PUT(self) -> None:
        """Keep an object, or a part of one."""
        name, query = self._asked()
        piece = Piece(self._body())
        if "partNumber" in query:
            UPLOADS[query["uploadId"]].parts[int(query["partNumber"])] = piece
        else:
            kept = Kept(self._metadata(), {1: piece})
            kept.finish(self.date_time_string())
            OBJECTS[name] = kept
        self._answer(200, {"ETag": piece.etag, "x-oss-hash-crc64ecma": str(piece.crc)})

    def do_POST(self) -> None:
        """Begin an upload, or make an object of its parts."""
        name, query = self._asked()
        body = self._body()
        if "uploads" in query:
            upload_id = uuid.uuid4().hex.upper()
            UPLOADS[upload_id] = Kept(self._metadata())
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")
            return
        upload = UPLOADS.pop(query["uploadId"])
        numbers = re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)
        upload.parts = {int(number): upload.parts[int(number)] for number in numbers}
        upload.finish(self.date_time_string())
        OBJECTS[name] = upload
        told = upload.told()
        headers = {"x-oss-hash-crc64ecma": told["x-oss-hash-crc64ecma"]}
        self._xml("CompleteMultipartUploadResult", f"<ETag>{told['ETag']}</ETag>", headers)

    def do_DELETE(self) -> None:
        """Forget an object, or an upload."""
        name, query = self._asked()
        if "uploadId" in query:
            UPLOADS.pop(query["uploadId"], None)
        else:
            OBJECTS.pop(name, None)
        self._answer(204, {})

    def do_GET(self) -> None:
        """Give an object back, or list the parts of an upload."""
        name, query = self._asked()
        if name == "/told":
            told = json.dumps({**TOLD, "cpu": time.process_time()}).encode()
            self._answer(200, {}, [memoryview(told)], len(told))
        elif "uploadId" in query:
            self._list_parts(UPLOADS[query["uploadId"]])
        else:
            self._give(name, with_body=True)

    def do_HEAD(self) -> None:
        """Tell of an object."""
        self._give(self._asked()[0], with_body=False)

    def _list_parts(self, upload: Kept) -> None:
        texts = {tag: upload.headers.get(ENVELOPE + name) for name, tag in LISTED.items()}
        fields = "".join(
            f"<ClientEncryption{tag}>{text}</ClientEncryption{tag}>"
            for tag, text in texts.items()
            if text is not None
        )
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{piece.etag}</ETag>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>{len(piece.data)}</Size>"
            f"<HashCrc64ecma>{piece.crc}</HashCrc64ecma></Part>"
            for number, piece in sorted(upload.parts.items())
        )
        end = "<IsTruncated>false</IsTruncated><NextPartNumberMarker>0</NextPartNumberMarker>"
        self._xml("ListPartsResult", f"{end}<MaxParts>1000</MaxParts>{fields}{parts}")

    def _give(self, name: str, *, with_body: bool) -> None:
        kept = OBJECTS.get(name)
        if kept is None:
            self._answer(404, {})
            return
        told, start, stop, status = kept.told(), 0, kept.size, 200
        if self.headers.get("If-Match", told["ETag"]).strip('"') != told["ETag"].strip('"'):
            self._answer(412, {})
            return
        if (span := self.headers.get("Range")) is not None:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, kept.size - int(last))
            stop = min(int(last) + 1, kept.size) if first and last else kept.size
            told["Content-Range"], status = f"bytes {start}-{stop - 1}/{kept.size}", 206
        self._answer(status, told, kept.views(start, stop) if with_body else (), stop - start)

    def _xml(self, tag: str, inside: str, headers: Mapping[str, str] | None = None) -> None:
        names = f"<Bucket>b</Bucket><Key>k</Key>{inside}"
        text = f'<?xml version="1.0"?><{tag}>{names}</{tag}>'.encode()
        told = {"Content-Type": "application/xml", **(headers or {})}
        self._answer(200, told, [memoryview(text)], len(text))

    def _metadata(self) -> dict[str, str]:
        return {
            name.lower(): text
            for name, text in self.headers.items()
            if name.lower().startswith("x-oss-meta-")
        }

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
        headers: Mapping[str, str],
        body: Iterable[memoryview] = (),
        length: int = 0,
    ) -> None:
        TOLD["requests"] += 1
        self.send_response(status)
        for name, text in {"x-oss-request-id": "0" * 24, **headers}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for view in body:
            TOLD["bytes"] += len(view)
            self.wfile.write(view)

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))

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
