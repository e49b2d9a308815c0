"""The connections of an endpoint, as asyncio hands them over."""

import asyncio
from typing import Any
from unittest.mock import Mock

import uvicorn
from uvicorn.server import ServerState

from cipherbucket.server.asgi import Receive, Scope, Send
from cipherbucket.server.listening import _Protocol


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing."""


class TlsTransport(asyncio.Transport):
    """A TLS connection, which forgets all about itself when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self._open: dict[str, Any] | None = {"sslcontext": Mock(), "peername": ("127.0.0.1", 1)}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        assert self._open is not None, "asyncio raises AttributeError here"
        return self._open.get(name, default)

    def close(self) -> None:
        self._open = None

    def abort(self) -> None:
        self.aborted = True


def test_an_idle_tls_connection_is_cut_off_when_the_server_ends() -> None:
    async def served() -> TlsTransport:
        config = uvicorn.Config(nothing, lifespan="off")
        config.load()
        protocol = _Protocol(config=config, server_state=ServerState(), app_state={})
        transport = TlsTransport()
        protocol.connection_made(transport)
        protocol.shutdown()
        return transport

    assert asyncio.run(served()).aborted
