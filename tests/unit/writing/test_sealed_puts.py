"""Sealed puts: conditions, checks and retries. No data key ever serves two plaintexts."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.failing_store import FailingStore
from tests.support.plaintexts import pattern
from tests.support.sealed_buckets import aes, body_of, seal_of, sealed, watched

import cipherbucket as cb
from cipherbucket.stores.base import Store

PLAIN = pattern(3_500_000)
PART = 7 * 16_384
OWNER = aes("owner")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.unknown_length.growing_part_size", lambda _: PART)


def pieces(plain: bytes) -> Iterator[bytes]:
    for at in range(0, len(plain), 10_000):
        yield plain[at : at + 10_000]


BODIES: dict[str, Callable[[bytes], Any]] = {
    "bytes": lambda plain: plain,
    "file": io.BytesIO,
    "iterable": pieces,
}
every_body = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@every_body
@pytest.mark.parametrize("plain", [b"", PLAIN], ids=len)
def test_the_md5_given_is_checked_and_recorded_nowhere(
    body: Callable[[bytes], Any], plain: bytes, store: cb.MemoryStore
) -> None:
    bucket = sealed(store, OWNER)
    with watched(store) as calls:
        with pytest.raises(cb.SourceError, match="MD5"):
            bucket.put("a", body(plain), content_md5=md5_of(b"another"))
        with pytest.raises(cb.UsageError, match="MD5"):
            bucket.put("a", body(plain), content_md5="AAAA")
    assert "upload_part" not in calls
    assert not bucket.exists("a")
    bucket.put("a", body(plain), content_md5=md5_of(plain))
    assert bucket.get("a").read() == plain
    assert not [text for text in store.head("a").metadata.values() if md5_of(plain) in text]
    assert not [name for name in store.head("a").metadata if "md5" in name]


@every_body
def test_if_absent_and_if_match_hold_or_nothing_is_written(
    body: Callable[[bytes], Any], store: cb.MemoryStore
) -> None:
    bucket = sealed(store, OWNER)
    first = bucket.put("a", body(PLAIN), if_absent=True)
    for conditions in ({"if_absent": True}, {"if_match": "another"}):
        with pytest.raises(cb.PreconditionFailedError, match="'a'"):
            bucket.put("a", body(b"2"), **conditions)
    assert bucket.get("a").read() == PLAIN
    second = bucket.put("a", body(b"2"), if_match=first.etag)
    assert seal_of(first).salt != seal_of(second).salt
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", body(b"3"), if_match=first.etag)
    assert bucket.get("a").read() == b"2"
    with pytest.raises(cb.UsageError, match="exclude each other"):
        bucket.put("a", body(b"3"), if_match=second.etag, if_absent=True)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [0, PART - 1, PART, 3 * PART + 5])
def test_a_body_of_unknown_length_keeps_to_its_conditions_over_every_store(
    size: int, any_store: Store
) -> None:
    bucket = sealed(any_store, OWNER)
    plain = PLAIN[:size]
    put = bucket.put("a", pieces(plain), metadata={"n": "1"}, content_type="t/x", if_absent=True)
    assert (put.size, put.metadata, put.content_type) == (size, {"n": "1"}, "t/x")
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", pieces(plain), if_absent=True)
    assert bucket.get("a").read() == plain
    assert seal_of(bucket.head("a")) == seal_of(put)
    assert list(bucket.uploads()) == []


@pytest.mark.parametrize("kind", ["bytes", "path", "file"])
def test_a_put_that_is_tried_again_draws_a_new_data_key(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    store = FailingStore(2, after=4)
    with path.open("rb") as file:
        body: Any = {"bytes": PLAIN, "path": path, "file": file}[kind]
        put = sealed(store, OWNER).put("a", body)
    bodies = [*store.arrived, body_of(store, "a")]
    assert len({each[:24] for each in bodies}) == 3, "salts"
    assert len({each[56:72] for each in bodies}) == 3, "first blocks"
    assert seal_of(put).salt == bodies[-1][:24]
    assert sealed(store, OWNER).get("a").read() == PLAIN


def test_a_body_of_unknown_length_is_sent_again_as_the_same_ciphertext() -> None:
    store = FailingStore(2, after=100)
    bucket = sealed(store, OWNER)
    for how in ({}, {"content_md5": md5_of(PLAIN)}):
        store.failures, store.arrived = 2, []
        bucket.put("a", pieces(PLAIN), **how)  # type: ignore[arg-type]
        assert {hashlib.sha256(each).digest() for each in store.arrived} == {
            hashlib.sha256(body_of(store, "a")).digest()
        }
        assert bucket.get("a").read() == PLAIN


@pytest.mark.usefixtures("small_parts")
def test_parts_are_sent_again_as_the_same_ciphertext(store: cb.MemoryStore) -> None:
    sent: dict[int, set[bytes]] = {}
    original = store._upload_part

    def failing(name: str, upload_id: str, number: int, body: Any) -> Any:
        ciphertext = b"".join(map(bytes, body))
        first = number not in sent
        sent.setdefault(number, set()).add(hashlib.sha256(ciphertext).digest())
        if first:
            raise cb.TransientStoreError("the connection broke")
        return original(name, upload_id, number, body)

    store._upload_part = failing  # type: ignore[method-assign]
    sealed(store, OWNER).put("a", pieces(PLAIN[: 2 * PART + 1]))
    assert list(map(len, sent.values())) == [1, 1, 1]
    assert sealed(store, OWNER).get("a").read() == PLAIN[: 2 * PART + 1]


def test_a_file_changed_between_two_attempts_shares_no_key_with_what_arrived(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plain"
    path.write_bytes(b"a" * 40_000)

    class Changing(FailingStore):
        def _put(self, *args: Any) -> Any:
            try:
                return super()._put(*args)
            finally:
                path.write_bytes(b"b" * 40_000)

    store = Changing(1)
    sealed(store, OWNER).put("a", path)
    now = body_of(store, "a")
    assert sealed(store, OWNER).get("a").read() == b"b" * 40_000
    assert now[:24] != store.arrived[0][:24]
    pad = bytes(x ^ y for x, y in zip(now[56:16_000], store.arrived[0][56:16_000], strict=True))
    assert pad != bytes([ord("a") ^ ord("b")]) * len(pad), "a two-time pad"


def test_a_store_that_resends_by_itself_gets_the_same_bytes_or_an_error(tmp_path: Path) -> None:
    store = FailingStore(1, after=100, resend=True)
    sealed(store, OWNER).put("a", PLAIN)
    assert store.arrived[0] == body_of(store, "a")
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    again = FailingStore(1, resend=True)
    with pytest.raises(cb.SourceError, match="the source may have changed"):
        sealed(again, OWNER).put("a", path)
    assert not sealed(again, OWNER).exists("a")


@pytest.mark.parametrize("kind", ["bytes", "iterable"])
@pytest.mark.parametrize("condition", ["if_absent", "if_match"])
def test_an_answer_that_was_lost_is_recovered_by_the_envelope(
    kind: str, condition: str, store: cb.MemoryStore
) -> None:
    bucket = sealed(store, OWNER)
    how: dict[str, Any] = {"if_absent": True}
    if condition == "if_match":
        how = {"if_match": bucket.put("a", b"before").etag}
    put, stored = store._put, []

    def losing(*args: Any) -> Any:
        stored.append(put(*args))
        raise cb.TransientStoreError("the answer was lost")

    store._put = losing  # type: ignore[assignment, method-assign]
    info = bucket.put("a", BODIES[kind](PLAIN), **how)
    assert len(stored) == 1, "the second attempt met the first one's object"
    assert info.etag == stored[0].etag
    assert bucket.get("a").read() == PLAIN


@pytest.mark.parametrize("kind", ["bytes", "iterable"])
def test_an_object_of_somebody_else_is_not_taken_for_ours(kind: str, store: cb.MemoryStore) -> None:
    bucket = sealed(store, OWNER)
    put = store._put

    def overtaken(*args: Any) -> Any:
        store._put = put  # type: ignore[method-assign]
        bucket.put("a", PLAIN)
        raise cb.TransientStoreError("the connection broke")

    store._put = overtaken  # type: ignore[assignment, method-assign]
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", BODIES[kind](b"ours"), if_absent=True)
    assert bucket.get("a").read() == PLAIN


@pytest.mark.usefixtures("small_parts")
def test_lost_answers_of_an_upload_are_recovered_too(store: cb.MemoryStore) -> None:
    bucket = sealed(store, OWNER)
    lost = {"_begin_upload", "_upload_part", "_complete_upload"}

    def losing_once(verb: str) -> None:
        original = getattr(store, verb)

        def losing(*args: Any) -> Any:
            told = original(*args)
            if verb in lost:
                lost.remove(verb)
                raise cb.TransientStoreError("the answer was lost")
            return told

        setattr(store, verb, losing)

    for verb in set(lost):
        losing_once(verb)
    info = bucket.put("a", pieces(PLAIN), if_absent=True)
    assert not lost
    assert info.size == len(PLAIN)
    assert bucket.get("a").read() == PLAIN
    assert list(bucket.uploads()) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [PART - 1, 3 * PART])
def test_a_source_that_fails_leaves_neither_object_nor_upload(
    size: int, store: cb.MemoryStore
) -> None:
    bucket = sealed(store, OWNER)
    bucket.put("a", b"before")

    def failing() -> Iterator[bytes]:
        yield from pieces(PLAIN[:size])
        raise RuntimeError("the source broke")

    with pytest.raises(cb.SourceError, match="the source broke"):
        bucket.put("a", failing())
    assert bucket.get("a").read() == b"before"
    assert list(bucket.uploads()) == []
