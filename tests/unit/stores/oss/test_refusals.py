"""An error of something in front of OSS is an error of ours, with what it says, and tried again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest
from tests.support.oss_objects import error_xml, settings
from tests.support.scripted_http import answering

import cipherbucket as cb
from cipherbucket.stores.base import Store

_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def _store(url: str) -> Store:
    return cb.open_store("oss://bucket", settings(url))


def _answer(status: str, body: bytes = b"", *headers: bytes) -> bytes:
    """Return an answer without Date and Content-Type, which a server of Python's always sends."""
    length = b"Content-Length: %d" % len(body)
    lines = (f"HTTP/1.1 {status}".encode(), length, b"Connection: close", *headers, b"", body)
    return b"\r\n".join(lines)


_VERBS: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("a"),
    "list": lambda store: store.list(),
    "delete": lambda store: store.delete("a"),
}


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("verb", _VERBS)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("503 Service Unavailable", error_xml("ServiceUnavailable")),
        ("502 Bad Gateway", _PAGE),
        ("500 Internal Server Error", b""),
        ("520 Unknown", b"\xff\xfe"),
        ("429 Too Many Requests", b"{}"),
    ],
)
def test_what_may_pass_is_tried_again_whoever_answers(verb: str, status: str, body: bytes) -> None:
    with answering(lambda: [_answer(status, body)]) as server:
        store = _store(server.url)
        with pytest.raises(cb.TransientStoreError) as caught:
            _VERBS[verb](store)
        store.close()
    assert caught.value.status == int(status[:3])
    assert len(server.requests) == 4


@pytest.mark.parametrize("verb", _VERBS)
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        ("403 Forbidden", error_xml("AccessDenied"), "AccessDenied"),
        ("404 Not Found", error_xml("NoSuchBucket"), "NoSuchBucket"),
        ("403 Forbidden", _PAGE, None),
        ("404 Not Found", _PAGE, None),
        ("407 Proxy Authentication Required", b"", None),
        ("501 Not Implemented", b"", None),
        ("302 Found", b"", None),
        ("400 Bad Request", b"<!DOCTYPE Error><Error><Code>x</Code></Error>", None),
    ],
)
def test_what_does_not_pass_is_said_once(
    verb: str, status: str, body: bytes, code: str | None
) -> None:
    with answering(lambda: [_answer(status, body)]) as server:
        store = _store(server.url)
        with pytest.raises(cb.StoreError) as caught:
            _VERBS[verb](store)
        store.close()
    assert not isinstance(caught.value, cb.TransientStoreError | cb.ObjectNotFoundError)
    assert (caught.value.status, caught.value.code) == (int(status[:3]), code)
    assert len(server.requests) == 1


def test_an_object_that_is_not_there_needs_no_date() -> None:
    with answering(lambda: [_answer("404 Not Found", error_xml("NoSuchKey"))]) as server:
        store = _store(server.url)
        with pytest.raises(cb.ObjectNotFoundError) as caught:
            store.get("a")
        store.close()
    assert (caught.value.request_id, caught.value.name) == ("R1", "a")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b64encode(error_xml("NoSuchBucket")), "NoSuchBucket"),
        (b"no base64", "NoSuchKey"),
        (b64encode(b"<html/>"), "NoSuchKey"),
    ],
)
def test_a_head_says_why_in_a_header(said: bytes, code: str) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nx-oss-err: " + said + b"\r\n\r\n"
    with answering(lambda: [answer]) as server:
        store = _store(server.url)
        with pytest.raises(cb.StoreError) as caught:
            store.head("a")
        store.close()
    assert caught.value.code == code


def test_request_ids_of_headers_are_kept() -> None:
    answer = _answer("403 Forbidden", b"", b"x-oss-request-id: R7", b"x-oss-ec: 0003-00000008")
    with answering(lambda: [answer]) as server:
        store = _store(server.url)
        with pytest.raises(cb.StoreError) as caught:
            store.get("a")
        store.close()
    assert (caught.value.request_id, caught.value.ec) == ("R7", "0003-00000008")


def test_what_a_refusal_says_of_itself_can_be_logged() -> None:
    said = (
        error_xml("AccessDenied").replace(b"R1", b"R1&#10;forged line").replace(b"0003-", b"&#155;")
    )
    with answering(lambda: [_answer("403 Forbidden", said)]) as server:
        store = _store(server.url)
        with pytest.raises(cb.StoreError) as caught:
            store.get("a")
        store.close()
    assert caught.value.request_id == "R1?forged line"
    assert (caught.value.ec or "").isprintable()
