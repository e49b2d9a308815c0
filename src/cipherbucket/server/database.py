"""A small SQLite database that one endpoint at a time has open: its transactions.

Rule: one connection serves all threads, one at a time. What has been written survives a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MEMORY = ":memory:"


class Database:
    """One connection.

    Args:
        path: The file, or `MEMORY`.
        prepare: Makes the tables where there are none; what it raises closes the connection.

    Raises:
        sqlite3.Error: It cannot be opened.
    """

    def __init__(self, path: str, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, 0, check_same_thread=False, isolation_level=None)
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            # NORMAL would let a power cut take back a commit that something was done after.
            self._connection.execute("PRAGMA synchronous = FULL")
            prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction, which an exception undoes."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself undoes what it cannot commit
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for some reads that see one state."""
        with self._lock:
            yield self._connection
