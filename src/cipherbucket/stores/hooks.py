"""What a store implements: the underscored methods behind the public verbs of `Store`.

Law: they get what has been checked, and hold the conditions in the same step as what they write.
They may raise whatever their library raises; `translate` tells what that means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cipherbucket.errors import CipherbucketError, StoreError, UsageError
from cipherbucket.stores.bodies import Outgoing, RawBody
from cipherbucket.stores.records import NOTHING, Match, Page, Part, StoredObject, Upload, Version


class Hooks(ABC):
    """The half of `Store` that each store writes for itself."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of this store, as `open_store` takes it; without credentials."""

    @contextmanager
    def errors_translated(
        self, name: str | None, outgoing: Outgoing | None = None
    ) -> Iterator[None]:
        """Turn whatever a store's library raises inside into errors of ours.

        An exception that the caller's own body raised passes unchanged.
        """
        try:
            yield
        except CipherbucketError as error:
            if error.name is None and name is not None:
                error.name = name
            raise
        except Exception as error:
            if outgoing is not None and outgoing.failure is error:
                raise
            translated = self.translate(error, name)
            if translated is None:
                raise
            raise translated from error

    def translate(self, error: Exception, name: str | None) -> CipherbucketError | None:
        """Say what an exception of this store's library means; None passes it through (a bug)."""
        if isinstance(error, OSError):
            return StoreError(f"{self.url}: {error.strerror or error}", name=name)
        return None

    def _attributes(self, name: str, version_id: str | None) -> dict[str, str]:
        return dict(self._head(name, version_id).headers)

    def _upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:  # noqa: ARG002
        return NOTHING

    def _list_versions(self, prefix: str) -> Iterator[Version]:  # noqa: ARG002
        raise UsageError(f"{self.url} keeps no versions")

    def _restore(self, name: str, days: int, version_id: str | None) -> None:  # noqa: ARG002
        raise UsageError(f"{self.url} has no archive, there is nothing to restore", name=name)

    @abstractmethod
    def _put(
        self,
        name: str,
        body: Outgoing,
        metadata: dict[str, str],
        headers: dict[str, str],
        if_absent: bool,
        if_match: Match | None,
    ) -> StoredObject: ...

    @abstractmethod
    def _get(
        self,
        name: str,
        start: int,
        length: int | None,
        tail: int | None,
        if_match: str | None,
        version_id: str | None,
    ) -> tuple[StoredObject, int, int, RawBody]:
        """Return the object, the range that really comes as offsets (start, stop), and it."""

    @abstractmethod
    def _head(self, name: str, version_id: str | None) -> StoredObject: ...

    @abstractmethod
    def _list(self, prefix: str, delimiter: str, token: str | None, limit: int) -> Page: ...

    @abstractmethod
    def _delete(self, name: str, version_id: str | None) -> None: ...

    @abstractmethod
    def _copy(
        self, source: str, target: str, if_absent: bool, version_id: str | None
    ) -> StoredObject: ...

    @abstractmethod
    def _replace_metadata(
        self,
        name: str,
        metadata: dict[str, str],
        headers: dict[str, str] | None,
        if_match: str | None,
        if_metadata: Mapping[str, str] | None,
    ) -> StoredObject: ...

    @abstractmethod
    def _begin_upload(
        self, name: str, metadata: dict[str, str], headers: dict[str, str]
    ) -> str: ...

    @abstractmethod
    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part: ...

    @abstractmethod
    def _list_parts(self, name: str, upload_id: str) -> Sequence[Part]: ...

    @abstractmethod
    def _complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        if_absent: bool,
        if_match: Match | None,
    ) -> StoredObject: ...

    @abstractmethod
    def _abort_upload(self, name: str, upload_id: str) -> None: ...

    @abstractmethod
    def _list_uploads(self, prefix: str) -> Sequence[Upload]: ...
