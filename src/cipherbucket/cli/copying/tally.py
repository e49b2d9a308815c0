"""What was copied, left out and failed, counted while several threads are at it.

Rule: one object that fails stops no other; it is reported at the end, and shows in the exit code.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import cipherbucket as cb
from cipherbucket.cli.errors import one_line, say
from cipherbucket.cli.failures import Failures
from cipherbucket.text import amount, count

Show = Callable[[Mapping[str, str | int]], None]


class Tally:
    """What has been done so far, by several threads, and what failed.

    Args:
        show: Called with the facts of each outcome as it comes, by one thread at a time.

    Attributes:
        verb: What happens to an object that comes through.
        remembers: Whether the names of what is left out are kept; they take memory.
    """

    def __init__(self, show: Show | None = None) -> None:
        self._show = show
        self.verb = "copied"
        self.remembers = False
        self._lock = threading.Lock()
        self._done = 0
        self._bytes = 0
        self._skipped: Counter[str] = Counter()
        self._unit = ""
        self._deleted = 0
        self._notes: list[str] = []
        self._left_out = Failures()
        self._left_out_names: set[str] = set()
        self._failures = Failures()

    def add(self, size: int, **ends: str) -> None:
        """Count a transfer that succeeded."""
        with self._lock:
            self._done += 1
            self._bytes += size
            self._tell(self.verb, size=size, **ends)

    def foresee(self, size: int, *, stored: bool) -> None:
        """Count a transfer that a dry run would make.

        Args:
            size: In bytes.
            stored: Whether that is what lies in the store, and not the plaintext.
        """
        self._done += 1
        self._bytes += size
        self._unit = " stored" if stored else ""

    def foresee_deletion(self) -> None:
        """Count what a dry run would delete."""
        self._deleted += 1

    def add_skipped(self, why: str, **ends: str) -> None:
        """Count what need not be copied, under what is said of it at the end."""
        with self._lock:
            self._skipped[why] += 1
            self._tell("skipped", reason=why.removeprefix("skipped, "), **ends)

    def add_deleted(self, name: str) -> None:
        """Count what was deleted."""
        with self._lock:
            self._deleted += 1
            self._tell("deleted", name=name)

    def _tell(self, action: str, **facts: str | int) -> None:
        if self._show is not None:
            self._show({"action": action, **facts})

    @property
    def shows_each(self) -> bool:
        """Whether each outcome is shown as it comes."""
        return self._show is not None

    @property
    def deleted(self) -> int:
        """How many were deleted."""
        return self._deleted

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed so far, a line each."""
        return tuple(self._failures.lines())

    @property
    def made_progress(self) -> bool:
        """Whether anything was done so far."""
        return self._done > 0 or self._deleted > 0

    @property
    def failed(self) -> bool:
        """Whether anything failed so far."""
        return self._failures.count > 0

    def note(self, text: str) -> None:
        """Keep what should be said at the end."""
        self._notes.append(text)

    def leave_out(self, relative: str, path: str, why: str) -> None:
        """Keep what is there and not copied, and what should be said of it at the end."""
        self._left_out.add(path, why)
        if self.remembers:
            self._left_out_names.add(relative)

    def lose_sight(self, relative: str) -> None:
        """Keep that it is not known what there is under a name; that it failed is counted."""
        if self.remembers:
            self._left_out_names.add(relative)

    def has_left_out(self, relative: str) -> bool:
        """Return whether a name, or one above it, was left out or not seen; if it `remembers`."""
        names = self._left_out_names
        if not names:
            return False
        parts = relative.split("/")
        return any("/".join(parts[:end]) in names for end in range(1, len(parts) + 1))

    @contextmanager
    def attempt(self, label: str) -> Iterator[None]:
        """Do one thing; keep its failure for the end."""
        try:
            yield
        except cb.CipherbucketError as error:
            name, error.name = error.name, None
            self._fail(label if name is None else name, one_line(error))
            error.name = name
        except OSError as error:
            self._fail(label, error.strerror or str(error))

    def _fail(self, name: str, text: str) -> None:
        with self._lock:
            self._failures.add(name, text)
            self._tell("failed", name=name, error=text)

    def report(self, *, quiet: bool, dry_run: bool = False, single: bool = False) -> int:
        """Say what was done; return the exit code.

        Args:
            quiet: Say only what failed.
            dry_run: Nothing was done, and that is what would be.
            single: It was one object that was named: that it went well needs no word.
        """
        if not quiet:
            for line in self._left_out.lines():
                say(f"left out {line}")
            for note in self._notes:
                say(note)
        for failure in self.failures:
            say(failure)
        went_well = single and self._done and not (dry_run or self.failed)
        if not (quiet or went_well):
            say(self._closing_line(dry_run=dry_run))
        return 1 if self.failed else 0

    def _closing_line(self, *, dry_run: bool) -> str:
        parts = [f"{self.verb} {count(self._done, 'object')}, {amount(self._bytes)}{self._unit}"]
        parts += [f"{number:,} {why}" for why, number in sorted(self._skipped.items())]
        if self._deleted:
            parts.append(f"{self._deleted:,} {'to be deleted' if dry_run else 'deleted'}")
        if self.failed:
            parts.append(f"{self._failures.count:,} failed")
        if dry_run and not (self._done or self._deleted or self.failed):
            parts[0] = "nothing to do"
        return "; ".join(parts)
