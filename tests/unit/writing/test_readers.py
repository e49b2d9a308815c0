"""What people hand over as a body: it is read as it is, or refused by its name with the way on."""

import array
import asyncio
import codecs
import gzip
import io
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from tests.support.plaintexts import pattern

import cipherbucket as cb

DATA = pattern(3 << 20)


class Only:
    """A file that can only ``read``; the others differ from it in one thing."""

    def __init__(self, data: bytes = DATA) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> Any:
        return self._file.read(size)


class GivesByteArrays(Only):
    def read(self, size: int = -1) -> Any:
        return bytearray(self._file.read(size))


class GivesViews(Only):
    def read(self, size: int = -1) -> Any:
        return memoryview(self._file.read(size))


class IgnoresSizes(Only):
    def read(self, size: int = -1) -> Any:
        return self._file.read()


class GivesLittle(Only):
    def read(self, size: int = -1) -> Any:
        return self._file.read(min(size, 7777))


class SeeksWithoutAnswer(Only):
    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> None:
        self._file.seek(offset, whence)


class CannotTell(SeeksWithoutAnswer):
    def tell(self) -> int:
        raise OSError("no positions")


class SeeksNotToItsEnd(SeeksWithoutAnswer):
    def seek(self, offset: int, whence: int = 0) -> None:
        if whence:
            raise ValueError("only from the beginning")
        super().seek(offset)


class SaysTheWrong(Only):
    seekable = None
    length = 7
    closed = "no"


class Upper(io.BytesIO):
    """A wrapper by inheritance, whose own ``read`` must not be passed by."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).upper()


@pytest.fixture(params=["oss", "sealed"])
def into(request: pytest.FixtureRequest, store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key), format=request.param)


KINDS = [
    *(Only, GivesByteArrays, GivesViews, IgnoresSizes, GivesLittle, SeeksWithoutAnswer),
    *(CannotTell, SeeksNotToItsEnd, SaysTheWrong),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_read_whatever_its_methods_give(into: cb.Bucket, kind: type[Only]) -> None:
    body: Any = kind()
    assert into.put("a", body).size == len(DATA)
    assert into.get("a").read() == DATA
    assert into.upload(kind(), "b").size == len(DATA)  # type: ignore[arg-type]


def test_a_file_that_answers_nothing_to_seek_is_read_again(
    into: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [1]
    put = into.access.store.put

    def failing(*args: Any, **more: Any) -> Any:
        if failures.pop() if failures else 0:
            for _ in args[1]:
                pass
            raise cb.TransientStoreError("the connection broke")
        return put(*args, **more)

    monkeypatch.setattr(into.access.store, "put", failing)
    monkeypatch.setattr("cipherbucket.writing.one_request._FIRST_DELAY", 0.001)
    body: Any = SeeksWithoutAnswer()
    body.read(1000)
    into.put("a", body)
    assert into.get("a").read() == DATA[1000:]


def test_a_wrapper_sees_what_goes_through_it(into: cb.Bucket) -> None:
    into.put("a", Upper(b"abc"))
    with codecs.EncodedFile(io.BytesIO("ß".encode("latin-1")), "utf-8", "latin-1") as file:
        into.put("b", file)
    assert (into.get("a").read(), into.get("b").read()) == (b"ABC", "ß".encode())


class FillsItsBufferAnew(Only):
    """Gives one buffer again and again, as `bytearray.clear` allows where nobody holds it."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    def read(self, size: int = -1) -> Any:
        self._buffer.clear()
        self._buffer += self._file.read(size)
        return self._buffer

    def views(self) -> Iterator[memoryview]:
        while piece := self.read(100_000):
            yield memoryview(piece)


class ShowsItsBufferAnew(FillsItsBufferAnew):
    def read(self, size: int = -1) -> Any:
        return memoryview(super().read(size))


def test_a_buffer_may_be_filled_anew_when_it_was_read(into: cb.Bucket) -> None:
    bodies: tuple[Any, ...] = (
        FillsItsBufferAnew(),
        ShowsItsBufferAnew(),
        iter(FillsItsBufferAnew().read, b""),
        FillsItsBufferAnew().views(),
    )
    for body in bodies:
        into.put("a", body)
        assert into.get("a").read() == DATA


def test_what_shows_its_memory_is_put_as_it_lies_there(into: cb.Bucket) -> None:
    for body in (array.array("I", [1, 2, 3]), array.array("I"), memoryview(DATA)[::2]):
        into.put("a", body)  # type: ignore[arg-type]
        assert into.get("a").read() == bytes(memoryview(body))
    gone = memoryview(b"gone")
    gone.release()
    with pytest.raises(cb.UsageError, match=r"memoryview: .*released"):
        into.put("a", gone)


class Parts:
    """As a response of httpx: ``read`` takes no size, and ``iter_bytes`` gives the pieces."""

    def read(self) -> bytes:
        return DATA

    def iter_bytes(self) -> Iterator[bytes]:
        yield from (DATA[:5], b"", DATA[5:])


