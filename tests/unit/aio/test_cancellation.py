"""What is cancelled, at whatever moment, stores nothing or all and leaves nothing behind."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket.aio import AsyncBucket, bodies
from cipherbucket.aio.threads import Threads
from cipherbucket.transfers import files
from cipherbucket.writing import put, unknown_length

pytestmark = pytest.mark.anyio
PLAIN = random.Random(3).randbytes(600_000)
PART = 10 * 16_384
Work = Callable[[AsyncBucket, Path], Awaitable[object]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put, "LARGE", 200_000)
    monkeypatch.setattr(files, "THRESHOLD", 200_000)
    monkeypatch.setattr(put, "good_part_size", lambda *_: PART)
    monkeypatch.setattr(unknown_length, "growing_part_size", lambda _: PART)
    monkeypatch.setattr(bodies, "PIECE", 65_536)


async def cut() -> AsyncIterator[bytes]:
    for start in range(0, len(PLAIN), 60_000):
        await anyio.sleep(0.0005)
        yield PLAIN[start : start + 60_000]


def slowly() -> Iterator[bytes]:
    for start in range(0, len(PLAIN), 60_000):
        time.sleep(0.0005)
        yield PLAIN[start : start + 60_000]


async def write(bucket: AsyncBucket, mode: Any, text: Any) -> None:
    async with await bucket.open("a", mode) as file:
        for start in range(0, len(text), 60_000):
            await file.write(text[start : start + 60_000])


async def in_parts(bucket: AsyncBucket, _: Path) -> None:
    whole = len(PLAIN)
    async with await bucket.multipart("a", data_size=whole, part_size=PART) as upload:
        async with anyio.create_task_group() as group:
            for number in range(1, upload.plan.count + 1):
                start, stop = upload.plan.offsets(number)
                group.start_soon(upload.upload_part, number, PLAIN[start:stop])
        await upload.complete()


WRITES: dict[str, Work] = {
    "async body": lambda bucket, _: bucket.put("a", cut()),
    "async body of known size": lambda bucket, _: bucket.put("a", cut(), size=len(PLAIN)),
    "bytes": lambda bucket, _: bucket.put("a", PLAIN),
    "iterable": lambda bucket, _: bucket.put("a", slowly()),
    "iterable of known size": lambda bucket, _: bucket.put("a", slowly(), size=len(PLAIN)),
    "file": lambda bucket, _: write(bucket, "wb", PLAIN),
    "text": lambda bucket, _: write(bucket, "w", PLAIN.decode("latin-1")),
    "multipart": in_parts,
    "copy": lambda bucket, _: bucket.copy("source", "a"),
    "upload": lambda bucket, folder: bucket.upload(folder / "source", "a", part_size=PART),
}


async def cancelled_after(work: Callable[[], Awaitable[object]], seconds: float, how: str) -> None:
    """Do some work, and cancel it: by a scope, or as asyncio does, once or twice."""
    if how == "scope":
        with anyio.move_on_after(seconds):
            await work()
        return
    task = asyncio.ensure_future(work())
    await asyncio.sleep(seconds)
    for _ in range(2 if how == "twice" else 1):
        task.cancel()
        await asyncio.sleep(0)
    try:
        await task
    except asyncio.CancelledError:
        assert task.cancelled()


def ways(anyio_backend: str) -> tuple[str, ...]:
    return ("scope", "once", "twice") if anyio_backend == "asyncio" else ("scope",)


BACKENDS_AND_WAYS = [(each, how) for each in ("asyncio", "trio") for how in ways(each)]


@pytest.mark.each_pair
@pytest.mark.parametrize("kind", WRITES)
async def test_a_write_is_done_wholly_or_not_at_all(
    bucket: AsyncBucket,
    anyio_backend: str,
    kind: str,
    tmp_path: Path,
    running: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(tmp_path / "state"))
    (tmp_path / "source").write_bytes(PLAIN)
    await bucket.put("source", PLAIN)
    draw = random.Random(f"{anyio_backend}{kind}{bucket.url[:3]}{bucket.format}")
    threads = threading.active_count()
    begun = time.perf_counter()
    await WRITES[kind](bucket, tmp_path)
    takes = time.perf_counter() - begun
    for _ in range(count(60, 5)):
        await bucket.delete("a")
        work = partial(WRITES[kind], bucket, tmp_path)
        await cancelled_after(work, draw.uniform(0, 1.1 * takes), draw.choice(ways(anyio_backend)))
        assert running() == 0
        if await bucket.exists("a"):
            stored = await (await bucket.get("a")).read()
            assert (stored.decode().encode("latin-1") if kind == "text" else stored) == PLAIN
        if kind == "upload":  # goes on with the next call, as one that a key press interrupted
            await bucket.upload(tmp_path / "source", "a", part_size=PART)
        assert not await bucket.uploads()
    assert threading.active_count() <= threads + 16  # idle ones of the event loop


@pytest.mark.each_value
@pytest.mark.parametrize("kind", ["get", "read", "iterate", "open", "download", "list"])
async def test_a_read_leaves_nothing(
    bucket: AsyncBucket,
    anyio_backend: str,
    kind: str,
    tmp_path: Path,
    running: Callable[[], int],
) -> None:
    await bucket.put("a", PLAIN)

    async def iterate() -> None:
        async with await bucket.get("a") as stream:
            assert b"".join([block async for block in stream]) == PLAIN

    async def read_file() -> None:
        async with await bucket.open("a") as file:
            assert await file.read() == PLAIN

    async def read() -> None:
        async with await bucket.get("a") as stream:
            assert await stream.read() == PLAIN

    async def list_all() -> None:
        assert [entry.name async for entry in bucket.list()] == ["a"]

    works: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: bucket.get("a"),
        "read": read,
        "iterate": iterate,
        "open": read_file,
        "download": lambda: bucket.download("a", tmp_path / "to", state=tmp_path / "state"),
        "list": list_all,
    }
    draw = random.Random(kind)
    begun = time.perf_counter()
    await works[kind]()
    takes = time.perf_counter() - begun
    for _ in range(count(60, 5)):
        (tmp_path / "to").unlink(missing_ok=True)
        how = draw.choice(ways(anyio_backend))
        await cancelled_after(works[kind], draw.uniform(0, 1.1 * takes), how)
        assert running() == 0
        if (tmp_path / "to").exists():
            assert (tmp_path / "to").read_bytes() == PLAIN


@pytest.mark.parametrize(("anyio_backend", "how"), BACKENDS_AND_WAYS)
async def test_a_long_put_is_stopped_within_a_block(key: cb.RsaKey, how: str) -> None:
    bucket = AsyncBucket(cb.Bucket(cb.MemoryStore(), key))
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            time.sleep(0.001)
            taken += 1
            yield bytes(65_536)

    begun = time.perf_counter()
    await cancelled_after(lambda: bucket.put("a", endless()), 0.05, how)
    assert time.perf_counter() - begun < 5
    before = taken
    await anyio.sleep(0.02)
    assert taken == before
    assert not await bucket.exists("a")


@pytest.mark.parametrize(("anyio_backend", "how"), BACKENDS_AND_WAYS)
async def test_a_request_that_has_begun_is_waited_for(how: str) -> None:
    threads, ended = Threads(1), []
    undone: list[str] = []

    def call() -> str:
        time.sleep(0.1)
        ended.append(True)
        return "result"

    await cancelled_after(lambda: threads.run(call, undo=undone.append), 0.02, how)
    assert (ended, undone) == ([True], ["result"])
    await cancelled_after(lambda: threads.finish(call), 0.02, how)
    assert ended == [True, True]


async def test_one_that_waits_for_a_thread_never_begins() -> None:
    threads, begun = Threads(1), []
    async with anyio.create_task_group() as group:
        group.start_soon(threads.run, partial(time.sleep, 0.1))
        await anyio.sleep(0.02)
        with anyio.move_on_after(0.02):
            await threads.run(lambda: begun.append(True))
        # What ends something does not wait for a thread that is free.
        first = time.perf_counter()
        await threads.finish(lambda: begun.append(False))
        assert time.perf_counter() - first < 0.05
    assert begun == [False]


async def test_an_error_of_the_thread_is_not_a_cancelled_tasks(key: cb.RsaKey) -> None:
    """The task was cancelled: what failed meanwhile is nobody's."""

    def call() -> None:
        time.sleep(0.05)
        raise ZeroDivisionError

    with anyio.move_on_after(0.01) as scope:
        await Threads(1).run(call)
    assert scope.cancelled_caught
    with pytest.raises(ZeroDivisionError):
        await Threads(1).run(call)


async def test_a_writer_of_a_cancelled_task_stores_nothing_when_it_is_closed(
    bucket: AsyncBucket,
) -> None:
    with anyio.CancelScope() as scope:
        async with await bucket.open("a", "wb") as file:
            await file.write(b"half")
            scope.cancel()
    assert not await bucket.exists("a")
    with anyio.CancelScope() as scope:
        stream_of = await bucket.put("b", b"1")
        stream = await bucket.get("b")
        scope.cancel()
        await stream.aclose()
    assert stream_of.size == 1
    with pytest.raises(cb.UsageError, match="closed"):
        await stream.read()


async def test_a_read_that_was_cancelled_closes_the_stream(
    key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cb.MemoryStore()
    bucket = AsyncBucket(cb.Bucket(store, key))
    await bucket.put("a", PLAIN)
    stream = await bucket.get("a")
    read = stream._stream.read

    def slow(size: int) -> bytes:
        time.sleep(0.05)
        return read(size)

    monkeypatch.setattr(stream._stream, "read", slow)
    with anyio.move_on_after(0.01):
        await stream.read(10)
    with pytest.raises(cb.UsageError, match="closed"):
        await stream.read(10)
