"""Copies from store to store where answers are lost: our copy is known again, nothing is left."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from tests.support.plaintexts import pattern

from cipherbucket.errors import (
    IntegrityError,
    PreconditionFailedError,
    StoreError,
    TransientStoreError,
)
from cipherbucket.format.span import PartPlan
from cipherbucket.objects import store_to_store
from cipherbucket.objects.store_to_store import THRESHOLD, copy_to_store, rewrite
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import StoredObject, Upload
from cipherbucket.workers.threads import MEMORY, Halt
from cipherbucket.writing.one_request import ATTEMPTS
from cipherbucket.writing.replacing import ObjectToReplace

PART = 102_400
SIZE = 3 * PART + 5
DATA = pattern(SIZE)
METADATA = {"owner": "somebody"}
ENVELOPE = {
    "client-side-encryption-key": "AAAA",
    "client-side-encryption-start": "BBBB",
    "client-side-encryption-cek-alg": "AES/CTR/NoPadding",
    "client-side-encryption-wrap-alg": "RSA/NONE/PKCS1Padding",
}


class Losing(MemoryStore):
    """Loses answers, or fails before it does anything.

    Attributes:
        failing: How often each step fails from now on.
        late: Whether it fails after the step was done, so that only the answer is lost.
        steps: The steps, in order.
        between: Called when an answer was lost.
    """

    def __init__(self, failing: dict[str, int] | None = None, *, late: bool = True) -> None:
        super().__init__()
        self.failing = failing or {}
        self.late = late
        self.steps: list[str] = []
        self.between: Callable[[], object] = lambda: None

    def _step(self, step: str, original: Callable[..., Any], *args: Any) -> Any:
        self.steps.append(step)
        left = self.failing.get(step, 0)
        self.failing[step] = max(0, left - 1)
        if left and not self.late:
            raise TransientStoreError("the connection broke")
        answer = original(*args)
        if left:
            self.between()
            raise TransientStoreError("the connection broke")
        return answer

    def _put(self, *args: Any) -> Any:
        return self._step("put", super()._put, *args)

    def _get(self, *args: Any) -> Any:
        return self._step("get", super()._get, *args)

    def _begin_upload(self, *args: Any) -> Any:
        return self._step("begin", super()._begin_upload, *args)

    def _upload_part(self, *args: Any) -> Any:
        return self._step("part", super()._upload_part, *args)

    def _complete_upload(self, *args: Any) -> Any:
        return self._step("complete", super()._complete_upload, *args)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    monkeypatch.setattr(store_to_store, "THRESHOLD", PART)
    monkeypatch.setattr(store_to_store, "good_part_size", lambda _: PART)


@pytest.fixture(params=["encrypted", "plaintext"])
def source(request: pytest.FixtureRequest) -> Losing:
    store = Losing()
    metadata = METADATA | (ENVELOPE if request.param == "encrypted" else {})
    store.put("large", DATA, metadata=metadata, headers={"content-type": "x/y"})
    store.put("small", DATA[:1000], metadata=metadata)
    store.steps.clear()
    return store


def body_of(store: MemoryStore, name: str) -> bytes:
    with store.get(name) as incoming:
        data = bytearray(incoming.stop)
        incoming.readinto(data)
    return bytes(data)


@pytest.mark.parametrize("if_absent", [False, True])
@pytest.mark.parametrize("late", [False, True], ids=["the step fails", "the answer is lost"])
@pytest.mark.parametrize("step", ["begin", "part", "complete"])
def test_a_step_of_a_large_copy_that_fails_is_done_again_alone(
    source: Losing, step: str, late: bool, if_absent: bool
) -> None:
    target = Losing({step: ATTEMPTS - 1}, late=late)

    copied = copy_to_store(source, "large", target, "there", if_absent=if_absent)

    assert copied.size == SIZE
    assert dict(copied.metadata) == dict(source.head("large").metadata)
    assert body_of(target, "there") == DATA
    assert target.list_uploads() == []
    again = 1 if step == "complete" and late else ATTEMPTS - 1  # then it is seen to be there
    assert target.steps.count(step) == again + (4 if step == "part" else 1)
    assert source.steps == ["get"] * 5, "nothing was fetched twice"


@pytest.mark.parametrize("late", [False, True])
def test_a_small_copy_whose_answer_was_lost_is_there(source: Losing, late: bool) -> None:
    target = Losing({"put": ATTEMPTS - 1}, late=late)

    copied = copy_to_store(source, "small", target, "there", if_absent=True)

    assert copied.size == 1000
    assert body_of(target, "there") == DATA[:1000]
    assert source.steps == ["get"]


class Repeating(Losing):
    """Completes, and then tells what its library was told when it did so again."""

    def _complete_upload(self, *args: Any) -> Any:
        super()._complete_upload(*args)
        raise PreconditionFailedError("there is an object of this name already")


def test_a_completion_that_the_library_did_twice_is_there(source: Losing) -> None:
    target = Repeating()
    assert copy_to_store(source, "large", target, "there", if_absent=True).size == SIZE
    assert body_of(target, "there") == DATA


@pytest.mark.parametrize("name", ["small", "large"])
def test_what_was_there_before_is_not_our_copy(source: Losing, name: str) -> None:
    target = Losing()
    copy_to_store(source, name, target, "there")
    with pytest.raises(PreconditionFailedError):
        copy_to_store(source, name, target, "there", if_absent=True)
    assert target.list_uploads() == []


@pytest.mark.parametrize("name", ["small", "large"])
def test_what_another_put_there_is_not_our_copy(source: Losing, name: str) -> None:
    target = Losing({"put": 1, "complete": 1}, late=False)
    size = source.head(name).size
    theirs = Losing()
    theirs.put("x", bytes(size), metadata=source.head(name).metadata)

    def another(*_: object) -> None:
        target._objects[b"there"] = theirs._objects[b"x"]

    original = target._step

    def step(which: str, *args: Any) -> Any:
        failing = target.failing.get(which, 0) and which in {"put", "complete"}
        try:
            return original(which, *args)
        finally:
            if failing:
                another()

    target._step = step  # type: ignore[assignment, method-assign]
    with pytest.raises(PreconditionFailedError):
        copy_to_store(source, name, target, "there", if_absent=True)
    assert target.list_uploads() == []


def test_a_begin_that_goes_on_failing_leaves_nothing(source: Losing) -> None:
    target = Losing({"begin": ATTEMPTS})
    with pytest.raises(TransientStoreError):
        copy_to_store(source, "large", target, "there")
    assert target.steps == ["begin"] * ATTEMPTS
    assert target.list_uploads() == []


def test_the_uploads_of_others_are_left_alone(source: Losing) -> None:
    target = Losing()
    metadata = source.head("large").metadata
    before = target.begin_upload("there", metadata=metadata)
    target.begin_upload("there/2", metadata=metadata)
    target.failing = {"begin": 1}

    def meanwhile() -> None:
        later = target.begin_upload("there", metadata=metadata)
        target.upload_part("there", later, 1, b"theirs")

    target.between = meanwhile
    copy_to_store(source, "large", target, "there")

    left = [upload.upload_id for upload in target.list_uploads()]
    assert len(left) == 3
    assert before in left


def test_where_ours_cannot_be_told_none_is_aborted(
    source: Losing, caplog: pytest.LogCaptureFixture
) -> None:
    target = Losing({"begin": 1})
    metadata = source.head("large").metadata
    target.between = lambda: target.begin_upload("there", metadata=metadata)
    copy_to_store(source, "large", target, "there")
    assert len(target.list_uploads()) == 2
    assert "may be left of this call" in caplog.text


class Unlisted(Losing):
    """Does not allow unfinished uploads to be listed."""

    def _list_uploads(self, prefix: str) -> Sequence[Upload]:
        raise StoreError("not allowed")


def test_a_target_whose_uploads_may_not_be_listed_takes_copies(
    source: Losing, caplog: pytest.LogCaptureFixture
) -> None:
    copy_to_store(source, "large", Unlisted(), "there")
    assert not caplog.records
    target = Unlisted({"begin": 1})
    copy_to_store(source, "large", target, "there")
    assert body_of(target, "there") == DATA
    assert "may be left" in caplog.text


@pytest.mark.parametrize(("name", "size"), [("small", 1000), ("large", SIZE)])
def test_progress_ends_with_the_size(source: Losing, name: str, size: int) -> None:
    source.failing = {"get": 2}
    told: list[tuple[int, int | None]] = []
    copy_to_store(source, name, Losing(), "there", progress=lambda *now: told.append(now))
    assert told[-1] == (size, size)


@pytest.mark.parametrize(("part", "workers"), [(16 << 20, 16), (100 << 20, 2), (1 << 30, 1)])
def test_large_parts_are_copied_by_fewer(part: int, workers: int) -> None:
    assert store_to_store._most(64, PartPlan(64 * part, part), MEMORY) == workers


def test_fewer_work_where_there_are_fewer_parts() -> None:
    assert store_to_store._most(64, PartPlan(THRESHOLD + 1, THRESHOLD), MEMORY) == 2
    assert store_to_store._most(1, PartPlan(THRESHOLD * 4, THRESHOLD), MEMORY) == 1


class Lying(MemoryStore):
    """Tells another CRC-64 than that of the bytes, of what the named steps answer."""

    lies: tuple[str, ...] = ()

    def _told(self, step: str, stored: StoredObject) -> StoredObject:
        return replace(stored, crc64=(stored.crc64 or 0) ^ 1) if step in self.lies else stored

    def _get(self, *args: Any) -> Any:
        stored, *rest = super()._get(*args)
        return self._told("get", stored), *rest

    def _head(self, *args: Any) -> StoredObject:
        return self._told("get", super()._head(*args))

    def _complete_upload(self, *args: Any) -> StoredObject:
        return self._told("complete", super()._complete_upload(*args))


def test_of_parts_that_came_damaged_nothing_is_made() -> None:
    source, target = Lying(), MemoryStore()
    source.put("a", DATA, metadata=METADATA)
    source.lies = ("get",)
    with pytest.raises(IntegrityError, match="nothing was written"):
        copy_to_store(source, "a", target, "a")
    assert target.list().entries == ()
    assert not target.list_uploads()


@pytest.mark.parametrize(("length", "lies"), [(5, "get"), (SIZE, "get"), (SIZE, "complete")])
def test_nobody_is_told_to_delete_what_was_written_in_its_place(length: int, lies: str) -> None:
    store = Lying()
    store.put("a", DATA[:length], metadata=ENVELOPE)
    store.lies = (lies,)
    seen = ObjectToReplace(store, store.head("a"), store.attributes("a"), Halt())
    metadata = ENVELOPE | {"client-side-encryption-key": "CCCC"}
    with pytest.raises(IntegrityError) as refused:
        rewrite(seen, metadata=metadata, workers=1)
    assert refused.value.hint is not None
    assert "delete" not in refused.value.hint
    assert "copy again" not in refused.value.hint


class Full(MemoryStore):
    """Takes no part of an upload."""

    def _upload_part(self, *_: Any) -> Any:
        raise StoreError("the store is full")


def test_a_part_that_fails_stops_no_other_object_of_the_pass() -> None:
    store = Full()
    store.put("a", DATA, metadata=ENVELOPE)
    of_the_pass = Halt()
    seen = ObjectToReplace(store, store.head("a"), store.attributes("a"), of_the_pass)
    with pytest.raises(StoreError, match="full"):
        rewrite(seen, metadata=ENVELOPE, workers=2)
    of_the_pass.passed(0)
    assert of_the_pass.done > 0


class Claiming(MemoryStore):
    """Claims that an object has 10 TB, and sends one byte of each range."""

    def _get(self, name: str, span: Any, *_: Any) -> Any:
        stored = StoredObject(name=name, size=10**13, etag="E", modified=datetime.now(UTC))
        stop = stored.size if span.length is None else span.start + span.length
        return stored, span.start, stop, BytesIO(b"x")


def test_a_size_that_is_only_claimed_allocates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_to_store, "good_part_size", lambda _: 1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="ended after 1 of"):
            copy_to_store(Claiming(), "a", MemoryStore(), "a", workers=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
