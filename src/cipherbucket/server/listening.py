"""An HTTP server in a thread of its own, and how its connections are broken on request.

Rule: a socket is bound before anything else is made, so that a port that is taken costs nothing;
the server is ready when `Listener.serve` returns, and nothing of it is left after `Listener.stop`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import NamedTuple

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cipherbucket.errors import StoreError, UsageError
from cipherbucket.server.asgi import App, with_transport

_STOP_SECONDS = 2
_MAX_HEAD = 64 << 10  # 8 KiB of metadata and what else a request's head may hold


class Certificate(NamedTuple):
    """What https is spoken with: files in PEM."""

    certificate: Path
    private_key: Path


class _Protocol(H11Protocol):
    """HTTP as uvicorn speaks it; requests get hold of their connection, for faults.

    Not as httptools does, where that is installed: it bounds no head and checks no header.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = with_transport(self.app, transport)
        # Asked now: a TLS connection that is closed does not answer any more.
        self._is_tls = transport.get_extra_info("sslcontext") is not None

    def shutdown(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        super().shutdown()
        if idle and self._is_tls:
            self.transport.abort()  # it would wait for the client's farewell, which may never come


class Listener:
    """A server on one address.

    Args:
        host: Address to bind to.
        port: 0 for a free one.
        certificate: To speak https; None: http.
    """

    def __init__(self, host: str, port: int, certificate: Certificate | None = None) -> None:
        self.host = host.removeprefix("[").removesuffix("]")  # as URLs have IPv6 addresses
        self.port = port
        self._certificate = certificate
        self._sock: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    @property
    def address(self) -> str:
        """``host:port``, with the port that it really has."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """``http://host:port`` or ``https://host:port``."""
        return f"{'https' if self._certificate else 'http'}://{self.address}"

    def bind(self) -> None:
        """Take the port.

        Raises:
            StoreError: It cannot be had.
        """
        self._sock = _bound(self.host, self.port)
        self.host, self.port = self._sock.getsockname()[:2]  # `bucket.localhost` is no host

    def serve(self, app: App) -> None:
        """Serve, after `bind`; return when it does.

        Raises:
            StoreError: The server ended as it started.
            UsageError: The certificate cannot be used.
        """
        assert self._sock is not None
        files = self._certificate
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,  # it takes the faults that are asked for as errors
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_MAX_HEAD,
            timeout_graceful_shutdown=_STOP_SECONDS,
            backlog=1024,
            ssl_certfile=str(files.certificate) if files else None,
            ssl_keyfile=str(files.private_key) if files else None,
        )
        try:
            config.load()
        except (ssl.SSLError, OSError) as error:
            raise UsageError(f"https cannot be spoken with this certificate: {error}") from error
        self._server = uvicorn.Server(config)
        self._ended.clear()
        self._thread = threading.Thread(
            target=self._run, args=(self._server, self._sock), name="cipherbucket-endpoint"
        )
        self._thread.daemon = True
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.001)
        if not self._server.started:
            raise StoreError("the HTTP server ended as it started; its log says why")

    def stop(self) -> None:
        """Stop serving and break off what is under way."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def wait(self) -> None:
        """Return when it has stopped, or raise what a signal's handler raises before.

        By an event: a `Thread.join` that is interrupted takes the thread for ended, and the process
        would end under it (Python 3.11).
        """
        while self._thread is not None and not self._ended.wait(0.5):
            pass

    def _run(self, server: uvicorn.Server, sock: socket.socket) -> None:
        try:
            server.run([sock])
        finally:
            self._ended.set()


def break_connection(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection after what was sent on it, or reset it at once."""
    if reset and not transport.is_closing():
        sock = transport.get_extra_info("socket")
        if sock is not None:  # closing with zero linger sends RST rather than FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise StoreError(
            f"{host} port {port} cannot be bound to: {error}",
            hint="another program may be using it; --port 0 takes a free one"
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            else "take an address of this machine, and a port that you may use",
        ) from error
    return sock
