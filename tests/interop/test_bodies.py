"""What other libraries give as a body, handed over as it is: whole, ending early, breaking off.

Nothing is stored unless all of it came, and the error says how far it got.
"""

from __future__ import annotations

import gzip
import io
import mmap
import os
import socket
import struct
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.interop.conftest import need
from tests.support.http_bodies import CAME, Served, serve
from tests.support.plaintexts import pattern

import cipherbucket as cb

DATA = pattern(300_000)
WHOLE, SHORT, BROKEN = "whole", "short", "broken"


@pytest.fixture(scope="module", autouse=True)
def _peers() -> None:
    need("bodies")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(DATA) as there:
        yield there


@pytest.fixture(params=["oss", "sealed"])
def into(request: pytest.FixtureRequest, store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key), format=request.param)


@pytest.fixture
def open_till_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _urllib(url: str, stack: ExitStack) -> Any:
    return stack.enter_context(urllib.request.urlopen(url))


def _requests(url: str, stack: ExitStack) -> Any:
    import requests

    return stack.enter_context(requests.get(url, stream=True, timeout=30))


def _raw(url: str, stack: ExitStack) -> Any:
    return _requests(url, stack).raw


def _unchecked_raw(url: str, stack: ExitStack) -> Any:
    """As of urllib3 1.26, where nobody compares what came with what was announced."""
    raw = _raw(url, stack)
    raw.enforce_content_length = False
    return raw


def _httpx(url: str, stack: ExitStack) -> Any:
    import httpx

    client = stack.enter_context(httpx.Client(trust_env=False))
    return stack.enter_context(client.stream("GET", url))


def _httpx_pieces(url: str, stack: ExitStack) -> Any:
    return _httpx(url, stack).iter_bytes()


def _boto3(url: str, stack: ExitStack) -> Any:
    from botocore.response import StreamingBody

    raw = _raw(url, stack)
    return StreamingBody(raw, raw.headers.get("Content-Length"))


RESPONSES = [_urllib, _requests, _raw, _unchecked_raw, _httpx, _httpx_pieces, _boto3]


def refused(into: cb.Bucket, body: Any) -> cb.SourceError:
    with pytest.raises(cb.SourceError) as caught:
        into.put("folder/a", body)
    assert caught.value.name == "folder/a"
    assert not into.exists("folder/a")
    assert list(into.uploads()) == []
    return caught.value


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("kind", ["", "-chunked"])
def test_a_response_of_http(
    response: Callable[[str, ExitStack], Any],
    kind: str,
    into: cb.Bucket,
    served: Served,
    open_till_the_end: ExitStack,
) -> None:
    body = response(f"{served.url}/{WHOLE}{kind}", open_till_the_end)
    assert into.put("whole", body).size == len(DATA)
    assert into.get("whole").read() == DATA

    error = refused(into, response(f"{served.url}/{SHORT}{kind}", open_till_the_end))
    if not kind:
        told = f"{error}".replace(",", "")
        assert f"{CAME}" in told
        assert f"{len(DATA)}" in told or f"{len(DATA) - CAME} more" in told

    served.break_off.clear()
    body = response(f"{served.url}/{BROKEN}{kind}", open_till_the_end)
    served.break_off.set()
    error = refused(into, body)
    assert "onnection reset by peer" in str(error)
    assert error.__cause__ is not None


def test_a_file_over_sftp(into: cb.Bucket, tmp_path: Path) -> None:
    from tests.support.sftp import sftp

    path = tmp_path / "file"
    path.write_bytes(DATA)
    with sftp(tmp_path) as client, client.open("file", "rb") as file:
        assert into.put("whole", file).size == len(DATA)
        file.seek(1000)
        assert into.upload(file, "rest").size == len(DATA) - 1000
    assert into.get("whole").read() == DATA
    assert into.get("rest").read() == DATA[1000:]

    def cut(offset: int) -> None:
        if offset >= 100_000:
            os.truncate(path, 100_000)

    with sftp(tmp_path, cut) as client, client.open("file", "rb") as file:
        assert f"was given as {len(DATA):,}" in str(refused(into, file))

    path.write_bytes(DATA)

    def fail(offset: int) -> None:
        if offset >= 100_000:
            raise RuntimeError("the disk of the server is gone")

    with sftp(tmp_path, fail) as client, client.open("file", "rb") as file:
        assert isinstance(refused(into, file).__cause__, OSError)


