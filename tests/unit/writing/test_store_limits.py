"""Limits that a store has of its own: the least part, and how much metadata it keeps."""

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.strict_store import StrictStore

import cipherbucket as cb
from cipherbucket.format.envelope import Envelope
from cipherbucket.objects import store_to_store
from cipherbucket.objects.store_to_store import copy_to_store
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store
from cipherbucket.transfers import files
from cipherbucket.writing import put, unknown_length

KEY = cb.AesKey(bytes(range(32)), description={"desc": "a"})
OTHERS = [cb.AesKey(bytes([n] * 32), description={"desc": f"other {n}"}) for n in range(1, 16)]
PART = 256 << 10
DATA = random.Random(3).randbytes(4 * PART + 100)
FORMATS = ("oss", "sealed")


@cache
def rsa_key(label: str) -> cb.RsaKey:
    return cb.RsaKey(rsa.generate_private_key(65537, 2048), description={"desc": label})


@pytest.fixture
def store() -> StrictStore:
    return StrictStore()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts begin where a test can afford them."""
    for module in ("writing.multipart", "writing.put", "objects.store_to_store"):
        monkeypatch.setattr(f"cipherbucket.{module}.good_part_size", lambda *_: PART)
    monkeypatch.setattr(unknown_length, "growing_part_size", lambda n: PART << (n > 1))
    monkeypatch.setattr(put, "LARGE", PART)
    monkeypatch.setattr(files, "THRESHOLD", PART)
    monkeypatch.setattr(store_to_store, "THRESHOLD", PART)


def bucket_in(store: cb.MemoryStore, format_: str) -> cb.Bucket:
    ring = cb.KeyRing(KEY, *OTHERS) if format_ == "sealed" else cb.KeyRing(rsa_key("a"))
    return cb.Bucket(store, ring, format=format_)


def streamed(data: bytes = DATA) -> Iterator[bytes]:
    for at in range(0, len(data), 10_000):
        yield data[at : at + 10_000]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_kind_of_put_keeps_the_least_part(
    store: StrictStore, format_: str, tmp_path: Path
) -> None:
    bucket = bucket_in(store, format_)
    path = tmp_path / "file"
    path.write_bytes(DATA)
    bucket.put("known", streamed(), size=len(DATA))
    bucket.put("unknown", streamed())
    bucket.upload(path, "file", part_size=PART, workers=3, state=tmp_path)
    with bucket.multipart("parts", data_size=len(DATA), part_size=PART) as upload:
        for number in range(1, upload.plan.count + 1):
            upload.upload_part(number, DATA[slice(*upload.plan.offsets(number))])
        upload.complete()
    assert len(store.sizes) == 3 + (format_ == "sealed")
    for name in ("known", "unknown", "file", "parts"):
        assert bucket.get(name).read() == DATA


@pytest.mark.parametrize("format_", FORMATS)
def test_a_part_under_the_least_of_the_store_is_refused_before_anything_is_sent(
    store: StrictStore, format_: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    bucket = bucket_in(store, format_)
    with pytest.raises(cb.UsageError, match="262,144") as refused:
        bucket.multipart("a", data_size=len(DATA), part_size=PART // 2)
    assert refused.value.hint == "part_size=16777216 does"
    with pytest.raises(cb.UsageError, match="262,144"):
        bucket.upload(path, "a", part_size=PART // 2, state=tmp_path)
    assert not store.list_uploads()
    # One part may have any size.
    bucket.multipart("a", data_size=PART // 4, part_size=PART // 2).abort()
    bucket_in(cb.MemoryStore(), format_).upload(path, "a", part_size=PART // 2, state=tmp_path)


def test_a_copy_is_cut_as_its_target_wants(store: StrictStore) -> None:
    source = cb.MemoryStore()
    bucket = bucket_in(source, "oss")
    with bucket.multipart("a", data_size=len(DATA), part_size=PART // 2) as upload:
        for number in range(1, upload.plan.count + 1):
            upload.upload_part(number, DATA[slice(*upload.plan.offsets(number))])
        upload.complete()
    copy_to_store(source, "a", store, "a")
    assert store.sizes == [[PART] * 4 + [100]]
    assert store.head("a").metadata == source.head("a").metadata
    back = cb.MemoryStore()
    copy_to_store(store, "a", back, "a")
    assert bucket_in(back, "oss").get("a").read() == DATA


def test_s3_counts_metadata_as_they_are_sent() -> None:
    pytest.importorskip("botocore")
    assert (S3Store.min_part_size, S3Store.max_metadata) == (5 << 20, 2048)
    store = S3Store("bucket", S3Settings(region="eu-central-1"))
    assert store.metadata_size({"note": "abc"}) == 7
    encoded = "=?UTF-8?B?w6Q=?="
    assert store.metadata_size({"note": "ä"}) == 4 + len(encoded)
    with pytest.raises(cb.UsageError, match=r"s3://bucket keeps at most 2,048"):
        store.put("a", b"", metadata={"note": "ä" * 770})


def sealed_for(bucket: cb.Bucket, count: int, name: str = "a", **more: object) -> cb.ObjectInfo:
    return bucket.put(name, b"text", recipients=OTHERS[: count - 1], **more)  # type: ignore[arg-type]


def fits(count: int) -> bool:
    """Tell whether metadata of an object with so many recipients are 2 KiB or less."""
    store = cb.MemoryStore()
    metadata = sealed_for(bucket_in(store, "sealed"), count).envelope
    assert metadata is not None
    return store.metadata_size(metadata.to_metadata()) <= StrictStore.max_metadata


MOST = max(count for count in range(1, 17) if fits(count))


def test_the_error_says_how_many_recipients_fit(store: StrictStore) -> None:
    bucket = bucket_in(store, "sealed")
    assert 5 < MOST < 16
    sealed_for(bucket, MOST)
    with pytest.raises(cb.UsageError, match="memory:// keeps at most 2,048") as refused:
        sealed_for(bucket, MOST + 1)
    assert refused.value.hint is not None
    assert f"there is room for {MOST} of AES-256-KWP: name fewer" in refused.value.hint


def test_the_kinds_that_are_there_are_counted_one_by_one(store: StrictStore) -> None:
    keys = [rsa_key(f"rsa {n}") for n in range(5)]
    with pytest.raises(cb.UsageError) as refused:
        bucket_in(store, "sealed").put("a", b"", recipients=keys)
    hint = refused.value.hint or ""
    assert "4 of RSA-OAEP-SHA-256 with 2,048 bits" in hint
    assert "16 of AES-256-KWP, or" in hint
    bucket_in(store, "sealed").put("a", b"", recipients=keys[:3])


def test_metadata_that_leave_no_room_are_refused(store: StrictStore) -> None:
    own = {"note": "x" * 1900}
    for format_ in FORMATS:
        with pytest.raises(cb.UsageError, match="keeps at most 2,048") as refused:
            bucket_in(store, format_).put("a", b"", metadata=own)
        assert "shorten the metadata of your own" in (refused.value.hint or "")
    with pytest.raises(cb.UsageError, match="keeps at most 2,048"):
        store.put("a", b"", metadata={"note": "x" * 2045})


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_nothing_is_read_or_sent_of_what_cannot_fit(
    store: StrictStore, size: int | None, tmp_path: Path
) -> None:
    bucket = bucket_in(store, "sealed")
    path = tmp_path / "file"
    path.write_bytes(DATA)
    drawn: list[int] = []

    def body() -> Iterator[bytes]:
        drawn.append(1)
        yield DATA

    writes: list[Callable[[], object]] = [
        lambda: bucket.put("a", body(), recipients=OTHERS, size=size),
        lambda: bucket.put("a", body(), recipients=OTHERS, size=size, if_match="1"),
        lambda: bucket.open("a", "wb", recipients=OTHERS),
        lambda: bucket.multipart("a", data_size=len(DATA), recipients=OTHERS),
        lambda: bucket.upload(path, "a", recipients=OTHERS, state=tmp_path),
    ]
    for write in writes:
        with pytest.raises(cb.UsageError, match="keeps at most 2,048"):
            write()
    assert not drawn
    assert not store.list_uploads()
    assert not list(bucket.list())


def test_recipients_rotation_and_reencryption_are_refused_and_change_nothing(
    store: StrictStore,
) -> None:
    bucket = bucket_in(store, "sealed")
    sealed_for(bucket, MOST)
    before = store.head("a")
    new = rsa_key("rsa")
    changes: list[Callable[[bool], object]] = [
        lambda dry_run: cb.recipients.add(bucket, "a", OTHERS[-1], dry_run=dry_run),
        lambda dry_run: cb.rotation.rewrap(bucket, "a", to=new, dry_run=dry_run),
        lambda dry_run: cb.rotation.reencrypt(bucket, "a", recipients=OTHERS, dry_run=dry_run),
    ]
    for change in changes:
        for dry_run in (True, False):
            with pytest.raises(cb.UsageError, match="keeps at most 2,048") as refused:
                change(dry_run)
            assert refused.value.name == "a"
            assert "there is room for" in (refused.value.hint or "")
    assert store.head("a") == before


@pytest.mark.parametrize("data", [b"text", DATA])
def test_a_copy_whose_envelope_does_not_fit_says_what_to_do(
    store: StrictStore, data: bytes
) -> None:
    source = cb.MemoryStore()
    bucket = bucket_in(source, "sealed")
    bucket.put("a", data, recipients=OTHERS)
    with pytest.raises(cb.UsageError, match="keeps at most 2,048") as refused:
        copy_to_store(source, "a", store, "a")
    hint = refused.value.hint or ""
    assert f"there is room for {MOST} of AES-256-KWP: remove recipients" in hint
    assert not list(store.list().entries)
    assert not store.list_uploads()
    for each in OTHERS[MOST - 1 :]:
        cb.recipients.remove(bucket, "a", each)
    copied = copy_to_store(source, "a", store, "a")
    assert Envelope.parse(copied.metadata) == bucket.head("a").envelope
    assert bucket_in(store, "sealed").get("a").read() == data
