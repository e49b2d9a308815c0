"""The verb of a bucket that opens an object as a file, to read it or to write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, overload

from cipherbucket.errors import UsageError, named
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.keys.base import MasterKey
from cipherbucket.objects.metadata import content_headers, refuse_reserved
from cipherbucket.reading.bound_object import BoundObject
from cipherbucket.reading.file import ObjectFile
from cipherbucket.stores.checks import check_metadata, check_name
from cipherbucket.stores.records import NOTHING
from cipherbucket.transfers.verbs import Transfers
from cipherbucket.writing.file import ObjectWriter
from cipherbucket.writing.part_requests import Destination
from cipherbucket.writing.unknown_length import SpooledUpload, StreamUpload


class Files(Transfers):
    """The verb of a bucket that opens an object as a file."""

    @overload
    def open(
        self,
        name: str,
        mode: Literal["rb"] = "rb",
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
        version_id: str | None = None,
    ) -> ObjectFile: ...

    @overload
    def open(
        self,
        name: str,
        mode: Literal["wb"],
        *,
        metadata: Mapping[str, str] = NOTHING,
        content_type: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        recipients: Sequence[MasterKey] = (),
        context: Mapping[str, str] = NOTHING,
        bind_name: bool = True,
        if_absent: bool = False,
    ) -> ObjectWriter: ...

    def open(
        self,
        name: str,
        mode: str = "rb",
        *,
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
    ) -> ObjectFile | ObjectWriter:
        """Open an object as a binary file, for `zipfile`, `pyarrow` and their like.

        Mode ``rb``: a seekable file, whose first read fetches and unlocks the object in one
        request. Until then nothing is asked of the store, so a missing object is an error of the
        first read, or of ``info``. Each fetch is bound to the object of the first; reads raise
        `ObjectChangedError` when it was replaced. Arguments and errors as `get`.

        Mode ``wb``: a file to write to, in order. The object appears when it is closed; if the
        ``with`` block is left by an exception, nothing does. Arguments and errors as `put`;
        ``if_absent`` is looked at by the store at the end.

        Args:
            name: The object's name.
            mode: ``rb`` or ``wb``.
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
            UsageError: Another mode, or an argument of the other one.
        """
        check_name(name)
        _refuse_misplaced(
            name,
            mode,
            reading=(key, as_name, footer_recipients, version_id),
            writing=(metadata, content_type, headers, recipients, not bind_name, if_absent),
        )
        if mode == "rb":
            asked = self._reading(
                name, key=key, context=context, as_name=as_name, footer_recipients=footer_recipients
            )
            return ObjectFile(BoundObject(self._store, asked, version_id))
        refuse_reserved(metadata, name)
        to = Destination(
            store=self._store,
            name=name,
            metadata=dict(metadata),
            headers=content_headers(headers, content_type),
            if_absent=if_absent,
        )
        check_metadata(to.metadata, to.headers, name)
        with named(name):
            envelope, cipher = self._sealing(name, recipients, context, bind_name=bind_name)()
            kind = StreamUpload if self._format == SEALED else SpooledUpload
            return ObjectWriter(name, kind(to, envelope, cipher))


def _refuse_misplaced(
    name: str, mode: str, *, reading: Sequence[object], writing: Sequence[object]
) -> None:
    """Refuse a mode that is none, and arguments of the other one.

    Raises:
        UsageError: It is so.
    """
    other = {"rb": writing, "wb": reading}.get(mode)
    if other is None:
        raise UsageError(
            f"mode {mode!r}: an object is opened 'rb' or 'wb'",
            name=name,
            hint="text: io.TextIOWrapper(file); an object is never changed in its middle",
        )
    if any(argument or isinstance(argument, str) for argument in other):
        verb = "get" if mode == "rb" else "put"
        raise UsageError(
            f"an argument that mode {mode!r} does not have",
            name=name,
            hint=f"mode 'rb' takes those of get, 'wb' those of put; see bucket.{verb}",
        )
