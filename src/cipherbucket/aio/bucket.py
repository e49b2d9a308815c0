"""A bucket whose verbs are awaited.

Rule: each verb of `Bucket` is one here, of the same name and arguments; `verbs.py` makes most of
them. A body that comes asynchronously is written piece by piece, so that no thread waits for it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, Self, Unpack, cast, overload

from cipherbucket.aio.bodies import AnyBody, is_asynchronous, pieces
from cipherbucket.aio.files import (
    AsyncObjectFile,
    AsyncObjectStream,
    AsyncObjectWriter,
    AsyncTextFile,
    AsyncTextWriter,
)
from cipherbucket.aio.multipart import AsyncMultipart
from cipherbucket.aio.threads import THREADS, Threads
from cipherbucket.aio.verbs import awaited, listed, opening, stopped
from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import Access
from cipherbucket.errors import UsageError
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading.file import ObjectFile
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.records import NOTHING
from cipherbucket.workers.progress import Progress, Ticker
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.file import ObjectTextWriter, ObjectWriter
from cipherbucket.writing.modes import (
    ReadingArguments,
    ReadingTextArguments,
    WritingArguments,
    WritingTextArguments,
)
from cipherbucket.writing.multipart import Multipart
from cipherbucket.writing.put import open_put
from cipherbucket.writing.source import PutBody

_put = stopped(Bucket.put)


class AsyncBucket:
    """A `Bucket` for asyncio and trio: the same verbs, awaited; listings are async iterators.

    A verb that is cancelled ends after its thread has: what it wrote is stored wholly or not at
    all, and an upload in parts is aborted (one of `upload` goes on with the next call, as ever).
    Bodies are read and written in pieces, so transfers are stopped within a piece; any other
    request that has begun is waited for. ``progress`` is called in a worker thread.

    Args:
        bucket: What does the work; it is closed with this one.
        threads: Calls at once in an event loop, 1 or more; further ones wait. A body that comes
            asynchronously and a reader that is slow hold none of them.

    Raises:
        UsageError: No bucket, or another number of threads.
    """

    def __init__(self, bucket: Bucket, *, threads: int = THREADS) -> None:
        if not isinstance(bucket, Bucket):
            raise UsageError(
                f"an AsyncBucket works on a Bucket, not on {type(bucket).__name__}",
                hint="AsyncBucket(open_bucket(url, key))",
            )
        self._bucket = bucket
        self._threads = Threads(threads)

    @property
    def bucket(self) -> Bucket:
        """The synchronous bucket, for functions over one: call them in a thread."""
        return self._bucket

    @property
    def threads(self) -> Threads:
        """Where the work is done."""
        return self._threads

    @property
    def access(self) -> Access:
        """See `Bucket.access`."""
        return self._bucket.access

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._bucket.url

    @property
    def ring(self) -> KeyRing:
        """The master keys."""
        return self._bucket.ring

    @property
    def format(self) -> str:
        """The format new objects get."""
        return self._bucket.format

    async def put(
        self,
        name: str,
        body: AnyBody,
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
        """Encrypt a body and store it, wholly or not at all; see `Bucket.put`.

        Args:
            name: 1 to 1,023 bytes of UTF-8.
            body: Also an async iterable of bytes, or a file whose ``read`` is awaited. What it
                raises passes unchanged, and nothing is stored then.
            metadata: As in `Bucket.put`, like all that are not described here.
            content_type: Of the plaintext.
            headers: Further content headers.
            content_md5: Base64 MD5 of the plaintext.
            recipients: Further master keys.
            context: Pairs that a reader has to give too.
            bind_name: Whether the name is bound.
            if_absent: Only if there is no object of this name.
            if_match: Only if the object there has this ETag.
            size: How many bytes come. In format ``oss``, an asynchronous body of more than 16 MiB
                needs a temporary file without it.
            progress: Called in a worker thread with (bytes done, bytes in all or None).
        """
        if not is_asynchronous(body):
            return await _put(
                self,
                name,
                cast("PutBody", body),
                metadata=metadata,
                content_type=content_type,
                headers=headers,
                content_md5=content_md5,
                recipients=recipients,
                context=context,
                bind_name=bind_name,
                if_absent=if_absent,
                if_match=if_match,
                size=size,
                progress=progress,
            )

        def begin() -> ObjectWriter:
            access = self.access
            to = Destination.of(access, name, metadata, headers, content_type, if_absent, if_match)
            sealing = access.sealing(name, recipients, context, bind_name=bind_name)
            streamed = access.format == SEALED
            return open_put(to, sealing, streamed=streamed, content_md5=content_md5, size=size)

        ticker = Ticker(progress)

        def take(piece: memoryview | bytearray) -> None:
            writer.write(piece)
            ticker.tick(writer.tell(), size)

        writer = await self._threads.run(begin, undo=ObjectWriter.abort)
        async with AsyncObjectWriter(writer, self._threads) as file, aclosing(pieces(body)) as came:
            async for piece in came:
                await self._threads.run(partial(take, piece))
        if progress:
            done = file.info.size
            await self._threads.run(partial(ticker.tick, done, done))
        return file.info

    get = opening(Bucket.get, AsyncObjectStream, ObjectStream.close)

    @overload
    async def open(
        self, name: str, mode: Literal["rb"] = "rb", **reading: Unpack[ReadingArguments]
    ) -> AsyncObjectFile: ...

    @overload
    async def open(
        self, name: str, mode: Literal["wb", "xb"], **writing: Unpack[WritingArguments]
    ) -> AsyncObjectWriter: ...

    @overload
    async def open(
        self, name: str, mode: Literal["r", "rt"], **reading: Unpack[ReadingTextArguments]
    ) -> AsyncTextFile: ...

    @overload
    async def open(
        self,
        name: str,
        mode: Literal["w", "wt", "x", "xt"],
        **writing: Unpack[WritingTextArguments],
    ) -> AsyncTextWriter: ...

    async def open(
        self, name: str, mode: Any = "rb", **arguments: Any
    ) -> AsyncObjectFile | AsyncObjectWriter | AsyncTextFile | AsyncTextWriter:
        """Open an object as a file whose calls are awaited; see `Bucket.open`.

        Left by an exception or a cancellation, a file that is written stores nothing.
        """
        file = await self._threads.run(
            partial(self._bucket.open, name, mode, **arguments), undo=_let_go
        )
        if isinstance(file, ObjectFile):
            return AsyncObjectFile(file, self._threads)
        if isinstance(file, ObjectWriter):
            return AsyncObjectWriter(file, self._threads)
        if isinstance(file, ObjectTextWriter):
            return AsyncTextWriter(file, self._threads)
        return AsyncTextFile(file, self._threads)

    upload = stopped(Bucket.upload)
    download = stopped(Bucket.download)
    multipart = opening(Bucket.multipart, AsyncMultipart, Multipart.abort)
    matches = awaited(Bucket.matches)
    head = awaited(Bucket.head)
    exists = awaited(Bucket.exists)
    list = listed(Bucket.list)
    split = awaited(Bucket.split)
    versions = listed(Bucket.versions)
    uploads = awaited(Bucket.uploads)
    abort_upload = awaited(Bucket.abort_upload)
    delete = awaited(Bucket.delete)
    delete_many = awaited(Bucket.delete_many)
    copy = awaited(Bucket.copy)
    copy_to = stopped(Bucket.copy_to)
    rename = awaited(Bucket.rename)
    update_metadata = awaited(Bucket.update_metadata)
    presign = awaited(Bucket.presign)
    restore = awaited(Bucket.restore)

    async def close(self) -> None:
        """Close the store."""
        await self._threads.finish(self._bucket.close)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    __reduce__ = Access.__reduce__

    def __repr__(self) -> str:
        return f"AsyncBucket({self.url!r}, {self.ring!r})"


def _let_go(file: ObjectFile | ObjectWriter | io.TextIOWrapper) -> None:
    """End a file that nobody will use, and store nothing."""
    if isinstance(file, ObjectWriter | ObjectTextWriter):
        file.abort()
    else:
        file.close()
