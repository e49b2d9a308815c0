"""What a pass over many objects has done so far: one SQLite file each, so that memory stays flat.

Rule: a line is written when its object is done, and never before. A pass that was killed resumes
where it was; what lay between the work and its line is looked at again, and every work of ours
finds done what is done, or does it once more.

An object is known again by its validator (RFC 9110, section 8.8), so that a line holds only for
what it was written of. Lines that only say what was seen are not believed of what was written in
the moment before it was looked at. Those of a pass that changes nothing, an audit or a dry run, are
not believed for long either, nor of what is not there any more.

A ledger holds names and what is public of objects: no key, wrapped or not. Only its owner can read
it (0600), and a second process is kept out while it is open.
"""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from cipherbucket.bulk.ledger_file import (
    LedgerInUseError,
    files_of,
    opened,
    path_of,
    unusable,
)
from cipherbucket.bulk.outcomes import FAILED, Line, Outcome, key_of, line_of, validator_of
from cipherbucket.errors import UsageError
from cipherbucket.stores.records import Entry, Version
from cipherbucket.transfers.state import ForeignFileError

_log = logging.getLogger("cipherbucket")

MAX_AGE = timedelta(days=7)
"""A pass that changes nothing starts again after this."""
_MOMENT = timedelta(seconds=2)
"""What was written so short a time ago may be written again under the same validator."""
_PAGE = 1000
_PAUSE = 0.2
_WRITE = "REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)"
_MERGE = """\
INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET validator = excluded.validator, status = excluded.status,
    size = excluded.size, detail = excluded.detail, run = excluded.run
WHERE validator != excluded.validator OR validator = ''"""
"""What was written down of an object stays while the object is the same."""
_SELECT = "SELECT name, version_id, validator, status, size, detail FROM outcomes"


