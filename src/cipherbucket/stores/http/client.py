"""HTTP for stores: connections kept open, bodies streamed both ways, no retries of its own.

Header values travel as UTF-8, which is what the SDKs put on the wire for metadata that is not
ASCII; what comes back and is no UTF-8 is taken as Latin-1. After a fork the child gets its own
connections: a socket shared with the parent would mix two conversations.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, Self, cast

import urllib3

from cipherbucket.errors import StoreError, TransientStoreError, UsageError
from cipherbucket.network import Proxies, bundle_of_environment, check_certificates
from cipherbucket.stores.http import CONNECT_TIMEOUT, READ_TIMEOUT
from cipherbucket.stores.http.connections import bounded
from cipherbucket.stores.http.no_answer import no_answer, reason
from cipherbucket.stores.http.sendable import proxy_headers, sendable
from cipherbucket.stores.http.xml import MAX_DOCUMENT, Element

_CONNECTIONS = 32
_SEND_BLOCK = 512 << 10
"""Bytes handed to a socket at once: its timeout, which may be the shorter one for connecting, is
for all of them, however slow the line is."""
_MAX_REFUSAL = 256 << 10
"""Most bytes of an error that are read: it repeats headers, the metadata among them."""
_READ_BLOCK = 64 << 10
"""Bytes that are read at a time, between two looks at the clock."""


class Response:
    """One response; read it to the end or close it.

    Args:
        response: As urllib3 gives it.
        method: The request's method.
        url: The request's URL, without its query.
        patience: Seconds of the read timeout.

    Attributes:
        status: The HTTP status.
        reason: Its text.
        headers: Names in lower case; where a name came more than once, the values with commas.
        repeated: The names that came more than once.
        url: The request's URL, without its query (which may hold a signature).
        method: The request's method.
        data: What `read` has read.
        document: What an answer in XML says, once it was checked (see `answers`).
    """

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        method: str,
        url: str,
        patience: float = READ_TIMEOUT,
    ) -> None:
        self._response = response
        self._patience = patience
        self.method = method
        self.data = b""
        self.document: Element | None = None
        self.status = response.status
        self.reason = response.reason or ""
        self.headers: dict[str, str] = {}
        self.repeated: set[str] = set()
        for given, text in response.headers.iteritems():
            name = given.lower()
            if name in self.headers:
                self.repeated.add(name)
                self.headers[name] += f", {_decoded(text)}"
            else:
                self.headers[name] = _decoded(text)
        self.url = url

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of ``buffer``; 0 at the end.

        Raises:
            TransientStoreError: The connection broke or was silent too long.
        """
        try:
            return self._response.readinto(buffer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientStoreError(f"{self.url}: {reason(error)}") from error

    def read(self) -> bytes:
        """Read all that is left, and free the connection.

        Of a refusal that goes on for more than any of a store has, nothing is read. All has to come
        within five times the read timeout.

        Raises:
            TransientStoreError: The connection broke, was silent too long or too slow.
            StoreError: More comes than any answer but an object has.
        """
        most = MAX_DOCUMENT if self.status // 100 == 2 else _MAX_REFUSAL
        left = most - (self._response.length_remaining or 0)
        ends = time.monotonic() + 5 * self._patience
        pieces: list[bytes] = []
        try:
            while left >= 0 and (piece := self._response.read(_READ_BLOCK)):
                pieces.append(piece)
                if self._response.length_remaining is None:
                    left -= len(piece)
                if time.monotonic() > ends:
                    raise TimeoutError("the answer is too slow")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._response.close()
            raise TransientStoreError(f"{self.url}: {reason(error)}") from error
        if left < 0:
            self._response.close()
            if most == _MAX_REFUSAL:
                return b""
            raise StoreError(f"{self.url}: an answer of more than {most >> 20} MiB")
        if self._response.length_remaining:
            # urllib3 reports this only of reads without a bound.
            self._response.close()
            raise TransientStoreError(f"{self.url}: the answer ended early")
        self._response.release_conn()
        self.data = b"".join(pieces)
        return self.data

    def close(self) -> None:
        """Give the connection back if all was read, close it otherwise."""
        if self._response.closed or self._response.length_remaining == 0:
            self._response.drain_conn()  # gives the connection back
            return
        self._response.close()


def empty_answer(method: str, url: str) -> Response:
    """Return the answer, 200 and nothing else, to a request that is not sent."""
    return Response(urllib3.HTTPResponse(b"", status=200), method, url.partition("?")[0])


_seen: ContextVar[list[Response] | None] = ContextVar("answers", default=None)


@contextmanager
def answers_seen() -> Iterator[list[Response]]:
    """Collect the answers that this thread gets inside, whoever asked; the newest is the last."""
    seen: list[Response] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


class ConnectionSettings(Protocol):
    """What the settings of every service say of connections; see `Http`."""

    @property
    def proxy(self) -> str | Mapping[str, str | None] | None:
        """As `Http` takes it."""

    @property
    def ca_file(self) -> str | None:
        """Certificates to trust."""

    @property
    def verify(self) -> bool:
        """Whether certificates are checked."""

    @property
    def connect_timeout(self) -> float:
        """Seconds."""

    @property
    def read_timeout(self) -> float:
        """Seconds."""


class Http:
    """A pool of connections.

    Args:
        proxy: As `Proxies` takes it; what it does not say, the environment is asked now.
        ca_file: Certificates to trust instead of the system's, and of those that
            ``REQUESTS_CA_BUNDLE`` names.
        verify: False trusts any certificate; for test endpoints.
        connect_timeout: Seconds.
        read_timeout: Seconds that a server may be silent, or slower than 1 KiB a second.
        endpoint_in: The environment variable of the endpoint, for hints.
    """

    def __init__(
        self,
        *,
        proxy: str | Mapping[str, str | None] | None = None,
        ca_file: str | None = None,
        verify: bool = True,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        endpoint_in: str = "OSS_ENDPOINT",
    ) -> None:
        self._endpoint_in = endpoint_in
        self._proxies = Proxies(proxy)
        self._bundle = bundle_of_environment() if ca_file is None else ("ca_file", ca_file)
        self._verify = verify
        self._timeouts = (connect_timeout, read_timeout)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}
        _alive.add(self)

    @classmethod
    def for_settings(cls, settings: ConnectionSettings, endpoint_in: str = "OSS_ENDPOINT") -> Self:
        """Return a pool with the proxy, certificates and timeouts of these settings."""
        return cls(
            proxy=settings.proxy,
            ca_file=settings.ca_file,
            verify=settings.verify,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            endpoint_in=endpoint_in,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes | bytearray | memoryview] = b"",
        length: int | None = None,
    ) -> Response:
        """Send one request and return the response when its headers are there.

        Args:
            method: GET, PUT ...
            url: Absolute, percent-encoded.
            headers: Values of any characters.
            body: Bytes, or blocks, each valid until the next is asked for.
            length: Length of the body in bytes; for bytes it is known.

        Raises:
            UsageError: The URL, or that of the proxy, cannot be used, or a header cannot be sent.
            TransientStoreError: No connection, or it broke.
        """
        sent = sendable(headers)
        if length is None and isinstance(body, bytes) and (body or method in {"PUT", "POST"}):
            length = len(body)
        if length is not None:
            sent["content-length"] = str(length)
        sent.setdefault("accept-encoding", "identity")
        bare = url.partition("?")[0]
        try:
            response = self._pool(url).request(
                method,
                _verbatim(url),
                body=cast("Iterable[bytes]", _in_pieces(body)) if length else None,
                headers=sent,
                preload_content=False,
                retries=False,
                redirect=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=self._timeouts[0], read=self._timeouts[1]),
            )
        except urllib3.exceptions.LocationValueError:
            response = None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise no_answer(error, bare, self._endpoint_in) from error
        if response is None:
            # Raised here, with no cause: that one's text is the URL, of the proxy too, with all
            # that may be secret in it.
            raise UsageError(
                "the endpoint or the proxy is no URL that can be used",
                hint=f"check endpoint= and {self._endpoint_in}, proxy= and HTTPS_PROXY;"
                " in a proxy's password / is %2F, @ is %40, # is %23",
            )
        answer = Response(response, method, bare, self._timeouts[1])
        if (seen := _seen.get()) is not None:
            seen.append(answer)
        return answer

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def renew_after_fork(self) -> None:
        """Begin anew in a child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._pools = {}

    def _pool(self, url: str) -> urllib3.PoolManager:
        way = url.partition(":")[0], self._proxies.to(url)
        with self._lock:
            if way not in self._pools:
                self._pools[way] = self._new_pool(*way)
            return self._pools[way]

    def _new_pool(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "maxsize": _CONNECTIONS,
            "cert_reqs": "CERT_REQUIRED" if self._verify else "CERT_NONE",
        }
        over_tls = scheme == "https" or (proxy or "").startswith("https:")
        if self._bundle is not None and self._verify and over_tls:
            named_by, path = self._bundle
            check_certificates(path, named_by)
            options["ca_cert_dir" if Path(path).is_dir() else "ca_certs"] = path
        if proxy is None:
            return bounded(urllib3.PoolManager(**options))
        headers = proxy_headers(proxy)
        return bounded(urllib3.ProxyManager(proxy, proxy_headers=headers, **options))


_alive: weakref.WeakSet[Http] = weakref.WeakSet()


def _renew_all() -> None:
    for http in list(_alive):
        http.renew_after_fork()


os.register_at_fork(after_in_child=_renew_all)


def _in_pieces(
    body: bytes | Iterable[bytes | bytearray | memoryview],
) -> Iterator[bytes | bytearray | memoryview]:
    for block in (body,) if isinstance(body, bytes) else body:
        if len(block) <= _SEND_BLOCK:
            yield block
            continue
        whole = memoryview(block)
        yield from (
            whole[start : start + _SEND_BLOCK] for start in range(0, len(whole), _SEND_BLOCK)
        )


def _verbatim(url: str) -> str:
    """Keep HTTP libraries from resolving ``.`` and ``..`` in a path: they may be object names."""
    path, question, query = url.partition("?")
    segments = [
        segment.replace(".", "%2E") if segment in {".", ".."} else segment
        for segment in path.split("/")
    ]
    return "/".join(segments) + question + query


def _decoded(text: str) -> str:
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return text
