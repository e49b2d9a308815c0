"""Connections that no answer holds for ever: what arrives is bounded in time and in size.

Rule: a store may think for as long as the read timeout. What it then sends comes at 1 KiB a second
or faster, averaged over as long a time of waiting for it; a slow reader of ours is no slow store.
Before a body come 128 KiB at most, status lines such as ``100 Continue`` included. A body in
chunks, which objects never are, takes 16 MiB at most with all that is around its chunks.
"""

from __future__ import annotations

import io
import socket
import time
from email.parser import Parser
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_SLOWEST = 1024
"""Bytes a second."""
_MAX_HEAD = 128 << 10
"""Bytes; OSS keeps 8 KiB of metadata."""
_MAX_CHUNKED = 16 << 20
"""Bytes; twice the largest document."""


_TLS_ALERT = b"\x15\x03"
_META = (b"x-oss-meta-", b"x-amz-meta-")
_FOLDED = (b" ", b"\t")
"""What a line begins with that goes on where the one before it ended."""


class TlsAnswerError(HTTPException):
    """The answer to plain HTTP is one of TLS."""


class _Arriving(io.RawIOBase):
    """What arrives on a socket for one response.

    Args:
        raw: The socket's stream.
        patience: Its timeout in seconds, or None.
    """

    def __init__(self, raw: io.RawIOBase, patience: float | None) -> None:
        self._raw = raw
        self._patience = patience
        self.begin(_MAX_HEAD, in_head=True)

    def begin(self, most: int | None, *, in_head: bool = False) -> None:
        """Count anew, up to ``most`` bytes."""
        self._left = most
        self._in_head = in_head
        self._thinking = True
        self._waited = 0.0
        self._came = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        began = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if not count:
            if self._in_head and self._came:
                # `http.client` takes a head that is cut off for a whole one, with fewer headers.
                raise HTTPException("the answer ends in its head")
            return count
        if self._in_head and not self._came and bytes(buffer[:2]) == _TLS_ALERT:
            raise TlsAnswerError("the answer is one of TLS")
        if self._left is not None:
            self._left -= count
            if self._left < 0:
                raise HTTPException("the answer does not end")
        self._came += count
        if self._thinking:
            self._thinking = False
        else:
            self._waited += time.monotonic() - began
        if self._patience is not None and self._waited > self._patience:
            if self._came < self._patience * _SLOWEST:
                raise TimeoutError("the answer is too slow")
            self._waited, self._came = 0.0, 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _Lines(io.BufferedReader):
    """Reads a head, and keeps the user metadata aside.

    `http.client` reads 100 lines of a head, for everybody; OSS has room for several hundred fields.
    """

    def __init__(self, raw: _Arriving) -> None:
        super().__init__(raw)
        self.metadata: list[bytes] = []
        self.in_head = True

    def readline(self, size: int | None = -1, /) -> bytes:
        line, within = super().readline(size), False
        while self.in_head and line.endswith(b"\n"):
            within = line[:11].lower() in _META or (within and line[:1] in _FOLDED)
            if not within:
                break
            self.metadata.append(line)
            line = super().readline(size)
        return line


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._arriving = _Arriving(self.fp.detach(), sock.gettimeout())
        self._lines = self.fp = _Lines(self._arriving)

    def begin(self) -> None:
        super().begin()
        self._lines.in_head = False
        metadata = b"".join(self._lines.metadata).decode("latin-1")
        for name, text in Parser(_class=HTTPMessage).parsestr(metadata, headersonly=True).items():
            self.headers[name] = text
        self._arriving.begin(_MAX_CHUNKED if self.chunked else None)


class _Plain(HTTPConnection):
    response_class = _BoundedResponse


class _Secure(HTTPSConnection):
    response_class = _BoundedResponse


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


def bounded(pools: urllib3.PoolManager) -> urllib3.PoolManager:
    """Give a manager's connections these bounds."""
    pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return pools
