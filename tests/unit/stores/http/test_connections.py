"""No answer holds a request for ever, however it comes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.support.scripted_http import answering

import cipherbucket as cb
from cipherbucket.stores.http.client import Http

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _endless(first: bytes, piece: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield first
        while True:
            yield piece

    return pieces


def _one_by_one(text: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (bytes([byte]) for byte in text)


@pytest.mark.parametrize(
    ("pieces", "every"),
    [
        (_one_by_one(_HEAD), 0.1),
        (_one_by_one(b"HTTP/1.1 100 Continue\r\n\r\n" * 99 + _HEAD), 0.1),
        (_endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 0.1),
        (_endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), 0),
        (_endless(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"), 0),
        (_endless(b"HTTP/1.1 200 OK\r\n", b"x" * 60_000), 0),
        (_endless(_HEAD, b"x"), 0.1),
        (_endless(_CHUNKED, b"1\r\nx\r\n"), 0.1),
        (_endless(_CHUNKED + b"0\r\n", b"x-a: b\r\n" * 9999), 0),
        (_endless(_CHUNKED, b"1" * 60_000), 0),
        (_endless(_HEAD, b""), 0.1),
    ],
)
def test_an_answer_that_does_not_end_is_given_up(
    pieces: Callable[[], Iterator[bytes]], every: float
) -> None:
    began = time.monotonic()
    with answering(pieces, every) as server:
        http = Http(read_timeout=0.5)
        with pytest.raises(cb.TransientStoreError):
            http.request("GET", server.url, {}).read()
        http.close()
    assert time.monotonic() - began < 30  # a bound, not a measure: these took for ever


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nETag: E\r\nx-oss-meta-"]
)
def test_a_head_that_is_cut_off_is_no_head_of_fewer_headers(head: bytes) -> None:
    with answering(lambda: [head]) as server:
        http = Http(read_timeout=5)
        with pytest.raises(cb.TransientStoreError):
            http.request("GET", server.url, {})
        http.close()


def test_a_body_in_pieces_that_come_fast_enough_is_read() -> None:
    def pieces() -> Iterator[bytes]:
        yield _HEAD
        for _ in range(8):
            yield b"x" * 500

    with answering(pieces, 0.2) as server:  # 1.6 seconds, in three windows of the read timeout
        http = Http(read_timeout=0.5)
        assert http.request("GET", server.url, {}).read() == b"x" * 4000
        http.close()


def test_a_document_has_five_times_the_read_timeout() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"1000\r\n" + b"x" * 4096 + b"\r\n"

    with answering(pieces, 0.01) as server:  # 400 KiB a second, and no end
        http = Http(read_timeout=0.2)
        with pytest.raises(cb.TransientStoreError, match="too slow"):
            http.request("GET", server.url, {}).read()
        http.close()


def test_a_store_may_think_for_as_long_as_the_read_timeout() -> None:
    def pieces() -> Iterator[bytes]:
        yield b""
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
        yield b"x"

    with answering(pieces, 0.4) as server:
        http = Http(read_timeout=0.5)
        assert http.request("GET", server.url, {}).read() == b"x"
        http.close()


def test_the_time_that_the_reader_takes_does_not_count() -> None:
    with answering(lambda: [_HEAD, b"x" * 2000, b"x" * 2000], 0.1) as server:
        http = Http(read_timeout=0.3)
        answer = http.request("GET", server.url, {})
        buffer = memoryview(bytearray(1000))
        taken = 0
        while count := answer.readinto(buffer):
            taken += count
            threading.Event().wait(0.4)
        assert taken == 4000
        http.close()


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden"])
def test_a_length_that_is_only_claimed_is_not_waited_for(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 1000000000000000000\r\n\r\n"
    with answering(lambda: [head], 0) as server:
        http = Http(read_timeout=0.5)
        answer = http.request("GET", server.url, {})
        if status.startswith(b"2"):
            with pytest.raises(cb.StoreError, match="more than 8 MiB"):
                answer.read()
        else:
            assert answer.read() == b""
        http.close()


def test_a_slow_line_has_the_time_for_each_piece_and_not_for_a_whole_part() -> None:
    size = 16 << 20  # more than the system keeps for a reader
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)

        def slow() -> None:
            connection, _ = listening.accept()
            with connection:
                first = connection.recv(65_536)
                left = size - len(first.partition(b"\r\n\r\n")[2])
                while left and (came := connection.recv(64 << 10)):
                    left -= len(came)
                    threading.Event().wait(0.006)  # 256 of them: more than the timeout
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

        thread = threading.Thread(target=slow)
        thread.start()
        http = Http(connect_timeout=0.5, read_timeout=5)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            answer = http.request("PUT", url, {}, [memoryview(bytearray(size))], length=size)
            assert answer.read() == b"x"
        finally:
            http.close()
            thread.join()


def test_a_server_that_does_not_read_holds_no_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        http = Http(connect_timeout=0.2, read_timeout=0.2)
        began = time.monotonic()
        with pytest.raises(cb.TransientStoreError):
            http.request(
                "PUT", f"http://127.0.0.1:{listening.getsockname()[1]}", {}, bytes(64 << 20)
            )
        http.close()
    assert time.monotonic() - began < 10
