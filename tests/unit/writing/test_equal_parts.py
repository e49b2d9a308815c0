"""Stores that want equal parts: every way in gives them, and no chunk is encrypted twice."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.strict_store import EqualStore

import cipherbucket as cb
from cipherbucket.errors import StoreError
from cipherbucket.format.footer import Seal
from cipherbucket.format.sealed import CHUNK, HEADER, Sealed
from cipherbucket.format.span import MAX_PARTS, PartPlan, good_part_size
from cipherbucket.objects import store_to_store
from cipherbucket.objects.store_to_store import copy_to_store
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.records import Part
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.transfers import files
from cipherbucket.writing import multipart, put, unknown_length
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.multipart import part_plan
from cipherbucket.writing.unknown_length import StreamUpload

AES = cb.AesKey(bytes(range(32)), description={"desc": "a"})
PART = 16 * CHUNK
FORMATS = ("oss", "sealed")
FOOT = 400
"""More than the footers of these objects have."""
SIZES = [
    2 * PART + 1,
    3 * PART,
    3 * PART - 1,
    3 * PART - FOOT,
    3 * PART - CHUNK,
    3 * PART - CHUNK - 1,
    3 * PART + CHUNK,
]


@cache
def rsa_key() -> cb.RsaKey:
    return cb.RsaKey(rsa.generate_private_key(65537, 2048), description={"desc": "rsa"})


@cache
def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def store() -> EqualStore:
    return EqualStore()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts begin where a test can afford them."""
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    for module in (multipart, put, store_to_store, unknown_length):
        monkeypatch.setattr(module, "good_part_size", lambda *_: PART)
    monkeypatch.setattr(put, "LARGE", PART)
    monkeypatch.setattr(files, "THRESHOLD", PART)
    monkeypatch.setattr(store_to_store, "THRESHOLD", PART)


