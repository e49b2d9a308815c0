"""What all requests share: settings, catalogue and bodies; and the shape of a call and its answer.

Rule: a verb is a plain function from a `Call` to an `Answer`. It runs in a thread, reads the body
if it wants it, and raises `OssError`; it knows nothing of HTTP servers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from cipherbucket.credentials import Credentials
from cipherbucket.errors import UsageError
from cipherbucket.server.bodies import Bodies, BodyReader, SavedBody
from cipherbucket.server.catalog import Bucket, find_bucket, open_catalog, save_bucket
from cipherbucket.server.database import MEMORY
from cipherbucket.server.errors import OssError, malformed_xml, no_such_bucket
from cipherbucket.server.private_files import make_private_database, make_private_folder
from cipherbucket.server.request_body import RequestBody, SizedBody, spooled
from cipherbucket.server.xml import MAX_DOCUMENT
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore

MAX_PUT = 5 << 30
"""Largest body of one request, 5 GB."""


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Return now, UTC."""


def system_clock() -> datetime:
    """Return now, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the endpoint behaves.

    Attributes:
        credentials: The one identity.
        region: What buckets say of their place, without ``oss-``. Signatures of any region pass.
        md5_etags: Make ETags of the MD5 of bodies, as OSS does, instead of random ones. It costs
            time, and it shows everybody which bodies are alike.
        restore_seconds: How long restoring an archived object takes.
        clock: Tells the time.
        owner: Id and name of the owner of everything.
    """

    credentials: Credentials
    region: str = "cn-hangzhou"
    md5_etags: bool = False
    restore_seconds: int = 0
    clock: Clock = system_clock
    owner: str = "1234567890123456"


