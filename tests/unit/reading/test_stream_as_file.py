"""What `Bucket.get` returns is a binary file to all that takes one, but for seeking."""

import gzip
import hashlib
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.plaintexts import pattern

import cipherbucket as cb

LINES = b"".join(b"%d,hello\n" % number for number in range(20_000)) + b"no newline at the end"
LONG = pattern(300_000).replace(b"\n", b" ") + b"\n" + pattern(9)


@pytest.fixture(params=["oss", "sealed"])
def got(
    request: pytest.FixtureRequest, store: cb.MemoryStore, key: cb.RsaKey
) -> Callable[[bytes], cb.ObjectStream]:
    bucket = cb.Bucket(store, cb.KeyRing(key), format=request.param)

    def stream(data: bytes) -> cb.ObjectStream:
        bucket.put("a", data)
        return bucket.get("a")

    return stream


Got = Callable[[bytes], cb.ObjectStream]


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\n\nb", LINES, LONG], ids=len)
def test_each_way_to_read_gives_what_a_file_gives(got: Got, data: bytes) -> None:
    for read in (
        *(lambda file: file.read(), lambda file: file.read(None), lambda file: file.read(-1)),
        *(lambda file: file.readall(), list, lambda file: file.readlines()),
        *(lambda file: file.readlines(10), lambda file: [file.readline(5), file.readline(None)]),
        *(lambda file: [file.read(3), file.readline(), file.read()],),
        *(lambda file: [file.read1(0), file.readline(), file.readline(0), file.read(7)],),
        *(lambda file: list(io.BufferedReader(file)),),
        *(lambda file: list(io.TextIOWrapper(file, "latin-1")),),
    ):
        with got(data) as stream:
            file = io.BytesIO(data)
            file.readall = file.read  # type: ignore[attr-defined]
            assert read(stream) == read(file)


def test_peek_takes_nothing_and_read1_something(got: Got) -> None:
    with got(LINES) as stream:
        assert LINES.startswith(stream.peek())
        assert stream.peek(20_000)[:20_000] == LINES[:20_000]
        first = stream.read1()
        assert 0 < len(first) < len(LINES)
        assert 0 < len(stream.read1(10)) <= 10
        stream.read()
        assert (stream.peek(), stream.read1(), stream.read1(5), stream.readline()) == (b"",) * 4


def test_buffers_are_filled_from_what_was_read_ahead_and_what_follows(got: Got) -> None:
    with got(LINES) as stream:
        line = stream.readline()
        rest = bytearray(len(LINES))
        assert stream.readinto(rest) == len(LINES) - len(line)
        assert line + rest.rstrip(b"\0") == LINES
        assert stream.readinto(rest) == stream.readinto1(rest) == 0


def test_it_answers_for_itself_as_a_file_does(got: Got) -> None:
    stream = got(LINES)
    assert (stream.name, stream.mode, stream.closed) == ("a", "rb", False)
    assert (stream.readable(), stream.writable(), stream.seekable()) == (True, False, False)
    assert not stream.isatty()
    unsupported: list[Callable[[], Any]] = [
        *(stream.fileno, stream.tell, stream.truncate, stream.detach),
        *(lambda: stream.write(b"x"), lambda: stream.seek(0)),
    ]
    for call in unsupported:
        with pytest.raises(io.UnsupportedOperation):
            call()
    stream.readline()
    stream.close()
    stream.close()
    assert stream.closed
    calls: list[Callable[[], Any]] = [
        *(stream.read, stream.read1, stream.readline, stream.peek, stream.__enter__),
        *(lambda: next(stream), lambda: stream.readinto(bytearray(1))),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_the_library_of_python_reads_from_it(got: Got) -> None:
    copied = io.BytesIO()
    shutil.copyfileobj(got(LINES), copied)
    assert copied.getvalue() == LINES
    assert hashlib.file_digest(got(LINES), "sha256").digest() == hashlib.sha256(LINES).digest()
    assert gzip.GzipFile(fileobj=got(gzip.compress(LINES))).read() == LINES
    assert json.load(got(b'{"a": 1}')) == {"a": 1}
    assert pickle.load(got(pickle.dumps(LINES))) == LINES


def test_archives_are_read_as_far_as_that_goes_in_order(got: Got) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("member")
        member.size = len(LINES)
        tar.addfile(member, io.BytesIO(LINES))
    with tarfile.open(fileobj=got(archive.getvalue()), mode="r|gz") as tar:
        for each in tar:
            extracted = tar.extractfile(each)
            assert extracted is not None
            assert extracted.read() == LINES

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("member", LINES)
    with pytest.raises(zipfile.BadZipFile) as caught:
        zipfile.ZipFile(got(archive.getvalue()))
    assert "bucket.open(name) gives a file that does" in str(caught.value.__context__)


def test_progress_tells_all_of_it_also_to_who_reads_lines(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("a", LINES)
    told: list[tuple[int, int | None]] = []
    with bucket.get("a", progress=lambda done, total: told.append((done, total))) as stream:
        assert b"".join(stream) == LINES
    assert told[-1] == (len(LINES), len(LINES))


def test_damage_is_found_by_who_reads_lines(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    bucket = cb.Bucket(store, cb.KeyRing(key), format="sealed")
    bucket.put("a", LINES)
    stored = store.head("a")
    with store.get("a") as incoming:
        body = bytearray(stored.size)
        incoming.readinto(body)
    body[len(body) // 2] ^= 1
    store.put("a", bytes(body), metadata=stored.metadata)
    with bucket.get("a") as stream, pytest.raises(cb.IntegrityError):  # noqa: PT012
        for line in stream:
            assert line in LINES
