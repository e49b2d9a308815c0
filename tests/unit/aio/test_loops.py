"""One bucket in several event loops, and listings that go on after a cancellation."""

import asyncio
import threading
from importlib.util import find_spec

import anyio
import pytest

import cipherbucket as cb
from cipherbucket.aio import AsyncBucket
from cipherbucket.stores.base import Store

NAMES = [f"{number:04}" for number in range(2500)]


@pytest.fixture
def bucket() -> AsyncBucket:
    store = cb.MemoryStore()
    for name in NAMES:
        store.put(name, b"")
    return AsyncBucket(cb.Bucket(store, cb.KeyRing()), threads=1)


async def listed(bucket: AsyncBucket) -> list[str]:
    return [entry.name async for entry in bucket.list()]


def test_one_loop_after_another(bucket: AsyncBucket) -> None:
    for backend in ("asyncio", *(["trio"] if find_spec("trio") else []), "asyncio"):
        assert anyio.run(listed, bucket, backend=backend) == NAMES


def test_several_loops_at_once(bucket: AsyncBucket) -> None:
    async def ask() -> None:
        for _ in range(200):
            assert await bucket.exists("0001")
        done.append(1)

    done: list[int] = []
    loops = [
        threading.Thread(target=asyncio.run, args=(asyncio.wait_for(ask(), 20),)) for _ in range(3)
    ]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    assert len(done) == 3


@pytest.mark.anyio
async def test_the_threads_of_two_buckets_are_not_shared(bucket: AsyncBucket) -> None:
    other = AsyncBucket(bucket.bucket, threads=2)
    both = anyio.create_memory_object_stream[str](2)
    entered = threading.Barrier(2)

    async def meet() -> None:
        await other.threads.run(lambda: entered.wait(20))
        both[0].send_nowait("met")

    await bucket.exists("0001")
    async with anyio.create_task_group() as group:
        group.start_soon(meet)
        group.start_soon(meet)
    assert both[1].statistics().current_buffer_used == 2
    for end in both:
        end.close()


@pytest.mark.anyio
async def test_a_listing_goes_on_after_a_cancellation(
    bucket: AsyncBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_list = Store.list
    reading, go_on = threading.Event(), threading.Event()

    def slow(store: Store, *arguments: object, **options: object) -> object:
        reading.set()
        go_on.wait(20)
        return store_list(store, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "list", slow)
    listing = bucket.list()
    async with anyio.create_task_group() as group:

        async def first() -> None:
            await anext(listing)

        group.start_soon(first)
        await anyio.to_thread.run_sync(reading.wait, 20)
        group.cancel_scope.cancel()
        go_on.set()
    assert [entry.name async for entry in listing] == NAMES
