"""The keys of the KMS endpoint: a small SQLite database, in memory or in a file of mode 0600.

Rule: a file is made only where there is none, with the mode that it keeps; one that is no key file,
or that others may read, is refused and stays as it is. One endpoint at a time has it open. Keys and
versions are added, never changed or removed: what they encrypted can be decrypted for good.
"""

from __future__ import annotations

import secrets
import sqlite3
import stat
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.server.database import MEMORY, Database
from cipherbucket.server.kms.ciphertext import KEY_LENGTH
from cipherbucket.server.kms.errors import KmsApiError, Refusal
from cipherbucket.server.private_files import make_private_database

ENABLED = "Enabled"
DISABLED = "Disabled"
MAX_KEYS = 200
MAX_ALIASES = 300
ALIAS = "alias/"
_MARK = 0x63626B6D  # "cbkm", SQLite's application_id
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    description TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, id TEXT NOT NULL UNIQUE, secret BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS aliases (name TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
"""
_KEYS = (
    "SELECT id, state, description, created, "
    "(SELECT v.id FROM versions v WHERE v.key = keys.id ORDER BY v.number DESC LIMIT 1) FROM keys"
)


@dataclass(frozen=True, slots=True)
class Key:
    """What may be known of a key.

    Attributes:
        id: A UUID.
        state: `ENABLED` or `DISABLED`.
        description: As it was given.
        created: When, UTC.
        version_id: Of the version that encrypts.
    """

    id: str
    state: str
    description: str
    created: datetime
    version_id: str


class Vault:
    """Keys, their versions and aliases.

    Args:
        path: A file, made if it is not there; None: memory.
        arn: What the names of keys and aliases in all of the cloud begin with.

    Raises:
        UsageError: The file cannot be opened, is none of ours, or others may read it.
    """

    def __init__(self, path: Path | None, arn: str) -> None:
        self.arn = arn
        if path is not None:
            _make_or_check(path)
        try:
            self._database = Database(MEMORY if path is None else str(path), _prepare)
        except sqlite3.Error as error:
            raise UsageError(
                f"{path} cannot be opened: {error}",
                hint="another endpoint may have it open, or it is no file of KMS keys",
            ) from error
        except UsageError as error:
            raise UsageError(f"{path}: {error.message}") from error

    def close(self) -> None:
        """Close it; keys in memory are gone."""
        self._database.close()

    def create_key(self, description: str = "") -> Key:
        """Make a key.

        Raises:
            KmsApiError: There are too many.
        """
        key = Key(str(uuid.uuid4()), ENABLED, description, _now(), str(uuid.uuid4()))
        with self._database.writing() as db:
            if _count(db, "keys") >= MAX_KEYS:
                raise KmsApiError(Refusal.LIMIT_EXCEEDED)
            db.execute(
                "INSERT INTO keys (id, state, description, created) VALUES (?, ?, ?, ?)",
                (key.id, key.state, description, int(key.created.timestamp())),
            )
            db.execute(
                "INSERT INTO versions (key, id, secret) VALUES (?, ?, ?)",
                (key.id, key.version_id, secrets.token_bytes(KEY_LENGTH)),
            )
        return key

    def create_alias(self, name: str, key: Key) -> None:
        """Give a key another name, which begins with `ALIAS`.

        Raises:
            KmsApiError: A key has it already, or there are too many.
        """
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM aliases WHERE name = ?", (name,)).fetchone():
                raise KmsApiError(Refusal.ALIAS_EXISTS)
            if _count(db, "aliases") >= MAX_ALIASES:
                raise KmsApiError(Refusal.LIMIT_EXCEEDED)
            db.execute("INSERT INTO aliases VALUES (?, ?)", (name, key.id))

    def set_state(self, key: Key, state: str) -> None:
        """Enable or disable a key."""
        with self._database.writing() as db:
            db.execute("UPDATE keys SET state = ? WHERE id = ?", (state, key.id))

    def find(self, name: str) -> Key:
        """Look up a key by its id, an alias, or the ARN of either.

        Raises:
            KmsApiError: There is none.
        """
        if name.startswith(self.arn):
            name = name.removeprefix(self.arn).removeprefix("key/")
        with self._database.reading() as db:
            if name.startswith(ALIAS):
                query = "SELECT key FROM aliases WHERE name = ?"
                alias = db.execute(query, (name,)).fetchone()
                if alias is None:
                    raise KmsApiError(Refusal.ALIAS_NOT_FOUND)
                (name,) = alias
            query = f"{_KEYS} WHERE id = ?"
            row = db.execute(query, (name,)).fetchone()
        if row is None:
            raise KmsApiError(Refusal.KEY_NOT_FOUND)
        return _key(row)

    def secret(self, key: Key, version_id: str) -> bytes:
        """Return what a version of a key encrypts with.

        Raises:
            KmsApiError: The key has no such version.
        """
        query = "SELECT secret FROM versions WHERE id = ? AND key = ?"
        with self._database.reading() as db:
            row = db.execute(query, (version_id, key.id)).fetchone()
        if row is None:
            raise KmsApiError(Refusal.KEY_VERSION_NOT_FOUND)
        return bytes(row[0])

    def keys(self, offset: int = 0, limit: int = MAX_KEYS) -> tuple[list[Key], int]:
        """List keys, the oldest first; return also how many there are."""
        with self._database.reading() as db:
            rows = db.execute(f"{_KEYS} ORDER BY number LIMIT ? OFFSET ?", (limit, offset))
            return [_key(row) for row in rows], _count(db, "keys")

    def aliases(
        self, offset: int = 0, limit: int = MAX_ALIASES
    ) -> tuple[list[tuple[str, str]], int]:
        """List aliases and the ids of their keys by name; return also how many there are."""
        query = "SELECT name, key FROM aliases ORDER BY name LIMIT ? OFFSET ?"
        with self._database.reading() as db:
            rows = db.execute(query, (limit, offset)).fetchall()
            return [(name, key) for name, key in rows], _count(db, "aliases")


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables where there are none.

    Raises:
        UsageError: It is a database of something else.
    """
    db.execute("BEGIN IMMEDIATE")
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != _MARK:
        raise UsageError("this is a database, but not one of KMS keys")
    db.execute(f"PRAGMA application_id = {_MARK}")
    for statement in filter(str.strip, _SCHEMA.split(";")):
        db.execute(statement)
    db.execute("COMMIT")


def _make_or_check(path: Path) -> None:
    try:
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{path} holds keys and others may read it", hint=f"chmod 600 {path}")
        make_private_database(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be made or opened: {error.strerror}") from error


def _key(row: tuple[str, str, str, int, str]) -> Key:
    key_id, state, description, created, version_id = row
    return Key(key_id, state, description, datetime.fromtimestamp(created, UTC), version_id)


def _count(db: sqlite3.Connection, table: str) -> int:
    (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  a constant
    return int(number)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