@pytest.mark.parametrize("ending", [SHORT, BROKEN])
def test_a_socket_and_a_pipe(into: cb.Bucket, ending: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for way, size in ((WHOLE, len(DATA)), (ending, CAME)):
            near = socket.create_connection(listening.getsockname())
            far, _ = listening.accept()
            sending = threading.Thread(target=_send, args=(far, DATA[:size], way))
            sending.start()
            with near, near.makefile("rb") as file:
                if way == WHOLE:
                    assert into.put("whole", file).size == len(DATA)
                elif way == BROKEN:
                    assert isinstance(refused(into, file).__cause__, ConnectionResetError)
                else:  # only who knows how much was to come can tell
                    with pytest.raises(cb.SourceError, match=f"{CAME:,}"):
                        into.put("short", file, size=len(DATA))
            sending.join()
    assert into.get("whole").read() == DATA
    assert not into.exists("short")

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        thread = threading.Thread(target=_write, args=(writing,))
        thread.start()
        assert into.put("pipe", pipe).size == len(DATA)
        thread.join()
    assert into.get("pipe").read() == DATA


def _write(descriptor: int) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(DATA)


def _send(far: socket.socket, data: bytes, way: str) -> None:
    with far, suppress(OSError):
        far.sendall(data)
        if way == BROKEN:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_an_upload_of_starlette(into: cb.Bucket) -> None:
    from starlette.datastructures import UploadFile

    with tempfile.SpooledTemporaryFile(max_size=1000) as held:
        held.write(DATA)
        held.seek(0)
        upload = UploadFile(held, size=len(DATA), filename="a.bin")  # type: ignore[arg-type]
        with pytest.raises(cb.UsageError) as caught:
            into.put("a", upload)  # type: ignore[arg-type]
        assert "starlette.datastructures.UploadFile is asynchronous" in str(caught.value)
        assert caught.value.hint == "hand over the file that it holds: body.file"
        assert into.put("a", upload.file).size == len(DATA)
    assert into.get("a").read() == DATA


def test_asynchronous_readers_of_aiohttp(into: cb.Bucket) -> None:
    import aiohttp

    for kind in (aiohttp.StreamReader, aiohttp.ClientResponse):
        body: Any = object.__new__(kind)
        with pytest.raises(cb.UsageError, match=r"aiohttp.* is asynchronous"):
            into.put("a", body)


def zip_member(data: bytes) -> Any:
    return zipfile.ZipFile(io.BytesIO(data)).open("member")


def gzip_file(data: bytes) -> Any:
    return gzip.GzipFile(fileobj=io.BytesIO(data))


@pytest.mark.parametrize("member", [zip_member, gzip_file])
def test_members_of_archives(into: cb.Bucket, member: Callable[[bytes], Any]) -> None:
    packed = io.BytesIO()
    if member is zip_member:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("member", DATA)
        good = packed.getvalue()
        bad = bytearray(good)
        bad[good.index(b"member") + 6 + 1000] ^= 1
    else:
        good = gzip.compress(DATA, 1)
        refused(into, member(good[: len(good) // 2]))
        bad = bytearray(good)
        bad[-8] ^= 1
    assert into.put("whole", member(good)).size == len(DATA)
    assert into.get("whole").read() == DATA
    assert refused(into, member(bytes(bad))).__cause__ is not None


def test_memory_that_is_mapped(into: cb.Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with (tmp_path / "file").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with mapped:
        assert into.put("whole", mapped).size == len(DATA)  # type: ignore[arg-type]
        mapped.seek(1000)
        assert into.put("rest", mapped).size == len(DATA) - 1000  # type: ignore[arg-type]
    assert into.get("rest").read() == DATA[1000:]
    with pytest.raises(cb.UsageError, match="closed"):
        into.put("a", mapped)  # type: ignore[arg-type]
