"""A body over HTTP that goes on where the connection broke.

Law: what goes on is the same object, or it is an error: the second request names the ETag of the
first answer, and must be answered with just the bytes that are missing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from cipherbucket.errors import ObjectChangedError, PreconditionFailedError, TransientStoreError
from cipherbucket.stores.oss.http import Response

_log = logging.getLogger("cipherbucket")

ATTEMPTS = 4
"""How often in a row a read may break without a byte having come."""
_FIRST_DELAY = 0.2

Reopen = Callable[[int, int], tuple[Response, int, int, str]]
"""Fetches bytes (start, stop) again: the answer, the range it holds, and its ETag."""


class ResumingBody:
    """The bytes from ``start`` to ``stop`` of one object.

    Args:
        name: The object's name, for errors.
        response: The first answer.
        start: Offset of its first byte.
        stop: Offset after its last byte.
        etag: What binds later answers to the first; "" if the store names none: then a broken
            read is not continued.
        reopen: Fetches the rest.
    """

    def __init__(
        self, name: str, response: Response, start: int, stop: int, etag: str, reopen: Reopen
    ) -> None:
        self._name = name
        self._response = response
        self._position = start
        self._stop = stop
        self._etag = etag
        self._reopen = reopen
        self._failures = 0

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
            self._failures = 0
            self._position += count
            return count

    def _go_on_after(self, error: TransientStoreError) -> None:
        self._failures += 1
        if self._failures >= ATTEMPTS or not self._etag:
            raise error
        delay = _FIRST_DELAY * 2 ** (self._failures - 1) * random.uniform(0.5, 1)  # noqa: S311
        _log.warning("%s; going on at byte %d in %.1f s", error, self._position, delay)
        time.sleep(delay)
        self._response.close()
        try:
            response, first, stop, etag = self._reopen(self._position, self._stop)
        except TransientStoreError as again:
            self._go_on_after(again)
            return
        except PreconditionFailedError as changed:
            raise self._changed() from changed
        if (first, stop, etag) != (self._position, self._stop, self._etag):
            response.close()
            raise self._changed()
        self._response = response

    def _changed(self) -> ObjectChangedError:
        return ObjectChangedError(
            "the object was replaced while it was being read", name=self._name, hint="read it again"
        )

    def close(self) -> None:
        """Release the connection."""
        self._response.close()
