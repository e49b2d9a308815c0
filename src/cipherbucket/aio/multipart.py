"""An upload in parts whose calls are awaited.

Rule: as `Multipart`, whose parts may be sent by several tasks at once. Left by an exception or a
cancellation, it is aborted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Self, cast

from cipherbucket.aio.bodies import AnyBody, AsyncBody, is_asynchronous, pieces
from cipherbucket.aio.threads import Threads
from cipherbucket.errors import not_copied
from cipherbucket.format.span import PartPlan
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.records import Part
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN
from cipherbucket.writing.multipart import Multipart
from cipherbucket.writing.source import PutBody


class AsyncMultipart:
    """An upload in parts; made by `AsyncBucket.multipart`. See `Multipart`.

    Used in an ``async with`` statement it is aborted at the end unless it was completed.
    """

    def __init__(self, upload: Multipart, threads: Threads) -> None:
        self._upload = upload
        self._threads = threads

    @property
    def name(self) -> str:
        """The object's name."""
        return self._upload.name

    @property
    def upload_id(self) -> str:
        """The store's id of the upload."""
        return self._upload.upload_id

    @property
    def plan(self) -> PartPlan:
        """Sizes and places of the parts."""
        return self._upload.plan

    @property
    def arrived(self) -> Mapping[int, Part]:
        """The parts that arrived, by number."""
        return self._upload.arrived

    async def upload_part(self, number: int, body: AnyBody) -> Part:
        """Encrypt and send one part; see `Multipart.upload_part`.

        An asynchronous body is in memory as a whole before it is sent.
        """
        given = await self._collected(body) if is_asynchronous(body) else cast("PutBody", body)
        return await self._threads.run(partial(self._upload.upload_part, number, given))

    async def _collected(self, body: AsyncBody) -> bytes:
        most = self.plan.part_size
        whole = bytearray()
        async with aclosing(pieces(body)) as came:
            async for piece in came:
                whole += piece
                if len(whole) > most:  # which is refused
                    break
        return bytes(whole)

    async def list_parts(self) -> Sequence[Part]:
        """List the parts that arrived, as the store tells it; see `Multipart.list_parts`."""
        return await self._threads.run(self._upload.list_parts)

    async def complete(self, *, if_absent: bool = False) -> ObjectInfo:
        """Make the object of its parts; see `Multipart.complete`."""
        return await self._threads.run(partial(self._upload.complete, if_absent=if_absent))

    async def abort(self) -> None:
        """Give the upload up and free its parts."""
        await self._threads.finish(self._upload.abort)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._threads.finish(partial(self._upload.__exit__, kind))

    __reduce__ = not_copied("an upload", OBJECT_OF_ITS_OWN)
