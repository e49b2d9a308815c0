"""What a directory store promises whoever dies, and whoever else is working on it.

Bodies are made from a stamp at their beginning, so that every byte read can be checked by whoever
reads it, without asking who wrote it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from tests.support.counts import count
from tests.support.local_audit import audit

from cipherbucket.errors import ObjectNotFoundError, PreconditionFailedError
from cipherbucket.stores.local.repair import repair_index
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.records import StoredObject

NAMES = ["a", "a/b", "..", "é"]
STAMP = 16
State = list[Any] | None
"""Of a name: [stamp, size, metadata] of its object, or None."""


def body_of(stamp: bytes, size: int) -> bytes:
    return stamp + random.Random(stamp).randbytes(size - STAMP)


def stamped(stored: StoredObject, body: bytes) -> bytes:
    """Check that a body is one whole value under its own metadata, and return its stamp."""
    stamp = body[:STAMP]
    assert len(body) == stored.size
    assert body == body_of(stamp, len(body))
    assert stored.metadata["stamp"] == stamp.hex()
    return stamp


def state_of(store: LocalStore, name: str) -> State:
    try:
        with store.get(name) as body:
            data = bytearray(body.stored.size)
            body.readinto(data)
    except ObjectNotFoundError:
        return None
    stamp = stamped(body.stored, bytes(data))
    return [stamp.hex(), body.stored.size, dict(body.stored.metadata)]


def change_for_ever(root: Path, seed: int, tell: Callable[[str, State], object]) -> NoReturn:
    """Put, and now and then delete or relabel, telling before each step what it leads to."""
    rng = random.Random(seed)
    store = LocalStore(root)
    while True:
        name, act = rng.choice(NAMES), rng.random()
        before = state_of(store, name)
        if act < 0.15:
            tell(name, None)
            store.delete(name)
        elif act < 0.3 and before is not None:
            metadata = {"stamp": before[0], "label": str(rng.random())}
            tell(name, [before[0], before[1], metadata])
            store.replace_metadata(name, metadata=metadata, headers={})
        else:
            stamp = rng.randbytes(STAMP)
            size = rng.choice([STAMP, 1_000, 300_000])
            metadata = {"stamp": stamp.hex()}
            tell(name, [stamp.hex(), size, metadata])
            store.put(name, body_of(stamp, size), metadata=metadata)


def killed_while_changing(root: Path, seed: int, after: float) -> list[tuple[str, State]]:
    """Fork a process that changes the store, and kill it ``after`` seconds after its first step.

    Returns:
        Its steps: names, and what it said that it would do with them. It died in the last one.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            change_for_ever(
                root, seed, lambda *step: os.write(writing, json.dumps(step).encode() + b"\n")
            )
        finally:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        lines = [told.readline()]
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        lines += told.readlines()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return [(name, state) for name, state in map(json.loads, lines)]


def test_killed_at_random_moments_it_holds_the_old_object_or_the_new_one(tmp_path: Path) -> None:
    """Killed with SIGKILL at random moments, the directory store holds one of them, whole."""
    root = tmp_path / "store"
    LocalStore(root, create=True).close()
    expected: dict[str, State] = dict.fromkeys(NAMES)
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201  shown when the test fails
    rng = random.Random(seed)
    old, new = 0, 0
    for number in range(count(200, 20)):
        *done, (torn, wanted) = killed_while_changing(root, seed + number, rng.uniform(0, 0.03))
        expected.update(done)
        objects = audit(root)  # nothing else is left, either
        with LocalStore(root) as store:
            found = {name: state_of(store, name) for name in NAMES}
        assert found[torn] in (expected[torn], wanted)
        old, new = old + (found[torn] == expected[torn]), new + (found[torn] == wanted)
        expected[torn] = found[torn]
        assert found == expected
        assert set(objects) == {name for name in NAMES if found[name] is not None}
    print("old", old, "new", new)  # noqa: T201
    (root / "index.sqlite").unlink()
    repair_index(root)
    with LocalStore(root) as store:
        assert {name: state_of(store, name) for name in NAMES} == expected


