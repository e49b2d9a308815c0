"""A server that sends bytes as they are given, in pieces, to whoever asks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class RawServer:
    """Where it listens, and the heads of the requests so far."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def answering(pieces: Callable[[], Iterable[bytes]], every: float = 0) -> Iterator[RawServer]:
    """Answer each request by the pieces, one after so many seconds, and close the connection."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            with suppress(OSError):
                while not stopped.is_set():
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        server.requests.append(connection.recv(65_536))
                        for piece in pieces():
                            connection.sendall(piece)
                            if stopped.wait(every):
                                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            stopped.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
