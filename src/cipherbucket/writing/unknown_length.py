"""A plaintext that is read once, from its beginning, on its way into a store.

Strategy: format ``sealed`` can begin without the length, so what is long goes in parts that grow, a
part in memory at a time. Format ``oss`` cannot, so there it is kept as ciphertext, in memory or in
an unnamed file, until its end; or the length is given, and it goes in parts of one size. Whatever
is sent again is the same ciphertext.
"""

from __future__ import annotations

from collections.abc import Iterator

from cipherbucket.errors import SourceError
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.span import MAX_PARTS, good_part_size, growing_part_size
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.writing.ciphertext import BLOCK, Blocks, Spool
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.part_requests import (
    abort_quietly,
    begin_upload,
    complete_upload,
    send_part,
)
from cipherbucket.writing.source import Source

_CLAIMED = 32 << 20
"""Most room that a part gets by a claimed size; more only when so much has come."""


class StreamUpload(Blocks):
    """A plaintext that is sent at once, or in parts: parts that grow, or all of one size.

    Each part is in memory, as ciphertext, until the store has it (docs/format.md, section 14.8).
    Where the store wants equal parts, what is stored beyond their size goes into the next.
    Whoever uses it aborts it after any failure.

    Args:
        destination: Where it goes.
        envelope: Its envelope.
        cipher: Drawn for this object alone.
        size: How many bytes come, where somebody said so.
        part_size: Plaintext of each part but the last, for a format that has to know it
            beforehand, together with ``size``.
        about: How many bytes a store claims that come, for the size of parts that cannot grow.
    """

    def __init__(
        self,
        destination: Destination,
        envelope: Envelope,
        cipher: ContentCipher,
        *,
        size: int | None = None,
        part_size: int | None = None,
        about: int | None = None,
    ) -> None:
        destination.metadata_with(envelope)  # refused before anything is encrypted
        super().__init__(cipher, size=size)
        self._destination = destination
        self._envelope = envelope
        self._equal = destination.store.equal_parts
        if self._equal and part_size is None:  # it cannot grow
            part_size = good_part_size(size or about or 0, cipher.layout)
        self._part_size = part_size
        self._most_at_first = None if about is None else _CLAIMED
        self._upload_id: str | None = None
        self._parts: list[Part] = []
        self._begin_part()

    def _begin_part(self, before: memoryview = memoryview(b"")) -> None:  # noqa: B008  immutable
        start, layout = self.plain_size, self._cipher.layout
        number = self._next_number()
        room = self._part_size or growing_part_size(number)
        self._stop = start + room
        self._part_stored = room // layout.chunk * layout.stride
        self._room = len(before) + layout.part_size(start, self._stop, last=True)
        self._part = memoryview(bytearray(min(self._room, self._most_at_first or self._room)))
        self._part[: len(before)] = before
        self._length = len(before)
        self._most = min(BLOCK, self._stop - start)

    def _keep(self, offset: int, block: memoryview, *, last: bool) -> None:
        stop = offset + len(block)
        self._make_room(self._cipher.layout.part_size(offset, stop, last=last))
        out = self._part[self._length :]
        self._length += len(self._cipher.encrypt(offset, block, out, last=last))
        if not last and self.plain_size == self._stop != self._size_given:
            self._begin_part(self._send(last=False))
        self._most = min(BLOCK, self._stop - self.plain_size)

    def _make_room(self, size: int) -> None:
        """Make room for so many bytes more, where a claim did not get all of it at first."""
        if (needed := self._length + size) > len(self._part):
            part = memoryview(bytearray(min(self._room, max(needed, 2 * self._length))))
            part[: self._length] = self._part[: self._length]
            self._part = part

    def _next_number(self) -> int:
        if len(self._parts) == MAX_PARTS:
            raise SourceError(
                f"the body has more than {self.plain_size:,} bytes, the most that one holds",
                hint="give its length (size=), and its parts are larger" if self._equal else None,
            )
        return len(self._parts) + 1

    def _send(self, *, last: bool) -> memoryview:
        """Send what is there; return what of it goes into the next part."""
        to = self._destination
        if self._upload_id is None:
            self._upload_id = begin_upload(
                to.store, to.name, self._envelope, metadata=to.metadata, headers=to.headers
            )
        left = self._part[: self._length]
        size = self._part_stored if self._equal else max(1, len(left))
        while len(left) >= size or (last and left):
            number, part = self._next_number(), left[:size]
            self._parts.append(
                send_part(to.store, to.name, self._upload_id, number, part, self._envelope)
            )
            left = left[size:]
        return left

    @property
    def sent(self) -> int:
        """How many parts the store has."""
        return len(self._parts)

    def finish(self) -> StoredObject:
        """End the plaintext here, and make the object.

        Raises:
            The errors of `complete_upload`.
        """
        self.seal()
        to = self._destination
        if self._upload_id is None:
            return to.put(self._envelope, _Kept(self._part[: self._length]))
        self._send(last=True)
        return complete_upload(
            to.store,
            to.name,
            self._upload_id,
            self._parts,
            self._envelope,
            stored_size=self._cipher.layout.stored_size(self.plain_size),
            if_absent=to.if_absent,
            replacing=to.replacing,
        )

    def abort(self) -> None:
        """Give it up; nothing of it was ever visible."""
        if self._upload_id is not None:
            abort_quietly(self._destination.store, self._destination.name, self._upload_id)


class SpooledUpload(Spool):
    """A plaintext whose length the store must be told first: kept as ciphertext and put at its end.

    Arguments as `StreamUpload`, and the MD5 that the plaintext must have, if any, in Base64.
    """

    def __init__(
        self,
        destination: Destination,
        envelope: Envelope,
        cipher: ContentCipher,
        *,
        size: int | None = None,
        content_md5: str | None = None,
    ) -> None:
        destination.metadata_with(envelope)
        super().__init__(cipher, content_md5, size=size)
        self._destination = destination
        self._envelope = envelope
        self.sent = 0
        """How many parts the store has: none before the end."""

    def finish(self) -> StoredObject:
        """End the plaintext here, and make the object.

        Raises:
            The errors of `write_kept`.
        """
        self.seal()
        with self:
            envelope = self._envelope.with_content(self.plain_size, self._content_md5)
            return self._destination.put(envelope, self)

    def abort(self) -> None:
        """Give it up."""
        self.close()


def upload_stream(upload: StreamUpload | SpooledUpload, source: Source) -> StoredObject:
    """Store a source whose length shows only at its end.

    Raises:
        SourceError: The source failed, or has more than an upload holds.
        And the errors of `complete_upload`. The upload was aborted then.
    """
    try:
        sent = 0
        while upload.draw(source):
            if upload.sent > sent:
                sent = upload.sent
                source.report(upload.plain_size)
        stored = upload.finish()
    except BaseException:
        upload.abort()
        raise
    source.report(upload.plain_size, last=True)
    return stored


class _Kept:
    """Ciphertext in memory as a body that can be sent again."""

    def __init__(self, ciphertext: memoryview) -> None:
        self._ciphertext = ciphertext

    def __len__(self) -> int:
        return len(self._ciphertext)

    def __iter__(self) -> Iterator[memoryview]:
        yield self._ciphertext
