"""Bodies of unknown length in parts: what is sent, what fails, and that no upload is left."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from tests.support.failing_store import FailingStore

import cipherbucket as cb
from cipherbucket.errors import (
    IntegrityError,
    ObjectChangedError,
    PreconditionFailedError,
    SourceError,
    TransientStoreError,
    UploadNotFoundError,
)
from cipherbucket.format.sealed import CHUNK, HEADER
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import Part, StoredObject
from cipherbucket.stores.requests import Condition, NewObject
from cipherbucket.writing import unknown_length
from cipherbucket.writing.one_request import ATTEMPTS

KEY = cb.AesKey(bytes(range(32)), description={"desc": "a"})
PART = 7 * CHUNK
TEXT = random.Random(1).randbytes(4 * PART + 5)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first part have 7 chunks, and every other 14."""
    monkeypatch.setattr(unknown_length, "growing_part_size", lambda n: PART if n == 1 else 2 * PART)


def bucket_in(store: MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(KEY), format="sealed")


def streamed(text: bytes = TEXT, step: int = 10_000) -> Iterator[bytes]:
    for at in range(0, len(text), step):
        yield text[at : at + step]


class Watched(MemoryStore):
    """Fails where it is told to, and remembers what it was sent.

    Attributes:
        failing: How often each step fails from now on.
        late: Whether it fails after the step was done, so that only the answer is lost.
        steps: The steps, in order.
        arrived: Number and bytes of every part, failed ones too.
    """

    def __init__(self, failing: Mapping[str, int] | None = None, *, late: bool = False) -> None:
        super().__init__()
        self.failing = dict(failing or {})
        self.late = late
        self.steps: list[str] = []
        self.arrived: list[tuple[int, bytes]] = []

    def _fails(self, step: str) -> bool:
        left = self.failing.get(step, 0)
        self.failing[step] = max(0, left - 1)
        return bool(left)

    def _begin_upload(self, new: NewObject) -> str:
        self.steps.append("begin")
        fails = self._fails("begin")
        if fails and not self.late:
            raise TransientStoreError("the connection broke")
        upload_id = super()._begin_upload(new)
        if fails:
            raise TransientStoreError("the connection broke")
        return upload_id

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        self.steps.append("part")
        data = b"".join(bytes(block) for block in body)
        self.arrived.append((number, data))
        fails = self._fails("part")
        if fails and not self.late:
            raise TransientStoreError("the connection broke")
        part = super()._upload_part(name, upload_id, number, Outgoing(data))
        if fails:
            raise TransientStoreError("the connection broke")
        return part

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        self.steps.append("complete")
        fails = self._fails("complete")
        if fails and not self.late:
            raise TransientStoreError("the connection broke")
        stored = super()._complete_upload(name, upload_id, parts, condition)
        if fails:
            raise TransientStoreError("the connection broke")
        return stored

    def _abort_upload(self, name: str, upload_id: str) -> None:
        self.steps.append("abort")
        if self._fails("abort"):
            raise TransientStoreError("the connection broke")
        super()._abort_upload(name, upload_id)


def test_parts_grow_and_are_just_the_body() -> None:
    store = Watched()
    info = bucket_in(store).put("name", streamed())

    assert store.steps == ["begin", "part", "part", "part", "complete"]
    assert [number for number, _ in store.arrived] == [1, 2, 3]
    sizes = [len(data) for _, data in store.arrived]
    assert info.envelope is not None
    foot = info.envelope.layout.foot
    assert sizes == [HEADER + 7 * 16_400, 14 * 16_400, PART + 5 + 8 * 16 + foot]
    assert info.stored_size == sum(sizes)
    assert bucket_in(store).get("name").read() == TEXT


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 3 * PART - 1, 3 * PART, 3 * PART + 1])
def test_the_end_lies_in_the_last_part_wherever_it_shows(size: int) -> None:
    store = Watched()
    bucket_in(store).put("name", streamed(TEXT[:size]))

    assert len(store.arrived) == (0 if size < PART else 2 if size < 3 * PART else 3)
    assert bucket_in(store).get("name").read() == TEXT[:size]
    assert store.list_uploads() == []


def test_a_small_body_is_put_at_once_and_again_as_the_same_ciphertext() -> None:
    store = FailingStore(ATTEMPTS - 1)
    bucket_in(store).put("name", streamed(TEXT[:1000]))

    assert len(set(store.arrived)) == 1
    assert len(store.arrived) == ATTEMPTS - 1
    assert bucket_in(store).get("name").read() == TEXT[:1000]
    failing = FailingStore(ATTEMPTS)
    with pytest.raises(TransientStoreError):
        bucket_in(failing).put("name", streamed(TEXT[:1000]))
    assert not bucket_in(failing).exists("name")


