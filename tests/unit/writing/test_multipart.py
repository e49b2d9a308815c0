"""Uploads in parts: any order, one keystream, nothing under it twice."""

import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.forked import in_child

import cipherbucket as cb
from cipherbucket.format.span import PartPlan, good_part_size
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.records import StoredObject
from cipherbucket.stores.requests import NewObject

PART = 100 << 10
PLAIN = random.Random(1).randbytes(3 * PART + 33)
PREFIX = "client-side-encryption-"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


def pieces() -> dict[int, bytes]:
    return {n + 1: PLAIN[n * PART : (n + 1) * PART] for n in range(4)}


def test_parts_in_any_order_and_in_parallel_make_the_object(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    with bucket.multipart(
        "a", data_size=len(PLAIN), part_size=PART, metadata={"owner": "me"}, content_type="x/y"
    ) as upload:
        assert not bucket.exists("a")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: upload.upload_part(n, pieces()[n]), (4, 2, 1, 3)))
        assert [part.number for part in upload.list_parts()] == [1, 2, 3, 4]
        info = upload.complete()
    assert (info.size, info.metadata, info.content_type) == (len(PLAIN), {"owner": "me"}, "x/y")
    assert bucket.get("a").read() == PLAIN
    assert bucket.get("a", start=PART - 5, length=10).read() == PLAIN[PART - 5 : PART + 5]
    metadata = store.head("a").metadata
    assert metadata[PREFIX + "data-size"] == str(len(PLAIN))
    assert metadata[PREFIX + "part-size"] == str(PART)
    assert bucket.uploads() == []


