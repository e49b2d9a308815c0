"""An object as a file to write to, of bytes or of text.

Rule: nothing is visible before `close`, and nothing ever is if writing failed, the ``with`` block
was left by an exception, or the file was forgotten. The keystream belongs to one process: a forked
one can neither write nor end it.
"""

from __future__ import annotations

import codecs
import io
import os
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from cipherbucket.envelopes.access import Sealing
from cipherbucket.errors import UsageError, named, not_copied
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.checks import check_metadata
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN, refuse_fork
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.modes import TextArguments
from cipherbucket.writing.unknown_length import SpooledUpload, StreamUpload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def open_writer(to: Destination, sealing: Sealing, *, streamed: bool) -> ObjectWriter:
    """Open an object to write to; see `Bucket.open`."""
    check_metadata(to.metadata, to.headers, to.name, to.store)
    with named(to.name):
        envelope, cipher = sealing()
        kind = StreamUpload if streamed else SpooledUpload
        return ObjectWriter(to.name, kind(to, envelope, cipher))


class ObjectWriter(io.BufferedIOBase):
    """A binary file whose bytes become an object when it is closed; made by `Bucket.open`.

    In format ``sealed`` parts are sent while it is written, 16 MiB each at first. In format
    ``oss`` the store must know the length before, so the ciphertext is kept in memory up to 16
    MiB and beyond in a temporary file, and put by `close`.

    Use it in a ``with`` statement: left by an exception, it stores nothing. A wrapper that closes
    what it wraps, such as `io.TextIOWrapper`, stores what was written so far also when it is left
    by an exception; for text, open the object in mode ``w`` instead.

    It cannot seek. Each call is done as a whole, also from several threads.
    """

    _upload: StreamUpload | SpooledUpload | None = None
    _process = -1

    def __init__(self, name: str, upload: StreamUpload | SpooledUpload) -> None:
        super().__init__()
        self._name = name
        self._lock = threading.RLock()
        self._info: ObjectInfo | None = None
        self._failed = False
        self._process = os.getpid()
        self._upload = upload

    @property
    def name(self) -> str:
        """The object's name."""
        return self._name

    @property
    def mode(self) -> str:
        """``wb``."""
        return "wb"

    @property
    def info(self) -> ObjectInfo:
        """The object that was stored.

        Raises:
            UsageError: It is not stored yet, or was aborted.
        """
        if self._info is None:
            raise UsageError("the object is stored when the file is closed", name=self._name)
        return self._info

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        with self._lock:
            return self._open_upload().plain_size

    def write(self, data: ReadableBuffer, /) -> int:
        """Encrypt bytes and keep or send them.

        Returns:
            How many there are: all are taken.

        Raises:
            SourceError: There is no room for them.
            StoreError: The store failed; nothing will be stored.
            UsageError: The file is closed, or an earlier call failed.
        """
        with self._lock, named(self._name):
            upload = self._open_upload()
            view = self._view_of(data)
            view = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
            try:
                upload.write(view)
            except BaseException:
                self._failed = True
                upload.abort()
                raise
            return len(view)

    def _view_of(self, data: ReadableBuffer) -> memoryview:
        try:
            return memoryview(data)
        except TypeError:
            kind = type(data).__name__
            raise TypeError(
                f"{self._name!r}: a file in mode 'wb' takes bytes, not {kind}; mode 'w' takes text"
            ) from None

    def close(self) -> None:
        """Store the object, unless that was done or given up.

        Raises:
            PreconditionFailedError: ``if_absent`` did not hold.
            StoreError: The store failed.
            UsageError: An earlier call failed; nothing was stored.
        """
        with self._lock, named(self._name):
            if self.closed:
                return
            upload = None
            try:
                upload = self._open_upload()
                self._info = ObjectInfo.of(upload.finish())
            except BaseException:
                if upload is not None:
                    upload.abort()
                raise
            finally:
                self._let_go()

    def abort(self) -> None:
        """Close the file and store nothing; without effect if it was closed."""
        with self._lock:
            if self.closed:
                return
            upload = self._upload
            self._let_go()
            if upload is None or self._failed:
                return
            if self._process == os.getpid():
                upload.abort()
            else:  # its parts are the other process's
                upload.close()

    def _let_go(self) -> None:
        self._upload = None  # megabytes
        super().close()

    def _open_upload(self) -> StreamUpload | SpooledUpload:
        if self.closed or self._upload is None:
            raise UsageError("the file is closed")
        if self._failed:
            raise UsageError("an earlier write failed, so nothing is stored")
        refuse_fork(self._process)
        return self._upload

    __reduce__ = not_copied("a file that is being written", OBJECT_OF_ITS_OWN)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # The inherited one would close, and so store half of what was to be written.
        if self._upload is None:
            return
        if self._process == os.getpid():
            warnings.warn(
                f"{self._name!r} was never closed, so nothing is stored",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )
        self.abort()


class ObjectTextWriter(io.TextIOWrapper):
    """A text file whose characters become an object when it is closed; made by `Bucket.open`.

    As with `ObjectWriter`, nothing is stored if the ``with`` block was left by an exception, or if
    the file was forgotten.
    """

    def __init__(self, file: ObjectWriter, mode: str, text: TextArguments) -> None:
        self._file = file
        self._mode = mode
        super().__init__(file, **text)
        if codecs.lookup(self.encoding).name in {"utf-16", "utf-32"}:
            file.write("".encode(self.encoding))  # the mark that is left out where nothing seeks

    @property
    def mode(self) -> str:
        """The mode, as it was given."""
        return self._mode

    @property
    def info(self) -> ObjectInfo:
        """The object that was stored; errors as `ObjectWriter.info`."""
        return self._file.info

    def close(self) -> None:
        """Store the object; errors as `ObjectWriter.close`."""
        if not self.closed:
            try:
                self.flush()
            except BaseException:  # the inherited one would close, and store the rest
                self.abort()
                raise
        super().close()

    def abort(self) -> None:
        """Close the file and store nothing; without effect if it was closed."""
        self._file.abort()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    __reduce__ = not_copied("a file that is being written", OBJECT_OF_ITS_OWN)

    def __del__(self) -> None:
        with suppress(ValueError):  # it was detached: the binary file is the caller's
            if not self.closed:
                self._file.__del__()
