"""What every store offers, and the checks that every store gets.

Rule: a store knows bytes, names and metadata, and nothing of encryption. Each public verb stands
here once: it checks names, ranges and metadata before anything is sent, counts and checksums the
bytes that pass, and turns every foreign exception into one of ours. A store implements
`StoreMethods`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Self

from cipherbucket.errors import CipherbucketError, UploadNotFoundError, not_copied
from cipherbucket.format.span import Span
from cipherbucket.stores.bodies import Body, Buffer, Incoming, Outgoing
from cipherbucket.stores.checks import (
    check_expires,
    check_listing,
    check_name,
    check_part_number,
    check_part_order,
    check_upload,
)
from cipherbucket.stores.contract import check_page, check_parts, check_uploads, check_versions
from cipherbucket.stores.methods import StoreMethods
from cipherbucket.stores.records import NOTHING, Match, Page, Part, StoredObject, Upload, Version
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject


class Store(StoreMethods):
    """A bucket of objects. All verbs may be called from several threads at once."""

    __reduce__ = not_copied("a store", "open it where it is used, by its URL")

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
            error.name = error.name or name
            raise
        except Exception as error:
            foreign = outgoing is None or outgoing.failure is not error
            if foreign and (translated := self.translate(error, name)) is not None:
                raise translated from error
            raise

    def put(
        self,
        name: str,
        body: Body | Buffer,
        *,
        metadata: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
        if_absent: bool = False,
        if_match: Match | None = None,
    ) -> StoredObject:
        """Store an object, wholly or not at all; an object of this name is replaced.

        Args:
            name: 1 to `MAX_NAME` bytes of UTF-8.
            body: What to store.
            metadata: User metadata; names of a-z, 0-9 and hyphen.
            headers: Some of `CONTENT_HEADERS`.
            if_absent: Only if there is no object of this name; no lock where OSS keeps versions.
            if_match: Only if the object there has this ETag, or is this very `StoredObject`.

        Raises:
            UsageError: Name, metadata or headers are not allowed, or the store is not
                `conditional` and has no ``if_match``.
            PreconditionFailedError: A condition did not hold.
            SourceError: The body gave fewer or more bytes than its length.
            IntegrityError: The store computed another CRC-64 than we did.
            StoreError: The store failed.
        """
        new = NewObject.checked(name, metadata, headers, self)
        outgoing = Outgoing(body, crc=self.crc)
        with self.errors_translated(name, outgoing):
            stored = self._put(new, outgoing, Condition(if_absent, if_match))
        outgoing.check_arrived(name, stored)
        return stored

    def get(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        tail: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> Incoming:
        """Fetch an object, or a range of its stored bytes.

        Args:
            name: The object's name.
            start: First byte; at most the object's size.
            length: How many bytes; clipped at the end of the object. None: to the end.
            tail: The last so many bytes instead; clipped at the beginning.
            if_match: Only if the object still has this ETag.
            version_id: This version rather than the newest.

        Raises:
            ObjectNotFoundError: No such object or version.
            RangeError: ``start`` lies after the end.
            PreconditionFailedError: ``if_match`` did not hold.
        """
        check_name(name)
        with self.errors_translated(name):
            span = Span(start, length, tail)
            stored, first, stop, raw = self._get(name, span, if_match, version_id)
        return Incoming(stored, first, stop, raw, self.errors_translated)

    def head(self, name: str, *, version_id: str | None = None) -> StoredObject:
        """Return size, metadata and headers of an object.

        Raises:
            ObjectNotFoundError: No such object or version.
        """
        check_name(name)
        with self.errors_translated(name):
            return self._head(name, version_id)

    def attributes(self, name: str, *, version_id: str | None = None) -> dict[str, str]:
        """Return the headers that an object must be given in this one's place to keep what it has.

        Content headers, and in OSS also ACL, tags, storage class and encryption at rest: `put`,
        `begin_upload` and `replace_metadata` take them as they are. User metadata are not among
        them.

        Args:
            name: The object's name.
            version_id: This version rather than the newest.

        Raises:
            ObjectNotFoundError: No such object or version.
            UsageError: What the object is cannot be kept: it is a symlink or appendable.
        """
        check_name(name)
        with self.errors_translated(name):
            return self._attributes(name, version_id)

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        token: str | None = None,
        limit: int = 1000,
        start_after: str = "",
        end_before: str = "",
    ) -> Page:
        """List one page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one common prefix each.
            token: `Page.token` of the page before.
            limit: Most entries of the page, 1 to 1,000.
            start_after: Only names after this, exclusive; the same for every page of a listing.
            end_before: Only names before this, exclusive; empty for all.

        Raises:
            UsageError: No text, another limit, or a bound beside a delimiter, which may fold it.
            StoreError: The store failed, or what it listed is not what was asked for.
        """
        check_listing(prefix, delimiter, start_after, end_before, limit)
        with self.errors_translated(None):
            page = self._list(prefix, delimiter, token, limit, start_after)
            check_page(page, prefix, delimiter, token, limit, start_after=start_after)
            return page.before(end_before) if end_before else page

    def delete(self, name: str, *, version_id: str | None = None) -> None:
        """Delete an object. Deleting what is not there is no error (as in OSS)."""
        check_name(name)
        with self.errors_translated(name):
            self._delete(name, version_id)

    def copy(
        self,
        source: str,
        target: str,
        *,
        headers: Mapping[str, str] = NOTHING,
        if_absent: bool = False,
        version_id: str | None = None,
    ) -> StoredObject:
        """Copy an object inside the store: body, user metadata and content headers.

        Args:
            source: An object's name.
            target: The copy's name.
            headers: ACL, tags, storage class and encryption at rest of the copy, as `put` takes
                them. Nothing of the source's goes along to another name; where source and target
                are one name, what is not given here stays.
            if_absent: Only if there is no object of the target's name.
            version_id: This version of the source rather than the newest.

        Raises:
            ObjectNotFoundError: No such source.
            PreconditionFailedError: ``if_absent`` and there is a target.
            UsageError: A header that a copy cannot be given.
        """
        copy = Copy.checked(source, target, headers, if_absent, version_id)
        with self.errors_translated(source):
            return self._copy(copy)

    def replace_metadata(
        self,
        name: str,
        *,
        metadata: Mapping[str, str],
        headers: Mapping[str, str] | None,
        if_match: str | None = None,
        if_metadata: Mapping[str, str] | None = None,
    ) -> StoredObject:
        """Replace all metadata of an object, and all content headers; the body is not touched.

        Args:
            name: The object's name.
            metadata: All its user metadata from now on.
            headers: All its content headers from now on; None keeps those that it has then. ACL,
                tags, storage class and encryption at rest stay unless they are given here.
            if_match: Only if the object has this ETag.
            if_metadata: Only if its user metadata are exactly these. A store that is not
                `conditional` looks right before it writes: a change in between passes unseen.

        Raises:
            ObjectNotFoundError: No such object.
            PreconditionFailedError: A condition did not hold; nothing was changed.
        """
        change = MetadataChange.checked(name, metadata, headers, if_match, if_metadata, self)
        with self.errors_translated(name):
            return self._replace_metadata(change)

    def check_writable(self, name: str | None = None) -> None:
        """Refuse to write a store that is known to be only read; ask before many objects.

        Args:
            name: The object that is to be written; None for no particular one.

        Raises:
            StoreError: It is only read.
        """

    def begin_upload(
        self,
        name: str,
        *,
        metadata: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
    ) -> str:
        """Begin a multipart upload and return its id. Nothing is visible until it completes."""
        new = NewObject.checked(name, metadata, headers, self)
        with self.errors_translated(name):
            return self._begin_upload(new)

    def resume_upload(self, upload_id: str, *, headers: Mapping[str, str]) -> None:
        """Note the headers of an upload that another process began; the store is not asked.

        Args:
            upload_id: From `begin_upload`.
            headers: What `begin_upload` was given; some stores want some of it at the completion.
        """

    def upload_part(
        self,
        name: str,
        upload_id: str,
        number: int,
        body: Body | Buffer,
        *,
        metadata: Mapping[str, str] = NOTHING,
    ) -> Part:
        """Upload part ``number`` (1 to `MAX_PARTS`), in any order; one already there is replaced.

        Args:
            name: The object's name.
            upload_id: From `begin_upload`.
            number: The part's place.
            body: The part.
            metadata: What `begin_upload` was given and the protocol repeats with every part.

        Raises:
            UploadNotFoundError: No such upload.
            IntegrityError: The store computed another CRC-64 than we did.
        """
        check_part_number(number, name)
        check_upload(name, upload_id)
        outgoing = Outgoing(body, metadata, self.crc)
        with self.errors_translated(name, outgoing):
            part = self._upload_part(name, upload_id, number, outgoing)
        outgoing.check_arrived(name, part)
        return part.sent_with(outgoing.crc64, outgoing.crc)

    def list_parts(self, name: str, upload_id: str) -> Sequence[Part]:
        """List the parts that have arrived, by number.

        Raises:
            UploadNotFoundError: No such upload.
        """
        check_upload(name, upload_id)
        with self.errors_translated(name):
            return check_parts(self._list_parts(name, upload_id), name)

    def upload_metadata(self, name: str, upload_id: str) -> Mapping[str, str]:
        """Return what of an unfinished upload's metadata the store repeats; perhaps nothing.

        Raises:
            UploadNotFoundError: No such upload.
        """
        check_upload(name, upload_id)
        with self.errors_translated(name):
            return self._upload_metadata(name, upload_id)

    def list_versions(self, prefix: str = "") -> Iterator[Version]:
        """List all versions and delete markers, by name and then the newest first.

        Raises:
            UsageError: The store keeps no versions.
        """
        with self.errors_translated(None):
            yield from check_versions(self._list_versions(prefix), prefix)

    def restore(self, name: str, *, days: int = 1, version_id: str | None = None) -> bool:
        """Ask for an archived object to be made readable; it takes minutes to hours.

        Returns False if it is readable already, and stays so longer; else True.

        Args:
            name: The object's name.
            days: How many days it stays readable, 1 or more.
            version_id: This version rather than the newest.

        Raises:
            UsageError: The store has no archive.
        """
        check_name(name)
        with self.errors_translated(name):
            return self._restore(name, days, version_id)

    def presign(self, name: str, *, expires: int = 3600, version_id: str | None = None) -> str:
        """Return a URL by which whoever has it fetches the stored bytes; nothing is sent.

        Raises:
            UsageError: The store has no such URLs, or ``expires`` is not 1 to `MAX_PRESIGNED`.
        """
        check_name(name)
        check_expires(expires, name)
        with self.errors_translated(name):
            return self._presign(name, expires, version_id)

    def complete_upload(
        self,
        name: str,
        upload_id: str,
        parts: Sequence[Part],
        *,
        if_absent: bool = False,
        if_match: Match | None = None,
    ) -> StoredObject:
        """Make the object of these parts, in ascending order of number; it appears whole.

        Conditions are those of `put`; where one fails, the upload stays.

        Raises:
            UsageError: No parts, or their numbers do not ascend; or as in `put`.
            UploadNotFoundError: No such upload.
            PreconditionFailedError: A part named is not there with this ETag, or a condition
                did not hold.
        """
        check_part_order(parts, name)
        check_upload(name, upload_id)
        with self.errors_translated(name):
            return self._complete_upload(name, upload_id, parts, Condition(if_absent, if_match))

    def abort_upload(self, name: str, upload_id: str) -> None:
        """Abort an upload and free its parts. Aborting what is not there is no error."""
        with suppress(UploadNotFoundError), self.errors_translated(name):
            check_upload(name, upload_id)
            self._abort_upload(name, upload_id)

    def list_uploads(self, prefix: str = "") -> Sequence[Upload]:
        """List unfinished uploads, by name and then start."""
        with self.errors_translated(None):
            return check_uploads(self._list_uploads(prefix), prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
