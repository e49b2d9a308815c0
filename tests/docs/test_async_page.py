"""What docs/async.md shows is run; its service is asked over HTTP, by clients that go away, too."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.support.documents import ROOT, blocks

import cipherbucket as cb
from cipherbucket.reading.stream import open_stream

PAGE = ROOT / "docs" / "async.md"
PLAIN = bytes(range(256)) * 40_000


def test_the_first_program_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cb.create_aes_key_file("vault.key", description={"desc": "vault"})
    program = blocks(PAGE, "python")[0].replace("/data/store", str(tmp_path / "store"))
    exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "a\n"


@pytest.fixture(params=["oss", "sealed"])
def bucket(request: pytest.FixtureRequest, key: cb.RsaKey) -> cb.AsyncBucket:
    return cb.AsyncBucket(cb.Bucket(cb.MemoryStore(), key, format=request.param))


@pytest.fixture
def service(bucket: cb.AsyncBucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The service of the page, behind a real server; its address."""
    pytest.importorskip("fastapi")
    known: dict[str, Any] = {"__name__": "service"}
    with monkeypatch.context() as opened:  # the page names a folder and a key that are not here
        opened.setattr(cb, "load_key", lambda _: None)
        opened.setattr(cb, "open_bucket", lambda *_: bucket.bucket)
        opened.setattr(cb, "AsyncBucket", lambda _: bucket)
        exec(compile(blocks(PAGE, "python")[1], str(PAGE), "exec"), known)
    with served(known["app"]) as address:
        yield address


@contextmanager
def served(app: Any) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def connected(service: str) -> socket.socket:
    host, port = service.split(":")
    return socket.create_connection((host, int(port)))


def asked(
    service: str, method: str, name: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(service, timeout=20)
    connection.request(method, f"/objects/{name}", body, headers)
    response = connection.getresponse()
    whole = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, whole


@pytest.mark.parametrize("body", [PLAIN, [PLAIN[:9], PLAIN[9:]]], ids=["length", "chunked"])
def test_an_upload_in_and_ranges_out(service: str, bucket: cb.AsyncBucket, body: Any) -> None:
    assert asked(service, "PUT", "a/b", body)[0] == 201
    assert bucket.bucket.get("a/b").read() == PLAIN
    status, headers, whole = asked(service, "GET", "a/b")
    assert (status, whole, headers["accept-ranges"]) == (200, PLAIN, "bytes")
    size = len(PLAIN)
    for wanted, start, stop in (
        ("bytes=2-4", 2, 5),
        ("bytes=0-0", 0, 1),
        ("bytes=5000000-", 5_000_000, size),
        (f"bytes={size - 1}-{size + 9}", size - 1, size),
        ("bytes=-3", size - 3, size),
        (f"bytes=-{size + 1}", 0, size),
    ):
        status, headers, part = asked(service, "GET", "a/b", Range=wanted)
        assert (status, part) == (206, PLAIN[start:stop]), wanted
        assert headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert headers["content-length"] == str(stop - start)
    for wanted in (f"bytes={size}-", f"bytes={size + 1}-", "bytes=-0"):
        assert asked(service, "GET", "a/b", Range=wanted)[0] == 416
    for wanted in ("bytes=4-2", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=a-"):
        assert asked(service, "GET", "a/b", Range=wanted)[0] == 200
    assert asked(service, "GET", "nothing")[0] == 404


def test_a_client_that_goes_away_while_it_sends(service: str, bucket: cb.AsyncBucket) -> None:
    for headers in (b"content-length: 10240000\r\n", b"transfer-encoding: chunked\r\n"):
        with connected(service) as client:
            client.sendall(b"PUT /objects/a HTTP/1.1\r\nhost: a\r\n" + headers + b"\r\n")
            chunk = b"f4240\r\n" if b"chunked" in headers else b""
            client.sendall(chunk + PLAIN[:1_000_000])
            time.sleep(0.05)
        time.sleep(0.05)
        assert asked(service, "GET", "a")[0] == 404
        assert not bucket.bucket.uploads()
    assert asked(service, "PUT", "a", b"1")[0] == 201


def test_clients_that_go_away_while_they_receive(
    service: str, bucket: cb.AsyncBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[cb.ObjectStream] = []

    def noted(*args: Any, **kwargs: Any) -> cb.ObjectStream:
        opened.append(open_stream(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr("cipherbucket.bucket.open_stream", noted)
    bucket.bucket.put("a", bytes(60_000_000))
    for _ in range(20):  # more than there are threads
        with connected(service) as client:
            client.sendall(b"GET /objects/a HTTP/1.1\r\nhost: a\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert asked(service, "GET", "a", Range="bytes=0-0")[2] == b"\0"
    deadline = time.monotonic() + 10
    while not all(stream.closed for stream in opened):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(opened) == 21
