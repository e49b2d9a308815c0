"""Bytes on their way into a store and out of it: counted, checksummed, held to their length.

A body on its way in is a `Body`: it has a length and yields blocks, each valid until the next is
asked for, so that one buffer can serve a whole object. A store that needs to send a body again
iterates it again; a body that cannot give the very same bytes again raises `SourceError` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, Self

from cipherbucket.errors import IntegrityError, SourceError, UsageError
from cipherbucket.format.crc64 import Crc
from cipherbucket.stores.records import NOTHING, Checksummed, StoredObject, same_crc64

Buffer = bytes | bytearray | memoryview


class Body(Protocol):
    """Bytes on their way into a store."""

    def __len__(self) -> int:
        """Return the number of bytes that iteration will give."""

    def __iter__(self) -> Iterator[Buffer]:
        """Yield the blocks, from the beginning; each is valid until the next is asked for."""


class RawBody(Protocol):
    """Bytes on their way out of a store, as the store's library gives them."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of ``buffer`` and return how much; 0 at the end."""

    def close(self) -> None:
        """Release the file or connection."""


Opened = tuple[StoredObject, int, int, RawBody]
"""An object, the range of it that comes as offsets (start, stop), and its bytes."""


class Outgoing:
    """A `Body` that is counted, checksummed and held to its length while it leaves.

    Attributes:
        crc: The CRC-64 that the store keeps.
        crc64: That of the bytes of the last iteration so far.
        sent: Number of these bytes.
        metadata: What is to be sent along, where a store's protocol repeats it with every part.
        failure: The exception that the body itself raised, if any: not the store's fault.
    """

    def __init__(
        self, body: Body | Buffer, metadata: Mapping[str, str] = NOTHING, crc: Crc = Crc.XZ
    ) -> None:
        if isinstance(body, Buffer):
            body = memoryview(body).cast("B")  # bytes, whatever its items are
        self._body: Body | tuple[Buffer] = (body,) if isinstance(body, Buffer) else body
        self._length = len(body)
        self.metadata = metadata
        self.crc = crc
        self.crc64 = 0
        self.sent = 0
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        self.crc64, self.sent = 0, 0
        try:
            for block in self._body:
                self.sent += len(block)
                if self.sent > self._length:
                    break
                self.crc64 = self.crc.of(block, self.crc64)
                yield block
            if self.sent != self._length:
                more = "more" if self.sent > self._length else f"only {self.sent:,}"
                raise SourceError(
                    f"the length of the body was given as {self._length:,}, and it gave {more}",
                    hint="the source changed while it was read; put it again",
                )
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def check_arrived(self, name: str, arrived: Checksummed) -> None:
        """Compare the CRC-64 that a store computed of what arrived, if it did, with ours.

        Args:
            name: The object's name.
            arrived: The object or the part, as the store describes it.

        Raises:
            IntegrityError: They differ.
        """
        if same_crc64(self, arrived) is False:
            raise IntegrityError(
                "the store's CRC-64 of what arrived differs from that of what was sent",
                name=name,
                hint="the bytes were damaged on the way; put the object again",
            )


class Incoming:
    """The body of one object, or a range of it, coming out of a store.

    Reading to the end checks the length; of a whole object also the CRC-64. Use it in a ``with``
    statement, or close it.

    Attributes:
        crc64: CRC-64 of what was read so far, of the kind that ``stored`` says: of a whole body, or
            where ``counting`` was set.
        counting: Set it before the first read to have the CRC-64 of a range too.
        stored: The object as it was when this body was fetched.
        start: Offset of the first byte that comes, in the stored body.
        stop: Offset after the last byte that comes.
    """

    def __init__(
        self,
        stored: StoredObject,
        start: int,
        stop: int,
        raw: RawBody,
        errors_translated: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._errors_translated = errors_translated
        self._raw = raw
        self.crc64 = 0
        self.counting = False
        self._position = start
        self.stored = stored
        self.start = start
        self.stop = stop
        self._open = True
        if start == stop:
            self.close()  # no byte comes: nobody needs to read to the end

    @property
    def whole(self) -> bool:
        """Whether this is the whole body, whose CRC-64 is checked at its end."""
        return self.start == 0 and self.stop == self.stored.size

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` as far as bytes come.

        Returns:
            How many bytes were filled in; less than the buffer only at the end, 0 after it.

        Raises:
            UsageError: It was closed, or an earlier read failed.
            IntegrityError: The body ended early, or a whole body's CRC-64 differs.
            StoreError: The store failed meanwhile.
        """
        if not self._open and self._position < self.stop:
            # The raw body may know no better than to ask for the rest anew.
            raise UsageError("the body was closed before its end", name=self.stored.name)
        view = memoryview(buffer).cast("B")[: self.stop - self._position]
        try:
            self._fill(view)
            self._position += len(view)
            self._check_crc64(view)
        except BaseException:
            self.close()  # nothing more comes of it; connections are scarce
            raise
        if self._position == self.stop:
            self.close()
        return len(view)

    def _fill(self, view: memoryview) -> None:
        filled = 0
        with self._errors_translated(self.stored.name):
            while filled < len(view):
                count = self._raw.readinto(view[filled:])
                if not count:
                    break
                filled += count
        if filled < len(view):
            raise IntegrityError(
                f"the stored body ended after {self._position + filled - self.start:,} "
                f"of {self.stop - self.start:,} bytes",
                name=self.stored.name,
                hint="read it again; if it stays short, restore the object from a copy",
            )

    def _check_crc64(self, view: memoryview) -> None:
        checked = self.whole and self.stored.crc64 is not None
        if not checked and not self.counting:
            return
        self.crc64 = self.stored.crc.of(view, self.crc64)
        if checked and self._position == self.stop and self.crc64 != self.stored.crc64:
            raise IntegrityError(
                "the CRC-64 of the stored bytes differs from the recorded one",
                name=self.stored.name,
                hint="read it again; if it stays different, restore the object from a copy",
            )

    def close(self) -> None:
        """Release the file or connection. Bytes not yet read stay unread and unchecked."""
        if self._open:
            self._open = False
            self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
