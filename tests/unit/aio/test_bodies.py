"""Bodies that come asynchronously: what is stored is what came, or nothing."""

import base64
import hashlib
import io
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import cipherbucket as cb
from cipherbucket.aio import AsyncBucket, bodies
from cipherbucket.writing import ciphertext, put, unknown_length

pytestmark = pytest.mark.anyio
PLAIN = random.Random(7).randbytes(700_001)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a body goes in parts, or into a file."""
    monkeypatch.setattr(put, "LARGE", 200_000)
    monkeypatch.setattr(put, "good_part_size", lambda *_: 10 * 16_384)
    monkeypatch.setattr(unknown_length, "growing_part_size", lambda _: 10 * 16_384)
    monkeypatch.setattr(ciphertext, "SPOOL_THRESHOLD", 100_000)
    monkeypatch.setattr(bodies, "PIECE", 50_000)


async def cut(plain: bytes = PLAIN, at: int = 7_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(plain), at):
        await anyio.lowlevel.checkpoint()
        yield plain[start : start + at]


class Upload:
    """What is needed of an upload of Starlette."""

    def __init__(self) -> None:
        self.file = io.BytesIO(PLAIN)

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)


class Response:
    """What is needed of a response of httpx."""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        async for piece in cut():
            yield piece


KINDS: dict[str, Callable[[], Any]] = {
    "small pieces": cut,
    "large pieces": lambda: cut(at=300_000),
    "upload": Upload,
    "httpx": Response,
    "bytes": lambda: PLAIN,
    "file": lambda: io.BytesIO(PLAIN),
    "iterable": lambda: iter([PLAIN[:9], PLAIN[9:]]),
}


@pytest.mark.each_value
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, len(PLAIN)])
async def test_each_kind(bucket: AsyncBucket, kind: str, size: int | None, small: None) -> None:
    seen: list[tuple[int, int | None]] = []
    info = await bucket.put("a", KINDS[kind](), size=size, progress=lambda *each: seen.append(each))
    assert info.size == len(PLAIN)
    assert seen[-1] == (len(PLAIN), len(PLAIN))
    async with await bucket.get("a") as stream:
        assert await stream.read() == PLAIN
    assert not await bucket.uploads()


async def test_files_and_streams(bucket: AsyncBucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PLAIN)
    async with await anyio.open_file(tmp_path / "a", "rb") as file:
        await bucket.put("anyio", file)
    async with await bucket.get("anyio") as stream:
        await bucket.put("again", stream)
    assert await (await bucket.get("again")).read() == PLAIN


@pytest.mark.each_value
@pytest.mark.parametrize("length", [0, 1, 163_839, 163_840, 163_841, 327_680, 500_000])
@pytest.mark.parametrize("told", [True, False])
async def test_lengths(bucket: AsyncBucket, length: int, told: bool, small: None) -> None:
    plain = PLAIN[:length]
    await bucket.put("a", cut(plain), size=length if told else None)
    assert await (await bucket.get("a")).read() == plain
    assert not await bucket.uploads()


@pytest.mark.each_value
@pytest.mark.parametrize("size", [len(PLAIN) - 1, len(PLAIN) + 1, 0, 10**9])
async def test_another_size(bucket: AsyncBucket, size: int, small: None) -> None:
    with pytest.raises(cb.SourceError, match="'a': the length of the body was given as"):
        await bucket.put("a", cut(), size=size)
    assert not await bucket.exists("a")
    assert not await bucket.uploads()


async def test_conditions_and_an_md5(bucket: AsyncBucket, small: None) -> None:
    md5 = base64.b64encode(hashlib.md5(PLAIN).digest()).decode()
    first = await bucket.put("a", cut(), content_md5=md5)
    with pytest.raises(cb.SourceError, match="MD5"):
        await bucket.put("b", cut(b"1"), content_md5=md5)
    with pytest.raises(cb.UsageError, match="content_md5"):
        await bucket.put("b", cut(b"1"), content_md5="nonsense")
    with pytest.raises(cb.UsageError, match="bytes cannot be"):
        await bucket.put("b", cut(b"1"), size=-1)
    with pytest.raises(cb.ObjectExistsError):
        await bucket.put("a", cut(), if_absent=True)
    if bucket.url.startswith("oss"):  # which has no such condition
        with pytest.raises(cb.UsageError, match="ETag"):
            await bucket.put("a", cut(), if_match=first.etag)
    else:
        second = await bucket.put("a", cut(b"2"), if_match=first.etag)
        assert second.size == 1
        with pytest.raises(cb.PreconditionFailedError):
            await bucket.put("a", cut(), if_match=first.etag)
    assert not await bucket.exists("b")
    assert not await bucket.uploads()


class BrokenError(Exception):
    """What a body raises."""


@pytest.mark.each_value
@pytest.mark.parametrize("after", [0, 1, 60, 99])
async def test_what_a_body_raises_passes_and_nothing_is_stored(
    bucket: AsyncBucket, after: int, small: None
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        count = 0
        async with aclosing(cut()) as whole:
            async for piece in whole:
                if count == after:
                    raise BrokenError
                count += 1
                yield piece

    with pytest.raises(BrokenError):
        await bucket.put("a", broken())
    assert not await bucket.exists("a")
    assert not await bucket.uploads()


@pytest.mark.each_value
@pytest.mark.parametrize("piece", ["text", 7, None])
async def test_pieces_of_another_kind(bucket: AsyncBucket, piece: Any) -> None:
    closed = []

    async def body() -> AsyncIterator[Any]:
        try:
            yield b"1"
            yield piece
        finally:
            closed.append(True)

    with pytest.raises(cb.UsageError, match="an asynchronous body gives bytes"):
        await bucket.put("a", body())
    assert closed
    assert not await bucket.exists("a")


async def test_slow_bodies_and_readers_hold_no_thread(
    key: cb.RsaKey, running: Callable[[], int]
) -> None:
    bucket = AsyncBucket(cb.Bucket(cb.MemoryStore(), key), threads=1)
    await bucket.put("a", PLAIN)
    go_on = anyio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"1"
        await go_on.wait()
        # A body that uses the bucket it goes to: with one thread, too.
        async with await bucket.get("a", length=10) as stream:
            yield await stream.read()

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(bucket.put, f"slow/{number}", slow())
        readers = [await bucket.get("a") for _ in range(20)]
        await anyio.sleep(0.01)
        assert running() == 0
        assert await bucket.exists("a")
        go_on.set()
    for reader in readers:
        await reader.aclose()
    assert [entry.size async for entry in bucket.list("slow/")] == [11] * 20


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_fast_body_and_a_fast_object_wait(key: cb.RsaKey) -> None:
    """At most some pieces are on the way, however much there is."""
    store = cb.MemoryStore()
    bucket = AsyncBucket(cb.Bucket(store, key, format="sealed"))
    given = taken = most = 0
    write = unknown_length.StreamUpload.write

    def counted(self: unknown_length.StreamUpload, data: memoryview) -> None:
        nonlocal taken
        write(self, data)
        taken += len(data)

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given, most
        for _ in range(300):
            given += 100_000
            most = max(most, given - taken)
            yield bytes(100_000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unknown_length.StreamUpload, "write", counted)
        await bucket.put("a", endless())
    assert (given, taken) == (30_000_000, 30_000_000)
    assert most <= bodies.PIECE + 100_000
    async with await bucket.get("a") as stream:
        await stream.__anext__()
        assert stream._stream.body.left == 30_000_000 - bodies.PIECE
