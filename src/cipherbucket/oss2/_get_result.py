"""An object on its way to a program: read, iterated or copied to a file."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from cipherbucket.oss2._error_translation import exchange
from cipherbucket.oss2._results import HeadObjectResult
from cipherbucket.oss2.http import Response
from cipherbucket.reading.stream import ObjectStream


class GetObjectResult(HeadObjectResult):
    """The plaintext of an object or a range of it, and what is known of the object.

    Lengths and ranges are those of the plaintext that comes. A whole object is good only when its
    end was reached: then its length, and its CRC-64 if the service keeps one, were compared.

    Attributes:
        content_range: Of a range, such as ``bytes 5-9/100``; None for a whole object.
        server_crc: CRC-64 of the whole stored object.
    """

    def __init__(
        self, resp: Response, source: ObjectStream, first: int | None, *, crc_enabled: bool
    ) -> None:
        size = source.info.size
        headers = dict(resp.headers)
        headers["Content-Length"] = str(source.length)
        status = resp.status
        if first is not None and source.length:  # a range, whatever the service made of it
            headers["Content-Range"] = f"bytes {first}-{first + source.length - 1}/{size}"
            status = 206
        super().__init__(Response(status, headers, _Translated(source)))
        self.content_range = self.headers.get("Content-Range")
        self._source = source
        self._crc_enabled = crc_enabled
        if crc_enabled:
            source.count_crc64()

    @property
    def stream(self) -> Self:
        """This result, which is what one reads from."""
        return self

    @property
    def client_crc(self) -> int | None:
        """CRC-64 of the stored bytes that were read; None where CRC is off."""
        return self._source.crc64 if self._crc_enabled else None

    @property
    def source(self) -> ObjectStream:
        """The stream behind it."""
        return self._source

    def read(self, amt: int | None = None) -> bytes:
        """Read ``amt`` bytes, or all that are left; ``b""`` at the end.

        Raises:
            InconsistentError: The object is not what was stored.
            RequestError: The connection broke, and could not be taken up again.
        """
        return self.resp.read(amt)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.resp)

    def close(self) -> None:
        """Release the connection; what was not read stays unread."""
        self.resp.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class _Translated:
    """A stream whose errors are oss2's."""

    def __init__(self, source: ObjectStream) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        with exchange():
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()
