"""Bodies of the asynchronous libraries themselves: files, uploads and responses of HTTP."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_bodies import serve
from tests.support.plaintexts import pattern

import cipherbucket as cb

DATA = pattern(3_000_000)
Opened = Callable[[str, Path], AbstractAsyncContextManager[Any]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def _httpx(url: str, _: Path) -> AsyncIterator[Any]:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as response:
        yield response


@asynccontextmanager
async def _aiohttp(url: str, _: Path) -> AsyncIterator[Any]:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        yield response


@asynccontextmanager
async def _aiohttp_content(url: str, path: Path) -> AsyncIterator[Any]:
    async with _aiohttp(url, path) as response:
        yield response.content


@asynccontextmanager
async def _aiofiles(_: str, path: Path) -> AsyncIterator[Any]:
    aiofiles = pytest.importorskip("aiofiles")
    async with aiofiles.open(path, "rb") as file:
        yield file


@asynccontextmanager
async def _starlette(_: str, __: Path) -> AsyncIterator[Any]:
    from starlette.datastructures import UploadFile

    yield UploadFile(io.BytesIO(DATA))


@pytest.mark.anyio
@pytest.mark.parametrize("opened", [_httpx, _aiohttp, _aiohttp_content, _aiofiles, _starlette])
@pytest.mark.parametrize("format_", ["oss", "sealed"])
async def test_each(key: cb.RsaKey, opened: Opened, format_: str, tmp_path: Path) -> None:
    bucket = cb.AsyncBucket(cb.Bucket(cb.MemoryStore(), key, format=format_))
    (tmp_path / "a").write_bytes(DATA)
    with serve(DATA) as served:
        async with opened(f"{served.url}/whole", tmp_path / "a") as body:
            assert (await bucket.put("a", body)).size == len(DATA)
    assert bucket.bucket.get("a").read() == DATA


@pytest.mark.anyio
@pytest.mark.parametrize("opened", [_httpx, _aiohttp])
@pytest.mark.parametrize("path", ["short", "short-chunked"])
async def test_an_answer_that_ends_early(
    key: cb.RsaKey, opened: Opened, path: str, tmp_path: Path
) -> None:
    bucket = cb.AsyncBucket(cb.Bucket(cb.MemoryStore(), key))
    with serve(DATA) as served:
        async with opened(f"{served.url}/{path}", tmp_path) as body:
            with pytest.raises(Exception, match=r"(?i)incomplete|not enough|peer closed"):
                await bucket.put("a", body)
    assert not await bucket.exists("a")