@pytest.mark.parametrize("late", [False, True], ids=["the step fails", "the answer is lost"])
@pytest.mark.parametrize("step", ["begin", "part", "complete"])
def test_a_step_that_fails_is_done_again_and_leaves_no_upload(step: str, late: bool) -> None:
    store = Watched({step: ATTEMPTS - 1}, late=late)
    info = bucket_in(store).put("name", streamed())

    assert info.size == len(TEXT)
    assert bucket_in(store).get("name").read() == TEXT
    assert store.list_uploads() == []
    assert len(set(store.arrived)) == 3, "what was sent again is the same"


@pytest.mark.parametrize("step", ["begin", "part", "complete"])
def test_a_step_that_goes_on_failing_is_told_and_leaves_nothing(step: str) -> None:
    store = Watched({step: ATTEMPTS})
    with pytest.raises(TransientStoreError):
        bucket_in(store).put("name", streamed())

    assert store.steps.count(step) == ATTEMPTS
    assert store.list_uploads() == []
    assert not bucket_in(store).exists("name")
    assert ("abort" in store.steps) is (step != "begin")


def interrupted(at: int, error: BaseException) -> Iterator[bytes]:
    yield TEXT[:at]
    raise error


@pytest.mark.parametrize("at", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 4 * PART])
@pytest.mark.parametrize("error", [OSError("gone"), KeyError("x"), KeyboardInterrupt()], ids=repr)
def test_a_body_that_breaks_off_leaves_neither_object_nor_upload(
    at: int, error: BaseException
) -> None:
    store = Watched()
    with pytest.raises((SourceError, KeyError, KeyboardInterrupt)):
        bucket_in(store).put("name", interrupted(at, error))

    assert store.list_uploads() == []
    assert not bucket_in(store).exists("name")


def test_an_upload_that_cannot_be_aborted_does_not_hide_the_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Watched({"part": ATTEMPTS, "abort": 10})
    with pytest.raises(TransientStoreError):
        bucket_in(store).put("name", streamed())

    assert "could not be aborted" in caplog.text


def test_a_body_of_more_parts_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown_length, "MAX_PARTS", 2)
    store = Watched()

    assert bucket_in(store).put("fits", streamed(TEXT[: 3 * PART - 1])).size == 3 * PART - 1
    with pytest.raises(SourceError, match=f"{3 * PART:,} bytes") as caught:
        bucket_in(store).put("name", streamed())
    assert caught.value.name == "name"
    assert store.list_uploads() == []
    assert not bucket_in(store).exists("name")


def test_if_absent_holds_at_the_end_too() -> None:
    store = Watched()
    bucket = bucket_in(store)
    assert bucket.put("name", streamed(), if_absent=True).size == len(TEXT)
    before = store.head("name").etag

    for text in (TEXT, TEXT[:1000]):
        with pytest.raises(PreconditionFailedError):
            bucket.put("name", streamed(text), if_absent=True)
    assert store.head("name").etag == before
    assert store.list_uploads() == []


class Swapping(Watched):
    """Answers a completed upload with something else."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def _complete_upload(
        self, name: str, upload_id: str, parts: Sequence[Part], condition: Condition
    ) -> StoredObject:
        if self.kind == "gone":
            raise UploadNotFoundError("no such upload")
        stored = super()._complete_upload(name, upload_id, parts, condition)
        match self.kind:
            case "size":
                return replace(stored, size=stored.size - 1)
            case "checksum":
                assert stored.crc64 is not None
                return replace(stored, crc64=stored.crc64 ^ 1)
            case _:
                return replace(stored, metadata={})


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("size", IntegrityError),
        ("checksum", IntegrityError),
        ("metadata", ObjectChangedError),
        ("gone", UploadNotFoundError),
    ],
)
def test_an_object_that_is_not_what_was_sent_is_told(
    kind: str, error: type[cb.CipherbucketError]
) -> None:
    store = Swapping(kind)

    with pytest.raises(error) as caught:
        bucket_in(store).put("name", streamed())

    assert caught.value.name == "name"
    assert store.list_uploads() == []


def test_another_upload_of_the_same_name_is_left_alone() -> None:
    store = Watched(late=True)
    theirs = store.begin_upload("name", metadata={"owner": "somebody"})
    store.failing = {"begin": 1}

    bucket_in(store).put("name", streamed())

    assert [upload.upload_id for upload in store.list_uploads("name")] == [theirs]


@pytest.mark.parametrize("size", [0, 1000, 3 * PART, len(TEXT)])
def test_progress_goes_up_to_the_size_that_shows_at_the_end(size: int) -> None:
    told: list[tuple[int, int | None]] = []
    bucket_in(MemoryStore()).put(
        "name", streamed(TEXT[:size]), progress=lambda *progress: told.append(progress)
    )

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (size, size)
    assert all(in_all is None for _, in_all in told[:-1])


def test_metadata_and_headers_go_with_the_parts() -> None:
    store = Watched()
    info = bucket_in(store).put(
        "name", streamed(), metadata={"owner": "me"}, content_type="x/y", context={"a": "b"}
    )

    assert (info.metadata, info.content_type) == ({"owner": "me"}, "x/y")
    assert bucket_in(store).get("name", context={"a": "b"}).read() == TEXT
