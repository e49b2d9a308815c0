"""What a store implements: one method for each verb of `Store`, and nothing else.

Rule: these methods get what `Store` has checked, and hold conditions in the same step as what they
write (a store that cannot says so in ``conditional``). They may raise whatever their library
raises; `translate` says what that means. All of them are called from several threads at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

from cipherbucket.errors import CipherbucketError, StoreError, UsageError
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.span import MIN_PART_SIZE, Span
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.records import (
    MAX_METADATA,
    NOTHING,
    Page,
    Part,
    StoredObject,
    Upload,
    Version,
)
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject


class StoreMethods(Protocol):
    """The half of `Store` that each store writes for itself."""

    conditional: ClassVar[bool] = True
    """Whether ``if_match`` and ``if_metadata`` hold at the very moment of the write."""
    fixed_metadata: ClassVar[str | None] = None
    """How metadata names begin that no object can be given without its body."""
    min_part_size: ClassVar[int] = MIN_PART_SIZE
    """Least bytes of every part of an upload but the last."""
    equal_parts: bool = False
    """Whether all parts of an upload must have one size, but the last, which has no more."""
    max_metadata: int = MAX_METADATA
    """Most bytes of user metadata that an object has; `metadata_size` counts them."""
    crc: ClassVar[Crc] = Crc.XZ
    """The CRC-64 that the store keeps, if it keeps one; every record that it gives says so."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of this store, as `open_store` takes it; without credentials."""

    def translate(self, error: Exception, name: str | None) -> CipherbucketError | None:
        """Return what an exception of this store's library means; None if it is a bug."""
        if isinstance(error, OSError):
            return StoreError(f"{self.url}: {error.strerror or error}", name=name)
        return None

    def metadata_size(self, metadata: Mapping[str, str]) -> int:
        """Return how many bytes user metadata take: names and values, as they are sent."""
        return len("".join((*metadata, *metadata.values())).encode())

    @abstractmethod
    def close(self) -> None:
        """Release connections and files. The store must not be used afterwards."""

    @abstractmethod
    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        """Store an object wholly or not at all; iterate ``body`` to its end."""

    @abstractmethod
    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        """Open a body: all of it, or a range; what comes may be more than was asked for."""

    @abstractmethod
    def _head(self, name: str, version_id: str | None) -> StoredObject: ...

    def _attributes(self, name: str, version_id: str | None) -> dict[str, str]:
        return self._head(name, version_id).all_headers

    @abstractmethod
    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        """List one page; a token goes on where its page ended, whatever ``start_after`` is."""

    @abstractmethod
    def _delete(self, name: str, version_id: str | None) -> None:
        """Delete an object; one that is not there is no error."""

    @abstractmethod
    def _copy(self, copy: Copy) -> StoredObject:
        """Copy an object; nothing of the source's `PLACE_HEADERS` goes to another name."""

    @abstractmethod
    def _replace_metadata(self, change: MetadataChange) -> StoredObject: ...

    @abstractmethod
    def _begin_upload(self, new: NewObject) -> str: ...

    @abstractmethod
    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        """Store a part, in the place of one of this number; iterate ``body`` to its end."""

    @abstractmethod
    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        """List the parts by number."""

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:  # noqa: ARG002
        return NOTHING

    def holds(self, part: Part, data: memoryview) -> bool:
        """Return whether a part that has arrived is these bytes, by what the store says of it.

        Args:
            part: From `Store.list_parts`.
            data: What it should be.
        """
        return part.size == len(data) and part.crc64 == part.crc.of(data)

    @abstractmethod
    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        """Make the object wholly or not at all; where it fails, the upload stays."""

    @abstractmethod
    def _abort_upload(self, name: str, upload_id: str) -> None:
        """Free the parts of an upload; one that is not there is no error."""

    @abstractmethod
    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        """List unfinished uploads, by name and then start."""

    def _list_versions(self, prefix: str) -> Iterator[Version]:  # noqa: ARG002
        raise UsageError(f"{self.url} keeps no versions")

    def _presign(self, name: str, seconds: int, version_id: str | None) -> str:  # noqa: ARG002
        raise UsageError(
            f"{self.url} has no presigned URLs",
            name=name,
            hint="OSS and S3 have them: copy the object to oss://bucket or s3://bucket",
        )

    def _restore(self, name: str, days: int, version_id: str | None) -> bool:  # noqa: ARG002
        raise UsageError(f"{self.url} has no archive, there is nothing to restore", name=name)
