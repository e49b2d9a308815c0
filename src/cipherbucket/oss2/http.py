"""What programs see of HTTP: the session, answers, and headers whose case does not matter.

Rule: nothing is sent from here. Requests go through the store, which signs them and knows retries,
proxies and certificates; this module only shows what came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Protocol, Self

from cipherbucket._version import __version__
from cipherbucket.oss2 import defaults
from cipherbucket.oss2.exceptions import ClientError

if TYPE_CHECKING:
    from cipherbucket.stores.http.xml import Element

USER_AGENT = f"cipherbucket/{__version__}"
"""How requests introduce themselves, behind the name of the SDK that signs them."""
_BLOCK = 64 * 1024


class CaseInsensitiveDict(MutableMapping[str, str]):
    """Headers: looked up in any case, kept in the case they were given in."""

    def __init__(
        self, data: Mapping[str, str] | Iterable[tuple[str, str]] | None = None, **more: str
    ) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        self.update(data or {}, **more)

    def __setitem__(self, name: str, value: str) -> None:
        self._items[name.lower()] = (name, value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._items

    def lower_items(self) -> Iterator[tuple[str, str]]:
        """Yield names in lower case, and values."""
        return ((name, value) for name, (_, value) in self._items.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self.lower_items()) == dict(CaseInsensitiveDict(other).lower_items())

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Self:
        """Return another of the same content."""
        return type(self)(self._items.values())

    def __repr__(self) -> str:
        return str(dict(self.items()))


class Session:
    """Accepted for the sake of programs that share one among buckets.

    Each bucket keeps connections of its own open, as many as its threads need.

    Args:
        pool_size: Kept, and without effect.
        adapter: None. oss2 takes adapters of the library ``requests``, which is not used here.

    Raises:
        ClientError: An adapter.
    """

    def __init__(self, pool_size: int | None = None, adapter: None = None) -> None:
        if adapter is not None:
            raise ClientError(
                "a session takes no adapter here: proxies are given with proxies=, certificates"
                " with the environment's SSL_CERT_FILE"
            )
        self.pool_size = pool_size or defaults.connection_pool_size


class Readable(Protocol):
    """What an answer's body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all."""

    def close(self) -> None:
        """Release what it comes from."""


class Response:
    """An answer of the service.

    Attributes:
        status: The HTTP status.
        headers: Its headers.
        request_id: What the service's support asks for.
        document: What the body says, where it was XML and is checked already; oss2 has no such.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | Readable = b"",
        document: Element | None = None,
    ) -> None:
        self.status = status
        self.document = document
        self.headers = CaseInsensitiveDict(headers)
        self.request_id = self.headers.get("x-oss-request-id", "")
        self._source: Readable | None = None if isinstance(body, bytes) else body
        self._data = body if isinstance(body, bytes) else b""

    @property
    def response(self) -> Self:
        """This answer itself."""
        return self

    def read(self, amt: int | None = None) -> bytes:
        """Read so many bytes of the body, or what is left of it; of an object the plaintext."""
        if self._source is not None:
            return self._source.read(-1 if amt is None else amt)
        amt = len(self._data) if amt is None else amt
        block, self._data = self._data[:amt], self._data[amt:]
        return block

    def close(self) -> None:
        """Release the connection."""
        if self._source is not None:
            self._source.close()

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK):
            yield block
