"""A bucket: a store seen through master keys. What is put is encrypted, what is got is decrypted.

Write:  ``put -> seal -> ring.wrap -> Envelope -> encrypt -> store.put``
Read:   ``get -> store.get(span) -> Envelope.parse -> unseal -> ring.unwrap -> decrypt -> bytes``

The envelope comes from the same response as the body; the counter and the cut follow what the
response says it holds. What the store returns is input: everything is checked before it is used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from cipherbucket.errors import (
    CipherbucketError,
    ObjectChangedError,
    ObjectNotFoundError,
    UsageError,
    named,
)
from cipherbucket.format.envelope import OSS, is_reserved
from cipherbucket.format.span import Span
from cipherbucket.info import ObjectInfo
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.policy import Policy
from cipherbucket.progress import Progress
from cipherbucket.reader import ObjectFile, ObjectStream, open_file, open_stream, unlock
from cipherbucket.source import PutBody, Source
from cipherbucket.stores.address import open_store
from cipherbucket.stores.base import Store
from cipherbucket.stores.objects import NOTHING, Entry
from cipherbucket.transfer import save
from cipherbucket.writer import write

_log = logging.getLogger("cipherbucket")


class Bucket:
    """Encrypted objects in a store. All verbs may be called from several threads at once.

    Args:
        store: Where the bytes live.
        ring: The first key writes, every key reads.
        format: The format new objects get: ``oss``.
        policy: What is accepted on reading; by default the format that is written, with its
            predecessor ``oss-v1``.

    Raises:
        UsageError: An unknown format.
    """

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        *,
        format: str = OSS,  # noqa: A002  the word of the documents
        policy: Policy | None = None,
    ) -> None:
        if format != OSS:
            raise UsageError(f"objects are written in format {OSS!r}, not {format!r}")
        self._store = store
        self._ring = ring
        self._format = format
        self._policy = policy if policy is not None else Policy.of_format(format)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    @property
    def ring(self) -> KeyRing:
        """The master keys."""
        return self._ring

    def put(
        self,
        name: str,
        body: PutBody,
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        content_md5: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Encrypt a body and store it, wholly or not at all.

        A body of unknown length (a pipe, an iterable) is encrypted into memory up to 16 MiB and
        into a temporary file beyond, as ciphertext. When the store fails in a way that may pass,
        the put is tried again: with the same ciphertext where it was kept, or sealed anew under
        a new data key where the body can be read again.

        Args:
            name: 1 to 1,023 bytes of UTF-8.
            body: Bytes, a ``pathlib.Path``, a binary file object, or an iterable of bytes.
            metadata: Stored beside it in the clear; names of a-z, 0-9 and hyphen.
            content_type: Of the plaintext; stored in the clear.
            headers: Further content headers, such as ``cache-control``.
            content_md5: Base64 MD5 of the plaintext, to be checked and recorded with the object
                in the clear, where it tells the store whether it holds a known file.
            if_absent: Only if there is no object of this name.
            if_match: Only if the object there has this ETag.
            progress: Called with (bytes done, bytes in all or None).

        Raises:
            UsageError: An argument that cannot be done.
            MasterKeyError: The ring has no key that can write.
            PreconditionFailedError: A condition did not hold.
            SourceError: The body changed while it was read, or cannot be read.
            StoreError: The store failed.
        """
        _refuse_reserved(metadata, name)
        content_headers = dict(headers)
        if content_type is not None:
            content_headers["content-type"] = content_type

        with named(name), Source(body, progress=progress) as source:
            stored = write(
                self._ring,
                self._format,
                source,
                content_md5,
                lambda envelope, ciphertext: self._store.put(
                    name,
                    ciphertext,
                    metadata={**metadata, **envelope.to_metadata()},
                    headers=content_headers,
                    if_absent=if_absent,
                    if_match=if_match,
                ),
            )
        _log.info("put %r: %d bytes", name, stored.size)
        return ObjectInfo.of(stored)

    def get(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        tail: int | None = None,
        key: MasterKey | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
        progress: Progress | None = None,
    ) -> ObjectStream:
        """Fetch an object, or a range of it, and decrypt it while it is read.

        Args:
            name: The object's name.
            start: First byte of the plaintext, at most its size.
            length: How many bytes, clipped at the end; None for all to the end.
            tail: The last so many bytes instead, clipped at the beginning.
            key: Use this key, whatever the object's description says or lacks.
            if_match: Only if the object still has this ETag.
            version_id: This version rather than the newest.
            progress: Called with (bytes done, bytes in all).

        Returns:
            A stream: ``read()``, ``readinto()``, iteration. In format ``oss`` a whole read is
            checked against damage at its end, and nothing is checked against tampering.

        Raises:
            ObjectNotFoundError: No such object.
            RangeError: The range begins after the end.
            PolicyError: The object is of a kind that this bucket does not accept.
            EnvelopeError: Its envelope cannot be understood.
            NoMatchingKeyError: No key of the ring has its description.
            WrongKeyError: The key does not open it.
            IntegrityError: Its length is not the recorded one.
            PreconditionFailedError: ``if_match`` did not hold.
        """
        span = Span(start, length, tail)
        incoming = self._store.get(
            name, start=start, length=length, tail=tail, if_match=if_match, version_id=version_id
        )
        return open_stream(incoming, span, self._ring, self._policy, key=key, progress=progress)

    def open(
        self, name: str, *, key: MasterKey | None = None, version_id: str | None = None
    ) -> ObjectFile:
        """Open an object as a seekable binary file, for `zipfile`, `pyarrow` and their like.

        The data key is unwrapped once. Every fetch is bound to the object as it was opened.

        Args:
            name: The object's name.
            key: Use this key, whatever the object's description says or lacks.
            version_id: This version rather than the newest.

        Raises:
            The errors of `get`. Reads raise `ObjectChangedError` when the object was replaced.
        """
        info = self.head(name, version_id=version_id)
        return open_file(self._store, info, unlock(info, self._ring, self._policy, key=key))

    def upload(
        self,
        path: str | os.PathLike[str],
        name: str,
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        if_absent: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Encrypt a file and store it. Arguments and errors as `put`."""
        return self.put(
            name,
            Path(path),
            metadata=metadata,
            content_type=content_type,
            if_absent=if_absent,
            progress=progress,
        )

    def download(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        key: MasterKey | None = None,
        version_id: str | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Fetch an object, decrypt it and write it to a file, wholly or not at all.

        The file appears (or is replaced) only after the whole object was found good. A new file
        is readable by its owner alone.

        Args:
            name: The object's name.
            path: The file to write.
            key: Use this key, whatever the object's description says or lacks.
            version_id: This version rather than the newest.
            progress: Called with (bytes done, bytes in all).

        Raises:
            UsageError: The file cannot be written.
            And the errors of `get`.
        """
        with self.get(name, key=key, version_id=version_id, progress=progress) as stream:
            save(stream, path)
        return stream.info

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
        while True:
            page = self._store.list(prefix, delimiter=delimiter, token=token)
            yield from page.entries
            if (token := page.token) is None:
                return

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

    def copy(self, source: str, target: str, *, if_absent: bool = False) -> ObjectInfo:
        """Copy an object inside the store: ciphertext, envelope and all metadata unchanged.

        Args:
            source: An object's name.
            target: The copy's name.
            if_absent: Only if there is no object of the target's name.

        Raises:
            ObjectNotFoundError: No such source.
            PreconditionFailedError: ``if_absent`` did not hold.
        """
        return ObjectInfo.of(self._store.copy(source, target, if_absent=if_absent))

    def rename(self, source: str, target: str, *, if_absent: bool = False) -> ObjectInfo:
        """Copy an object to a new name and delete the old one; not atomic.

        Raises:
            UsageError: Source and target are one name.
            ObjectChangedError: The source was replaced meanwhile; both are left.
            And the errors of `copy`.
        """
        if source == target:
            raise UsageError("source and target are the same name", name=source)
        before = self._store.head(source)
        renamed = self.copy(source, target, if_absent=if_absent)
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
        """
        _refuse_reserved(metadata or NOTHING, name)
        info = self.head(name)
        texts = info.envelope.to_metadata() if info.envelope is not None else {}
        own = dict(info.metadata if metadata is None else metadata)
        content_headers = dict(info.headers if headers is None else headers)
        if content_type is not None:
            content_headers["content-type"] = content_type
        stored = self._store.replace_metadata(
            name, metadata={**own, **texts}, headers=content_headers, if_match=info.etag
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

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a bucket holds master keys and is not pickled",
            hint="open the bucket again where it is needed",
        )

    def __repr__(self) -> str:
        return f"Bucket({self.url!r}, {self._ring!r})"


def open_bucket(
    url: str,
    *keys: MasterKey | KeyRing,
    format: str = OSS,  # noqa: A002  the word of the documents
    policy: Policy | None = None,
) -> Bucket:
    """Open a bucket.

    Args:
        url: ``file:///folder`` (made if it is not there), ``memory://name``.
        keys: Master keys: the first writes, all read. Or one `KeyRing`. None at all is enough
            to list, look at and delete objects.
        format: The format new objects get: ``oss``.
        policy: What is accepted on reading; see `Bucket`.

    Raises:
        UsageError: The URL or format is unknown, or the store cannot be opened.
        MasterKeyError: The keys make no ring.
    """
    if len(keys) == 1 and isinstance(keys[0], KeyRing):
        ring = keys[0]
    else:
        masters = [key for key in keys if not isinstance(key, KeyRing)]
        if len(masters) != len(keys):
            raise UsageError("give keys, or one ring")
        ring = KeyRing(*masters)
    return Bucket(open_store(url), ring, format=format, policy=policy)


def _refuse_reserved(metadata: Mapping[str, str], name: str) -> None:
    for key in metadata:
        if is_reserved(key):
            raise UsageError(
                f"metadata name {key!r} belongs to the envelope", name=name, hint="choose another"
            )
