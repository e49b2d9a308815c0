"""A body over HTTP that goes on where the connection broke.

Rule: what goes on is the same object, or it is an error: the second request names the ETag of the
first answer, and must be answered with just the bytes that are missing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping

from cipherbucket.errors import ObjectChangedError, PreconditionFailedError, TransientStoreError
from cipherbucket.format.span import Span
from cipherbucket.stores.bodies import Opened
from cipherbucket.stores.checks import clip
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.ranges import range_header, received_range
from cipherbucket.stores.records import StoredObject

_log = logging.getLogger("cipherbucket")

ATTEMPTS = 4
"""How often in a row a read may break before so much has come that it counts as going on."""
_PROGRESS = 64 << 10
"""Bytes: what a store that breaks off each time must send at least, lest a read never ends."""
_FIRST_DELAY = 0.2

Fetch = Callable[[str | None, str | None], Response]
"""Sends a GET: with a ``Range`` header, and for the object that has an ETag, where there are."""
Described = Callable[[str, Mapping[str, str], int], StoredObject]
"""Reads an object of this name and size from the headers of an answer."""


def open_body(
    name: str, span: Span, if_match: str | None, fetch: Fetch, described: Described
) -> Opened:
    """Fetch an object or a range of it, which is not empty.

    Args:
        name: The object's name.
        span: What is asked for.
        if_match: The ETag it must have, or None.
        fetch: Sends the request, and those for the rest of a body that broke off.
        described: Reads what an answer says of the object.

    Raises:
        RangeError: The range begins after the end.
        IntegrityError: The answer says nothing sensible of what it holds.
    """
    response = fetch(range_header(span), if_match)
    try:
        first, stop, size = received_range(name, response.status, response.headers)
        stored = described(name, response.headers, size)
        clip(name, size, span)
    except BaseException:
        response.close()
        raise
    return stored, first, stop, ResumingBody(stored, response, first, stop, fetch, described)


class ResumingBody:
    """The bytes from ``start`` to ``stop`` of one object.

    Args:
        stored: The object. Its ETag binds later answers to the first.
        response: The first answer.
        start: Offset of its first byte.
        stop: Offset after its last byte.
        fetch: Fetches the rest.
        described: Reads what its answer says of the object.
    """

    def __init__(
        self,
        stored: StoredObject,
        response: Response,
        start: int,
        stop: int,
        fetch: Fetch,
        described: Described,
    ) -> None:
        self._name = stored.name
        self._etag = stored.etag
        self._response = response
        self._position = start
        self._stop = stop
        self._fetch = fetch
        self._described = described
        self._failures = 0
        self._came = 0  # bytes, since the count of failures began

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of ``buffer``; 0 at the end.

        Raises:
            TransientStoreError: The connection kept breaking.
            ObjectChangedError: The object was replaced meanwhile.
        """
        if self._position >= self._stop or not buffer:
            return 0
        while True:
            try:
                count = self._response.readinto(buffer)
                if not count:
                    raise TransientStoreError("the answer ended early", name=self._name)
            except TransientStoreError as error:
                self._go_on_after(error)
                continue
            self._position += count
            self._came += count
            if self._came >= _PROGRESS:
                self._failures = self._came = 0
            return count

    def _go_on_after(self, error: TransientStoreError) -> None:
        self._failures += 1
        if self._failures >= ATTEMPTS:
            raise error
        delay = _FIRST_DELAY * 2 ** (self._failures - 1) * random.uniform(0.5, 1)  # noqa: S311
        _log.warning("%s; going on at byte %d in %.1f s", error, self._position, delay)
        time.sleep(delay)
        self._response.close()
        try:
            self._response = self._rest()
        except TransientStoreError as again:
            self._go_on_after(again)
        except PreconditionFailedError as changed:
            raise self._changed() from changed

    def _rest(self) -> Response:
        """Fetch the bytes that are missing, just these and of the same object."""
        response = self._fetch(f"bytes={self._position}-{self._stop - 1}", self._etag)
        try:
            first, stop, size = received_range(self._name, response.status, response.headers)
            etag = self._described(self._name, response.headers, size).etag
            if (first, stop, etag) != (self._position, self._stop, self._etag):
                raise self._changed()
        except BaseException:
            response.close()
            raise
        return response

    def _changed(self) -> ObjectChangedError:
        return ObjectChangedError(
            "the object was replaced while it was being read", name=self._name, hint="read it again"
        )

    def close(self) -> None:
        """Release the connection."""
        self._response.close()
