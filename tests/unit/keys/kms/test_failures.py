"""A KMS that throttles, fails, lies or is not there: which error, after how many calls."""

import base64
import json
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.scripted_http import Answer
from tests.support.stub_kms import KEY_ID, SECRET, Call, Refusal, StubKms, stub_kms

import cipherbucket as cb
from cipherbucket.keys.kms.wrap_names import KMS

PLAINTEXT = b"the secret that is wrapped"


@pytest.fixture
def kms() -> Iterator[StubKms]:
    with stub_kms() as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take no pauses, and note them."""
    taken: list[float] = []
    monkeypatch.setattr("cipherbucket.keys.kms.client.time.sleep", taken.append)
    return taken


def refuse(status: int, code: str, **headers: str) -> Callable[[Call], None]:
    def meddle(_: Call) -> None:
        raise Refusal(status, code, **headers)

    return meddle


def first(times: int, fault: Callable[[Call], Answer | None]) -> Callable[[Call], Answer | None]:
    count = iter(range(times))
    return lambda call: fault(call) if next(count, None) is not None else None


def answer(body: object, status: int = 200) -> Callable[[Call], Answer]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: Answer(status, {"content-type": "application/json"}, data)


def wrap(kms: StubKms, **settings: Any) -> bytes:
    key = cb.AliKmsKey(KEY_ID, kms.settings(**settings))
    return key.wrap(PLAINTEXT, algorithm=KMS, context=b"")


def unwrap(kms: StubKms, **settings: Any) -> bytes:
    key = cb.AliKmsKey(KEY_ID, kms.settings(**settings))
    return key.unwrap(b"\xff" * 60, algorithm=KMS, context=b"")


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "Rejected.Throttling"), (400, "Throttling.User"), (503, "Throttling")],
)
def test_throttling_is_waited_out_with_growing_pauses(
    kms: StubKms, pauses: list[float], status: int, code: str
) -> None:
    kms.meddle = first(9, refuse(status, code))
    assert wrap(kms)
    assert len(kms.calls) == 10
    assert len(pauses) == 9
    assert pauses[0] <= 0.2
    assert 4 <= pauses[-1] <= 8
    assert len({call.request.headers["x-acs-signature-nonce"] for call in kms.calls}) == 10


def test_throttling_is_waited_out_no_longer_than_patience(
    kms: StubKms, pauses: list[float]
) -> None:
    kms.meddle = refuse(429, "Rejected.Throttling")
    with pytest.raises(cb.KmsError, match="throttled every try") as caught:
        wrap(kms, patience=10)
    assert sum(pauses) == pytest.approx(10)
    assert caught.value.status == 429
    assert caught.value.code == "Rejected.Throttling"
    assert caught.value.request_id == "R-1"
    assert "patience=" in (caught.value.hint or "")


def test_the_pause_that_the_kms_asks_for_is_taken(kms: StubKms, pauses: list[float]) -> None:
    kms.meddle = first(1, refuse(429, "Throttling.User", **{"x-acs-retry-after": "2500"}))
    assert wrap(kms)
    assert pauses == [2.5]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_kms_is_tried_again_and_then_reported(
    kms: StubKms, pauses: list[float], status: int
) -> None:
    kms.meddle = first(3, refuse(status, "InternalFailure"))
    assert wrap(kms)
    kms.calls.clear()
    kms.meddle = refuse(status, "ServiceUnavailableTemporary")
    with pytest.raises(cb.KmsError, match="the KMS failed") as caught:
        unwrap(kms)
    assert len(kms.calls) == 4
    assert caught.value.status == status
    assert not isinstance(caught.value, cb.SecurityError)
    assert len(pauses) == 6


def test_nothing_listening_is_no_wrong_key(pauses: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = "http://{}:{}".format(*taken.getsockname())
        settings = cb.KmsSettings(endpoint=endpoint, credentials=cb.Credentials("id", SECRET))
        with pytest.raises(cb.KmsError, match="cannot be reached") as caught:
            cb.AliKmsKey(KEY_ID, settings).unwrap(b"\xff" * 60, algorithm=KMS, context=b"")
    assert caught.value.status is None
    assert caught.value.host == endpoint.removeprefix("http://")
    assert len(pauses) == 3
    assert isinstance(caught.value, OSError)


def test_a_slow_kms_is_given_up(kms: StubKms) -> None:
    kms.delay = 1.0
    begin = time.monotonic()
    with pytest.raises(cb.KmsError, match="does not answer in time"):
        wrap(kms, read_timeout=0.1, attempts=2)
    assert time.monotonic() - begin < 1.0
    kms.delay = 0
    assert len(kms.calls) == 2


def test_a_broken_answer_is_tried_again(kms: StubKms, pauses: list[float]) -> None:
    kms.meddle = first(1, lambda _: Answer(200, {"content-length": "99"}, b"{", stop_after=1))
    assert wrap(kms)
    assert len(kms.calls) == 2


@pytest.mark.parametrize(
    "code", ["InvalidParameter", "Forbidden.KeyNotFound", "InvalidCiphertext.Whatever"]
)
def test_what_the_kms_cannot_decrypt_is_a_wrong_key_and_all_look_alike(
    kms: StubKms, code: str
) -> None:
    kms.meddle = refuse(404 if "KeyNotFound" in code else 400, code)
    with pytest.raises(cb.WrongKeyError) as caught:
        unwrap(kms)
    assert str(caught.value) == "the key does not open this object"
    assert caught.value.__cause__ is None
    assert len(kms.calls) == 1


@pytest.mark.parametrize(
    ("status", "code", "said", "hint"),
    [
        (409, "Rejected.Disabled", "disabled", "enable it"),
        (409, "Rejected.PendingDeletion", "about to be deleted", "cancel its deletion"),
        (403, "Forbidden.NoPermission", "forbids", "kms:GenerateDataKey"),
        (404, "InvalidAccessKeyId.NotFound", "unknown", "OSS_ACCESS_KEY_ID"),
        (400, "SignatureDoesNotMatch", "signature", "OSS_ACCESS_KEY_SECRET"),
        (400, "InvalidSecurityToken.Expired", "token", "provider"),
        (400, "InvalidTimeStamp.Expired", "clock", "set the clock"),
        (418, "Teapot", "the KMS refused", "documents"),
    ],
)
def test_other_refusals_are_reported_at_once_with_what_to_do(
    kms: StubKms, status: int, code: str, said: str, hint: str
) -> None:
    kms.meddle = refuse(status, code)
    for call in (wrap, unwrap):
        kms.calls.clear()
        with pytest.raises(cb.KmsError, match=said) as caught:
            call(kms)
        assert hint in (caught.value.hint or "")
        assert (caught.value.status, caught.value.code) == (status, code)
        assert len(kms.calls) == 1


def test_a_key_that_the_kms_does_not_have_cannot_write(kms: StubKms) -> None:
    for name in ("no-such-key", "alias/none"):
        key = kms.key(name)
        with pytest.raises(cb.MasterKeyError, match=f"no key '{name}'") as caught:
            key.generate(32, algorithm=KMS, context=b"")
        assert "region" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a proxy's page</html>",
        b"",
        [],
        "text",
        {},
        {"CiphertextBlob": 1},
        {"CiphertextBlob": "not base64"},
        {"CiphertextBlob": "AA==\n"},
    ],
    ids=repr,
)
def test_garbage_is_no_answer(kms: StubKms, pauses: list[float], body: object) -> None:
    kms.meddle = answer(body)
    with pytest.raises(cb.KmsError, match="cannot be understood") as caught:
        wrap(kms)
    assert "endpoint" in (caught.value.hint or "")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_data_key_of_another_length_is_garbage(kms: StubKms, length: int) -> None:
    plaintext = base64.b64encode(bytes(length)).decode()
    kms.meddle = answer({"Plaintext": plaintext, "CiphertextBlob": "AAAA", "KeyId": KEY_ID})
    with pytest.raises(cb.KmsError, match="cannot be understood"):
        kms.key().generate(32, algorithm=KMS, context=b"")


def test_garbage_on_the_way_of_a_failing_kms_is_tried_again(
    kms: StubKms, pauses: list[float]
) -> None:
    kms.meddle = first(2, answer(b"<html>Bad Gateway</html>", 502))
    assert wrap(kms)
    assert len(kms.calls) == 3


def test_a_kms_that_fails_leaves_nothing_in_the_store(kms: StubKms, pauses: list[float]) -> None:
    store = cb.MemoryStore()
    bucket = cb.Bucket(store, cb.KeyRing(kms.key()))
    kms.meddle = lambda call: (
        refuse(500, "InternalFailure")(call) if call.action == "Encrypt" else None
    )
    with pytest.raises(cb.KmsError) as caught:
        bucket.put("name", b"content")
    assert caught.value.name == "name"
    assert list(bucket.list()) == []


def test_errors_hold_no_secret(kms: StubKms, pauses: list[float]) -> None:
    texts = []
    for meddle in (refuse(500, "InternalFailure"), refuse(400, "X"), answer(b"?")):
        kms.meddle = meddle
        with pytest.raises(cb.KmsError) as caught:
            wrap(kms)
        texts.append("".join(traceback.format_exception(caught.value)))
    for text in texts:
        assert SECRET not in text
        assert "dGhlIHNlY3JldCB0aGF0" not in text  # base64 of the plaintext
        assert PLAINTEXT.decode() not in text


def test_words_of_the_service_are_cut_and_printable(kms: StubKms) -> None:
    kms.meddle = refuse(400, "X\x1b[31m" + "y" * 999)
    with pytest.raises(cb.KmsError) as caught:
        wrap(kms)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_credentials_are_asked_for_before_each_call_and_their_errors_are_their_own(
    kms: StubKms,
) -> None:
    tokens = iter(["one", "two"])

    def provide() -> cb.Credentials:
        try:
            return cb.Credentials("id", SECRET, next(tokens))
        except StopIteration:
            raise cb.StoreError("no more tokens") from None

    key = cb.AliKmsKey(KEY_ID, kms.settings(credentials=provide))
    for _ in range(2):
        key.wrap(PLAINTEXT, algorithm=KMS, context=b"")
    sent = [call.request.headers["x-acs-security-token"] for call in kms.calls]
    assert sent == ["one", "two"]
    with pytest.raises(cb.StoreError, match="no more tokens"):
        key.wrap(PLAINTEXT, algorithm=KMS, context=b"")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_plain_http_goes_through_no_proxy(
    kms: StubKms, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")  # at which nobody answers
    wrap(kms)
    assert len(kms.calls) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12
def test_a_child_gets_connections_of_its_own(kms: StubKms) -> None:
    key = kms.key()
    key.wrap(PLAINTEXT, algorithm=KMS, context=b"")
    child = os.fork()
    if child == 0:
        try:
            key.wrap(PLAINTEXT, algorithm=KMS, context=b"")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    key.wrap(PLAINTEXT, algorithm=KMS, context=b"")
    mine, theirs, mine_again = (call.request.peer for call in kms.calls)
    assert mine == mine_again != theirs
