"""Uploads in parts: order of journal and bytes, tags, threads, progress, failures."""

import hashlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.transfer_scenes import AES, COUNT, PART, PLAIN, SIZE, KilledError, Scene, Wire

import cipherbucket as cb
from cipherbucket.format.crc64 import crc64
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.footer import Seal
from cipherbucket.format.sealed import CHUNK, Sealed
from cipherbucket.stores.records import Part, StoredObject

NUMBERS = [*range(1, COUNT + 1)]


@pytest.fixture(params=["oss", "sealed"])
def scene(
    request: pytest.FixtureRequest,
    key: cb.RsaKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    monkeypatch.setattr("cipherbucket.writing.one_request._FIRST_DELAY", 0.001)
    master = key if request.param == "oss" else cb.AesKey(AES, description={"desc": "tests"})
    made = Scene(Wire(cb.MemoryStore()), request.param, master, "a", tmp_path)
    yield made
    assert made.wire.ledger.conflicts == []


def lines_of(scene: Scene) -> list[dict[str, Any]]:
    text = scene.journal().read_bytes().split(b"\n")[:-1]
    return [json.loads(line.rpartition(b" ")[0]) for line in text]


def failing(moment: str, times: int, error: Exception) -> Callable[[str], None]:
    left = [times]

    def fail(now: str) -> None:
        if now == moment and left[0]:
            left[0] -= 1
            raise error

    return fail


@pytest.mark.parametrize(
    "size", [PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 3 * PART, 3 * PART + CHUNK]
)
@pytest.mark.parametrize("part_size", [PART, 4 * PART, None])
def test_every_size_is_cut_into_parts_and_put_together(
    scene: Scene, size: int, part_size: int | None
) -> None:
    scene.file.write_bytes(PLAIN[:size])
    info = scene.upload(part_size=part_size, workers=3)
    assert info.size == size
    assert len(scene.wire.sent) == (-(-size // part_size) if part_size else 1)
    scene.assert_uploaded()


def test_the_journal_names_a_part_before_its_first_byte_leaves(scene: Scene) -> None:
    named: dict[str, list[int]] = {}

    def look(now: str) -> None:
        if now.startswith("part"):
            named[now] = [line["part"] for line in lines_of(scene) if "part" in line]
            assert scene.journal().stat().st_mode & 0o777 == 0o600

    scene.wire.at = look
    scene.upload()
    assert named == {f"part {n}": NUMBERS[:n] for n in NUMBERS}


def test_the_journal_tells_nothing_of_the_plaintext(scene: Scene) -> None:
    scene.interrupted("complete", scene.upload)
    text = scene.journal().read_text()
    assert len([line for line in lines_of(scene) if "part" in line]) == COUNT
    for n in NUMBERS:
        part = PLAIN[(n - 1) * PART : n * PART]
        for digest in (
            hashlib.sha256(part).hexdigest(),
            hashlib.md5(part).hexdigest(),
            f"{crc64(part):016x}",
        ):
            assert digest not in text


def test_the_store_hears_of_an_upload_after_the_journal(scene: Scene) -> None:
    heard: list[list[dict[str, Any]]] = []

    def listen(now: str) -> None:
        if now in {"begin", "part 1"}:
            heard.append(lines_of(scene))

    scene.wire.at = listen
    scene.upload()
    (first,), (again, second, _) = heard
    assert "upload_id" not in first
    assert first == again
    assert list(second) == ["upload_id", "mac"]


@pytest.mark.parametrize("moment", ["part 2", "in part 2", "sent 2"])
def test_what_may_pass_is_tried_again_with_the_same_ciphertext(scene: Scene, moment: str) -> None:
    scene.wire.at = failing(moment, 2, cb.TransientStoreError("busy"))
    scene.upload()
    assert len(scene.wire.ledger.identities) == 1
    assert set(scene.wire.sent) == set(NUMBERS)
    scene.assert_uploaded()


@pytest.mark.parametrize("moment", ["begin", "begun", "in part 3", "complete"])
def test_what_does_not_pass_is_an_error_and_the_next_call_goes_on(
    scene: Scene, moment: str
) -> None:
    scene.wire.at = failing(moment, 3, cb.TransientStoreError("busy"))
    with pytest.raises(cb.TransientStoreError, match="busy"):
        scene.upload()
    scene.wire.reset()
    scene.upload()
    assert scene.wire.sent == {"in part 3": [3, 4, 5], "complete": []}.get(moment, NUMBERS)
    scene.assert_uploaded()


@pytest.mark.parametrize(
    "error",
    [
        cb.UploadNotFoundError("gone"),
        cb.PreconditionFailedError("there already"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_go_on_is_aborted(scene: Scene, error: Exception) -> None:
    scene.wire.at = failing("sent 3", 1, error)
    with pytest.raises(type(error)):
        scene.upload()
    scene.assert_nothing_left()


def test_a_part_that_was_damaged_on_the_way_is_sent_again(scene: Scene) -> None:
    scene.wire.at = failing("sent 3", 1, cb.IntegrityError("another CRC-64"))
    scene.upload()
    assert len(scene.wire.ledger.identities) == 1
    scene.assert_uploaded()


@pytest.mark.parametrize(
    "error", [cb.IntegrityError("another CRC-64"), cb.SourceError("an error of the disk")]
)
def test_what_keeps_failing_leaves_all_for_the_next_call(scene: Scene, error: Exception) -> None:
    scene.wire.at = failing("sent 3", 3, error)
    with pytest.raises(type(error)):
        scene.upload()
    scene.wire.reset()
    scene.upload()
    assert 1 not in scene.wire.sent
    scene.assert_uploaded()


def test_a_journal_of_an_older_state_goes_on_with_nothing(scene: Scene) -> None:
    scene.wire.at = failing("part 5", 3, cb.StoreError("down"))
    with pytest.raises(cb.StoreError):
        scene.upload()
    path = scene.journal()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))  # parts 1 and 2
    data = bytearray(scene.file.read_bytes())
    data[2 * PART + 5] ^= 1  # in part 3, which has left
    status = scene.file.stat()
    scene.file.write_bytes(data)
    os.utime(scene.file, ns=(status.st_atime_ns, status.st_mtime_ns))
    scene.wire.reset()

    scene.upload()

    assert scene.wire.ledger.conflicts == []
    assert len(scene.wire.ledger.identities) == 2
    scene.assert_uploaded()


def test_a_journal_that_names_another_envelope_is_not_encrypted_under(scene: Scene) -> None:
    scene.bucket().put(scene.name, b"an older object under this name, known to the store")
    known = dict(scene.store.head(scene.name).metadata)
    scene.wire.at = failing("part 2", 3, cb.StoreError("down"))
    with pytest.raises(cb.StoreError):
        scene.upload()
    path = scene.journal()
    first, second, *_ = path.read_bytes().splitlines()
    line = json.loads(first.rpartition(b" ")[0])
    line["envelope"] = known
    text = json.dumps(line, separators=(",", ":")).encode()
    path.write_bytes(text + f" {crc64(text):016x}\n".encode() + second + b"\n")
    scene.wire.reset()

    scene.upload()

    envelope = cb.Envelope.parse(known)
    assert envelope is not None
    assert cb.Envelope.parse(scene.store.head(scene.name).metadata) != envelope
    assert scene.wire.ledger.conflicts == []


def test_an_upload_that_was_refused_leaves_no_journal(scene: Scene) -> None:
    scene.wire.at = failing("begin", 1, cb.StoreError("no such bucket"))
    with pytest.raises(cb.StoreError):
        scene.upload()
    assert scene.journals() == []


@pytest.mark.parametrize("envelope", [None, "x", 5])
def test_an_envelope_that_is_none_stops_no_upload(scene: Scene, envelope: object) -> None:
    scene.wire.at = failing("part 2", 3, cb.StoreError("down"))
    with pytest.raises(cb.StoreError):
        scene.upload()
    path = scene.journal()
    first, rest = path.read_bytes().split(b"\n", 1)
    line = json.loads(first.rpartition(b" ")[0])
    line["envelope"] = envelope
    text = json.dumps(line, separators=(",", ":")).encode()
    path.write_bytes(text + f" {crc64(text):016x}\n".encode() + rest)
    scene.wire.reset()

    scene.upload()
    scene.assert_uploaded()


def test_a_store_whose_object_is_another_than_was_sent_is_found_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = scene.store._complete_upload

    def wrong(*args: Any) -> StoredObject:
        stored = complete(*args)
        object.__setattr__(stored, "crc64", 1)
        return stored

    monkeypatch.setattr(scene.store, "_complete_upload", wrong)
    with pytest.raises(cb.IntegrityError, match="not what was sent"):
        scene.upload()
    assert scene.journals() == []


def test_progress_only_grows_and_ends_with_all(scene: Scene) -> None:
    told: list[tuple[int, int | None]] = []

    def slowly(now: str) -> None:
        if now.startswith("in part"):
            time.sleep(0.06)
        if now == "in part 3" and not failed:
            failed.append(now)
            raise cb.TransientStoreError("busy")

    failed: list[str] = []
    scene.wire.at = slowly
    scene.upload(progress=lambda *now: told.append(now))
    assert failed
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (SIZE, SIZE)
    scene.interrupted("complete", lambda: scene.upload(resume=True))
    told.clear()
    scene.upload(progress=lambda *now: told.append(now))
    assert (told, told[-1]) == (sorted(told), (SIZE, SIZE))


def test_what_was_sent_before_does_not_wait_for_the_rate(scene: Scene) -> None:
    scene.interrupted("complete", scene.upload)
    began = time.monotonic()
    scene.upload(limit_rate=1000)
    assert time.monotonic() - began < 60  # 463 seconds at this rate
    scene.assert_uploaded()


def test_a_rate_is_kept(scene: Scene) -> None:
    began = time.monotonic()
    scene.upload(limit_rate=1_000_000, workers=4)
    assert 0.3 < time.monotonic() - began < 20
    scene.assert_uploaded()


@pytest.mark.parametrize(("room", "most"), [(1, 1), (2 * PART + 3000, 2), (1 << 30, 4)])
def test_large_parts_are_sent_by_fewer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, room: int, most: int
) -> None:
    at_work, seen, lock = [0], [0], threading.Lock()

    def count(now: str) -> None:
        with lock:
            at_work[0] += now.startswith("part") - now.startswith("sent")
            seen[0] = max(seen[0], at_work[0])
        if now.startswith("part"):
            time.sleep(0.05)

    monkeypatch.setattr("cipherbucket.transfers.upload_session.MEMORY", room)
    scene.wire.at = count
    scene.upload(workers=4)
    assert seen == [most]
    scene.assert_uploaded()


@pytest.mark.parametrize("how", [{"workers": 0}, {"limit_rate": 0}, {"limit_rate": float("nan")}])
def test_what_moves_nothing_is_refused(scene: Scene, how: dict[str, Any]) -> None:
    for verb in (scene.upload, scene.download):
        with pytest.raises(cb.UsageError, match="nothing"):
            verb(**how)


@pytest.mark.parametrize("part_size", [1, 17, 100 << 9])
def test_a_part_size_that_no_store_takes_is_refused_and_leaves_nothing(
    scene: Scene, part_size: int
) -> None:
    with pytest.raises(cb.UsageError, match=r"part_size=\d+ does|part size") as caught:
        scene.upload(part_size=part_size)
    assert "part_size=" in str(caught.value.hint)
    scene.assert_nothing_left()


def test_what_is_no_file_is_told(scene: Scene) -> None:
    for path in (scene.folder, scene.folder / "missing"):
        with pytest.raises(cb.SourceError):
            scene.bucket().upload(path, "a")
    with pytest.raises(cb.UsageError, match="zero byte"):
        scene.bucket().upload("a\0b", "a")
    assert scene.journals() == []


def test_an_interrupt_leaves_what_the_next_call_goes_on_with(scene: Scene) -> None:
    hang = threading.Event()

    def interrupt(now: str) -> None:
        if now == "in part 3":
            os.kill(os.getpid(), signal.SIGINT)
            hang.wait(10)  # a thread that heeds nothing, as in a system call

    scene.wire.at = interrupt
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scene.upload()
    sent = list(scene.wire.sent)
    scene.wire.at = lambda _: None
    hang.set()
    for _ in range(1000):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert scene.wire.sent == sent == [1, 2, 3]  # what was left behind sends no more
    scene.wire.reset()
    scene.upload()
    assert set(scene.wire.sent) <= {3, 4, 5}
    scene.assert_uploaded()


def test_a_link_to_a_file_is_a_transfer_of_its_own(scene: Scene) -> None:
    scene.interrupted("in part 3", scene.upload)
    original, scene.file = scene.file, scene.folder / "out"
    scene.file.symlink_to(original)
    scene.upload()
    assert scene.wire.sent == NUMBERS
    scene.file = original
    scene.wire.reset()
    scene.upload()
    assert scene.wire.sent == [3, 4, 5]
    scene.assert_uploaded()


def test_another_object_has_a_journal_of_its_own(scene: Scene) -> None:
    scene.interrupted("in part 3", scene.upload)
    scene.name = "b"
    scene.upload()
    assert len(scene.wire.ledger.identities) == 2
    scene.name = "a"
    scene.upload()
    assert len(scene.wire.ledger.identities) == 2
    scene.assert_uploaded()


def test_what_the_caller_raises_from_progress_stops_it(scene: Scene) -> None:
    def progress(*_: object) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        scene.upload(progress=progress)
    scene.upload()
    scene.assert_uploaded()


CIPHERS: dict[str, Callable[[int], Ctr | Sealed]] = {
    "oss": lambda number: Ctr(bytes([number]) * 32, bytes(16)),
    "sealed": lambda number: Sealed(
        bytes([number]) * 32,
        bytes(12),
        Seal(0, 60, bytes(16), bytes(32), bytes(24), bytes(32)),
        b"f" * 60,
    ),
}


@pytest.mark.parametrize("format_", CIPHERS)
def test_a_tag_knows_bytes_number_and_key(format_: str) -> None:
    plain = random.Random(5).randbytes(4 * CHUNK)

    def tag(key: int, number: int, text: bytes, *, last: bool = False) -> bytes:
        cipher = CIPHERS[format_](key)
        start = (number - 1) * len(plain)
        out = memoryview(bytearray(cipher.layout.part_size(start, start + len(text), last=last)))
        room = memoryview(bytearray(text))
        stored = cipher.encrypt(start, room, out, last=last)
        return cipher.part_tag(number, stored, first=number == 1, last=last)

    base = tag(1, 1, plain)
    assert base == tag(1, 1, plain)
    others = [tag(2, 1, plain), tag(1, 2, plain), tag(1, 1, plain[:-1], last=True)]
    others += [tag(1, 1, plain, last=True)] if format_ == "sealed" else []
    for at in (0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 5, len(plain) - 1):
        others.append(tag(1, 1, plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :]))
    assert len({base, *others}) == 1 + len(others)
    assert hashlib.sha256(plain).digest() not in {base, *others}


def test_parts_that_the_store_lists_without_a_crc_are_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.interrupted("in part 3", scene.upload)
    listed = scene.store._list_parts

    def bare(*args: Any) -> list[Part]:
        return [Part(part.number, part.size, part.etag) for part in listed(*args)]

    monkeypatch.setattr(scene.store, "_list_parts", bare)
    scene.upload()
    assert scene.wire.sent == NUMBERS
    assert len(scene.wire.ledger.identities) == 1
    scene.assert_uploaded()
