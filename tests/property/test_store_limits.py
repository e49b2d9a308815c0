"""Stores with limits of their own: what goes in comes out, and no keystream has two plaintexts."""

import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.counts import count
from tests.support.plaintexts import pattern
from tests.support.sdk_vectors import rsa_key
from tests.support.sealed_buckets import aes, body_of
from tests.support.strict_store import EqualStore, StrictStore
from tests.support.transfer_scenes import KilledError, Wire

import cipherbucket as cb
from cipherbucket.format.sealed import CHUNK
from cipherbucket.transfers.journal import Journal, Line
from cipherbucket.writing import multipart, put, unknown_length
from cipherbucket.writing.destination import Destination
from cipherbucket.writing.put import open_put

PART = 7 * CHUNK
WAYS = ["known", "unknown", "opened", "sized", "file", "parts"]
FOOT = 600
"""More than the footers of these objects have."""


class Strict(StrictStore):
    min_part_size = 100 << 10


class Equal(EqualStore):
    min_part_size = 100 << 10


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Let parts begin where a test can afford them."""
    with (
        patch.object(put, "LARGE", PART),
        patch.object(put, "good_part_size", lambda *_: PART),
        patch.object(multipart, "good_part_size", lambda *_: PART),
        patch.object(unknown_length, "good_part_size", lambda *_: PART),
        patch.object(unknown_length, "growing_part_size", lambda n: PART << min(n - 1, 2)),
    ):
        yield


def near(multiple: int) -> st.SearchStrategy[int]:
    """Return sizes at and about the ends of parts, chunks and footers."""
    around = st.integers(-FOOT, FOOT) | st.integers(-3, 3)
    return st.builds(lambda at, off: max(0, at * multiple + off), st.integers(0, 4), around)


SIZES = near(PART) | near(CHUNK) | st.integers(0, 4 * PART + FOOT)
EDGES = [
    0,
    1,
    PART,
    PART + 1,
    2 * PART,
    2 * PART + 1,
    3 * PART - FOOT,
    3 * PART - 73,
    3 * PART - 16,
]


@cache
def ring(format_: str) -> cb.KeyRing:
    rsa = rsa_key("key1").described({"desc": "limits"})
    return cb.KeyRing(aes("limits") if format_ == "sealed" else rsa)


def pieces(data: bytes, size: int = 10_000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def written(bucket: cb.Bucket, way: str, data: bytes, workers: int, folder: Path) -> None:
    if way == "known":
        bucket.put("a", pieces(data), size=len(data))
    elif way == "unknown":
        bucket.put("a", pieces(data))
    elif way == "opened":
        with bucket.open("a", "wb") as file:
            for piece in pieces(data, 70_001):
                file.write(piece)
    elif way == "sized":
        access = bucket.access
        to = Destination.of(access, "a", {}, {}, None)
        sealing = access.sealing("a", (), {}, bind_name=True)
        streamed = access.format == "sealed"
        with open_put(to, sealing, streamed=streamed, content_md5=None, size=len(data)) as file:
            file.write(data)
    elif way == "file" or not data:
        path = folder / "file"
        path.write_bytes(data)
        bucket.upload(path, "a", part_size=PART, threshold=0, workers=workers, state=folder)
    else:
        with bucket.multipart("a", data_size=len(data), part_size=PART) as upload:
            for number in range(1, upload.plan.count + 1):
                upload.upload_part(number, data[slice(*upload.plan.offsets(number))])
            upload.complete()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("format_", ["oss", "sealed"])
@given(st.sampled_from([Strict, Equal]), SIZES, st.integers(1, 3), st.data())
@settings(max_examples=count(400, 12), deadline=None)
def test_what_goes_into_a_strict_store_comes_out(
    format_: str, way: str, kind: type[StrictStore], size: int, workers: int, draw: st.DataObject
) -> None:
    store, data = kind(), pattern(size)
    bucket = cb.Bucket(store, ring(format_), format=format_)
    with tempfile.TemporaryDirectory() as folder:
        written(bucket, way, data, workers, Path(folder))
    assert bucket.get("a").read() == data
    start = draw.draw(st.integers(0, size), label="start")
    length = draw.draw(st.integers(0, size + 1), label="length")
    assert bucket.get("a", start=start, length=length).read() == data[start : start + length]
    assert bucket.get("a", tail=length).read() == data[max(0, size - length) :]
    assert not store.list_uploads()
    if format_ == "sealed":
        body = io.BytesIO(body_of(store, "a"))
        assert cb.open_sealed_file(body, ring(format_)).read() == data


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("format_", ["oss", "sealed"])
@pytest.mark.parametrize("size", EDGES)
@pytest.mark.each_pair
def test_sizes_at_the_end_of_a_part(format_: str, way: str, size: int, tmp_path: Path) -> None:
    for kind in (Strict, Equal):
        store, data = kind(), pattern(size)
        bucket = cb.Bucket(store, ring(format_), format=format_)
        written(bucket, way, data, 2, tmp_path)
        assert bucket.get("a").read() == data


@given(st.integers(0, 2048), st.integers(0, 30))
@settings(max_examples=count(300, 30), deadline=None)
def test_as_many_recipients_fit_as_the_error_says(note: int, label: int) -> None:
    keys = [
        cb.AesKey(bytes([n] * 32), description={"desc": f"{n:02}" + "x" * label})
        for n in range(1, 17)
    ]
    bucket = cb.Bucket(StrictStore(), cb.KeyRing(*keys), format="sealed")

    def put(count: int) -> None:
        bucket.put("a", b"", metadata={"n": "x" * note}, recipients=keys[1:count])

    try:
        put(16)
    except cb.UsageError as error:
        found = re.search(r"([0-9]+) of AES-256-KWP|keeps at most", f"{error.hint} {error.message}")
        assert found is not None
        most = int(found[1] or 0)
        if most:
            put(most)
        with pytest.raises(cb.UsageError, match="keeps at most 2,048"):
            put(most + 1)


Moment = tuple[str, int]
MOMENTS = st.tuples(
    st.sampled_from(["begin", "begun", "part", "in part", "sent", "complete", "completed"]),
    st.integers(1, 5),
)
CHANGES = st.lists(st.integers(0, 4 * PART), max_size=1)
CALLS = st.lists(
    st.tuples(MOMENTS, st.integers(1, 3), CHANGES, CHANGES), min_size=1, max_size=count(5, 3)
)
SHARED = [PART - 1, PART - 40, PART - 41, PART - CHUNK, PART - CHUNK - 1, PART, 2 * PART - 1]


def changed(path: Path, at: int) -> None:
    """Change a byte of a file, and leave its size and time as they are."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at % max(1, status.st_size))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("kind", [Strict, Equal])