def test_a_response_that_gives_pieces_is_read_by_pieces(into: cb.Bucket) -> None:
    into.put("a", Parts())  # type: ignore[arg-type]
    assert into.get("a").read() == DATA


class Content:
    """A response of requests, which gives very little at a time when it is iterated."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError

    def iter_content(self, size: int) -> Iterator[bytes]:
        assert size >= 16 << 10
        yield from (DATA[start : start + size] for start in range(0, len(DATA), size))


def test_a_response_that_can_give_large_pieces_gives_them(into: cb.Bucket) -> None:
    into.put("a", Content())
    assert into.get("a").read() == DATA


@pytest.mark.parametrize("packed", [Only, SeeksWithoutAnswer, io.BytesIO])
def test_what_gzip_unpacks_need_not_seek(into: cb.Bucket, packed: Any) -> None:
    whole = gzip.compress(DATA, 1)
    with gzip.GzipFile(fileobj=packed(whole)) as file:
        assert file.read(5) == DATA[:5]
        into.put("a", file)
    assert into.get("a").read() == DATA[5:]
    with pytest.raises(cb.SourceError, match="EOFError"):
        into.put("b", gzip.GzipFile(fileobj=packed(whole[:-9])))
    assert not into.exists("b")


class AsyncFile:
    async def read(self, size: int = -1) -> bytes:
        return b""


class AsyncUpload(AsyncFile):
    file = io.BytesIO()


class AsyncByStealth:
    def read(self, size: int = -1) -> Any:
        return AsyncFile().read(size)


class AsyncParts:
    async def iter_bytes(self) -> AsyncIterator[bytes]:
        yield b""


class Holder:
    file = io.BytesIO()


class Connected:
    def makefile(self, mode: str) -> None: ...


class GivesNumbers(Only):
    def read(self, size: int = -1) -> Any:
        return 7


async def pieces() -> AsyncIterator[bytes]:
    yield b"x"


def spooled_text() -> Any:
    file = tempfile.SpooledTemporaryFile(mode="w+")  # noqa: SIM115
    file.write("text")
    file.seek(0)
    return file


def archive() -> zipfile.ZipFile:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return zipfile.ZipFile(packed)


def detached() -> Any:
    buffered = io.BufferedReader(io.BytesIO())
    buffered.detach()
    return buffered


class Table:
    """As pandas has them."""

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])

    def to_csv(self) -> str:
        return "a,b\n"


class AsyncResponse:
    """As httpx has them, of an asynchronous client: its `iter_bytes` fails."""

    stream = pieces()
    is_stream_consumed = False

    def iter_bytes(self) -> Iterator[bytes]:
        raise RuntimeError

    async def aread(self) -> bytes:
        return b""


REFUSED: list[tuple[Callable[[], Any], str, str | None]] = [
    (lambda: "folder/file", "not str", "text.encode(); a file: pathlib.Path(name)"),
    (lambda: None, "not NoneType", "pathlib.Path"),
    (lambda: 7, "not int", "pathlib.Path"),
    (lambda: {"a": 1}, "not dict", "json.dumps(body).encode()"),
    (Table, "Table", "body.to_csv().encode()"),
    (AsyncResponse, "AsyncResponse is asynchronous", "await its aread()"),
    (lambda: [1, 2], "this one gave int", "bytes(body)"),
    (lambda: ["a"], "this one gave str", "piece.encode()"),
    (lambda: [b"a", None], "this one gave NoneType", None),
    (lambda: io.StringIO("text"), "gives text (_io.StringIO)", "mode 'rb'"),
    (spooled_text, "gives text (tempfile.SpooledTemporaryFile)", "mode 'rb'"),
    (lambda: codecs.getreader("utf-8")(io.BytesIO(b"a")), "gives text (encodings.utf", "'rb'"),
    (AsyncFile, "AsyncFile is asynchronous", "await its read()"),
    (AsyncUpload, "AsyncUpload is asynchronous", "body.file"),
    (AsyncByStealth, "AsyncByStealth is asynchronous", "await its read()"),
    (AsyncParts, "AsyncParts is asynchronous", "async for"),
    (pieces, "async_generator is asynchronous", "async for"),
    (Holder, "Holder", "body.file"),
    (Connected, "Connected", "makefile('rb')"),
    (lambda: zipfile.Path(archive()), "zipfile.Path", "body.open('rb')"),
    (GivesNumbers, "GivesNumbers gives bytes, this one gave int", None),
    (detached, "the file is closed", None),
]


@pytest.mark.parametrize(("make", "told", "hint"), REFUSED)
def test_what_is_no_body_is_refused_by_name_with_the_way_on(
    into: cb.Bucket, make: Callable[[], Any], told: str, hint: str | None
) -> None:
    body = make()
    with pytest.raises(cb.UsageError) as caught:
        into.put("a", body)
    assert told in str(caught.value)
    assert caught.value.name == "a"
    assert (hint in str(caught.value.hint)) if hint else caught.value.hint is None
    assert not into.exists("a")
    if make is spooled_text:
        body.close()


def test_what_was_not_awaited_is_refused(into: cb.Bucket) -> None:
    coroutine = AsyncFile().read()
    with pytest.raises(cb.UsageError, match="a coroutine is no body") as caught:
        into.put("a", coroutine)  # type: ignore[arg-type]
    assert caught.value.hint == "await it, and put what it gives"
    assert asyncio.run(coroutine) == b""


class Answer:
    """A socket with the answer of a server, which may end early."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self._text = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._text))


