"""A server of HTTP whose answers come whole, end early, or break off.

The path says which: ``/whole``, ``/short`` or ``/broken``, with ``-chunked`` at its end for an
answer in chunks, whose length nobody says.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CAME = 40_000
"""Bytes of a body that come before it ends early or breaks off."""


@dataclass
class Served:
    """A server that runs.

    Attributes:
        url: Where.
        data: The body at every path.
        break_off: Set it once the head of an answer came, for what is to break off after it.
    """

    url: str
    data: bytes
    break_off: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(data: bytes) -> Iterator[Served]:
    """Serve ``data`` at every path."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = Served("http://{}:{}".format(*listening.getsockname()), data)
        thread = threading.Thread(target=_accept, args=(listening, served))
        thread.start()
        try:
            yield served
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listening: socket.socket, served: Served) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            _answer(connection, served)


def _answer(connection: socket.socket, served: Served) -> None:
    data = served.data
    with connection.makefile("rb") as request:
        path = request.readline().split()[1].decode()
        while request.readline().strip():
            pass
        chunked, whole = path.endswith("-chunked"), path.startswith("/whole")
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n\r\n"
        begin, end = (f"{len(data):x}\r\n".encode(), b"\r\n0\r\n\r\n") if chunked else (b"", b"")
        sent = data + end if whole else data[:CAME]
        connection.sendall(head.encode() + begin + sent)
        if path.startswith("/broken"):
            served.break_off.wait(30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
