"""What can be done with the objects of a bucket without any key.

Law: nothing here reads or writes a body through the client, and nothing can drop or alter an
envelope: copies carry it along, new metadata is put beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from cipherbucket.errors import (
    CipherbucketError,
    ObjectChangedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UsageError,
    named,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import is_reserved
from cipherbucket.objects.store_to_store import copy_between
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING, Entry, StoredObject, Upload, Version
from cipherbucket.workers.progress import Progress

_EMPTY_PAGES = 100
"""So many pages of nothing in a row are no listing: a store could go on for ever."""


class Keyless:
    """The verbs of a bucket that need no key.

    Args:
        store: Where the bytes live.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    def head(self, name: str, *, version_id: str | None = None) -> ObjectInfo:
        """Tell what is known of an object without its key; plaintext objects too.

        Raises:
            ObjectNotFoundError: No such object.
            EnvelopeError: Its envelope cannot be understood.
        """
        with named(name):
            return ObjectInfo.of(self._store.head(name, version_id=version_id))

    def exists(self, name: str) -> bool:
        """Tell whether there is an object of this name, whatever its kind."""
        try:
            self._store.head(name)
        except ObjectNotFoundError:
            return False
        return True

    def list(self, prefix: str = "", *, delimiter: str = "") -> Iterator[Entry]:
        """List objects in byte order of their names; sizes are stored sizes.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one entry each, whose
                ``is_prefix`` is set.
        """
        token: str | None = None
        empty = 0
        while True:
            page = self._store.list(prefix, delimiter=delimiter, token=token)
            yield from page.entries
            empty = 0 if page.entries else empty + 1
            if empty == _EMPTY_PAGES:
                raise StoreError(f"{empty} pages of the listing were empty and none was the last")
            if (token := page.token) is None:
                return

    def list_uploads(self, prefix: str = "") -> Sequence[Upload]:
        """List unfinished uploads, by name and then start; each takes up room until aborted."""
        return self._store.list_uploads(prefix)

    def abort_upload(self, name: str, upload_id: str) -> None:
        """Abort an unfinished upload. Aborting what is not there is no error."""
        self._store.abort_upload(name, upload_id)

    def list_versions(self, prefix: str = "") -> Iterator[Version]:
        """List all versions and delete markers, by name and then the newest first.

        Raises:
            UsageError: The store keeps no versions.
        """
        return self._store.list_versions(prefix)

    def restore(self, name: str, *, days: int = 1, version_id: str | None = None) -> None:
        """Ask for an archived object to be made readable; it takes minutes to hours.

        Args:
            name: The object's name.
            days: How long it stays readable.
            version_id: This version rather than the newest.

        Raises:
            UsageError: The store has no archive.
        """
        self._store.restore(name, days=days, version_id=version_id)

    def delete(self, name: str, *, version_id: str | None = None) -> None:
        """Delete an object. Deleting what is not there is no error (as in OSS)."""
        self._store.delete(name, version_id=version_id)

    def delete_many(self, names: Iterable[str]) -> dict[str, CipherbucketError]:
        """Delete many objects; one that fails does not stop the others.

        Returns:
            The failures by name; empty when all are gone.
        """
        failures: dict[str, CipherbucketError] = {}
        for name in names:
            try:
                self.delete(name)
            except CipherbucketError as error:
                failures[name] = error
        return failures

    def copy(
        self, source: str, target: str, *, if_absent: bool = False, version_id: str | None = None
    ) -> ObjectInfo:
        """Copy an object inside the store: ciphertext, envelope and all metadata unchanged.

        Args:
            source: An object's name.
            target: The copy's name.
            if_absent: Only if there is no object of the target's name.
            version_id: This version of the source rather than the newest.

        Raises:
            ObjectNotFoundError: No such source.
            PreconditionFailedError: ``if_absent`` did not hold.
        """
        return ObjectInfo.of(
            self._store.copy(source, target, if_absent=if_absent, version_id=version_id)
        )

    def copy_to(
        self,
        target: Keyless,
        name: str,
        target_name: str | None = None,
        *,
        if_absent: bool = False,
        version_id: str | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Copy an object to another store: ciphertext, envelope and all metadata unchanged.

        Args:
            target: The bucket there; neither needs a key.
            name: An object's name here.
            target_name: Its name there; None for the same.
            if_absent: Only if there is no object of that name.
            version_id: This version rather than the newest.
            workers: Parts at once, for a large object.
            limit_rate: Most bytes a second.
            progress: Called with (bytes done, bytes in all), of stored bytes.

        Raises:
            UsageError: A sealed object that is bound to its name would get another.
            ObjectChangedError: It was replaced meanwhile; nothing is left behind.
            IntegrityError: What arrived is not what is stored here.
            And the errors of `put` and `get`.
        """
        if target_name is not None and target_name != name:
            envelope = self.head(name, version_id=version_id).envelope
            if envelope is not None and envelope.seal is not None and envelope.seal.binds_name:
                raise UsageError(
                    f"the object is sealed under its name and would not open as {target_name!r}",
                    name=name,
                    hint="keep the name, or read it and put it anew with its keys",
                )
        stored = copy_between(
            self._store,
            name,
            target._store,
            target_name or name,
            if_absent=if_absent,
            version_id=version_id,
            workers=workers,
            limit_rate=limit_rate,
            progress=progress,
        )
        return ObjectInfo.of(stored)

    def rename(self, source: str, target: str, *, if_absent: bool = False) -> ObjectInfo:
        """Copy an object to a new name and delete the old one; not atomic.

        Raises:
            UsageError: Source and target are one name.
            ObjectChangedError: The source was replaced meanwhile; both are left.
            And the errors of `copy`.
        """
        return self._moved(source, target, lambda: self.copy(source, target, if_absent=if_absent))

    def _moved(self, source: str, target: str, copy: Callable[[], ObjectInfo]) -> ObjectInfo:
        if source == target:
            raise UsageError("source and target are the same name", name=source)
        before = self._store.head(source)
        renamed = copy()
        if self._store.head(source).etag != before.etag:
            raise ObjectChangedError(
                f"the object was replaced while it was renamed to {target!r}",
                name=source,
                hint="both are left; look at them and delete one",
            )
        self.delete(source)
        return renamed

    def update_metadata(
        self,
        name: str,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> ObjectInfo:
        """Replace an object's own metadata; its envelope is carried over unchanged.

        Args:
            name: The object's name.
            metadata: All the user's metadata from now on; None keeps what is there.
            headers: All content headers from now on; None keeps what is there.
            content_type: This content type, beside the other headers.

        Raises:
            ObjectNotFoundError: No such object.
            UsageError: A metadata name that belongs to envelopes.
            PreconditionFailedError: The object was replaced meanwhile; nothing was changed.
            ObjectChangedError: Somebody else changed its metadata at the same time.
        """
        refuse_reserved(metadata or NOTHING, name)
        info = self.head(name)
        own = info.metadata if metadata is None else metadata
        stored = replace_around(
            self._store,
            info,
            beside(info.envelope, own, name),
            content_headers(info.headers if headers is None else headers, content_type),
        )
        return ObjectInfo.of(stored)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def replace_around(
    store: Store,
    info: ObjectInfo,
    metadata: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> StoredObject:
    """Replace the metadata of an object that is still as ``info`` tells, and see that it has them.

    New metadata leave an ETag as it is, so a condition on it is blind to whoever changes
    recipients at the same time: the condition is the metadata themselves. A store that cannot hold
    it at the very moment of the write returns what it found afterwards, which tells of a change in
    between.

    Args:
        store: Where it lies.
        info: What was seen.
        metadata: All its metadata from now on.
        headers: All its headers from now on; None keeps those that it has then.

    Raises:
        PreconditionFailedError: The body was replaced meanwhile; nothing was changed.
        ObjectChangedError: Somebody else changed the metadata at the same time.
    """
    try:
        there = store.replace_metadata(
            info.name,
            metadata=metadata,
            headers=headers,
            if_match=info.etag,
            if_metadata=info.stored_metadata(),
        )
    except PreconditionFailedError as error:
        # The answer to a request that was repeated tells of the first one's change.
        there = store.head(info.name)
        if there.metadata != metadata or there.crc64 != info.crc64:
            if there.etag != info.etag:
                raise
            raise _changed(info.name) from error
    if Envelope.parse(there.metadata) != Envelope.parse(metadata):
        raise _changed(info.name)
    return there


def _changed(name: str) -> ObjectChangedError:
    return ObjectChangedError(
        "somebody else changed the object's metadata at the same time",
        name=name,
        hint="look at bucket.head(name) and do again what is missing",
    )


def beside(envelope: Envelope | None, own: Mapping[str, str], name: str) -> dict[str, str]:
    """Return a user's metadata with an object's envelope, unchanged, beside them.

    Raises:
        UsageError: They would become a part of it.
    """
    texts = envelope.to_metadata() if envelope is not None else {}
    if Envelope.parse({**own, **texts}) != envelope:  # V1 gives plain names a meaning
        raise UsageError(
            "the new metadata would become a part of the envelope",
            name=name,
            hint="choose other names than unencrypted-content-length and -md5",
        )
    return {**own, **texts}


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
