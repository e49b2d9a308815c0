"""What the local endpoints have in common: an address, one identity, and a life in a ``with``.

Rule: each binds to loopback unless another address is given, is ready when the block begins, and
leaves no thread, socket or file behind but those that were asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from cipherbucket.credentials import Credentials
from cipherbucket.server.listening import Listener


class LocalEndpoint(ABC):
    """A server on an address, for one identity."""

    def __init__(self, listener: Listener, credentials: Credentials) -> None:
        self._listener = listener
        self._credentials = credentials

    @property
    def url(self) -> str:
        """``http://host:port`` or ``https://host:port``, with the port that it really has."""
        return self._listener.url

    @property
    def access_key_id(self) -> str:
        """The identity's public half."""
        return self._credentials.access_key_id

    @property
    def access_key_secret(self) -> str:
        """The identity's secret half."""
        return self._credentials.access_key_secret

    @property
    def security_token(self) -> str | None:
        """The STS token that requests must bring."""
        return self._credentials.security_token

    def start(self) -> Self:
        """Start serving, in a thread of its own; return when it does."""
        self._listener.bind()
        try:
            self._open()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop serving, break off what is under way, close everything."""
        self._listener.stop()
        self._close()

    def _summary(self, kind: str, path: Path | None, *, with_secret: bool) -> dict[str, str]:
        """Return what `describe` says of both: where it is, what it keeps, who may call."""
        return {
            "url": self.url,
            "where": f"{kind} {path.absolute()}" if path else "memory, gone at the end",
            "key_id": self.access_key_id,
            "secret": (
                self.access_key_secret if with_secret else "the one in OSS_ACCESS_KEY_SECRET"
            ),
        }

    @abstractmethod
    def _open(self) -> None:
        """Open what is served, and serve it."""

    @abstractmethod
    def _close(self) -> None:
        """Close as much of it as is open."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