def response(head: bytes, body: bytes) -> HTTPResponse:
    answer: Any = Answer(head, body)
    begun = HTTPResponse(answer)
    begun.begin()
    return begun


@pytest.mark.parametrize("came", [0, 1, 1000, len(DATA) - 1, len(DATA)])
def test_a_response_is_as_long_as_it_says(into: cb.Bucket, came: int) -> None:
    head = b"Content-Length: %d" % len(DATA)
    if came == len(DATA):
        assert into.put("a", response(head, DATA)).size == came
        read_before = response(head, DATA)
        assert read_before.read(1000) == DATA[:1000]
        assert into.put("b", read_before).size == came - 1000
        return
    with pytest.raises(cb.SourceError) as caught:
        into.put("a", response(head, DATA[:came]))
    assert str(caught.value) == f"'a': the body ended after {came:,} of {len(DATA):,} bytes"
    assert "ask for it again" in str(caught.value.hint)
    assert not into.exists("a")
    with pytest.raises(cb.SourceError, match="was given as"):
        into.put("a", response(head, DATA[:came]), size=len(DATA))


def test_a_response_of_no_known_length_is_as_long_as_it_is(into: cb.Bucket) -> None:
    assert into.put("a", response(b"Connection: close", DATA)).size == len(DATA)
    with pytest.raises(cb.SourceError) as caught:
        into.put("b", response(b"Transfer-Encoding: chunked", b"9\r\n1234"))
    assert "IncompleteRead" in str(caught.value)
    assert not into.exists("b")


class Waiting(Only):
    def read(self, size: int = -1) -> Any:
        return None


class Breaks(SeeksWithoutAnswer):
    broken = ArithmeticError("the tape tore")

    def read(self, size: int = -1) -> Any:
        if self._file.tell() >= 100_000:
            raise self.broken
        return self._file.read(min(size, 50_000))


class NeverComesBack(SeeksWithoutAnswer):
    def seek(self, offset: int, whence: int = 0) -> None:
        if not whence:
            raise OSError("cannot wind back")
        super().seek(offset, whence)


def test_a_file_that_fails_stores_nothing(into: cb.Bucket) -> None:
    for body, told in (
        (Waiting(), "non-blocking"),
        (Breaks(), f"beyond 100,000 of {len(DATA):,} bytes: ArithmeticError: the tape tore"),
        (NeverComesBack(), "cannot wind back"),
    ):
        with pytest.raises(cb.SourceError) as caught:
            into.put("a", body)  # type: ignore[arg-type]
        assert told in str(caught.value)
        assert caught.value.name == "a"
        assert not into.exists("a")
    assert list(into.uploads()) == []


def test_a_file_that_is_open_for_writing_alone_cannot_be_put(
    into: cb.Bucket, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("wb") as file, pytest.raises(cb.SourceError) as caught:
        into.put("a", file)
    assert caught.value.hint == "open it in mode 'rb'"


def test_a_part_may_be_of_any_kind_too(into: cb.Bucket) -> None:
    size = 131_072
    with into.multipart("a", data_size=2 * size + 1, part_size=size) as upload:
        with pytest.raises(cb.UsageError, match="AsyncFile is asynchronous"):
            upload.upload_part(1, AsyncFile())  # type: ignore[arg-type]
        with pytest.raises(cb.SourceError, match="ended after 9 of"):
            upload.upload_part(1, response(b"Content-Length: %d" % size, b"123456789"))
        upload.upload_part(3, [b"", b"x"])
        upload.upload_part(2, IgnoresSizes(DATA[size : 2 * size]))  # type: ignore[arg-type]
        upload.upload_part(1, response(b"Content-Length: %d" % size, DATA[:size]))
        upload.complete()
    assert into.get("a").read() == DATA[: 2 * size] + b"x"


def test_a_path_is_no_file_although_it_can_read(into: cb.Bucket, tmp_path: Path) -> None:
    class ReadsItself(type(tmp_path)):  # type: ignore[misc]
        def read(self) -> bytes:
            raise AssertionError

    (tmp_path / "file").write_bytes(DATA)
    assert into.put("a", ReadsItself(tmp_path / "file")).size == len(DATA)