@dataclass(slots=True)
class Call:
    """One request, read and found to be signed rightly.

    Attributes:
        method: In capitals.
        bucket: Empty for the service itself.
        key: Empty for a bucket.
        query: Parameters; of several with one name the first.
        headers: Names in lower case.
        body: Not read yet.
        request_id: As the answer has it.
        host: As the client called it.
        anonymous: Not signed at all.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: RequestBody
    request_id: str
    host: str
    anonymous: bool = False

    @property
    def version_id(self) -> str | None:
        """The version that is asked for."""
        return self.query.get("versionId") or None

    @property
    def encoding(self) -> str | None:
        """``url`` where the answer is to have names percent-encoded."""
        return "url" if self.query.get("encoding-type") == "url" else None

    def encode(self, name: str) -> str:
        """Return a name as the answer has it."""
        return quote(name, safe="") if self.encoding else name

    def read_document(self) -> bytes:
        """Read the body as a document and check its Content-MD5.

        Raises:
            OssError: It is too large, or not what Content-MD5 says.
        """
        try:
            text = self.body.read(MAX_DOCUMENT)
        except ValueError as error:
            raise malformed_xml("The XML you provided is too large.") from error
        self.check_md5(SizedBody(iter([text]), len(text), hashed=True), drain=True)
        return text

    def check_md5(self, body: SizedBody, *, drain: bool = False) -> None:
        """Compare the MD5 of a body that has passed with the Content-MD5 header, if there is one.

        Raises:
            OssError: InvalidDigest.
        """
        given = self.headers.get("content-md5")
        if given is None:
            return
        if drain:
            list(body)
        try:
            expected = base64.b64decode(given, validate=True)
        except binascii.Error:
            expected = b""
        if len(expected) != 16 or not hmac.compare_digest(expected, body.md5 or b""):
            raise OssError(
                400,
                "InvalidDigest",
                "The Content-MD5 you specified does not match the body.",
                details={"Content-MD5": given},
            )


@dataclass(slots=True)
class Answer:
    """What a request is answered with.

    Attributes:
        status: HTTP status.
        headers: Names as they are sent.
        body: Bytes, or a reader that the server drains and closes.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | BodyReader = b""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A body that has come in and is in the store."""

    saved: SavedBody
    md5: bytes | None


class Service:
    """The endpoint without its HTTP server.

    Args:
        settings: How it behaves.
        data: A folder that keeps everything, for its owner alone; None: memory.

    Raises:
        UsageError: The folder is somebody else's, holds something else, or is in use.
        StoreError: What is in it is somebody else's, or damaged.
    """

    def __init__(self, settings: Settings, data: Path | None = None) -> None:
        self.settings = settings
        if data is None:
            self.bodies = Bodies(MemoryStore())
            self.catalog = open_catalog(MEMORY)
            return
        make_private_folder(data)
        make_private_database(data / "catalog.sqlite")
        try:
            self.catalog = open_catalog(str(data / "catalog.sqlite"))
        except sqlite3.OperationalError as error:
            raise UsageError(
                f"the data folder cannot be opened: {error}",
                hint="is another endpoint using it? give each a folder of its own",
            ) from error
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{data / 'catalog.sqlite'} is not a catalogue: {error}") from error
        store = LocalStore(data / "bodies", create=True)
        self.bodies = Bodies(store)
        store.check_writable()
        with self.catalog.reading() as db:
            rows = db.execute("SELECT body FROM pieces UNION SELECT body FROM parts")
            self.bodies.sweep({body for (body,) in rows})

    def close(self) -> None:
        """Close catalogue and store."""
        self.catalog.close()
        self.bodies.close()

    def now(self) -> datetime:
        """Return the time."""
        return self.settings.clock()

    def create_bucket(self, name: str) -> None:
        """Make a bucket with default settings, if there is none of this name."""
        with self.catalog.writing() as db:
            if find_bucket(db, name) is None:
                save_bucket(db, Bucket(name, self.now()))

    @contextmanager
    def reading(self, name: str) -> Iterator[tuple[sqlite3.Connection, Bucket]]:
        """Give the catalogue, to read, and a bucket.

        Raises:
            OssError: NoSuchBucket.
        """
        with self.catalog.reading() as db:
            yield db, get_bucket(db, name)

    @contextmanager
    def writing(self, name: str) -> Iterator[tuple[sqlite3.Connection, Bucket, list[str]]]:
        """Give the catalogue, to change, a bucket, and a list for bodies that are to be removed.

        Raises:
            OssError: NoSuchBucket.
        """
        freed: list[str] = []
        with self.catalog.writing() as db:
            yield db, get_bucket(db, name), freed
        self.bodies.discard(freed)

    @contextmanager
    def arriving(self, call: Call) -> Iterator[Arrived]:
        """Store the body of a call; it is removed again if what follows fails.

        Raises:
            OssError: It is too large, has no length, or is not what Content-MD5 says.
            BrokenRequestError: It ended early.
        """
        length = call.body.length
        if length is not None and length > MAX_PUT:
            raise _too_large()
        source = iter(call.body)
        if length is None:
            try:
                source, length = spooled(call.body, MAX_PUT)
            except ValueError as error:
                raise _too_large() from error
        hashed = self.settings.md5_etags or "content-md5" in call.headers
        body = SizedBody(source, length, hashed=hashed)
        saved = self.bodies.save(body)
        try:
            call.check_md5(body)
            yield Arrived(saved, body.md5)
        except BaseException:
            self.bodies.discard([saved.body])
            raise

    def new_etag(self, md5: bytes | None = None) -> str:
        """Return the ETag of a new body."""
        if self.settings.md5_etags and md5 is not None:
            return md5.hex().upper()
        return secrets.token_hex(16).upper()


def get_bucket(db: sqlite3.Connection, name: str) -> Bucket:
    """Return a bucket.

    Raises:
        OssError: NoSuchBucket.
    """
    bucket = find_bucket(db, name)
    if bucket is None:
        raise no_such_bucket(name)
    return bucket


def _too_large() -> OssError:
    return OssError(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size.",
        details={"MaxSizeAllowed": str(MAX_PUT)},
    )
