"""ASGI, the interface between the HTTP server and what answers its requests, for both endpoints.

Rule: only requests by HTTP come; the server is started without WebSockets and lifespan events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SERVER = (b"Server", b"cipherbucket")
"""A header of every answer."""
_TRANSPORT = "cipherbucket.transport"


def with_transport(app: App, transport: asyncio.Transport) -> App:
    """Return an app whose requests find their connection by `transport_of`."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[_TRANSPORT] = transport
        await app(scope, receive, send)

    return wrapped


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """Return the connection of a request."""
    return cast("asyncio.Transport | None", scope.get("extensions", {}).get(_TRANSPORT))


def headers_of(scope: Scope, decode: Callable[[bytes], str]) -> dict[str, str]:
    """Return the headers of a request, names in lower case; one that comes twice is joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), decode(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
