"""A KMS, or what answers in its place, that redirects, floods, trickles or shows a certificate."""

import json
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.forward_proxy import forward_proxy
from tests.support.scripted_http import Answer
from tests.support.stub_kms import KEY_ID, SECRET, StubKms, stub_kms

import cipherbucket as cb
from cipherbucket.keys.kms.wrap_names import KMS
from cipherbucket.server.kms import KmsEndpoint

JSON = {"content-type": "application/json"}


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take no pauses, and note them."""
    taken: list[float] = []
    monkeypatch.setattr("cipherbucket.keys.kms.client.time.sleep", taken.append)
    return taken


def draw(kms: StubKms | None = None, settings: cb.KmsSettings | None = None) -> bytes:
    settings = settings or (kms.settings() if kms else None)
    return cb.AliKmsKey(KEY_ID, settings).generate(32, algorithm=KMS, context=b"")[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(kms: StubKms, status: int) -> None:
    with stub_kms() as other:
        kms.meddle = lambda _: Answer(status, {"location": f"{other.url}/"})
        with pytest.raises(cb.KmsError, match=f"HTTP {status}"):
            draw(kms)
        assert other.calls == []
    assert len(kms.calls) == 1


def test_an_answer_without_end_is_not_read_to_the_end(kms: StubKms) -> None:
    kms.meddle = lambda _: Answer(200, {**JSON, "content-length": f"{1 << 40}"}, bytes(1 << 20))
    with pytest.raises(cb.KmsError, match="greater length"):
        draw(kms)
    assert len(kms.calls) == 1


def test_an_answer_that_trickles_is_given_up(kms: StubKms) -> None:
    kms.meddle = lambda _: Answer(200, JSON, b" " * 1000, every=0.05)
    begin = time.monotonic()
    with pytest.raises(cb.KmsError, match="does not answer in time"):
        draw(settings=kms.settings(read_timeout=0.3, attempts=1))
    assert time.monotonic() - begin < 30  # a thousand bytes take 50 s


@pytest.mark.parametrize("body", [b"<html>Too busy</html>", b"", b"[]"])
def test_a_page_of_something_on_the_way_is_reported_by_its_status(
    kms: StubKms, pauses: list[float], body: bytes
) -> None:
    count = iter(range(9))
    kms.meddle = lambda _: Answer(429, {}, body) if next(count, None) is not None else None
    assert len(draw(kms)) == 32
    assert len(pauses) == 9  # waited for, as a busy KMS
    kms.meddle = lambda _: Answer(404, {"content-type": "text/xml;charset=utf-8"}, body)
    with pytest.raises(cb.KmsError, match="is no KMS") as caught:
        draw(kms)
    assert caught.value.status == 404
    assert caught.value.code is caught.value.request_id is None
    assert "None" not in str(caught.value)


def test_an_error_of_the_network_is_in_words_and_holds_no_request(kms: StubKms) -> None:
    kms.meddle = lambda _: Answer(200, {"content-length": "99"}, b"{", stop_after=1)
    token = cb.Credentials("id", SECRET, "token-of-sts")
    with pytest.raises(cb.KmsError, match="cannot be reached") as caught:
        draw(settings=kms.settings(credentials=token))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):  # of the SDK, with headers
        assert "site-packages" not in frame.f_code.co_filename


def test_the_sdks_own_log_shows_no_token_and_no_signature(
    kms: StubKms, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "DEBUG", "sdk")
    token = cb.Credentials("id", SECRET, "token-of-sts")
    assert draw(settings=kms.settings(credentials=token))
    signature = kms.calls[0].request.headers["authorization"].rpartition("=")[2]
    assert kms.calls[0].request.headers["x-acs-security-token"] == "token-of-sts"
    said = "".join(capfd.readouterr())
    assert "token-of-sts" not in said
    assert signature not in said


def test_an_sdk_that_would_not_use_our_session_is_not_believed(
    kms: StubKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darabonba.core import DaraCore

    original = DaraCore._get_session

    def other(session_key: str, **options: object) -> object:
        return original(session_key=f"other-{session_key}", **options)

    monkeypatch.setattr(DaraCore, "_get_session", staticmethod(other))
    with pytest.raises(cb.KmsError, match="not asked in the way") as caught:
        draw(kms)
    assert "update" in (caught.value.hint or "")
    for name in [name for name in DaraCore._sessions if name.startswith("other-")]:
        DaraCore._sessions.pop(name).close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_certificate_that_is_not_trusted_is_reported_as_that(tmp_path: Path) -> None:
    with KmsEndpoint(host="0.0.0.0", tls=tmp_path) as kms:
        port = kms.url.rpartition(":")[2]
        access = cb.Credentials(kms.access_key_id, kms.access_key_secret)

        def settings(host: str, ca_file: str | None) -> cb.KmsSettings:
            endpoint = f"https://{host}:{port}"
            return cb.KmsSettings(endpoint=endpoint, credentials=access, ca_file=ca_file)

        ours = str(kms.certificate)
        for host, ca_file, why in (("127.0.0.1", None, "self"), ("127.0.0.2", ours, "127.0.0.2")):
            with pytest.raises(cb.KmsError, match="not trusted") as caught:
                draw(settings=settings(host, ca_file))
            assert why in str(caught.value)
            assert "ca_file" in (caught.value.hint or "")
            assert caught.value.__cause__ is None
        with pytest.raises(cb.MasterKeyError):  # trusted: it is asked, and has no such key
            draw(settings=settings("127.0.0.1", ours))


def test_keys_of_other_trust_share_no_connection(tmp_path: Path) -> None:
    from cipherbucket.keys.kms.http import session_for
    from cipherbucket.keys.kms.way import way_to

    def of(host: str = "127.0.0.1:1", **options: object) -> object:
        settings = cb.KmsSettings(endpoint=f"https://{host}", **options)  # type: ignore[arg-type]
        return session_for(settings, way_to(settings))[0]

    with KmsEndpoint(tls=tmp_path) as kms:
        ca_file = str(kms.certificate)
    proxied = of(proxy="http://127.0.0.1:1")
    sessions = [of(), of(verify=False), of(ca_file=ca_file), of("127.0.0.1:2"), proxied]
    assert len({id(each) for each in sessions}) == 5
    assert of() is sessions[0]


@pytest.mark.parametrize("port", ["443", "1"])
def test_a_proxy_that_is_not_there_is_reported_without_its_password(port: str) -> None:
    settings = cb.KmsSettings(
        region="cn-hangzhou",
        proxy=f"http://user:open-sesame@127.0.0.1:{port}",
        credentials=cb.Credentials("id", SECRET),
    )
    with pytest.raises(cb.KmsError, match="proxy") as caught:
        draw(settings=settings)
    assert "open-sesame" not in f"{caught.value!r}{caught.value.hint}{json.dumps(str(settings))}"
    assert caught.value.__cause__ is None


NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsEndpoint]:
    """A KMS that speaks https, and an environment that says nothing."""
    for name in (*NAMES, *(name.upper() for name in NAMES), "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with KmsEndpoint(tls=tmp_path / "tls", aliases=["alias/a"]) as running:
        yield running


def drawn_through(kms: KmsEndpoint, **settings: object) -> bytes:
    access = cb.Credentials(kms.access_key_id, kms.access_key_secret)
    reached = cb.KmsSettings(endpoint=kms.url, credentials=access, attempts=1, **settings)  # type: ignore[arg-type]
    key = cb.AliKmsKey(kms.key_id("alias/a"), reached, description={"desc": "way"})
    return key.generate(32, algorithm=KMS, context=b"")[0]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_kms_is_called_through_the_proxy_of_the_environment(
    secure: KmsEndpoint, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    ca_file = str(secure.certificate)
    with forward_proxy("me:swordfish") as proxy:
        monkeypatch.setenv(variable, f"me:swordfish@{proxy.address}")
        assert len(drawn_through(secure, ca_file=ca_file)) == 32
        assert proxy.seen == [f"CONNECT {secure.address}"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        assert len(drawn_through(secure, ca_file=ca_file)) == 32
        assert len(proxy.seen) == 1


def test_the_proxy_of_a_kms_may_be_given_and_taken_away(
    secure: KmsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.certificate))
    with forward_proxy() as proxy:
        assert len(drawn_through(secure, proxy={"https": proxy.address})) == 32
        assert len(proxy.seen) == 1
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert len(drawn_through(secure, proxy="")) == 32
        assert len(proxy.seen) == 1


def test_why_a_kms_is_not_reached_is_said(
    secure: KmsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(**settings: object) -> str:
        with pytest.raises((cb.KmsError, cb.UsageError)) as caught:
            drawn_through(secure, **settings)
        assert "swordfish" not in f"{caught.value} {caught.value.hint}"
        return f"{caught.value} ({caught.value.hint})".replace(secure.address, "HOST")

    with forward_proxy("me:swordfish") as proxy:
        assert told(proxy=proxy.address) == (
            "the KMS at HOST is behind a proxy that wants a user name and a password"
            " (write both into the proxy's URL, as in http://USER:PASSWORD@HOST:PORT;"
            " if they are there, they are wrong)"
        )
    assert told(proxy="socks5://me:swordfish@127.0.0.1:1").startswith("the proxy speaks SOCKS")
    assert told().startswith("the KMS at HOST shows a certificate that is not trusted")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nothing.pem")
    assert told().startswith("REQUESTS_CA_BUNDLE: there is no file 'nothing.pem'")


def test_a_kms_that_speaks_http_where_https_was_asked(kms: StubKms) -> None:
    host = kms.url.removeprefix("http://")
    for endpoint in (host, f" https://{host}\n"):
        with pytest.raises(cb.KmsError, match=f"the KMS at {host} speaks http, and https was"):
            draw(settings=kms.settings(endpoint=endpoint))
    assert kms.calls == []


def test_a_kms_at_an_ipv6_address(tmp_path: Path) -> None:
    try:
        running = KmsEndpoint(host="::1", tls=tmp_path / "tls", aliases=["alias/a"]).start()
    except cb.StoreError:
        pytest.skip("this machine has no IPv6")
    try:
        assert f"export KMS_ENDPOINT={running.url}\n" in running.describe(with_secret=False)
        assert len(drawn_through(running, ca_file=str(running.certificate))) == 32
    finally:
        running.stop()
