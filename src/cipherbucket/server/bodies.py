"""Bodies in a store, shared by versions and parts, and readers that lay several end to end.

Rule: a body is written once under a random name and never changed. One that nothing names any more
is removed, but not while somebody reads it: readers pin what they read.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cipherbucket.errors import StoreError
from cipherbucket.server.catalog import Piece
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Body, Incoming

BLOCK = 1 << 19
"""Bytes that a reader gives at a time."""


@dataclass(frozen=True, slots=True)
class SavedBody:
    """A body that is in the store and that nothing names yet."""

    body: str
    size: int
    crc64: int

    @property
    def piece(self) -> Piece:
        """The body as the whole of an object, or as a part."""
        return Piece(self.body, self.size)


class Bodies:
    """The bodies in one store, which holds nothing else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pinned: Counter[str] = Counter()
        self._doomed: set[str] = set()

    def save(self, body: Body | bytes) -> SavedBody:
        """Store a body under a new name, wholly or not at all."""
        stored = self._store.put(secrets.token_hex(16), body)
        return SavedBody(stored.name, stored.size, stored.crc64 or 0)

    def open(self, pieces: Sequence[Piece], start: int, stop: int) -> BodyReader:
        """Pin some bodies and give a reader of the bytes from ``start`` to ``stop`` of them all.

        The caller must be sure that they still exist: the catalogue says so, and stays locked.
        """
        wanted = _clipped(pieces, start, stop)
        with self._lock:
            self._pinned.update(body for body, _, _ in wanted)
        return BodyReader(self, self._store, wanted, stop - start)

    def discard(self, bodies: Sequence[str]) -> None:
        """Remove bodies, each as soon as nobody reads it."""
        with self._lock:
            free = [body for body in bodies if not self._pinned[body]]
            self._doomed.update(set(bodies) - set(free))
        self._remove(free)

    def release(self, bodies: Iterable[str]) -> None:
        """Take back the pins of a reader."""
        with self._lock:
            self._pinned.subtract(bodies)
            free = [body for body in self._doomed if self._pinned[body] <= 0]
            self._doomed.difference_update(free)
            self._pinned += Counter()  # forgets those at zero
        self._remove(free)

    def sweep(self, named: set[str]) -> None:
        """Remove what a process that died left: all bodies but these."""
        token = None
        while True:
            page = self._store.list(token=token)
            self._remove(entry.name for entry in page.entries if entry.name not in named)
            token = page.token
            if token is None:
                return

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _remove(self, bodies: Iterable[str]) -> None:
        for body in bodies:
            with contextlib.suppress(StoreError):  # the next start sweeps it
                self._store.delete(body)


class BodyReader:
    """Bytes of an object on their way out. Close it, whatever happens.

    Attributes:
        length: How many bytes come in all.
    """

    def __init__(
        self, bodies: Bodies, store: Store, wanted: list[tuple[str, int, int]], length: int
    ) -> None:
        self._bodies = bodies
        self._store = store
        self._wanted = wanted
        self._next = 0
        self._current: Incoming | None = None
        self._closed = False
        self.length = length

    def read(self) -> bytes:
        """Return the next bytes, at most `BLOCK`; none at the end.

        Raises:
            StoreError: The store failed.
            IntegrityError: A body is not what was stored.
        """
        buffer = memoryview(bytearray(min(BLOCK, self.length)))
        filled = 0
        while filled < len(buffer):
            if self._current is None:
                if self._next == len(self._wanted):
                    break
                body, start, stop = self._wanted[self._next]
                self._next += 1
                self._current = self._store.get(body, start=start, length=stop - start)
            count = self._current.readinto(buffer[filled:])
            filled += count
            if filled < len(buffer) or count == 0:
                self._current.close()
                self._current = None
        return bytes(buffer[:filled])

    def blocks(self) -> Iterator[bytes]:
        """Give everything, block by block."""
        while block := self.read():
            yield block

    def close(self) -> None:
        """Close what is open and take back the pins."""
        if not self._closed:
            self._closed = True
            if self._current is not None:
                self._current.close()
            self._bodies.release([body for body, _, _ in self._wanted])


def _clipped(pieces: Sequence[Piece], start: int, stop: int) -> list[tuple[str, int, int]]:
    """Return the bodies that hold bytes start to stop of the whole, and which of theirs."""
    wanted = []
    offset = 0
    for piece in pieces:
        first, last = max(start - offset, 0), min(stop - offset, piece.size)
        if first < last:
            wanted.append((piece.body, first, last))
        offset += piece.size
    return wanted
