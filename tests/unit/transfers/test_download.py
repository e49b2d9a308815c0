"""Downloads in ranges: sizes, checks, threads, progress, and what is left behind by failures."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.transfer_scenes import AES, COUNT, PART, PLAIN, SIZE, KilledError, Scene, Wire

import cipherbucket as cb
from cipherbucket.format.crc64 import crc64
from cipherbucket.format.sealed import CHUNK
from cipherbucket.stores.memory import MemoryStore


@pytest.fixture(params=["oss", "sealed"])
def scene(
    request: pytest.FixtureRequest,
    key: cb.RsaKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    monkeypatch.setattr("cipherbucket.writing.one_request._FIRST_DELAY", 0.001)
    master = key if request.param == "oss" else cb.AesKey(AES, description={"desc": "tests"})
    made = Scene(Wire(cb.MemoryStore()), request.param, master, "a", tmp_path)
    made.put()
    return made


def once(moment: str, act: Callable[[], object]) -> Callable[[str], None]:
    left = [moment]

    def at(now: str) -> None:
        if left == [now]:
            left.clear()
            act()

    return at


def tampered(scene: Scene, at: int) -> None:
    """Change a byte of the stored body, as a disk does that forgets: nothing tells of it."""
    store = scene.store
    assert isinstance(store, MemoryStore)
    held = store._objects[b"a"]
    body = held.body[:at] + bytes([held.body[at] ^ 1]) + held.body[at + 1 :]
    store._objects[b"a"] = replace(held, body=body)


SIZES = [PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 3 * PART, 3 * PART + CHUNK]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part_size", [PART, 4 * PART, None])
def test_every_size_comes_and_goes_on(scene: Scene, size: int, part_size: int | None) -> None:
    plain = PLAIN[:size]
    scene.put(plain)
    assert scene.download(part_size=part_size, workers=3).size == size
    scene.assert_downloaded(plain)
    if part_size == PART:
        scene.wire.reset()
        moment = f"get {-(-size // PART)}"
        scene.interrupted(moment, lambda: scene.download(part_size=part_size))
        scene.download(part_size=part_size)
        scene.assert_downloaded(plain)


@pytest.mark.parametrize("umask", [0, 0o022, 0o027, 0o077])
def test_a_new_file_follows_the_umask_and_a_replaced_one_keeps_its_mode(
    scene: Scene, umask: int
) -> None:
    before = os.umask(umask)
    try:
        scene.wire.at = lambda _: _assert_private(scene.folder)
        scene.download()
        assert scene.out.stat().st_mode & 0o777 == 0o666 & ~umask
        scene.out.chmod(0o751)
        scene.download()
        assert scene.out.stat().st_mode & 0o777 == 0o751
        scene.download(mode=0o604)
        assert scene.out.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def _assert_private(folder: Path) -> None:
    for path in folder.glob(".cipherbucket-*.part"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed_and_stays_one(scene: Scene) -> None:
    real, scene.out = scene.out, scene.folder / "store"
    scene.out.symlink_to(real)
    scene.download()
    assert scene.out.is_symlink()
    assert real.read_bytes() == PLAIN


def test_the_target_is_as_it_was_until_all_has_come(scene: Scene) -> None:
    scene.out.write_bytes(b"before")
    seen: list[bytes] = []
    scene.wire.at = lambda now: seen.append(scene.out.read_bytes())
    scene.download()
    assert set(seen) == {b"before"}
    scene.assert_downloaded()


def test_the_journal_tells_nothing_of_the_plaintext(scene: Scene) -> None:
    scene.interrupted(f"get {COUNT - 1}", scene.download)
    text = scene.journal().read_text()
    assert scene.journal().stat().st_mode & 0o777 == 0o600
    assert '"range":1' in text
    for number in range(COUNT):
        part = PLAIN[number * PART : (number + 1) * PART]
        assert f"{crc64(part):016x}" not in text
        assert f"{crc64(part)}" not in text


@pytest.mark.parametrize("at", [0, 60, PART + 100, 3 * PART, SIZE - 1])
def test_a_damaged_object_is_no_file_and_nothing_is_left(scene: Scene, at: int) -> None:
    tampered(scene, at)
    with pytest.raises(cb.IntegrityError):
        scene.download(workers=3)
    assert not scene.out.exists()
    scene.assert_nothing_left()


def test_damage_between_two_calls_is_found_by_the_checksum_of_the_whole(scene: Scene) -> None:
    scene.interrupted("get 3", scene.download)
    tampered(scene, 4 * PART + 100)
    with pytest.raises(cb.IntegrityError):
        scene.download()
    scene.assert_nothing_left()


@pytest.mark.parametrize("moment", ["get 2", "in get 2"])
def test_what_may_pass_is_tried_again(scene: Scene, moment: str) -> None:
    def fail() -> None:
        raise cb.TransientStoreError("busy")

    scene.wire.at = once(moment, fail)
    scene.download()
    scene.assert_downloaded()


def test_what_does_not_pass_is_an_error_and_the_next_call_goes_on(scene: Scene) -> None:
    def busy(now: str) -> None:
        if now.startswith("get") and int(now[4:]) >= 3:
            raise cb.TransientStoreError("busy")

    scene.wire.at = busy
    with pytest.raises(cb.TransientStoreError, match="busy"):
        scene.download()
    scene.wire.reset()
    scene.download()
    assert scene.wire.gets <= COUNT
    scene.assert_downloaded()


def test_progress_only_grows_and_ends_with_all(scene: Scene) -> None:
    told: list[tuple[int, int | None]] = []
    failed: list[str] = []

    def slowly(now: str) -> None:
        time.sleep(0.05)
        if now == "in get 2" and not failed:
            failed.append(now)
            raise cb.TransientStoreError("busy")

    scene.wire.at = slowly
    scene.download(progress=lambda *now: told.append(now))
    assert failed
    assert told == sorted(told)
    assert told[-1] == (SIZE, SIZE)
    assert len(told) > 2


def test_what_came_before_does_not_wait_for_the_rate(scene: Scene) -> None:
    scene.interrupted(f"get {COUNT}", scene.download)
    began = time.monotonic()
    scene.download(limit_rate=10_000)
    assert time.monotonic() - began < 30  # 46 seconds at this rate
    scene.assert_downloaded()


@pytest.mark.parametrize(("room", "most"), [(1, 1), (2 * PART, 2), (1 << 30, 4)])
def test_ranges_that_are_read_back_are_in_memory_within_bounds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, room: int, most: int
) -> None:
    scene.interrupted("get 4", scene.download)
    seen: list[int] = []
    run = scene_run()

    def noting(*args: Any, workers: int, **how: Any) -> None:
        seen.append(workers)
        run(*args, workers=workers, **how)

    monkeypatch.setattr("cipherbucket.transfers.download.MEMORY", room)
    monkeypatch.setattr("cipherbucket.transfers.download.run", noting)
    scene.download(workers=4)
    assert seen == [most]
    scene.assert_downloaded()


def scene_run() -> Callable[..., None]:
    from cipherbucket.workers.threads import run

    return run


def test_two_downloads_to_the_same_file_at_once(scene: Scene) -> None:
    under_way, refused = threading.Event(), threading.Event()

    def wait() -> None:
        under_way.set()
        assert refused.wait(20)

    scene.wire.at = once("get 2", wait)
    first = threading.Thread(target=scene.download)
    first.start()
    assert under_way.wait(20)
    with pytest.raises(cb.UsageError, match="another process is at this transfer"):
        scene.download()
    refused.set()
    first.join(20)
    scene.assert_downloaded()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_left_behind_by_an_interrupt_writes_nothing_more(
    scene: Scene, released: threading.Event
) -> None:
    """Its file is closed by then, and the number may be another file's."""

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        released.wait(20)  # heeds nothing, as in a system call

    scene.wire.at = once("in get 3", interrupt)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scene.download()
    decoys = [(scene.folder / f"decoy{number}").open("w+b") for number in range(8)]
    released.set()
    for _ in range(1000):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    for decoy in decoys:
        assert os.fstat(decoy.fileno()).st_size == 0
        decoy.close()
        Path(decoy.name).unlink()
    scene.wire.reset()
    scene.download()
    assert scene.wire.gets < COUNT
    scene.assert_downloaded()


