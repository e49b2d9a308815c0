"""Every verb of a bucket is awaited under the same name, with the same arguments."""

import inspect
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_overloads

import pytest

import cipherbucket as cb
import cipherbucket.aio
from cipherbucket.aio import AsyncBucket

pytestmark = pytest.mark.anyio
VERBS = sorted(name for name in vars(cb.Bucket) if not name.startswith("_"))


def parameters(verb: object) -> list[Any]:
    assert callable(verb)
    found = inspect.signature(verb).parameters.values()
    return [(each.name, each.kind, each.default) for each in found][1:]


@pytest.mark.parametrize("name", VERBS)
def test_no_verb_is_forgotten(name: str) -> None:
    verb, ours = vars(cb.Bucket)[name], vars(AsyncBucket)[name]
    assert inspect.getdoc(ours)
    if isinstance(verb, property):
        assert isinstance(ours, property)
    elif name == "open":
        pairs = zip(get_overloads(cb.Bucket.open), get_overloads(AsyncBucket.open), strict=True)
        for each, its in pairs:
            assert parameters(each) == parameters(its)
            assert each.__annotations__["mode"] == its.__annotations__["mode"]
    else:
        assert parameters(verb) == parameters(ours)
        assert inspect.iscoroutinefunction(ours) == (name not in {"list", "versions"})


@pytest.mark.parametrize("name", cb.aio.__all__)
def test_all_that_is_public_is_documented(name: str) -> None:
    kind = getattr(cb.aio, name)
    assert inspect.getdoc(kind)
    for member in dir(kind):
        assert member.startswith("_") or inspect.getdoc(getattr(kind, member)), member


async def test_an_object_from_beginning_to_end(bucket: AsyncBucket, tmp_path: Path) -> None:
    info = await bucket.put("a", b"0123456789", metadata={"k": "v"})
    assert info.size == 10
    assert await bucket.exists("a")
    assert (await bucket.head("a")).metadata == {"k": "v"}
    async with await bucket.get("a", start=3, length=4) as stream:
        assert (stream.length, stream.info.name) == (4, "a")
        assert [block async for block in stream] == [b"3456"]
    with pytest.raises(cb.UsageError, match="closed"):
        await stream.read()
    await bucket.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert await bucket.matches("a", tmp_path / "a")
    await bucket.upload(tmp_path / "a", "b/1")
    await bucket.copy("b/1", "b/2")
    await bucket.rename("b/2", "b/3")
    assert [entry.name async for entry in bucket.list("b/")] == ["b/1", "b/3"]
    assert [entry.name async for entry in bucket.list(start_after="a")] == ["b/1", "b/3"]
    assert len(await bucket.split(1)) == 1
    if (bucket.url[:3], bucket.format) != ("oss", "oss"):  # which refuses it
        await bucket.update_metadata("a", metadata={})
    assert await bucket.delete_many(["b/1", "b/3"]) == {}
    await bucket.delete("a")
    assert [entry async for entry in bucket.list()] == []


async def test_listings_of_many_pages(key: cb.RsaKey) -> None:
    bucket = AsyncBucket(cb.Bucket(cb.MemoryStore(), key))
    names = [f"{number:04}" for number in range(2001)]
    for name in names:
        bucket.bucket.put(name, b"")
    assert [entry.name async for entry in bucket.list()] == names
    async for entry in bucket.list():
        assert entry.name == "0000"
        break
    with pytest.raises(cb.UsageError):
        async for _ in bucket.list(delimiter="/", start_after="a"):
            pass
    with pytest.raises(cb.UsageError, match="versions"):
        async for _ in bucket.versions():
            pass


async def test_errors_pass_unchanged(bucket: AsyncBucket) -> None:
    with pytest.raises(cb.ObjectNotFoundError):
        await bucket.get("a")
    await bucket.put("a", b"")
    with pytest.raises(cb.ObjectExistsError):
        await bucket.put("a", b"1", if_absent=True)
    with pytest.raises(TypeError):
        await bucket.open("a", "rb", nonsense=1)  # type: ignore[call-overload]
    with pytest.raises(cb.UsageError, match="mode"):
        await bucket.open("a", "a")  # type: ignore[call-overload]


