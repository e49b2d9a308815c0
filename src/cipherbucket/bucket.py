"""A bucket: a store seen through master keys. What is put is encrypted, what is got is decrypted.

Write:  ``put -> seal -> ring.wrap -> Envelope -> encrypt -> store.put``
Read:   ``get -> store.get(span) -> Envelope.parse -> unseal -> ring.unwrap -> decrypt -> bytes``

The envelope comes from the same response as the body; the counter and the cut follow what the
response says it holds. What the store returns is input: everything is checked before it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from cipherbucket.audit.run import Inspection
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import UsageError, named
from cipherbucket.format.metadata_names import FORMATS, OSS, OSS_V1, SEALED
from cipherbucket.format.span import Span
from cipherbucket.format.texts import is_md5
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects.metadata import content_headers, refuse_reserved
from cipherbucket.objects.refused import Refused
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream, open_stream
from cipherbucket.reading.unlock import fetch_from
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING
from cipherbucket.transfers.open_file import Files
from cipherbucket.workers.progress import Progress
from cipherbucket.writing.multipart import Multipart
from cipherbucket.writing.part_requests import Destination, begin_upload
from cipherbucket.writing.put import store_source
from cipherbucket.writing.source import PutBody, Source

_log = logging.getLogger("cipherbucket")


class Bucket(Files, Inspection, Refused):
    """Encrypted objects in a store. All verbs may be called from several threads at once.

    Args:
        store: Where the bytes live.
        ring: The first key writes, every key reads.
        format: The format new objects get: ``oss`` or ``sealed``.
        policy: What is accepted on reading; by default the format that is written, with
            ``oss-v1`` beside ``oss``, its successor.
        recipients: Format ``sealed``: further master keys that every new object is wrapped for,
            such as a recovery key's public half.

    Raises:
        UsageError: An unknown format, or recipients in a format that has one.
    """

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        *,
        format: str = OSS,  # noqa: A002  the word of the documents
        policy: Policy | None = None,
        recipients: Sequence[MasterKey] = (),
    ) -> None:
        if format not in FORMATS or format == OSS_V1:
            raise UsageError(f"objects are written in format {OSS!r} or {SEALED!r}, not {format!r}")
        super().__init__(store)
        self._ring = ring
        self._format = format
        self._recipients = tuple(recipients)
        if self._recipients:
            self._sealing("", (), NOTHING, bind_name=True)
        self._policy = (policy or Policy()).in_bucket(format)
        if format not in self._policy.formats:
            raise UsageError(
                f"the bucket writes format {format!r} and its policy does not read it",
                hint=f"policy=Policy([{format!r}, ...]), or Policy() without formats",
            )

    @property
    def ring(self) -> KeyRing:
        """The master keys."""
        return self._ring

    @property
    def format(self) -> str:
        """The format new objects get."""
        return self._format

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
                in the clear, where it tells the store whether it holds a known file. In format
                ``sealed`` it is checked and recorded nowhere.
            recipients: Format ``sealed``: further master keys that are to open this object.
            context: Format ``sealed``: pairs that a reader has to give too. They are stored
                nowhere; empty for none.
            bind_name: Format ``sealed``: False lets the object be copied and renamed in the store,
                and served under any name.
            if_absent: Only if there is no object of this name.
            if_match: Only if the object there has this ETag.
            size: How many bytes come, where the body does not tell it itself, such as a pipe: then
                it needs no temporary file. Another number is a `SourceError`.
            progress: Called with (bytes done, bytes in all or None).

        Raises:
            UsageError: An argument that cannot be done.
            MasterKeyError: The ring has no key that can write.
            PreconditionFailedError: A condition did not hold.
            SourceError: The body changed while it was read, or cannot be read.
            StoreError: The store failed.
        """
        refuse_reserved(metadata, name)
        if content_md5 is not None and not is_md5(content_md5):
            raise UsageError(
                "content_md5 is no base64 of the 16 bytes of an MD5",
                name=name,
                hint="base64.b64encode(hashlib.md5(body).digest()).decode()",
            )
        to = Destination(
            store=self._store,
            name=name,
            metadata=metadata,
            headers=content_headers(headers, content_type),
            if_absent=if_absent,
            if_match=if_match,
        )
        with named(name), Source(body, progress=progress) as source:
            if size is not None:
                source.tell_size(size)
            sealing = self._sealing(name, recipients, context, bind_name=bind_name)
            streamed = self._format == SEALED
            stored = store_source(to, source, sealing, streamed=streamed, content_md5=content_md5)
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
        span = Span(start, length, tail)
        reading = self._reading(
            name, key=key, context=context, as_name=as_name, footer_recipients=footer_recipients
        )
        fetch = fetch_from(self._store, name, if_match, version_id)
        return open_stream(fetch, span, reading, progress=progress)

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
            part_size: Bytes of every part but the last: at least 100 KiB, and a multiple of 16, in
                format ``sealed`` of 16,384. None takes 16 MiB, or more where 10,000 parts would
                not suffice.
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
        refuse_reserved(metadata, name)
        with named(name):
            sealing = self._sealing(name, recipients, context, bind_name=bind_name)
            plan = self._plan(part_size, data_size)
            envelope, cipher = sealing(data_size=plan.data_size, part_size=plan.part_size)
            plan = replace(plan, layout=cipher.layout)
            upload_id = begin_upload(
                self._store,
                name,
                envelope,
                metadata=metadata,
                headers=content_headers(headers, content_type),
            )
            return Multipart(self._store, name, upload_id, plan, envelope, cipher)

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a bucket holds master keys and is not pickled",
            hint="open the bucket again where it is needed",
        )

    def __repr__(self) -> str:
        return f"Bucket({self.url!r}, {self._ring!r})"