@pytest.mark.parametrize(
    ("data_size", "part_size", "fault"),
    [
        (1_000_000, 102_401, "multiple of 16"),
        (1_000_000, -16, "multiple of 16"),
        (1_000_000, 102_384, "least part"),
        (500_000, 500_000 // 10 // 16 * 16, "least part"),
        (0, PART, "1 byte or more"),
        (10 << 40, PART, "parts, more than 10,000"),
        (20 << 30, 6 << 30, "largest part"),
    ],
)
def test_sizes_that_cannot_be_done_are_refused_before_anything_is_sent(
    bucket: cb.Bucket, data_size: int, part_size: int, fault: str
) -> None:
    with pytest.raises(cb.UsageError, match=fault) as caught:
        bucket.multipart("a", data_size=data_size, part_size=part_size)
    assert caught.value.hint
    assert caught.value.name == "a"
    assert bucket.uploads() == []


@pytest.mark.parametrize("data_size", [1, 99, PART, 16 << 20, 200 << 30, (48 << 40) + 12345])
def test_the_part_size_that_is_proposed_works(data_size: int) -> None:
    plan = PartPlan(data_size, good_part_size(data_size))
    assert plan.offsets(plan.count)[1] == data_size
    assert plan.offsets(1)[0] == 0


def test_a_single_part_may_be_small(bucket: cb.Bucket) -> None:
    with bucket.multipart("a", data_size=5, part_size=16) as upload:
        upload.upload_part(1, b"12345")
        upload.complete()
    assert bucket.get("a").read() == b"12345"


@pytest.mark.parametrize("wrong", [b"", PLAIN[: PART - 1], PLAIN[: PART + 1]])
def test_a_part_of_another_length_is_refused(bucket: cb.Bucket, wrong: bytes) -> None:
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        for body in (wrong, iter([wrong])):
            with pytest.raises(cb.UsageError, match="part 1 must have 102,400 bytes"):
                upload.upload_part(1, body)
        with pytest.raises(cb.UsageError, match="there is no part 5"):
            upload.upload_part(5, b"")
        upload.upload_part(1, pieces()[1])


def test_parts_come_from_one_open_file(bucket: cb.Bucket, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(PLAIN)
    with (
        path.open("rb") as file,
        bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload,
    ):
        for number in range(1, upload.plan.count + 1):
            file.seek((number - 1) * PART)
            upload.upload_part(number, file)
        upload.complete()
    assert bucket.get("a").read() == PLAIN
    with (
        bucket.multipart("b", data_size=10, part_size=16) as upload,
        pytest.raises(cb.UsageError, match="has more"),  # it would be cut off in silence
    ):
        upload.upload_part(1, io.BytesIO(b"0123456789 and what follows"))


def test_a_part_is_never_replaced(
    bucket: cb.Bucket, store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        arrived = upload.upload_part(1, pieces()[1])
        monkeypatch.setattr(store, "_upload_part", None)  # nothing leaves
        assert upload.upload_part(1, pieces()[1]) is arrived
        with pytest.raises(cb.SourceError, match="sent before with other bytes") as caught:
            upload.upload_part(1, bytes(PART))
        assert "begin a new one" in str(caught.value.hint)


def test_a_part_is_under_way_once(bucket: cb.Bucket) -> None:
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:

        def body() -> Iterator[bytes]:
            with pytest.raises(cb.UsageError, match="under way in another thread"):
                upload.upload_part(1, bytes(PART))
            yield pieces()[1]

        upload.upload_part(1, body())
        assert [part.number for part in upload.list_parts()] == [1]


class Flaky(cb.MemoryStore):
    """Fails so many parts, each after it got all of it."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.arrived: list[bytes] = []
        self.metadata: list[dict[str, str]] = []

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> cb.Part:
        if self.failures:
            self.failures -= 1
            self.arrived.append(b"".join(bytes(block) for block in body))
            self.metadata.append(dict(body.metadata))
            raise cb.TransientStoreError("the connection broke")
        return super()._upload_part(name, upload_id, number, body)


def test_a_retried_part_is_the_same_ciphertext_with_the_same_envelope(key: cb.RsaKey) -> None:
    store = Flaky(2)
    bucket = cb.Bucket(store, cb.KeyRing(key))
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        for number, piece in pieces().items():
            upload.upload_part(number, piece)
        upload.complete()
    assert store.arrived[0] == store.arrived[1]
    envelope = bucket.head("a").envelope
    assert envelope is not None
    assert store.metadata == [envelope.to_metadata()] * 2
    assert bucket.get("a").read() == PLAIN


def test_a_part_that_failed_may_come_again_only_as_it_was(key: cb.RsaKey) -> None:
    bucket = cb.Bucket(Flaky(3), cb.KeyRing(key))
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        with pytest.raises(cb.TransientStoreError):
            upload.upload_part(2, pieces()[2])
        with pytest.raises(cb.SourceError, match="sent before with other bytes"):
            upload.upload_part(2, pieces()[3])
        for number, piece in pieces().items():
            upload.upload_part(number, piece)
        upload.complete()
    assert bucket.get("a").read() == PLAIN


def test_completing_names_the_missing_parts_and_nothing_is_visible(bucket: cb.Bucket) -> None:
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        upload.upload_part(2, pieces()[2])
        with pytest.raises(cb.UsageError, match="3 parts have not arrived: 1, 3, 4"):
            upload.complete()
    assert not bucket.exists("a")
    assert bucket.uploads() == []
    with pytest.raises(cb.UsageError, match="was aborted"):
        upload.upload_part(1, pieces()[1])


def test_leaving_by_an_exception_aborts(bucket: cb.Bucket) -> None:
    def leave() -> None:
        with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
            upload.upload_part(1, pieces()[1])
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert bucket.uploads() == []


def test_an_unfinished_upload_is_listed_and_can_be_aborted_by_name(bucket: cb.Bucket) -> None:
    upload = bucket.multipart("a", data_size=len(PLAIN), part_size=PART)
    listed = bucket.uploads()
    assert [(entry.name, entry.upload_id) for entry in listed] == [("a", upload.upload_id)]
    bucket.abort_upload("a", upload.upload_id)
    with pytest.raises(cb.UploadNotFoundError):
        upload.list_parts()


def test_an_envelope_that_the_store_makes_up_is_noticed_and_never_used(key: cb.RsaKey) -> None:
    class Hostile(cb.MemoryStore):
        def _upload_metadata(self, name: str, upload_id: str) -> dict[str, str]:
            return {PREFIX + "key": "bm90IG91cnM="}

    bucket = cb.Bucket(Hostile(), cb.KeyRing(key))
    with bucket.multipart("a", data_size=len(PLAIN), part_size=PART) as upload:
        with pytest.raises(cb.EnvelopeError, match="names another one"):
            upload.list_parts()
        for number, piece in pieces().items():
            upload.upload_part(number, piece)
        upload.complete()
    assert bucket.get("a").read() == PLAIN


def test_an_object_that_is_not_its_parts_is_an_error(key: cb.RsaKey) -> None:
    class Mangling(cb.MemoryStore):
        def _complete_upload(self, *args: object) -> object:  # type: ignore[override]
            stored = super()._complete_upload(*args)  # type: ignore[arg-type]
            object.__setattr__(stored, "crc64", 1)
            return stored

    bucket = cb.Bucket(Mangling(), cb.KeyRing(key))
    with bucket.multipart("a", data_size=5, part_size=16) as upload:
        upload.upload_part(1, b"12345")
        with pytest.raises(cb.IntegrityError, match="not what was sent"):
            upload.complete()


class Lossy(cb.MemoryStore):
    """Does what it is asked and loses the first answer to each verb."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[str] = set()

    def lose(self, verb: str) -> None:
        if verb not in self.lost:
            self.lost.add(verb)
            raise cb.TransientStoreError("the connection broke")

    def _begin_upload(self, *args: object) -> str:
        begun = super()._begin_upload(*args)  # type: ignore[arg-type]
        self.lose("begin")
        return begun

    def _complete_upload(self, *args: object) -> object:  # type: ignore[override]
        stored = super()._complete_upload(*args)  # type: ignore[arg-type]
        self.lose("complete")
        return stored

    def _put(self, *args: object) -> object:  # type: ignore[override]
        stored = super()._put(*args)  # type: ignore[arg-type]
        self.lose("put")
        return stored


def test_lost_answers_leave_no_upload_behind_and_do_not_fail_the_caller(key: cb.RsaKey) -> None:
    store = Lossy()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    envelope_of_others = {PREFIX + "key": "c29tZWJvZHkgZWxzZQ=="}
    others = cb.MemoryStore._begin_upload(store, NewObject("a", envelope_of_others, {}))
    with bucket.multipart("a", data_size=5, part_size=16) as upload:
        assert {entry.upload_id for entry in bucket.uploads()} == {others, upload.upload_id}
        upload.upload_part(1, b"12345")
        assert upload.complete(if_absent=True).size == 5
    assert store.lost == {"begin", "complete"}
    assert [entry.upload_id for entry in bucket.uploads()] == [others]
    assert bucket.get("a").read() == b"12345"


@pytest.mark.parametrize("sized", [True, False])
def test_a_put_whose_answer_was_lost_is_no_conflict_with_itself(
    key: cb.RsaKey, *, sized: bool
) -> None:
    bucket = cb.Bucket(Lossy(), cb.KeyRing(key))
    bucket.put("a", b"mine" if sized else iter([b"mine"]), if_absent=True)
    assert bucket.get("a").read() == b"mine"
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", b"another", if_absent=True)


def test_somebody_elses_object_stays_a_conflict(key: cb.RsaKey) -> None:
    class Overtaken(cb.MemoryStore):
        overtaken = False

        def _put(self, *args: object) -> object:  # type: ignore[override]
            if not self.overtaken:
                self.overtaken = True
                super().put("a", b"theirs")
                raise cb.TransientStoreError("the connection broke")
            return super()._put(*args)  # type: ignore[arg-type]

    with pytest.raises(cb.PreconditionFailedError):
        cb.Bucket(Overtaken(), cb.KeyRing(key)).put("a", b"mine", if_absent=True)


def test_a_forked_process_cannot_encrypt_under_the_same_keystream(
    bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = bucket.multipart("a", data_size=len(PLAIN), part_size=PART)
    monkeypatch.setattr("cipherbucket.writing.multipart.os.getpid", lambda: -1)
    with pytest.raises(cb.UsageError, match="process"):
        upload.upload_part(1, pieces()[1])


class LosesBegin(cb.MemoryStore):
    """Begins an upload, loses the first answer, and tells only some fields of the envelope."""

    lost = False
    told: tuple[str, ...] = ()

    def _begin_upload(self, *arguments: object) -> str:
        begun = super()._begin_upload(*arguments)  # type: ignore[arg-type]
        if not self.lost:
            self.lost = True
            raise cb.TransientStoreError("the answer was lost")
        return begun

    def _upload_metadata(self, name: str, upload_id: str) -> dict[str, str]:
        known = super()._upload_metadata(name, upload_id)
        return {field: text for field, text in known.items() if field in self.told or not self.told}


def test_an_upload_whose_answer_was_lost_is_aborted_whatever_metadata_it_has(
    key: cb.RsaKey,
) -> None:
    bucket = cb.Bucket(LosesBegin(), cb.KeyRing(key))
    upload = bucket.multipart("a", data_size=PART, part_size=PART, metadata={"owner": "me"})
    assert [each.upload_id for each in bucket.uploads()] == [upload.upload_id]


def test_an_upload_that_does_not_tell_our_wrapped_key_is_left_alone(key: cb.RsaKey) -> None:
    store = LosesBegin()
    store.told = (PREFIX + "cek-alg", PREFIX + "wrap-alg")
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.multipart("a", data_size=PART, part_size=PART)
    assert len(bucket.uploads()) == 2


def test_an_object_that_replaced_a_completed_upload_is_not_called_damaged(key: cb.RsaKey) -> None:
    class Replaced(cb.MemoryStore):
        def _complete_upload(self, name: str, *arguments: object) -> StoredObject:
            super()._complete_upload(name, *arguments)  # type: ignore[arg-type]
            return self.put(name, b"another writer's")

    bucket = cb.Bucket(Replaced(), cb.KeyRing(key))
    upload = bucket.multipart("a", data_size=PART, part_size=PART)
    upload.upload_part(1, PLAIN[:PART])
    with pytest.raises(cb.ObjectChangedError, match="replaced") as caught:
        upload.complete()
    assert "delete" not in (caught.value.hint or "")


class Interrupting(cb.MemoryStore):
    """Has a part, or none of it, when Ctrl-C comes."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.moment = moment

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> cb.Part:
        if self.moment == "before":
            raise KeyboardInterrupt
        part = super()._upload_part(name, upload_id, number, body)
        if self.moment == "after":
            raise KeyboardInterrupt
        return part


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_was_interrupted_is_known_all_the_same(key: cb.RsaKey, moment: str) -> None:
    store = Interrupting(moment)
    upload = cb.Bucket(store, key).multipart("a", data_size=len(PLAIN), part_size=PART)
    with pytest.raises(KeyboardInterrupt):
        upload.upload_part(1, pieces()[1])
    store.moment = "never"
    with pytest.raises(cb.SourceError, match="sent before with other bytes"):
        upload.upload_part(1, bytes(PART))
    assert upload.upload_part(1, pieces()[1]).number == 1


def test_a_body_that_forks_is_sent_by_the_process_that_began(bucket: cb.Bucket) -> None:
    upload = bucket.multipart("a", data_size=PART, part_size=PART)

    def other() -> None:
        for go_on in (lambda: upload.upload_part(1, bytes(PART)), upload.complete, upload.abort):
            with pytest.raises(cb.UsageError, match="belongs to the process"):
                go_on()

    def body() -> Iterator[bytes]:
        assert in_child(other) == 0
        yield PLAIN[:PART]

    upload.upload_part(1, body())
    upload.complete()


def test_views_of_one_upload_share_what_happens_to_it(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    upload = bucket.multipart("a", data_size=len(PLAIN), part_size=PART)
    view = upload.through(store)
    for number, piece in pieces().items():
        (view if number % 2 else upload).upload_part(number, piece)
    view.complete()
    with pytest.raises(cb.UsageError, match="was completed"):
        upload.upload_part(1, pieces()[1])
