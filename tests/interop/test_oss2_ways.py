"""oss2 and the layer take the same way to the service, and hear the same of URLs that expired."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interop.conftest import need
from tests.oss2.scene import LAYER, REAL, Scene, scene
from tests.support.forward_proxy import Proxy, forward_proxy
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

pytestmark = [
    FORGETFUL,
    OLD_FASHIONED,
    pytest.mark.filterwarnings("ignore:key .* writes without:cipherbucket.CipherbucketWarning"),
]
WAYS: tuple[tuple[dict[str, str], dict[str, str | None] | None], ...] = (
    ({}, None),
    ({"http_proxy": "{}"}, None),
    ({"HTTP_PROXY": "http://{}"}, None),
    ({"ALL_PROXY": "http://{}"}, {}),
    ({"http_proxy": "{}", "no_proxy": "127.0.0.0/8"}, None),
    ({"http_proxy": "{}", "NO_PROXY": "127.0.0.1"}, {"http": "{}"}),
    ({"http_proxy": "{}"}, {"http": ""}),
    ({"http_proxy": "{}"}, {"http": None}),
    ({"all_proxy": "http://127.0.0.1:1"}, {"http": "{}"}),
    ({}, {"all": "{}"}),
    ({}, {"all://127.0.0.1": "{}"}),
    ({}, {"http://127.0.0.1": "http://me:word@{}"}),
    ({"https_proxy": "{}"}, {"https": "{}"}),
)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Scene]]:
    need("oss2")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    folders = [tmp_path / name for name in ("oss2", "layer")]
    for folder in folders:
        folder.mkdir()
    with (
        forgotten_sockets_collected(),
        scene(REAL, folders[0], monkeypatch) as oss2,
        scene(LAYER, folders[1], monkeypatch) as layer,
    ):
        yield [oss2, layer]


def put(there: Scene, proxy: Proxy, given: dict[str, str | None] | None) -> tuple[int, int]:
    """Put an object; return the status, and how many requests the proxy saw."""
    before = len(proxy.seen)
    proxies = None if given is None else dict(given)  # which oss2 changes
    bucket = there.bucket(there.rsa(), proxies=proxies)
    return bucket.put_object("o", b"content").status, len(proxy.seen) - before


@pytest.mark.parametrize(("variables", "given"), WAYS, ids=repr)
def test_both_go_through_the_same_proxy(
    both: list[Scene],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    given: dict[str, str | None] | None,
) -> None:
    with forward_proxy() as proxy:
        for name, text in variables.items():
            monkeypatch.setenv(name, text.format(proxy.address))
        chosen = given and {
            name: text and text.format(proxy.address) for name, text in given.items()
        }
        oss2, layer = (put(there, proxy, chosen) for there in both)
    assert oss2 == layer


def test_both_say_the_same_of_a_url_that_expired(both: list[Scene]) -> None:
    told: list[Any] = []
    for there in both:
        bucket = there.bucket(there.rsa())
        bucket.put_object("o", b"content")
        url = bucket.sign_url("GET", "o", -60)
        with pytest.raises(there.part("exceptions").AccessDenied) as caught:
            bucket.get_object_with_url(url)
        error = caught.value
        told.append((error.status, error.code, error.ec, error.message, sorted(error.details)))
    assert told[0] == told[1]


def test_both_let_a_provider_raise_what_it_raises(both: list[Scene]) -> None:
    for there in both:

        class Provider(there.module.CredentialsProvider):  # type: ignore[misc, name-defined]
            def get_credentials(self) -> Any:
                raise LookupError("no entry of that name")

        bucket = there.bucket(there.rsa())
        bucket.auth = there.module.ProviderAuth(Provider())
        with pytest.raises(LookupError):
            bucket.head_object("o")


def test_both_leave_out_what_goes_before_and_behind_the_host(both: list[Scene]) -> None:
    for there in both:
        host = there.oss.url.removeprefix("http://")
        for endpoint in (f"http://me:swordfish@{host}", f" {there.oss.url}/path?query "):
            bucket = there.module.CryptoBucket(there.auth(), endpoint, "examplebucket", there.rsa())
            assert bucket.endpoint == there.oss.url
            assert bucket.put_object("o", b"content").status == 200
