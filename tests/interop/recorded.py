"""Objects of SDKs that do not run here, read by those that do: what came of it, and why.

Rule: an object is read under the key and description that its SDK was given, whole and, where it
is long enough, by a range that begins in a later block than the first. A cell is right unless one
of `OBSTACLES` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import serialization
from tests.interop.limitations import OK, REFUSED, WRONG, description_text
from tests.interop.peers import Client, Key, Peer, RefusedError, pem
from tests.support.sdk_vectors import Vector, private_key, rsa_vectors

import cipherbucket as cb

WRITERS = {
    "C++ 1": "aliyun-oss-cpp-sdk-1.10.1",
    "C++ 2": "alibabacloud-oss-cpp-sdk-v2-0.1.2",
    "Java 2": "alibabacloud-oss-java-sdk-v2-0.5.0",
    "PHP 2": "alibabacloud-oss-php-sdk-v2-0.3.2",
}
"""The SDKs that do not run here, with what the names of their vectors begin with."""
RANGE = (17, 100)


@dataclass(frozen=True)
class Read:
    """One thing to read: a vector, whole or by `RANGE`."""

    vector: Vector
    whole: bool

    @property
    def expected(self) -> bytes:
        """What the reader must get."""
        first, last = RANGE
        return self.vector.plaintext() if self.whole else self.vector.plaintext()[first : last + 1]

    @property
    def description(self) -> str:
        """The text of the description as it arrived, "" for none."""
        return self.vector.metadata.get("client-side-encryption-matdesc", "")

    def __str__(self) -> str:
        return f"{self.vector}{'' if self.whole else f' {RANGE}'}"


@dataclass(frozen=True)
class Obstacle:
    """Why a reader fails.

    Attributes:
        mark: Its letter on the page.
        outcome: What the cell shows.
        applies: Which reads of which reader it explains.
        reason: For the page; "" where `limitations` gives it under the same letter.
    """

    mark: str
    outcome: str
    applies: Callable[[str, Read], bool] = field(repr=False)
    reason: str = ""


OBSTACLES = (
    Obstacle(
        "h",
        REFUSED,
        lambda reader, read: read.vector.damaged and reader not in {"oss-v2", "Go 2"},
        "The HTTP library of the Java SDK 2 sends Latin-1, and question marks for what has none: "
        "such a description matches no key. oss-v2 and Go 2 take their first key where none "
        "matches; here `key=` reads the object.",
    ),
    Obstacle(
        "i",
        REFUSED,
        lambda reader, read: read.description == "{}" and reader in {"oss2", "Go 1"},
        "C++ 2 writes `{}` for a key without a description. oss2 and Go 1 expect no field there, "
        "and find no key.",
    ),
    Obstacle(
        "j",
        WRONG,
        lambda reader, read: (
            reader == "Java 1" and not read.whole and read.vector.name.startswith(WRITERS["C++ 2"])
        ),
        "C++ 2 draws all 16 bytes of an IV. From such a one Java 1 counts wrongly: a range that "
        "begins after the first 16 bytes is wrong bytes, without an error. "
        "`rotation.reencrypt` here writes the object anew, with an IV that all count from alike.",
    ),
    Obstacle(
        "g",
        REFUSED,
        lambda reader, read: reader == "oss2" and bool(read.vector.raw),
    ),
    Obstacle(
        "c",
        REFUSED,
        lambda reader, read: (
            reader == "Go 1"
            and read.description != description_text("Go 1", read.vector.description)
        ),
    ),
)
"""The first one that applies explains a cell."""


def reads(writer: str) -> list[Read]:
    """Return all that is read of a writer."""
    vectors = [v for v in rsa_vectors() if v.name.startswith(f"{WRITERS[writer]}/")]
    ranges = [Read(vector, whole=False) for vector in vectors if vector.size > RANGE[1]]
    return [Read(vector, whole=True) for vector in vectors] + ranges


def obstacle(reader: str, read: Read) -> Obstacle | None:
    """Return what keeps a reader from reading, None for nothing."""
    return next((entry for entry in OBSTACLES if entry.applies(reader, read)), None)


def expected(reader: str, read: Read) -> str:
    """Return the outcome a cell must have."""
    found = obstacle(reader, read)
    return found.outcome if found else OK


class Recordings:
    """The recorded objects in a store, and what came of reading them.

    Args:
        client: Reaches the store.
        peers: The readers by name.
    """

    def __init__(self, client: Client, peers: dict[str, Peer]) -> None:
        self._client = client
        self._peers = peers
        self._outcomes: dict[tuple[str, str], str] = {}
        settings = cb.OssSettings(
            region=client.region,
            endpoint=client.endpoint,
            credentials=cb.Credentials(client.access_key_id, client.access_key_secret),
        )
        with cb.open_store(f"oss://{client.bucket}", settings) as store:
            for read in (read for writer in WRITERS for read in reads(writer) if read.whole):
                vector = read.vector
                store.put(vector.name, vector.ciphertext, metadata=vector.metadata)

    def outcome(self, reader: str, read: Read) -> str:
        """Try one cell, once: `OK`, `REFUSED` or `WRONG`."""
        cell = (reader, str(read))
        if cell not in self._outcomes:
            self._outcomes[cell] = self._tried(reader, read)
        return self._outcomes[cell]

    def _tried(self, reader: str, read: Read) -> str:
        client = replace(self._client, keys=(_key(read.vector),))
        span = "" if read.whole else "{}-{}".format(*RANGE)
        try:
            data = self._peers[reader].get(client, read.vector.name, span=span)
        except RefusedError:
            return REFUSED
        return OK if data == read.expected else WRONG


def _key(vector: Vector) -> Key:
    private = private_key(vector.key_id)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Key(public.decode(), pem(private, pkcs8=True), vector.description or None)
