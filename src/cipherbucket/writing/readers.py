"""What people hand over as a body, as something to read from.

Rule: what can be read is read, whatever kind of bytes it gives, and however many at a time. What
cannot is refused by its name, with the way on; before anything is sent, where that shows. A file is
read by the method that its own class wrote last: a wrapper sees all that goes through it.
"""

from __future__ import annotations

import codecs
import inspect
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, cast

from cipherbucket.errors import CipherbucketError, UsageError

_PIECE = 64 << 10
_TEXT = io.TextIOBase | codecs.StreamReader | codecs.StreamReaderWriter


class Reader(Protocol):
    """What a body is read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of ``buffer``: 0 at the end, None where nothing has come yet."""


class Pieces:
    """Pieces of any length as something to read from; what there is no room for is kept.

    Args:
        next_piece: Called with the number of bytes that are wanted; gives some, none at the end,
            or None where nothing has come yet.
    """

    def __init__(self, next_piece: Callable[[int], memoryview | None]) -> None:
        self._next_piece = next_piece
        self._rest = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of ``buffer``."""
        if not self._rest:
            self._rest = memoryview(b"")  # a buffer that is shown cannot be filled anew
            piece = self._next_piece(len(buffer))
            if piece is None:
                return None
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Announced:
    """What a response of HTTP says of its own length; any other body says nothing.

    `http.client` counts down in ``length``, urllib3 and what is built on it in
    ``length_remaining``. Neither need raise an error where the connection ends before.

    Attributes:
        total: Bytes that were to come when reading began; None if nothing says so.
    """

    def __init__(self, body: object) -> None:
        self.total: int | None = None
        for each in (body, getattr(body, "raw", None)):
            for name in ("length_remaining", "length"):
                if self.total is None and isinstance(left := getattr(each, name, None), int):
                    self.total, self._body, self._name = left, each, name

    def missing(self, came: int) -> int:
        """Return how many bytes never came, now that ``came`` have and the body ended."""
        left = 0 if self.total is None else getattr(self._body, self._name, 0)
        counts = isinstance(left, int) and (not came or left != self.total)
        return left if counts else 0


def is_file(body: object) -> bool:
    """Return whether a body is a file object. A response of httpx reads only all of itself."""
    return hasattr(body, "read") and not hasattr(body, "iter_bytes")


def file_reader(file: Any) -> Reader:
    """Return what a file object is read from.

    Raises:
        UsageError: It is asynchronous, open in text mode, or closed.
    """
    if inspect.iscoroutinefunction(file.read):
        raise _asynchronous(file)
    if isinstance(file, _TEXT):
        raise _gave_text(file)
    if _is_closed(file):
        raise UsageError("the file is closed")
    if isinstance(file, io.RawIOBase | io.BufferedIOBase) and _fills_buffers(type(file)):
        return cast("Reader", file)

    def next_piece(wanted: int) -> memoryview | None:
        piece = file.read(wanted)
        return None if piece is None else _bytes_of_file(piece, file)

    return Pieces(next_piece)


def measured(file: Any) -> tuple[int, int] | None:
    """Return the position of a file and how many bytes follow it; None if it cannot go back.

    Raises:
        Exception: Of any kind: the file went to its end and does not come back.
    """
    if isinstance(file, codecs.StreamRecoder):
        return None  # its positions are those of what it recodes
    try:
        if not _seeks(file):
            return None
        origin = file.tell()
    except CipherbucketError:  # of an object that is the body
        raise
    except Exception:  # noqa: BLE001  of whatever kind it is, it has no positions
        return None
    if not isinstance(origin, int):
        return None
    try:
        file.seek(0, os.SEEK_END)
        end = file.tell()  # not every `seek` returns it
    except CipherbucketError:
        raise
    except Exception:  # noqa: BLE001  what is wrong with its end shows when it is read
        end = None
    file.seek(origin)
    return (origin, max(0, end - origin)) if isinstance(end, int) else None


def _seeks(file: Any) -> bool:
    """Return whether a file seeks; a gzip file says so whatever file it unpacks."""
    if not getattr(file, "seekable", lambda: hasattr(file, "seek"))():
        return False
    packed = getattr(file, "fileobj", None)
    return packed is None or _seeks(packed)


def iteration(body: object) -> Reader:
    """Return what an iterable of bytes, or a response of httpx, is read from.

    Raises:
        UsageError: It is no such thing, and nothing else that could be a body.
    """
    begin: Callable[[], Iterable[object]]
    if hasattr(body, "iter_bytes"):
        begin = body.iter_bytes
        if inspect.isasyncgenfunction(begin) or _comes_by_await(body):
            raise _asynchronous(body)
    elif hasattr(body, "iter_content"):  # iterated, a response of requests gives 128 bytes each
        begin = partial(body.iter_content, _PIECE)
    elif hasattr(body, "to_csv") or hasattr(body, "write_csv"):
        raise _refused(body)  # a table: when it is iterated, it gives the names of its columns
    elif isinstance(body, Iterable) and not isinstance(body, str | Mapping):
        begin = body.__iter__
    else:
        raise _refused(body)

    def pieces() -> Iterator[memoryview]:
        yield from filter(None, map(_bytes_of_iterable, begin()))  # which keep no piece

    left = pieces()
    return Pieces(lambda _: next(left, memoryview(b"")))


def view_of(data: Any) -> memoryview | None:
    """Return the bytes of anything that shows its memory; None where it does not.

    Raises:
        UsageError: It does not show it any more.
    """
    try:
        view = memoryview(data)
        if not view.c_contiguous or not view.nbytes:
            view = memoryview(view.tobytes())
        return view.cast("B")
    except TypeError:
        return None
    except ValueError as error:
        raise UsageError(f"{_kind(data)}: {error}") from error


def _is_closed(file: Any) -> bool:
    try:
        return getattr(file, "closed", False) is True
    except ValueError:  # what it wrapped was detached
        return True


def _fills_buffers(kind: type) -> bool:
    """Return whether ``readinto`` is of the class that ``read`` is of, or of a later one."""
    for each in kind.__mro__:
        if "readinto" in vars(each):
            return True
        if "read" in vars(each):
            break
    return False


def _bytes_of_file(piece: object, file: object) -> memoryview:
    view = view_of(piece)
    if view is not None:
        return view
    if inspect.iscoroutine(piece):
        piece.close()  # nobody will await it
    if inspect.isawaitable(piece):
        raise _asynchronous(file)
    if isinstance(piece, str):
        raise _gave_text(file)
    raise UsageError(f"read() of {_kind(file)} gives bytes, this one gave {_kind(piece)}")


def _bytes_of_iterable(piece: object) -> memoryview:
    view = view_of(piece)
    if view is not None:
        return view
    ways = {int: "bytes(body)", str: "(piece.encode() for piece in body)"}
    raise UsageError(
        f"an iterable body gives bytes, this one gave {_kind(piece)}", hint=ways.get(type(piece))
    )


def _gave_text(file: object) -> UsageError:
    return UsageError(
        f"the file gives text ({_kind(file)}), and a body is bytes",
        hint="open it in mode 'rb'; what is text already: text.encode()",
    )


def _asynchronous(body: object) -> UsageError:
    if (inner := _held_file(body)) is not None:
        hint = inner
    elif hasattr(body, "aread"):
        hint = "await its aread() before you put it"
    elif hasattr(body, "read"):
        hint = "await its read() and put the bytes, or open the file without async"
    else:
        hint = "b''.join([piece async for piece in body])"
    return UsageError(f"{_kind(body)} is asynchronous, and a body is read without await", hint=hint)


def _refused(body: object) -> UsageError:
    """Return the error for what cannot be a body, with what to do instead."""
    if hasattr(body, "__aiter__"):
        return _asynchronous(body)
    if inspect.isawaitable(body):
        return UsageError(f"a {_kind(body)} is no body", hint="await it, and put what it gives")
    if (hint := _held_file(body)) is not None:
        pass
    elif hasattr(body, "makefile"):
        hint = "body.makefile('rb')"
    elif hasattr(body, "open"):
        hint = "body.open('rb')"
    elif hasattr(body, "to_csv"):
        hint = "body.to_csv().encode()"
    elif hasattr(body, "write_csv"):
        hint = "body.write_csv().encode()"
    elif isinstance(body, dict):
        hint = "json.dumps(body).encode()"
    else:
        hint = "text: text.encode(); a file: pathlib.Path(name)"
    return UsageError(
        f"a body is bytes, a path, a binary file or an iterable of bytes, not {_kind(body)}",
        hint=hint,
    )


def _comes_by_await(response: object) -> bool:
    """Return whether a response of httpx came to an asynchronous client, and is not read yet."""
    stream = getattr(response, "stream", None)
    return (
        hasattr(stream, "__aiter__")
        and not hasattr(stream, "__iter__")
        and not getattr(response, "is_stream_consumed", False)
    )


def _held_file(body: object) -> str | None:
    """Return how to name the file that an upload of a web framework holds, if it does."""
    held = getattr(body, "file", None)
    return "hand over the file that it holds: body.file" if hasattr(held, "read") else None


def _kind(body: object) -> str:
    kind = type(body)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return module + kind.__qualname__
