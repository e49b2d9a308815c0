"""What can be said of an object without its key.

Rule: all of it is the store's word. Only lengths that no object has are refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cipherbucket.envelopes.policy import PLAINTEXT
from cipherbucket.errors import IntegrityError, named
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.envelope import Envelope, layout_of, without_envelope
from cipherbucket.format.sealed import MAX_STORED
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING, StoredObject, pickled


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectInfo:
    """What is known of an object without its key.

    Attributes:
        name: The object's name.
        size: Length of the plaintext in bytes, as far as the store can be believed. Of a sealed
            object it is certain once its end was read.
        stored_size: Length of what is stored, in bytes.
        format: ``oss``, ``oss-v1``, ``sealed`` or ``plaintext``.
        etag: Opaque; changes with every new body.
        modified: When body or metadata were last written, UTC.
        metadata: The user's own metadata; the envelope is not among it.
        headers: Content headers, such as ``content-type``.
        place_headers: In OSS what it tells of storage class and encryption at rest; no copy takes
            them along.
        envelope: The envelope; None for plaintext.
        crc64: CRC-64 of the stored bytes, where the store keeps one.
        crc: Which CRC-64 that is, also where there is none.
        version_id: The version, in a store that keeps versions.
        restore: How far an archived object is restored, as OSS writes it:
            ``ongoing-request="true"``, or ``"false"`` with the day it ends. None where nothing is.
        iv: Of an object of format ``oss`` that a key has opened: ``masked``, its bytes 8 to 11 are
            zero, or ``random``. None where that is not known; not compared.
    """

    name: str
    size: int
    stored_size: int
    format: str
    etag: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    place_headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    envelope: Envelope | None = None
    crc64: int | None = None
    crc: Crc = Crc.XZ
    version_id: str | None = None
    restore: str | None = None
    iv: str | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return pickled(self)

    @property
    def content_type(self) -> str | None:
        """The content type it was stored with."""
        return self.headers.get("content-type")

    @classmethod
    def of(cls, stored: StoredObject) -> ObjectInfo:
        """Read a store's answer.

        Raises:
            EnvelopeError: The metadata holds an envelope that cannot be understood.
            IntegrityError: A sealed object of a length that no plaintext has.
        """
        envelope = Envelope.parse(stored.metadata)
        if envelope is not None and envelope.seal is not None and stored.size > MAX_STORED:
            raise IntegrityError(
                f"{stored.size:,} bytes are more than a sealed object can have",
                hint="the store lies about the object; look at it with other tools",
            )
        return cls(
            name=stored.name,
            size=layout_of(envelope).size(stored.size),
            stored_size=stored.size,
            format=PLAINTEXT if envelope is None else envelope.format,
            etag=stored.etag,
            modified=stored.modified,
            metadata=without_envelope(stored.metadata, envelope),
            headers=stored.headers,
            place_headers=stored.place_headers,
            envelope=envelope,
            crc64=stored.crc64,
            crc=stored.crc,
            version_id=stored.version_id,
            restore=stored.restore,
        )

    @classmethod
    def head(cls, store: Store, name: str, version_id: str | None = None) -> ObjectInfo:
        """Ask a store what it knows of an object.

        Raises:
            ObjectNotFoundError: No such object.
            And the errors of `of`.
        """
        with named(name):
            return cls.of(store.head(name, version_id=version_id))

    def stored_metadata(self) -> dict[str, str]:
        """Return the metadata as they were stored: the user's own, and the envelope's."""
        texts = self.envelope.to_metadata() if self.envelope is not None else {}
        return {**self.metadata, **texts}

    def check_lengths(self) -> None:
        """Compare the lengths that the envelope records with what is stored.

        Raises:
            IntegrityError: They differ. This detects accidents: whoever can truncate an object
                can rewrite the record too.
        """
        if self.envelope is None:
            return
        for recorded in (self.envelope.content_length, self.envelope.data_size):
            if recorded is not None and recorded != self.size:
                raise IntegrityError(
                    f"{self.size:,} bytes are stored of {recorded:,} that were written",
                    name=self.name,
                    hint="the object was truncated, extended or replaced; restore it from a copy",
                )
