"""An HTTP server that answers as a test tells it: well, badly, or only in part."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Protocol

from tests.support.loopback import serving


@dataclass
class Request:
    """One request as it arrived; header names in lower case, values as raw Latin-1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int] = ("", 0)


class Wire(Protocol):
    """Where the bytes of an answer go."""

    def write(self, data: bytes, /) -> object:
        """Send some bytes.

        Raises:
            OSError: The client is gone.
        """


@dataclass
class Answer:
    """What to answer.

    ``stop_after`` closes the connection after so many bytes of the body; with ``every`` each byte
    of it takes so many seconds. What HTTP would not let pass is written by ``raw``, which gets the
    connection and is all of the answer; the connection is closed after it.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stop_after: int | None = None
    every: float = 0.0
    raw: Callable[[Wire], object] | None = None


@dataclass
class Scripted:
    """A running server.

    Attributes:
        url: Where it listens.
        requests: What arrived so far.
    """

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def scripted(answer: Callable[[Request], Answer]) -> Iterator[Scripted]:
    """Serve on loopback while the block runs; ``answer`` is called once a request."""
    state = Scripted("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # it holds a body back until the headers are acknowledged

        def respond(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(length)
            request = Request(self.command, self.path, headers, body, self.client_address)
            state.requests.append(request)
            told = answer(request)
            if told.raw is not None:
                self.close_connection = True
                told.raw(self.wfile)
                return
            self.send_response(told.status)
            for name, text in told.headers.items():
                self.send_header(name, text)
            if "content-length" not in told.headers:
                self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            if told.every:
                for byte in told.body:
                    threading.Event().wait(told.every)  # tests put time.sleep out of action
                    self.wfile.write(bytes([byte]))
            elif self.command != "HEAD":
                self.wfile.write(told.body[: told.stop_after])
            if told.stop_after is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = respond  # noqa: N815

    with serving(Handler) as address:
        state.url = f"http://{address}"
        yield state


@contextmanager
def answering(pieces: Callable[[], Iterable[bytes]], every: float = 0) -> Iterator[Scripted]:
    """Answer each request by these bytes, a piece after so many seconds, whatever it asks."""
    stopped = threading.Event()

    def write(wire: Wire) -> None:
        for piece in pieces():
            wire.write(piece)
            if stopped.wait(every):
                return

    with scripted(lambda _: Answer(raw=write)) as server:
        try:
            yield server
        finally:
            stopped.set()
