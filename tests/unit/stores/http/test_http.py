"""What cannot be reached is reported in the system's words, with what to look at."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.support.scripted_http import Answer, scripted

import cipherbucket as cb
from cipherbucket.stores.http.client import Http

SECRET = "Signature=c2VjcmV0"


@pytest.fixture
def closed() -> Iterator[str]:
    """Return an address of this machine at which nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_port_at_which_nobody_answers(closed: str) -> None:
    with pytest.raises(cb.TransientStoreError) as caught:
        Http().request("GET", f"http://{closed}/bucket/name?{SECRET}", {})
    assert str(caught.value) == f"the store at {closed} cannot be reached: Connection refused"
    for asked in ("region", "OSS_ENDPOINT", "proxy"):
        assert asked in str(caught.value.hint)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_at_which_nobody_answers(closed: str, scheme: str) -> None:
    http = Http(proxy=f"http://user:hidden@{closed}")
    with pytest.raises(cb.TransientStoreError) as caught:
        http.request("GET", f"{scheme}://example.invalid/name?{SECRET}", {})
    text = f"{caught.value} {caught.value.hint}"
    assert "example.invalid cannot be reached: its proxy: Connection refused" in text
    assert "hidden" not in text
    assert SECRET not in text


def test_a_proxy_that_makes_no_tunnel_is_told_with_its_status() -> None:
    with scripted(lambda _: Answer()) as server:  # which knows no CONNECT
        http = Http(proxy=server.url)
        with pytest.raises(cb.TransientStoreError, match=r"reached: its proxy: HTTP 501$"):
            http.request("GET", "https://example.invalid/name", {})
        http.close()


def test_a_host_that_does_not_accept_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(address)
        with pytest.raises(cb.TransientStoreError, match="cannot be reached: no answer in time"):
            Http(connect_timeout=0.2).request("GET", f"http://127.0.0.1:{address[1]}/", {})
        for each in waiting:
            each.close()


def test_a_bucket_of_oss_that_cannot_be_reached(closed: str) -> None:
    settings = cb.OssSettings(
        region="cn-hangzhou",
        endpoint=f"http://{closed}",
        credentials=cb.Credentials("id", "secret"),
        addressing="path",
        attempts=1,
    )
    with (
        cb.open_store("oss://examplebucket", settings) as store,
        pytest.raises(cb.StoreError, match=f"the store at {closed} cannot be reached") as caught,
    ):
        store.head("a")
    assert "OSS_ENDPOINT" in str(caught.value.hint)
