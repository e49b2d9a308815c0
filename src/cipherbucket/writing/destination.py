"""Where a new object goes to, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cipherbucket.envelopes.access import Access, Sealing
from cipherbucket.errors import UsageError
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import is_reserved
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Body
from cipherbucket.stores.records import Match, StoredObject
from cipherbucket.writing.metadata_limit import metadata_with
from cipherbucket.writing.one_request import write_kept
from cipherbucket.writing.replacing import ObjectToReplace


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an object goes to, and what goes with it.

    Attributes:
        store: The store.
        name: The object's name.
        metadata: The user's own.
        headers: Content headers.
        if_absent: Only if there is no object of this name.
        if_match: Only if the object there has this ETag.
        replacing: Only in the place of this one.
    """

    store: Store
    name: str
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    if_absent: bool = False
    if_match: str | None = None
    replacing: ObjectToReplace | None = None

    @classmethod
    def of(
        cls,
        access: Access,
        name: str,
        metadata: Mapping[str, str],
        headers: Mapping[str, str],
        content_type: str | None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> Destination:
        """Return where a verb of a bucket writes to.

        Raises:
            UsageError: A metadata name belongs to envelopes.
        """
        refuse_reserved(metadata, name)
        return cls(
            store=access.store,
            name=name,
            metadata=dict(metadata),
            headers=content_headers(headers, content_type),
            if_absent=if_absent,
            if_match=if_match,
        )

    @property
    def match(self) -> Match | None:
        """What must be there, for `Store.put` and `Store.complete_upload`."""
        return self.if_match if self.replacing is None else self.replacing.if_match

    def metadata_with(self, envelope: Envelope) -> dict[str, str]:
        """Return all metadata of the object, with its envelope among them.

        Raises:
            UsageError: They are more than the store keeps.
        """
        return metadata_with(envelope, self.metadata, self.store, self.name)

    def fitting(self, seal: Sealing) -> Sealing:
        """Return what seals, and refuses an envelope that the store has no room for."""

        def sealed(**known: Any) -> tuple[Envelope, ContentCipher]:
            envelope, cipher = seal(**known)
            self.metadata_with(envelope)
            return envelope, cipher

        return sealed

    def put(self, envelope: Envelope, ciphertext: Body) -> StoredObject:
        """Put ciphertext that is kept until it has arrived."""
        return write_kept(envelope, ciphertext, self.send, lambda: self.store.head(self.name))

    def send(self, envelope: Envelope, ciphertext: Body) -> StoredObject:
        """Put a ciphertext, once.

        Raises:
            ObjectChangedError: What was to be replaced is another by now.
            And the errors of `Store.put`.
        """
        if self.replacing is not None and (there := self.replacing.check(envelope)) is not None:
            return there
        return self.store.put(
            self.name,
            ciphertext,
            metadata=self.metadata_with(envelope),
            headers=self.headers,
            if_absent=self.if_absent,
            if_match=self.match,
        )


def content_headers(headers: Mapping[str, str], content_type: str | None) -> dict[str, str]:
    """Join the content type to the other content headers."""
    return dict(headers) if content_type is None else {**headers, "content-type": content_type}


def refuse_reserved(metadata: Mapping[str, str], name: str) -> None:
    """Refuse metadata names that belong to envelopes.

    Raises:
        UsageError: One of them does.
    """
    for key in metadata:
        if is_reserved(key):
            raise UsageError(
                f"metadata name {key!r} belongs to the envelope", name=name, hint="choose another"
            )
