"""A proxy that counts the requests to an endpoint and the bytes that it sends.

Usage: counting_proxy.py PORT TARGET_PORT. Each line on stdin is answered by one on stdout: bytes
and requests so far.
"""

import selectors
import socket
import sys
from typing import Any


class Proxy:
    """Connections to the endpoint, in pairs."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._chosen = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._others: dict[Any, tuple[socket.socket, bool]] = {}
        self._sent = self._requests = 0

    def run(self) -> None:
        """Forward until stdin is closed."""
        self._chosen.register(self._listener, selectors.EVENT_READ)
        self._chosen.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in self._chosen.select():
                end: Any = key.fileobj
                if end is sys.stdin:
                    if not sys.stdin.readline():
                        return
                    print(self._sent, self._requests, flush=True)
                elif end is self._listener:
                    self._connect()
                elif end in self._others:
                    self._pass_on(end)

    def _connect(self) -> None:
        client = self._listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", self._target))
        self._others |= {client: (server, True), server: (client, False)}
        for each in (client, server):
            self._chosen.register(each, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        other, is_client = self._others[end]
        try:
            data = end.recv(1 << 18)
            other.sendall(data)
        except OSError:
            data = b""
        if is_client:
            self._requests += data.count(b" HTTP/1.1\r\n")
        else:
            self._sent += len(data)
        if not data:
            for each in (end, other):
                del self._others[each]
                self._chosen.unregister(each)
                each.close()


if __name__ == "__main__":
    Proxy(int(sys.argv[1]), int(sys.argv[2])).run()
