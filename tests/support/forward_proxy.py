"""A real forward proxy for HTTP: absolute URIs and CONNECT, with a password if it is told one."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.support.loopback import serving


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        address: ``host:port``.
        seen: What it was asked for: URLs without their query, and ``CONNECT host:port``.
    """

    address: str
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextmanager
def forward_proxy(password: str | None = None) -> Iterator[Proxy]:
    """Serve on loopback while the block runs; ``password`` is ``user:password``."""
    state = Proxy("")
    wanted = None if password is None else f"Basic {base64.b64encode(password.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def is_welcome(self) -> bool:
            if wanted is None or self.headers.get("proxy-authorization") == wanted:
                return True
            self.close_connection = True
            self.send_response(407, "Proxy Authentication Required")
            self.send_header("proxy-authenticate", "Basic realm=proxy")
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()
            return False

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if not self.is_welcome():
                return
            url = urlsplit(self.path)
            state.seen.append(f"{self.command} {url.scheme}://{url.netloc}{url.path}")
            there = HTTPConnection(url.hostname or "", url.port or 80, timeout=30)
            path = f"{url.path}?{url.query}" if url.query else url.path
            headers = {
                name: text for name, text in self.headers.items() if not name.startswith("Proxy-")
            }
            there.request(self.command, path, body or None, headers)
            answer = there.getresponse()
            content = answer.read()
            self.send_response(answer.status, answer.reason)
            for name, text in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)
            there.close()

        def do_CONNECT(self) -> None:
            self.close_connection = True
            if not self.is_welcome():
                return
            state.seen.append(f"CONNECT {self.path}")
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), 30) as there:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pour, args=(there, self.connection))
                back.start()
                pour(self.connection, there)
                back.join()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

    with serving(Handler) as state.address:
        yield state


def pour(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends."""
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
