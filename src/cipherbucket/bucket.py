"""A bucket: a store seen through master keys. What is put is encrypted, what is got is decrypted.

Rule: each verb stands here once, with its documentation, and calls a function of the package that
does it with one frozen value, `Access`. What concerns keys or many objects are functions over a
bucket: `cipherbucket.recipients`, `cipherbucket.rotation`, `cipherbucket.audit`, `verify`.

Write:  ``put -> seal -> ring.wrap -> Envelope -> encrypt -> store.put``
Read:   ``get -> store.get(span) -> Envelope.parse -> unseal -> ring.unwrap -> decrypt -> bytes``
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, BinaryIO, Literal, Self, Unpack, overload

from cipherbucket.envelopes.access import Access, Guard, access_of
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import CipherbucketError, ObjectNotFoundError
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects import copy as copying
from cipherbucket.objects import listing
from cipherbucket.objects.metadata import update_metadata
from cipherbucket.objects.split import NameRange, split
from cipherbucket.reading.bound_object import BoundObject
from cipherbucket.reading.file import ObjectFile
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.base import Store
from cipherbucket.stores.checks import check_name
from cipherbucket.stores.records import NOTHING, Entry, Upload, Version
from cipherbucket.transfers import comparison, files
from cipherbucket.transfers.files import TransferOptions
from cipherbucket.workers.progress import Progress
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.file import ObjectTextWriter, ObjectWriter, open_writer
from cipherbucket.writing.modes import (
    ReadingArguments,
    ReadingTextArguments,
    WritingArguments,
    WritingTextArguments,
    open_mode,
)
from cipherbucket.writing.multipart import Multipart, begin_multipart
from cipherbucket.writing.put import put
from cipherbucket.writing.source import PutBody

_log = logging.getLogger("cipherbucket")


class Bucket:
    """Encrypted objects in a store. All verbs may be called from several threads at once.

    Other keys, audits, verification and recipients are functions over a bucket:
    `cipherbucket.rotation`, `cipherbucket.audit`, `cipherbucket.verify`, `cipherbucket.recipients`.

    Args:
        store: Where the bytes live.
        ring: The first key writes, every key reads. A bare master key is a ring of one.
        format: The format new objects get: ``oss`` or ``sealed``.
        policy: What is accepted on reading; by default the format that is written, with
            ``oss-v1`` beside ``oss``, its successor.
        recipients: Format ``sealed``: further master keys that every new object is wrapped for,
            such as a recovery key's public half.
        guard: What a configuration allows in the bucket; `Config.open` gives one.

    Raises:
        UsageError: What is given is no store or no ring; an unknown format; recipients in a format
            that has one; or a policy that does not read what is written.
    """

    def __init__(
        self,
        store: Store,
        ring: KeyRing | MasterKey,
        *,
        format: str = OSS,  # noqa: A002  the word of the documents
        policy: Policy | None = None,
        recipients: Sequence[MasterKey] = (),
        guard: Guard | None = None,
    ) -> None:
        self._access = Access.of(
            store, ring, format=format, policy=policy, recipients=recipients, guard=guard
        )
        keys = [key.id for key in self._access.ring.keys]
        _log.debug("opened %s in format %s with keys %s", self.url, format, keys)

    @property
    def access(self) -> Access:
        """Store, ring, format, policy and recipients in one value, for functions over a bucket."""
        return self._access

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._access.store.url

    @property
    def ring(self) -> KeyRing:
        """The master keys."""
        return self._access.ring

    @property
    def format(self) -> str:
        """The format new objects get."""
        return self._access.format

    def put(
        self,
        name: str,
        body: PutBody,
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        content_md5: str | None = None,
        recipients: Sequence[MasterKey] = (),
        context: Mapping[str, str] = NOTHING,
        bind_name: bool = True,
        if_absent: bool = False,
        if_match: str | None = None,
        size: int | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Encrypt a body and store it, wholly or not at all.

        A body of unknown length (a pipe, an iterable) is encrypted into memory up to 16 MiB and
        beyond into a temporary file, as ciphertext; in format ``sealed`` it is sent in parts
        instead, unless ``if_match`` or ``content_md5`` is given. When the store fails in a way
        that may pass, the put is tried again: with the same ciphertext where it was kept, or
        sealed anew under a new data key where the body can be read again.

        Args:
            name: 1 to 1,023 bytes of UTF-8.
            body: Bytes, a ``pathlib.Path``, a binary file object, or an iterable of bytes.
            metadata: Stored beside it in the clear; names of a-z, 0-9 and hyphen.
            content_type: Of the plaintext; stored in the clear.
            headers: Further content headers, such as ``cache-control``.
            content_md5: Base64 MD5 of the plaintext, to be checked and recorded with the object
                in the clear, where it shows the store whether it holds a known file. In format
                ``sealed`` it is checked and recorded nowhere.
            recipients: Format ``sealed``: further master keys that are to open this object.
            context: Format ``sealed``: pairs that a reader has to give too. They are stored
                nowhere; empty for none.
            bind_name: Format ``sealed``: False lets the object be copied and renamed in the store,
                and served under any name. The policy has to read such objects.
            if_absent: Only if there is no object of this name; no lock where OSS keeps versions.
            if_match: Only if the object there has this ETag.
            size: How many bytes come, where the body does not have a length itself, such as a pipe:
                then it needs no temporary file. Another number is a `SourceError`.
            progress: Called with (bytes done, bytes in all or None).

        Raises:
            UsageError: An argument that cannot be used.
            MasterKeyError: The ring has no key that can write.
            PreconditionFailedError: A condition did not hold.
            SourceError: The body changed while it was read, or cannot be read.
            StoreError: The store failed.
        """
        to = Destination.of(
            self._access, name, metadata, headers, content_type, if_absent, if_match
        )
        sealing = self._access.sealing(name, recipients, context, bind_name=bind_name)
        streamed = self._access.format == SEALED
        return put(
            body,
            to,
            sealing,
            streamed=streamed,
            content_md5=content_md5,
            size=size,
            progress=progress,
        )

    def get(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        tail: int | None = None,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
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
            context: Format ``sealed``: the pairs that the object was written with.
            as_name: Format ``sealed``: the name it was sealed under, to read knowingly what was
                moved.
            footer_recipients: Format ``sealed``: read by the body alone, whose footer names the
                recipients of the day it was sealed, as one that lost its metadata.
            if_match: Only if the object still has this ETag.
            version_id: This version rather than the newest.
            progress: Called with (bytes done, bytes in all).

        Returns:
            A stream: ``read()``, ``readinto()``, iteration. In format ``sealed`` it gives nothing
            that is not authentic. In format ``oss`` a whole read is checked against damage at its
            end, and nothing is checked against tampering.

        Raises:
            ObjectNotFoundError: No such object.
            RangeError: The range begins after the end.
            PolicyError: The object is of a kind that this bucket does not accept.
            EnvelopeError: Its envelope cannot be understood.
            NoMatchingKeyError: No key of the ring has its description.
            WrongKeyError: The key does not open it.
            BindingError: It was sealed under another name or context.
            IntegrityError: It is not what was stored.
            PreconditionFailedError: ``if_match`` did not hold.
        """
        reading = Reading.of(self._access, name, key, context, as_name, footer_recipients)
        fetch = fetch_from(self._access.store, name, if_match, version_id)
        return open_stream(fetch, Span(start, length, tail), reading, progress=progress)

    @overload
    def open(
        self, name: str, mode: Literal["rb"] = "rb", **reading: Unpack[ReadingArguments]
    ) -> ObjectFile: ...

    @overload
    def open(
        self, name: str, mode: Literal["wb", "xb"], **writing: Unpack[WritingArguments]
    ) -> ObjectWriter: ...

    @overload
    def open(
        self, name: str, mode: Literal["r", "rt"], **reading: Unpack[ReadingTextArguments]
    ) -> io.TextIOWrapper: ...

    @overload
    def open(
        self,
        name: str,
        mode: Literal["w", "wt", "x", "xt"],
        **writing: Unpack[WritingTextArguments],
    ) -> ObjectTextWriter: ...

    def open(
        self,
        name: str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        key: MasterKey | None = None,
        as_name: str | None = None,
        footer_recipients: bool = False,
        version_id: str | None = None,
        context: Mapping[str, str] = NOTHING,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] = (),
        bind_name: bool = True,
        if_absent: bool = False,
    ) -> ObjectFile | ObjectWriter | io.TextIOWrapper:
        """Open an object as a file: of bytes, for `zipfile`, `pyarrow` and their like, or of text.

        Mode ``rb``: a seekable file, whose first read fetches and unlocks the object in one
        request. Until then nothing is asked of the store, so a missing object is an error of the
        first read, or of ``info``. Each fetch is bound to the object of the first; reads raise
        `ObjectChangedError` when it was replaced. Arguments and errors as `get`.

        Mode ``wb``: a file to write to, in order. The object appears when it is closed; if the
        ``with`` block is left by an exception, nothing does. Arguments and errors as `put`;
        ``if_absent`` is looked at by the store at the end. ``xb`` is ``wb`` with it.

        Modes ``r``, ``w`` and ``x``, or with a ``t``: text. Reading it, ``info`` is the buffer's.

        Args:
            name: The object's name.
            mode: ``rb`` (the default, also for text files), ``wb``, ``xb``, ``r``, ``w`` or ``x``.
            encoding: Of text; None takes ``utf-8``.
            errors: Of text, as in Python's `open`.
            newline: Of text, as in Python's `open`.
            key: Reading: use this key, whatever the object's description says or lacks.
            as_name: Reading: the name it was sealed under.
            footer_recipients: Reading: by the body alone.
            version_id: Reading: this version rather than the newest.
            context: Format ``sealed``: pairs that a writer and its readers give.
            metadata: Writing: stored beside it in the clear.
            content_type: Writing: of the plaintext.
            headers: Writing: further content headers.
            recipients: Writing: further master keys.
            bind_name: Writing: whether the name is bound.
            if_absent: Writing: only if there is no object of this name.

        Raises:
            UsageError: Another mode, an argument of another one, or an unknown encoding.
        """
        check_name(name)
        found = open_mode(
            *(name, mode, encoding, errors, newline),
            reading=(key, as_name, footer_recipients, version_id),
            writing=(metadata, content_type, headers, recipients, not bind_name, if_absent),
        )
        if found.reads:
            reading = Reading.of(self._access, name, key, context, as_name, footer_recipients)
            file = ObjectFile(BoundObject(self._access.store, reading, version_id))
            return file if found.text is None else io.TextIOWrapper(file, **found.text)
        if_absent = if_absent or found.only_new
        to = Destination.of(self._access, name, metadata, headers, content_type, if_absent)
        sealing = self._access.sealing(name, recipients, context, bind_name=bind_name)
        writer = open_writer(to, sealing, streamed=self._access.format == SEALED)
        return writer if found.text is None else ObjectTextWriter(writer, mode, found.text)

    def upload(
        self,
        path: str | os.PathLike[str] | BinaryIO | IO[bytes],
        name: str,
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] = (),
        context: Mapping[str, str] = NOTHING,
        bind_name: bool = True,
        if_absent: bool = False,
        part_size: int | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        threshold: int | None = None,
        state: str | os.PathLike[str] | None = None,
        resume: bool = True,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Encrypt a file and store it: above 16 MiB in parts, in parallel, resumable.

        An upload that was interrupted, also by the end of the process, goes on when the same file
        is uploaded to the same name again. What was sent is compared with the file as it is now;
        if a part of it changed, the upload begins anew, under a new data key. With only the public
        half of a key it always begins anew.

        Args:
            path: A file. A pipe, or a binary file object, is put as `put` does it.
            name: The object's name.
            metadata: As in `put`, like those not described here.
            content_type: Of the plaintext.
            headers: Further content headers.
            recipients: Further master keys.
            context: Pairs that a reader has to give too.
            bind_name: Whether the name is bound.
            if_absent: Only if there is no object of this name.
            part_size: Bytes of plaintext in a part, as in `multipart`. None takes 16 MiB, or more
                where 10,000 parts would not suffice.
            workers: Parts at once, 1 or more. None takes 4, or one for each core if these are
                fewer. Large parts are sent by fewer: 256 MiB of parts are in memory at most,
                unless one has more.
            limit_rate: Most bytes a second, 1 or more.
            threshold: Files of more bytes go in parts. None takes 16 MiB.
            state: Folder of the journal, which only you may be able to write. None takes
                ``CIPHERBUCKET_STATE``, or the user's state directory.
            resume: Go on with what an earlier call began; False aborts that and begins anew.
            progress: Called with (bytes done, bytes in all).

        Raises:
            UsageError: Another process uploads this file to this name; or the path is none, as
                bytes are.
            SourceError: The file cannot be read, or changed meanwhile.
            And the errors of `put`.
        """
        options = TransferOptions(
            part_size, workers, limit_rate, threshold, state, resume, progress
        )
        to = Destination.of(self._access, name, metadata, headers, content_type, if_absent)
        return files.upload(self._access, path, to, options, recipients, context, bind_name)

    def download(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
        version_id: str | None = None,
        part_size: int | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        threshold: int | None = None,
        state: str | os.PathLike[str] | None = None,
        resume: bool = True,
        mode: int | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Fetch an object, decrypt it and write it to a file, wholly or not at all.

        The file appears (or is replaced) only after the whole object was found good; nobody else
        can read what is written until then. Above 16 MiB ranges are fetched in parallel, and what
        an interrupted call fetched is not fetched again. Further arguments and errors as `get`.

        Args:
            name: The object's name.
            path: The file to write. Links are followed if they are this user's or root's.
            key: Use this key, whatever the object's description says or lacks.
            context: Format ``sealed``: the pairs that the object was written with.
            as_name: Format ``sealed``: the name it was sealed under.
            footer_recipients: Format ``sealed``: read by the body alone.
            version_id: This version rather than the newest.
            part_size: Bytes of plaintext in a range, as in `multipart`; None takes 16 MiB.
            workers: Ranges at once, as in `upload`.
            limit_rate: Most bytes a second, 1 or more.
            threshold: Objects of more bytes are fetched in ranges. None takes 16 MiB.
            state: Folder of the journal, as in `upload`.
            resume: Go on with what an earlier call began.
            mode: Permissions of the file, from 0 to 0o777. None keeps those of a file of this user
                that is replaced; a new file follows the umask, or the default ACL of its folder.
            progress: Called with (bytes done, bytes in all).

        Raises:
            UsageError: The file cannot be written, leads through a link of another user, or
                another process downloads to it.
        """
        options = TransferOptions(
            part_size, workers, limit_rate, threshold, state, resume, progress
        )
        reading = Reading.of(self._access, name, key, context, as_name, footer_recipients)
        return files.download(self._access, reading, path, options, version_id, mode)

    def multipart(
        self,
        name: str,
        *,
        data_size: int,
        part_size: int | None = None,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] = (),
        context: Mapping[str, str] = NOTHING,
        bind_name: bool = True,
    ) -> Multipart:
        """Begin an upload whose parts are handed over one by one, in any order.

        Args:
            name: The object's name.
            data_size: Bytes of plaintext in all; the format must know it beforehand.
            part_size: Bytes of every part but the last: at least 100 KiB, in S3 5 MiB, and a
                multiple of 16, in format ``sealed`` of 16,384. None takes 16 MiB, or more where
                10,000 parts would not suffice. Where a store wants equal parts (Cloudflare R2),
                sealed ones wait for each other: see `Multipart.upload_part`.
            metadata: As in `put`, like all that follow.
            content_type: Of the plaintext.
            headers: Further content headers.
            recipients: Further master keys.
            context: Pairs that a reader has to give too.
            bind_name: Whether the name is bound.

        Returns:
            The upload; best used in a ``with`` statement, and completed in it.

        Raises:
            UsageError: Sizes that cannot be done; the hint names one that can.
            MasterKeyError: The ring has no key that can write.
        """
        to = Destination.of(self._access, name, metadata, headers, content_type)
        sealing = self._access.sealing(name, recipients, context, bind_name=bind_name)
        return begin_multipart(to, sealing, self.format, part_size, data_size)

    def matches(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        version_id: str | None = None,
    ) -> bool:
        """Return whether a file has the content of an object, without fetching the object.

        The file is encrypted with the object's own key, in memory, and the CRC-64 of that is
        compared with the store's. This finds changes, not attackers, who can make a CRC fit.

        Args:
            name: The object's name.
            path: A regular file.
            key: Use this key, whatever the object's description says or lacks.
            context: Format ``sealed``: the pairs that the object was written with.
            version_id: This version rather than the newest.

        Raises:
            SourceError: The file cannot be read.
            UsageError: The store keeps no CRC-64.
            And the errors of `get`.
        """
        reading = Reading.of(self._access, name, key=key, context=context)
        return comparison.matches(self._access.store, reading, path, version_id)

    def head(self, name: str, *, version_id: str | None = None) -> ObjectInfo:
        """Return what is known of an object without its key; of plaintext objects too.

        Raises:
            ObjectNotFoundError: No such object.
            EnvelopeError: Its envelope cannot be understood.
        """
        return ObjectInfo.head(self._access.store, name, version_id)

    def exists(self, name: str) -> bool:
        """Return whether there is an object of this name, whatever its kind."""
        try:
            self._access.store.head(name)
        except ObjectNotFoundError:
            return False
        return True

    def list(
        self, prefix: str = "", *, delimiter: str = "", start_after: str = "", end_before: str = ""
    ) -> Iterator[Entry]:
        """List objects in byte order of their names; sizes are stored sizes.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that go on with it after the prefix into one entry each, whose
                ``is_prefix`` is set.
            start_after: Only names after this, exclusive; not with a delimiter.
            end_before: Only names before this, exclusive; not with a delimiter.
        """
        return listing.list_objects(
            self._access.store,
            prefix,
            delimiter=delimiter,
            start_after=start_after,
            end_before=end_before,
        )

    def split(self, count: int, prefix: str = "") -> tuple[NameRange, ...]:
        """Cut what lies under a prefix into ranges of about equally many names, to share out work.

        It is done by sampling: some 100 to 500 listings of a page for a few ranges, and up to 16
        more for each further one, however many objects there are. Uneven names may make a range
        several times as large as another; with more ranges than workers that evens out. Every
        name, also of an object that comes later, lies in exactly one range.

        Args:
            count: How many ranges, 1 or more; fewer come back where there are few objects.
            prefix: Only names that begin with this.

        Returns:
            The ranges in order, as arguments of `list`.

        Raises:
            UsageError: Another number of ranges.
            StoreError: The listing failed.
        """
        return split(self._access.store, count, prefix)

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """List all versions and delete markers, by name and then the newest first.

        Raises:
            UsageError: The store keeps no versions.
        """
        return self._access.store.list_versions(prefix)

    def uploads(self, prefix: str = "") -> Sequence[Upload]:
        """List unfinished uploads, by name and then start; each takes up room until aborted."""
        return self._access.store.list_uploads(prefix)

    def abort_upload(self, name: str, upload_id: str) -> None:
        """Abort an unfinished upload. Aborting what is not there is no error."""
        self._access.store.abort_upload(name, upload_id)

    def delete(self, name: str, *, version_id: str | None = None) -> None:
        """Delete an object. Deleting what is not there is no error (as in OSS)."""
        self._access.store.delete(name, version_id=version_id)

    def delete_many(self, names: Iterable[str]) -> dict[str, CipherbucketError]:
        """Delete many objects; one that fails does not stop the others.

        Returns:
            The failures by name; empty when all are gone.

        Raises:
            UsageError: One name in place of several.
        """
        return listing.delete_many(self._access.store, names)

    def copy(
        self,
        source: str,
        target: str,
        *,
        headers: Mapping[str, str] = NOTHING,
        if_absent: bool = False,
        version_id: str | None = None,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] | None = None,
    ) -> ObjectInfo:
        """Copy an object; in the store, as it is, unless it is a sealed one bound to its name.

        That one is read, verified and sealed anew under the new name, with a new data key, for the
        ring's first key, for the recipients it has and for those that the bucket adds to every
        new object. Where the ring's first key is none of its recipients, it takes the place of the
        one by which the object was opened.

        ACL, tags, storage class and encryption at rest are those of a new object, or of
        ``headers``; where source and target are one name, they stay.

        Args:
            source: An object's name.
            target: The copy's name.
            headers: ACL, tags, storage class and encryption at rest, as `put` takes them.
            if_absent: Only if there is no object of the target's name.
            version_id: This version rather than the newest; to its own name it goes as it is.
            key: To open what must be sealed anew, whatever descriptions say.
            context: Its context, also of the copy.
            recipients: Instead of the other recipients that it has.

        Raises:
            ObjectNotFoundError: No such source.
            UsageError: ``recipients`` for what is copied as it is, or no sequence; other headers.
            ObjectChangedError: The source was replaced meanwhile; nothing was written.
            PreconditionFailedError: ``if_absent`` did not hold.
            MasterKeyError: There is no key to seal it with, or the key of a recipient is missing.
            And the errors of `Bucket.get`, for an object that must be sealed anew.
        """
        return copying.copy(
            self._access, source, target, headers, if_absent, version_id, key, context, recipients
        )

    def copy_to(
        self,
        target: Bucket,
        name: str,
        target_name: str | None = None,
        *,
        headers: Mapping[str, str] = NOTHING,
        if_absent: bool = False,
        version_id: str | None = None,
        workers: int | None = None,
        limit_rate: float | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Copy an object to another store: ciphertext, envelope, metadata and content headers.

        Args:
            target: The bucket there; neither needs a key.
            name: An object's name here.
            target_name: Its name there; None for the same.
            headers: ACL, tags, storage class and encryption at rest there, as in `copy`.
            if_absent: Only if there is no object of that name.
            version_id: This version rather than the newest.
            workers: Parts at once, for a large object.
            limit_rate: Most bytes a second.
            progress: Called with (bytes done, bytes in all), of stored bytes.

        Raises:
            UsageError: A sealed object that is bound to its name would get another; ``target``
                is no bucket; or other headers.
            ObjectChangedError: It was replaced meanwhile; nothing is left behind.
            IntegrityError: What arrived is not what is stored here.
            And the errors of `put` and `get`.
        """
        return copying.copy_to(
            self._access,
            access_of(target),
            name,
            target_name,
            headers,
            if_absent,
            version_id,
            workers,
            limit_rate,
            progress,
        )

    def rename(
        self,
        source: str,
        target: str,
        *,
        headers: Mapping[str, str] = NOTHING,
        if_absent: bool = False,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] | None = None,
    ) -> ObjectInfo:
        """Copy an object to a new name and delete the old one; not atomic.

        A new name is a new place: ACL, tags and the like are those of `copy`.

        Raises:
            UsageError: Source and target are one name.
            ObjectChangedError: The source was replaced, or its metadata changed, meanwhile; both
                are left.
            And the errors of `copy`.
        """
        return copying.rename(
            self._access, source, target, headers, if_absent, key, context, recipients
        )

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
        return update_metadata(self._access.store, name, metadata, headers, content_type)

    def presign(self, name: str, *, expires: int = 3600, version_id: str | None = None) -> str:
        """Return a URL by which whoever has it fetches the object, with GET, and as ciphertext.

        Whoever has the master key as well reads it with `open_url`. The URL is signed here and
        nothing is sent, so that whether there is such an object is not looked at. Until it expires
        it is a secret; with temporary credentials it expires with them.

        Args:
            name: The object's name.
            expires: Seconds for which the URL is good, 1 to 604,800 (7 days).
            version_id: This version rather than the newest.

        Raises:
            UsageError: The store has no presigned URLs, or another number of seconds.
            StoreError: There are no credentials to sign with.
        """
        return self._access.store.presign(name, expires=expires, version_id=version_id)

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
        return self._access.store.restore(name, days=days, version_id=version_id)

    def close(self) -> None:
        """Close the store."""
        self._access.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    __reduce__ = Access.__reduce__

    def __repr__(self) -> str:
        return f"Bucket({self.url!r}, {self.ring!r})"