@given(st.integers(2 * PART + 1, 4 * PART + FOOT), CALLS)
@example(3 * PART, [(("sent", 1), 1, [], [PART - 1]), (("complete", 1), 1, [], [])])
@example(3 * PART, [(("sent", 1), 3, [PART - 1], [PART - 1]), (("sent", 2), 2, [], [PART - 1])])
@example(3 * PART, [(("part", 2), 2, [PART - 1], []), (("completed", 2), 2, [], [PART - 50])])
@settings(max_examples=count(2000, 40), deadline=None)
def test_interrupted_uploads_of_changing_files_never_use_a_keystream_twice(
    kind: type[StrictStore], size: int, calls: list[tuple[Moment, int, list[int], list[int]]]
) -> None:
    store = kind()
    wire = Wire(store, PART)
    bucket = cb.Bucket(store, ring("sealed"), format="sealed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(pattern(size))
        how: dict[str, Any] = {"part_size": PART, "threshold": 0, "state": folder}
        for (moment, number), workers, within, after in calls:
            named = f"{moment} {number}" if "part" in moment or moment == "sent" else moment

            def at(now: str, named: str = named, within: list[int] = within) -> None:
                if now == named:
                    for each in within:
                        changed(path, each)
                    raise KilledError

            wire.at = at
            with suppress(KilledError, cb.CipherbucketError):
                bucket.upload(path, "a", workers=workers, **how)
            wire.reset()
            for each in after:
                changed(path, each)
        bucket.upload(path, "a", workers=2, **how)
        assert wire.ledger.conflicts == []
        assert bucket.get("a").read() == path.read_bytes()
        assert not store.list_uploads()


@pytest.mark.parametrize("at", SHARED)
@pytest.mark.parametrize("moment", ["in part 1", "sent 1", "in part 2", "sent 2", "complete"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.each_pair
def test_a_chunk_of_two_parts_that_was_changed_is_sent_under_another_key(
    at: int, moment: str, workers: int, tmp_path: Path
) -> None:
    store = Equal()
    wire = Wire(store, PART)
    bucket = cb.Bucket(store, ring("sealed"), format="sealed")
    path = tmp_path / "file"
    path.write_bytes(pattern(3 * PART))
    how: dict[str, Any] = {"part_size": PART, "threshold": 0, "state": tmp_path / "state"}
    wire.kill_at(moment)
    with pytest.raises(KilledError):
        bucket.upload(path, "a", workers=workers, **how)
    wire.reset()
    changed(path, at)
    bucket.upload(path, "a", workers=workers, **how)
    assert wire.ledger.conflicts == []
    assert bucket.get("a").read() == path.read_bytes()


def test_no_byte_of_a_part_leaves_before_the_journal_knows_the_part(tmp_path: Path) -> None:
    """Let the second part be ready while the first, whose end it has, is not noted yet."""
    store, left = Equal(), threading.Event()
    wire = Wire(store, PART)
    bucket = cb.Bucket(store, ring("sealed"), format="sealed")
    path = tmp_path / "file"
    path.write_bytes(pattern(3 * PART))
    how: dict[str, Any] = {"part_size": PART, "threshold": 0, "state": tmp_path / "state"}
    append = Journal.append

    def dying(self: Journal, line: Line) -> None:
        if line.get("part") == 1:
            left.wait(0.5)
            raise KilledError
        append(self, line)

    def at(moment: str) -> None:
        if moment == "sent 2":
            left.set()

    wire.at = at
    with patch.object(Journal, "append", dying), pytest.raises(KilledError):
        bucket.upload(path, "a", workers=2, **how)
    assert wire.sent == []
    wire.reset()
    changed(path, PART - 1)
    bucket.upload(path, "a", workers=2, **how)
    assert wire.ledger.conflicts == []
    assert len(wire.ledger.identities) == 1
    assert bucket.get("a").read() == path.read_bytes()


def test_an_upload_whose_envelope_does_not_fit_leaves_no_journal(tmp_path: Path) -> None:
    keys = [aes(str(number)) for number in range(16)]
    bucket = cb.Bucket(Strict(), cb.KeyRing(*keys), format="sealed")
    path, state = tmp_path / "file", tmp_path / "state"
    path.write_bytes(pattern(3 * PART))
    how: dict[str, Any] = {"part_size": PART, "threshold": 0, "state": state}
    with pytest.raises(cb.UsageError, match="keeps at most 2,048"):
        bucket.upload(path, "a", recipients=keys[1:], metadata={"note": "x" * 700}, **how)
    assert not any(state.iterdir())


def test_a_part_beyond_the_last_that_the_journal_cannot_know_of_begins_the_upload_anew(
    tmp_path: Path,
) -> None:
    store = Equal()
    wire = Wire(store, PART)
    bucket = cb.Bucket(store, ring("sealed"), format="sealed")
    path, state = tmp_path / "file", tmp_path / "state"
    path.write_bytes(pattern(3 * PART))
    how: dict[str, Any] = {"part_size": PART, "threshold": 0, "state": state, "workers": 1}
    wire.kill_at("complete")
    with pytest.raises(KilledError):
        bucket.upload(path, "a", **how)
    wire.reset()
    # The journal of an earlier moment: a backup that was put back in its place.
    (journal,) = state.iterdir()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    (upload,) = store.list_uploads()
    store._uploads[upload.upload_id].parts = {4: store._uploads[upload.upload_id].parts[4]}
    changed(path, 3 * PART - 1)
    bucket.upload(path, "a", **how)
    assert wire.ledger.conflicts == []
    assert bucket.get("a").read() == path.read_bytes()