def put(store: LocalStore, name: str, rng: random.Random) -> None:
    stamp, size = rng.randbytes(STAMP), rng.choice([STAMP, 5_000, 100_000])
    condition: dict[str, Any] = {}
    if rng.random() < 0.3:
        condition = rng.choice([{"if_absent": True}, {"if_match": store.head(name).etag}])
    store.put(name, body_of(stamp, size), metadata={"stamp": stamp.hex()}, **condition)


def read(store: LocalStore, name: str, rng: random.Random) -> None:
    """Read in pieces while others replace and delete what is read."""
    with store.get(name) as body:
        data = memoryview(bytearray(body.stored.size))
        done = 0
        while done < len(data):
            done += body.readinto(data[done : done + 30_000])
        stamped(body.stored, bytes(data))
    with store.get(name, tail=100) as body:
        tail = bytearray(100)
        size = body.readinto(tail)
        whole = body_of(bytes.fromhex(body.stored.metadata["stamp"]), body.stored.size)
        assert tail[:size] == whole[-100:]


def relabel(store: LocalStore, name: str, rng: random.Random) -> None:
    stored = store.head(name)
    metadata = {"stamp": stored.metadata["stamp"], "label": str(rng.random())}
    store.replace_metadata(name, metadata=metadata, headers={}, if_match=stored.etag)


def copy(store: LocalStore, name: str, rng: random.Random) -> None:
    store.copy(name, rng.choice(NAMES), if_absent=rng.random() < 0.3)


def join(store: LocalStore, name: str, rng: random.Random) -> None:
    stamp = rng.randbytes(STAMP)
    body = body_of(stamp, 50_000)
    upload = store.begin_upload(name, metadata={"stamp": stamp.hex()})
    cut = rng.randrange(50_000)
    parts = [store.upload_part(name, upload, 1, body[:cut])]
    parts += [store.upload_part(name, upload, 2, body[cut:])]
    store.complete_upload(name, upload, parts)


def delete(store: LocalStore, name: str, rng: random.Random) -> None:
    store.delete(name)


def look(store: LocalStore, name: str, rng: random.Random) -> None:
    """List, and open the store once more, which sweeps it."""
    with LocalStore(Path(store.url.removeprefix("file://"))) as other:
        listed = [entry.name for entry in other.list().entries]
    assert listed == sorted(set(listed) & set(NAMES), key=str.encode)


ACTS = [put, put, put, read, read, read, relabel, copy, join, delete, look]


def processes(number: int, work: Callable[[int], None]) -> None:
    """Run a function in forked processes, and see that each succeeds."""
    children = []
    for index in range(number):
        child = os.fork()
        if not child:
            status = 1
            try:
                work(index)
                status = 0
            except BaseException:  # noqa: BLE001  the exit status tells
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * number


def test_eight_processes_working_on_the_same_names(tmp_path: Path) -> None:
    """Every read is one whole value that some process put, or absent."""
    root = tmp_path / "store"
    LocalStore(root, create=True).close()
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201  shown when the test fails

    def work(number: int) -> None:
        rng = random.Random(seed + number)
        with LocalStore(root) as store:
            for _ in range(count(3_000, 60)):
                with suppress(ObjectNotFoundError, PreconditionFailedError):
                    rng.choice(ACTS)(store, rng.choice(NAMES), rng)

    processes(8, work)
    audit(root)
    with LocalStore(root) as store:
        for name in NAMES:
            state_of(store, name)


def test_eight_processes_make_one_store(tmp_path: Path) -> None:
    def work(number: int) -> None:
        with LocalStore(tmp_path / "store", create=True) as store:
            store.put(str(number), b"")

    processes(8, work)
    assert len(audit(tmp_path / "store")) == 8