def test_what_the_caller_raises_from_progress_stops_it(scene: Scene) -> None:
    def progress(*_: object) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        scene.download(progress=progress)
    assert not scene.out.exists() or scene.out.read_bytes() == PLAIN
    scene.download()
    scene.assert_downloaded()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_regular_file_is_not_replaced(scene: Scene, kind: str) -> None:
    if kind == "folder":
        scene.out.mkdir()
    else:
        os.mkfifo(scene.out)
    with pytest.raises(cb.UsageError, match="no regular file"):
        scene.download()
    assert not scene.out.is_file()
    scene.assert_nothing_left()


def test_a_target_that_became_a_folder_is_told_at_the_end(scene: Scene) -> None:
    scene.wire.at = once("get 2", scene.out.mkdir)
    with pytest.raises(cb.UsageError, match="cannot be written"):
        scene.download()
    scene.out.rmdir()
    scene.wire.reset()
    scene.download()
    assert scene.wire.gets == 1
    scene.assert_downloaded()


def test_by_the_body_alone_it_comes_at_once(scene: Scene) -> None:
    if scene.format == "oss":
        with pytest.raises(cb.CipherbucketError):
            scene.download(footer_recipients=True)
        return
    scene.store.put("a", stored_body(scene))
    scene.download(footer_recipients=True)
    scene.assert_downloaded()


def stored_body(scene: Scene) -> bytes:
    with scene.store.get("a") as incoming:
        body = bytearray(incoming.stored.size)
        incoming.readinto(body)
    return bytes(body)


@pytest.mark.parametrize("scene", ["sealed"], indirect=True)
def test_two_recipients_one_of_whom_was_added_meanwhile(scene: Scene) -> None:
    friend = cb.AesKey(random.Random(8).randbytes(32), description={"desc": "friend"})
    scene.wire.at = once("get 2", lambda: cb.recipients.add(scene.bucket(), "a", friend))
    scene.download()
    scene.assert_downloaded()
