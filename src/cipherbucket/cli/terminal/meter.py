"""What follows transfers as they go; the one here shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int | None], None]
"""Told (bytes done, bytes in all or None), as the library tells it."""


class Meter:
    """Follows transfers, also several at once; this one shows nothing.

    Attributes:
        shows: Whether anybody sees it.
    """

    shows = False

    @contextmanager
    def running(self, label: str) -> Iterator[Report]:
        """Follow the transfer of one object."""
        del label
        yield lambda _done, _total: None

    def expect(self, size: int) -> None:
        """Hear of so many bytes more that are to be transferred."""

    def expect_no_more(self) -> None:
        """Hear that all bytes are known now."""
