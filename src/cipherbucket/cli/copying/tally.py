"""What was copied, left out and failed, counted while several threads are at it.

Rule: one object that fails stops no other; it is reported at the end, and shows in the exit code.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.text import amount, count


class Tally:
    """What has been done so far, by several threads, and what failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0
        self._bytes = 0
        self._unchanged = 0
        self._deleted = 0
        self._notes: list[str] = []
        self._left_out: set[str] = set()
        self._failures: list[str] = []

    def add(self, size: int) -> None:
        """Count a transfer that succeeded."""
        with self._lock:
            self._done += 1
            self._bytes += size

    def add_unchanged(self) -> None:
        """Count what was the same on both sides."""
        with self._lock:
            self._unchanged += 1

    def add_deleted(self) -> None:
        """Count what was deleted."""
        with self._lock:
            self._deleted += 1

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed so far, a line each."""
        return tuple(self._failures)

    @property
    def failed(self) -> bool:
        """Whether anything failed so far."""
        return bool(self._failures)

    def note(self, text: str) -> None:
        """Keep what should be said at the end."""
        self._notes.append(text)

    def leave_out(self, relative: str, text: str) -> None:
        """Keep what is there and not copied, and what should be said of it at the end."""
        self._left_out.add(relative)
        self.note(text)

    def has_left_out(self, relative: str) -> bool:
        """Return whether a name was left out, or one that it lies below."""
        if not self._left_out:
            return False
        parts = relative.split("/")
        return any("/".join(parts[:end]) in self._left_out for end in range(1, len(parts) + 1))

    @contextmanager
    def attempt(self, label: str) -> Iterator[None]:
        """Do one thing; keep its failure for the end."""
        try:
            yield
        except cb.CipherbucketError as error:
            text = one_line(error)
            self._failures.append(text if error.name is not None else f"{label!r}: {text}")
        except OSError as error:
            self._failures.append(f"{label!r}: {error.strerror or error}")

    def report(self, *, quiet: bool) -> int:
        """Say what was done; return the exit code."""
        if not quiet:
            for note in self._notes:
                say(note)
        for failure in self._failures:
            say(failure)
        if not quiet or self._failures:
            failed = f"; {len(self._failures):,} failed" if self._failures else ""
            others = f"; {self._unchanged:,} unchanged" if self._unchanged else ""
            others += f"; {self._deleted:,} deleted" if self._deleted else ""
            say(f"copied {count(self._done, 'object')}, {amount(self._bytes)}{others}{failed}")
        return 1 if self._failures else 0