class Ledger:
    """The outcomes of one pass. May be used by several threads.

    Attributes:
        path: The file.
        read_only: Whether the pass changes nothing.
        resumed: How many objects earlier runs of the same pass have done, as far as is known here.
        unchanged: How many of these the listing has shown unchanged so far.
        started: When the first of these runs started, UTC.
    """

    def __init__(self, path: Path, *, temporary: bool = False, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._temporary = temporary
        self._finished = False
        self._lock = threading.Lock()
        self._connection = opened(path)
        with self._using() as db:
            self._start_run(db)

    def _start_run(self, db: sqlite3.Connection) -> None:
        # They are tried again, if they are still there; what is gone has not failed.
        db.execute("DELETE FROM outcomes WHERE status = ?", (FAILED,))
        started = db.execute("SELECT started FROM pass").fetchone()[0]
        self.started, now = datetime.fromisoformat(started), datetime.now(UTC)
        if self.read_only and not timedelta(0) <= now - self.started <= MAX_AGE:
            _empty(db)
        sql = "SELECT count(*), coalesce(max(run), 0) FROM outcomes"
        self.resumed, last = db.execute(sql).fetchone()
        self.unchanged = 0
        self._run = last + 1
        if not self.resumed and not db.execute("SELECT count(*) FROM steps").fetchone()[0]:
            db.execute("UPDATE pass SET started = ?", (now.isoformat(),))
            self.started = now

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Hand out the file to one thread at a time."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise unusable(self.path, error) from error

    @classmethod
    def open(
        cls, purpose: str, *identity: str, read_only: bool = False, waits: bool = False
    ) -> Ledger:
        """Open the ledger of a pass, or start one.

        Args:
            purpose: A word for the file's name, such as ``rotate``.
            identity: All that makes this pass another: URL, prefix, keys by their ids.
            read_only: Whether the pass changes nothing, and its lines say what it saw.
            waits: Whether to wait for another that is at the same pass, as long as it lives.

        Raises:
            UsageError: Another process is at the same pass.
        """
        path = path_of(purpose, *identity)
        while path is not None:
            try:
                return cls(path, read_only=read_only)
            except ForeignFileError as error:
                _log.warning("%s; the pass starts again (%s)", error.message, error.hint)
                break
            except LedgerInUseError:
                if not waits:
                    raise
                time.sleep(_PAUSE)
        path = Path(mkdtemp(prefix="cipherbucket-")) / "ledger"
        return cls(path, temporary=True, read_only=read_only)

    @classmethod
    def earlier(cls, purpose: str, *identity: str) -> Ledger | None:
        """Return a copy of what earlier runs of a pass wrote down, for a dry run of it.

        The ledger itself stays as it is, and free for a run that begins meanwhile.

        Args:
            purpose: As in `open`.
            identity: As in `open`.

        Returns:
            None if there is nothing, or if a run is at work.
        """
        path = path_of(purpose, *identity)
        if path is None or not path.exists():
            return None
        copy = Path(mkdtemp(prefix="cipherbucket-")) / "ledger"
        with suppress(UsageError), cls(path) as ledger:
            if ledger.resumed:
                with ledger._using() as db:
                    db.execute("VACUUM INTO ?", (str(copy),))
        if copy.exists():
            return cls(copy, temporary=True)
        copy.parent.rmdir()
        return None

    def has(self, entry: Entry | Version) -> bool:
        """Return whether an object is done, as the listing shows it now."""
        return self.status(entry) is not None

    def status(self, entry: Entry | Version) -> str | None:
        """Return what became of an object, as the listing shows it now; None if it is not done."""
        key = entry.name.encode(), getattr(entry, "version_id", "")
        row = self._row(
            "SELECT validator, run, status FROM outcomes WHERE name = ? AND version_id = ?", key
        )
        if row is None or row[0] != validator_of(entry.etag, entry.modified):
            return None
        if row[1] != self._run:
            with self._using() as db:
                self.unchanged += 1
                db.execute(
                    "UPDATE outcomes SET run = ? WHERE name = ? AND version_id = ?",
                    (self._run, *key),
                )
        return str(row[2])

    def was_seen(self, name: str) -> bool:
        """Return whether this run has come across an object of this name already."""
        row = self._row(
            "SELECT run FROM outcomes WHERE name = ? AND version_id = ''", (key_of(name),)
        )
        return row is not None and row[0] == self._run

    def forget_unseen(self) -> None:
        """Drop what earlier runs wrote and this one's listing, now at its end, has not shown."""
        with self._using() as db:
            db.execute("DELETE FROM outcomes WHERE run != ?", (self._run,))
        self.resumed = self.unchanged

    def validator(self, name: str) -> str | None:
        """Return the validator that a name was written down with; None if it was not."""
        row = self._row(
            "SELECT validator FROM outcomes WHERE name = ? AND version_id = ''", (key_of(name),)
        )
        return None if row is None else str(row[0])

    def add(self, entry: Entry | Version, outcome: Outcome) -> None:
        """Write down what became of an object.

        Raises:
            UsageError: It cannot be written.
        """
        validator = outcome.validator or validator_of(entry.etag, entry.modified)
        if outcome.status == FAILED or (outcome.validator is None and _is_fresh(entry.modified)):
            validator = ""
        self.record(replace(outcome, validator=validator))

    def record(self, outcome: Outcome) -> None:
        """Write down an outcome with its own validator.

        Raises:
            UsageError: It cannot be written.
        """
        with self._using() as db:
            db.execute(_WRITE, (*line_of(outcome), self._run))

    def merge(
        self,
        lines: Iterable[Line],
        done: tuple[str, str | None] | None = None,
        ended: tuple[str, str] | None = None,
    ) -> None:
        """Write down what a worker did, and of which range, or nothing.

        Args:
            lines: Of the worker's ledger.
            done: The range as (a name that comes before it, its last name; None for no end).
            ended: The step that they are of, as `begin` was told.

        Raises:
            UsageError: It cannot be written.
        """
        with self._using() as db:
            db.execute("BEGIN")
            try:
                db.executemany(_MERGE, ((*line, self._run) for line in lines))
                if ended is not None:
                    sql = "DELETE FROM steps WHERE (start_after, end_before) = (?, ?)"
                    db.execute(sql, tuple(name.encode() for name in ended))
                if done is not None:
                    row = [name if name is None else name.encode() for name in done]
                    db.execute("INSERT INTO ranges VALUES (?, ?)", row)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk has ended it
                    db.execute("ROLLBACK")
                raise

    def begin(self, start_after: str, end_before: str) -> None:
        """Write down that a worker is given the names between two, or a part of what is given.

        Until `merge` ends it the pass stays the same one, also where nothing came back yet.
        """
        step = start_after.encode(), end_before.encode()
        with self._using() as db:
            db.execute("DELETE FROM steps WHERE (start_after, end_before) = (?, ?)", step)
            db.execute("INSERT INTO steps VALUES (?, ?)", step)

    def begun(self) -> list[tuple[str, str]]:
        """Return what workers were given, as `begin` was told, and `merge` was not."""
        with self._using() as db:
            rows = db.execute("SELECT start_after, end_before FROM steps").fetchall()
        return [(start.decode(), end.decode()) for start, end in rows]

    def done_ranges(self) -> list[tuple[str, str | None]]:
        """Return the ranges that workers have done, as `merge` was given them, in order."""
        with self._using() as db:
            rows = db.execute(
                "SELECT start_after, last FROM ranges ORDER BY start_after"
            ).fetchall()
        return [(start.decode(), None if last is None else last.decode()) for start, last in rows]

    def outcomes(self, status: str | None = None) -> Iterator[Outcome]:
        """Go through the outcomes in byte order of names; of one status, or all."""
        for line in self.lines(status):
            yield Outcome(
                line.name.decode(),
                line.status,
                line.size,
                json.loads(line.detail),
                line.version_id or None,
                line.validator or None,
            )

    def lines(self, status: str | None = None) -> Iterator[Line]:
        """Go through the outcomes as `outcomes` does, as the file has them."""
        name, version = b"", ""
        while True:
            with self._using() as db:
                rows = db.execute(
                    f"{_SELECT} WHERE (name, version_id) > (?, ?) AND (?3 IS NULL OR status = ?3)"
                    " ORDER BY name, version_id LIMIT ?4",
                    (name, version, status, _PAGE),
                ).fetchall()
            yield from itertools.starmap(Line, rows)
            if len(rows) < _PAGE:
                return
            name, version = rows[-1][:2]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return for each status how many objects it has and how many stored bytes."""
        with self._using() as db:
            rows = db.execute(
                "SELECT status, count(*), total(size) FROM outcomes GROUP BY status ORDER BY status"
            )
            return {status: (count, int(size)) for status, count, size in rows}

    def total(self, field: str) -> int:
        """Add up a number of the details."""
        row = self._row("SELECT total(json_extract(detail, ?)) FROM outcomes", (f"$.{field}",))
        return int(row[0])

    def reasons(self, status: str) -> dict[str, int]:
        """Count the outcomes of a status by the ``reason`` in their details."""
        sql = (
            "SELECT json_extract(detail, '$.reason'), count(*) FROM outcomes"
            " WHERE status = ? GROUP BY 1"
        )
        with self._using() as db:
            return {reason or "": count for reason, count in db.execute(sql, (status,))}

    def clear(self) -> None:
        """Forget what earlier runs of the same pass have done."""
        with self._using() as db:
            _empty(db)
        self.resumed = 0

    def finish(self) -> None:
        """Say that the pass is complete: nothing is left to resume, so `close` removes the file."""
        self._finished = True

    def close(self) -> None:
        """Close the file; remove it, if the pass is complete.

        It is removed while it is locked. Otherwise a run that opened it in between would write down
        its work in a file without a name.
        """
        with self._lock:
            if self._finished or self._temporary:
                for path in reversed(files_of(self.path)):  # it goes last: then others can begin
                    path.unlink(missing_ok=True)
            self._connection.close()
        if self._temporary:
            with suppress(OSError):
                self.path.parent.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _row(self, sql: str, values: tuple[Any, ...]) -> Any:
        with self._using() as db:
            return db.execute(sql, values).fetchone()


def _empty(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM outcomes")
    db.execute("DELETE FROM ranges")
    db.execute("DELETE FROM steps")


def _is_fresh(modified: datetime | None) -> bool:
    return modified is None or datetime.now(UTC) - modified < _MOMENT