@pytest.fixture
def encrypted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, int]]:
    """Count how often each chunk of each object is encrypted."""
    counted: Counter[tuple[int, int]] = Counter()
    encrypt = Sealed.encrypt

    def watched(
        self: Sealed, offset: int, plain: memoryview, out: memoryview, *, last: bool
    ) -> memoryview:
        for number in range(len(plain) // CHUNK + last):
            counted[self._base, offset // CHUNK + number] += 1
        return encrypt(self, offset, plain, out, last=last)

    monkeypatch.setattr(Sealed, "encrypt", watched)
    return counted


def bucket_in(store: cb.MemoryStore, format_: str) -> cb.Bucket:
    return cb.Bucket(store, AES if format_ == "sealed" else rsa_key(), format=format_)


def streamed(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 10_000):
        yield data[at : at + 10_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format_", FORMATS)
def test_every_kind_of_put_makes_equal_parts(
    store: EqualStore,
    format_: str,
    size: int,
    tmp_path: Path,
    encrypted: Counter[tuple[int, int]],
) -> None:
    bucket, data = bucket_in(store, format_), data_of(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    bucket.put("known", streamed(data), size=size)
    bucket.put("unknown", streamed(data))
    with bucket.open("opened", "wb") as file:
        file.write(data)
    bucket.upload(path, "file", workers=4, state=tmp_path)
    with bucket.multipart("parts", data_size=size, part_size=PART) as upload:
        for number in range(1, upload.plan.count + 1):
            upload.upload_part(number, data[slice(*upload.plan.offsets(number))])
        upload.complete()
    assert len(store.sizes) == (5 if format_ == "sealed" else 3)
    for name in ("known", "unknown", "opened", "file", "parts"):
        assert bucket.get(name).read() == data
        assert bucket.get(name, start=size - PART - 5, length=70).read() == data[-PART - 5 :][:70]
    assert set(encrypted.values()) <= {1}
    for sizes in store.sizes:
        assert sizes[0] == (PART if format_ == "oss" else PART // CHUNK * (CHUNK + 16))


@pytest.mark.parametrize("order", ["forward", "back", "random"])
def test_parts_from_threads_wait_for_the_end_of_the_part_before(
    store: EqualStore, order: str, encrypted: Counter[tuple[int, int]]
) -> None:
    bucket, data = bucket_in(store, "sealed"), data_of(6 * PART)
    with bucket.multipart("a", data_size=len(data), part_size=PART) as upload:
        numbers = list(range(1, upload.plan.count + 1))
        if order == "back":
            numbers.reverse()
        elif order == "random":
            random.Random(7).shuffle(numbers)

        def send(number: int) -> Part:
            return upload.upload_part(number, data[slice(*upload.plan.offsets(number))])

        with ThreadPoolExecutor(len(numbers)) as pool:
            parts = list(pool.map(send, numbers))
        assert [part.number for part in parts] == numbers
        upload.complete()
    assert bucket.get("a").read() == data
    assert set(encrypted.values()) == {1}


def test_a_part_whose_part_before_never_comes_is_refused(
    store: EqualStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "_PATIENCE", 0)
    bucket, data = bucket_in(store, "sealed"), data_of(3 * PART)
    with bucket.multipart("a", data_size=len(data), part_size=PART) as upload:
        parts = {n: data[slice(*upload.plan.offsets(n))] for n in (1, 2, 3)}
        with pytest.raises(cb.UsageError, match="part 2 is sent after part 1"):
            upload.upload_part(2, parts[2])
        with pytest.raises(cb.SourceError, match="other bytes"):  # it was noted all the same
            upload.upload_part(2, bytes(PART))
        for number in (1, 2, 3):
            upload.upload_part(number, parts[number])
        upload.complete()
    assert bucket.get("a").read() == data


class Failing(EqualStore):
    """Fails with the parts of some numbers, and keeps every part that was sent."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.failing = set(numbers)
        self.seen: list[tuple[int, bytes]] = []
        self._seen_lock = threading.Lock()

    def _upload_part(self, name: str, upload_id: str, number: int, body: Outgoing) -> Part:
        part = super()._upload_part(name, upload_id, number, body)
        with self._seen_lock:
            self.seen.append((number, self._uploads[upload_id].parts[number][1]))
        if number in self.failing:
            with self._lock:
                del self._uploads[upload_id].parts[number]
            raise StoreError("it broke")
        return part


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("broken", [1, 2, 3, 4])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_upload_goes_on_and_nothing_else_is_sent(
    size: int, broken: int, workers: int, tmp_path: Path
) -> None:
    store = Failing(broken)
    bucket, data = bucket_in(store, "sealed"), data_of(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    with suppress(StoreError) if broken == 4 else pytest.raises(StoreError):  # not all have four
        bucket.upload(path, "a", workers=workers, state=tmp_path)
    if not store.list_uploads():
        return
    store.failing = set()
    bucket.upload(path, "a", workers=workers, state=tmp_path)
    assert bucket.get("a").read() == data
    assert len({number for number, _ in store.seen}) == len(set(store.seen))
    assert not store.list_uploads()


@pytest.mark.parametrize("changed", [0, PART - 1, PART, 2 * PART - 3])
def test_two_plaintexts_of_a_shared_chunk_never_leave_under_one_key(
    changed: int, tmp_path: Path
) -> None:
    store = Failing(3)
    bucket, data = bucket_in(store, "sealed"), bytearray(data_of(3 * PART + 5))
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(StoreError):
        bucket.upload(path, "a", workers=1, state=tmp_path)
    (first,) = store.list_uploads()
    store.failing = set()
    sent = list(store.seen)
    data[changed] ^= 1
    path.write_bytes(data)
    bucket.upload(path, "a", workers=1, state=tmp_path)
    assert bucket.get("a").read() == data
    assert first not in store.list_uploads()
    # The same key was used for nothing but the very same parts.
    anew = store.seen[len(sent) :]
    headers = {body[:HEADER] for number, body in anew if number == 1}
    assert headers.isdisjoint({body[:HEADER] for number, body in sent if number == 1})


def test_a_copy_is_cut_equally(store: EqualStore) -> None:
    source = cb.MemoryStore()
    for size in SIZES:
        for format_ in FORMATS:
            bucket_in(source, format_).put("a", data_of(size))
            copy_to_store(source, "a", store, "a")
            assert bucket_in(store, format_).get("a").read() == data_of(size)
            back = cb.MemoryStore()
            copy_to_store(store, "a", back, "a")
            assert bucket_in(back, format_).get("a").read() == data_of(size)


@pytest.mark.parametrize("size", [5 << 40, 156 << 30, 10_000 * (16 << 20), 9_999 * (16 << 20) + 1])
def test_a_usual_plan_has_no_more_parts_than_a_store_takes(
    store: EqualStore, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "good_part_size", good_part_size)
    for format_ in FORMATS:
        plan = part_plan(format_, None, store, size)
        assert plan.sent <= MAX_PARTS
        assert plan.equal


def test_the_parts_of_a_plan_are_what_is_stored() -> None:
    layout = Sealed(bytes(32), bytes(12), _seal()).layout
    for size in SIZES:
        plan = PartPlan(size, PART, layout, equal=True)
        sent: list[tuple[int, int]] = []
        for number in range(1, plan.count + 1):
            start, stop = plan.offsets(number)
            last = number == plan.count
            own = plan.lead(number) + layout.part_size(start, stop, last=last)
            sent += [(n, len(part)) for n, part in plan.cut(number, memoryview(bytes(own)))]
        assert [number for number, _ in sent] == list(range(1, plan.sent + 1))
        assert sum(length for _, length in sent) == plan.stored_size
        assert _is_equal([length for _, length in sent])


def _seal() -> Seal:
    return Seal(0, FOOT, bytes(16), bytes(32), bytes(24), bytes(32))


def _is_equal(sizes: Sequence[int]) -> bool:
    return len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]


def test_objects_written_anew_have_parts_as_large_as_needed(
    store: EqualStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, data = bucket_in(store, "sealed"), data_of(6 * PART)
    bucket.put("a", data)
    monkeypatch.setattr(unknown_length, "good_part_size", lambda size, _: size // 2)
    cb.rotation.reencrypt(bucket, "a")
    bucket.copy("a", "b")
    assert bucket.get("a").read() == bucket.get("b").read() == data
    assert [len(sizes) for sizes in store.sizes] == [3, 3]  # the end goes beyond the second


@pytest.mark.parametrize("size", [0, 5, PART, 2 * PART, 3 * PART - 1, 3 * PART])
def test_a_claimed_size_gets_no_more_room_than_has_come(
    store: EqualStore, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_length, "good_part_size", good_part_size)
    monkeypatch.setattr(unknown_length, "_CLAIMED", CHUNK)
    bucket, data = bucket_in(store, "sealed"), data_of(size)
    to = Destination.of(bucket.access, "a", {}, {}, None)
    seal = bucket.access.sealing("a", (), {}, bind_name=True)
    upload = StreamUpload(to, *seal(), about=1 << 52)
    upload.write(memoryview(data))
    upload.finish()
    assert bucket.get("a").read() == data
    assert len(upload._part) <= max(CHUNK, 2 * len(data)) + (1 << 20)


def test_a_body_of_unknown_length_that_is_too_long_says_what_to_do(
    store: EqualStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_length, "MAX_PARTS", 2)
    with pytest.raises(cb.SourceError, match="the most that one holds") as refused:
        bucket_in(store, "sealed").put("a", streamed(data_of(3 * PART)))
    assert "give its length" in (refused.value.hint or "")
    assert not store.list_uploads()


def test_the_endpoint_of_cloudflare_has_limits_of_its_own() -> None:
    pytest.importorskip("botocore")
    from cipherbucket.stores.s3.store import S3Store

    r2 = S3Settings(endpoint="https://a.r2.cloudflarestorage.com", region="auto")
    for settings, limits in (
        (r2, (True, 8192)),
        (S3Settings(region="eu-central-1"), (False, 2048)),
    ):
        store = S3Store("bucket", settings)
        assert (store.equal_parts, store.max_metadata) == limits
