"""Writing over an object that was looked at, and over no other.

Rule: what is replaced is what was seen. The object is looked at right before, after an upload in
parts also its ACL and tags, which no ETag tells of; a store that can holds at the very moment of
the write that body, metadata and headers are still the same. What remains elsewhere is the moment
between the two requests (docs/rotation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cipherbucket.errors import ObjectChangedError, ObjectNotFoundError
from cipherbucket.format.envelope import Envelope
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject
from cipherbucket.workers.threads import Halt


@dataclass(frozen=True)
class ObjectToReplace:
    """An object that is to be replaced, as it was when it was looked at.

    Attributes:
        store: Where it lies.
        stored: What was seen.
        headers: All that it has beside body and metadata (`Store.attributes`); what replaces it
            gets the same.
        halt: Set when it is not to be replaced any more.
    """

    store: Store
    stored: StoredObject
    headers: Mapping[str, str]
    halt: Halt

    @property
    def if_match(self) -> StoredObject | None:
        """What `Store.put` and `Store.complete_upload` are to be told."""
        return self.stored if self.store.conditional else None

    def check(self, ours: Envelope, *, in_parts: bool = False) -> StoredObject | None:
        """See that the object is still there, before each attempt to replace it.

        Args:
            ours: The envelope of what replaces it.
            in_parts: Whether that came in parts, which take their time.

        Returns:
            None, or what is there if it is ours: the answer to an earlier attempt was lost.

        Raises:
            ObjectChangedError: It was replaced, changed or deleted meanwhile.
            StoppedError: Somebody asked to stop; a thread that was left behind writes nothing.
        """
        try:
            headers = self.store.attributes(self.stored.name) if in_parts else self.headers
            there = self.store.head(self.stored.name)
        except ObjectNotFoundError as error:
            raise self.changed() from error
        self.halt.passed(0)
        if _state_of(there) == _state_of(self.stored):
            if headers != self.headers:
                raise self.changed()
            return None
        if carries(there, ours):
            return there
        raise self.changed()

    def changed(self) -> ObjectChangedError:
        """Return the error of an object that is another by now."""
        return ObjectChangedError(
            "the object was changed by somebody else meanwhile",
            name=self.stored.name,
            hint="it was left as it is; run it again",
        )


def _state_of(stored: StoredObject) -> tuple[object, ...]:
    """Return what tells one state of an object from another; new metadata leave an ETag alone."""
    return stored.etag, stored.metadata, stored.all_headers, stored.version_id


def carries(stored: StoredObject, envelope: Envelope) -> bool:
    """Tell whether an object has this very envelope."""
    sent = envelope.to_metadata()
    return bool(sent) and all(stored.metadata.get(name) == text for name, text in sent.items())