async def test_files(bucket: AsyncBucket) -> None:
    async with await bucket.open("a", "wb") as file:
        await file.write(b"one\ntwo\n")
        await file.write(memoryview(b"three"))
    assert file.info.size == 13
    async with await bucket.open("a") as read:
        assert [line async for line in read] == [b"one\n", b"two\n", b"three"]
        assert await read.seek(4) == 4
        assert (await read.read(3), await read.tell()) == (b"two", 7)
        assert (await read.info()).size == 13
        assert await read.read_ranges([(8, 5), (0, 3)]) == [b"three", b"one"]
    async with await bucket.open("b", "w") as text:
        await text.write("ä\nö")
    async with await bucket.open("b", "r") as letters:
        assert await letters.readline() == "ä\n"
        assert await letters.read() == "ö"


async def test_a_file_left_by_an_exception_stores_nothing(bucket: AsyncBucket) -> None:
    for mode, data in (("wb", b"1"), ("w", "1")):
        file: Any = await bucket.open("a", mode)  # type: ignore[call-overload]
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  it is the block that fails
            async with file:
                await file.write(data)
                raise ZeroDivisionError
    assert not await bucket.exists("a")


async def test_an_upload_in_parts(bucket: AsyncBucket) -> None:
    async def half() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(16_384)

    size = 10 * 16_384
    async with await bucket.multipart("a", data_size=2 * size, part_size=size) as upload:
        assert len(await bucket.uploads()) == 1
        await upload.upload_part(2, half())
        await upload.upload_part(1, bytes(size))
        assert [part.number for part in await upload.list_parts()] == [1, 2]
        await upload.complete()
    assert (await bucket.head("a")).size == 2 * size
    with pytest.raises(ZeroDivisionError):
        async with await bucket.multipart("b", data_size=1):
            raise ZeroDivisionError
    assert not await bucket.uploads()


async def test_copy_to_and_progress(bucket: AsyncBucket, key: cb.RsaKey) -> None:
    seen: list[tuple[int, int | None]] = []
    await bucket.put("a", bytes(1000), progress=lambda *each: seen.append(each))
    assert seen[-1] == (1000, 1000)
    target = cb.Bucket(cb.MemoryStore(), key, format=bucket.format)
    await bucket.copy_to(target, "a", progress=lambda *each: seen.append(each))
    assert target.get("a").read() == bytes(1000)


async def test_closing(key: cb.RsaKey) -> None:
    async with AsyncBucket(cb.Bucket(cb.MemoryStore(), key)) as bucket:
        assert bucket.url.startswith("memory:")
        assert "AsyncBucket" in repr(bucket)
    with pytest.raises(cb.UsageError):
        pickle.dumps(bucket)


@pytest.mark.parametrize("threads", [0, "4", -1])
def test_refused(threads: int, key: cb.RsaKey) -> None:
    with pytest.raises(cb.UsageError, match="threads"):
        AsyncBucket(cb.Bucket(cb.MemoryStore(), key), threads=threads)
    with pytest.raises(cb.UsageError, match="not on MemoryStore"):
        AsyncBucket(cb.MemoryStore())  # type: ignore[arg-type]


def test_the_public_name_needs_the_extra_and_importing_does_not() -> None:
    assert cb.AsyncBucket is AsyncBucket
    code = (
        "import sys; sys.modules['anyio'] = None\n"
        "import cipherbucket as cb\n"
        "from cipherbucket import *\n"
        "assert not hasattr(cb, 'Nonsense')\n"
        "try: cb.AsyncBucket\n"
        "except cb.MissingExtraError as error: print(error.hint)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "pip install 'anyio>=4.5'"
