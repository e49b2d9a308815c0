"""A pass is interrupted while the store takes its time: nothing is written once it has ended.

Rule: whoever gets control back after Ctrl-C finds a pass that has ended. A request that was under
way may still be done, since nobody can call it back; no other follows it.
"""

from __future__ import annotations

import threading

import pytest
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    SMALL,
    WRITES,
    LikeOss,
    Requests,
    Scene,
    Unconditional,
    small_parts,
)

import cipherbucket as cb


def ended(before: set[threading.Thread]) -> None:
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


@pytest.mark.each_pair
@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
@pytest.mark.parametrize("plain", [SMALL, LARGE], ids=["small", "parts"])
@pytest.mark.parametrize("make", [cb.MemoryStore, LikeOss, Unconditional])
@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_written_after_an_interrupt(
    kind: str,
    make: type[cb.MemoryStore],
    plain: bytes,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.workers.threads._GRACE", 0.05)
    scene = Scene(make(), kind, plain)
    requests = Requests(scene.store)
    threads = set(threading.enumerate())
    for number in range(1, 40):
        scene.put(plain)
        before = scene.store.head(scene.name)
        requests.forget()
        blocked, released = threading.Event(), threading.Event()

        def hang(
            now: int,
            name: str,
            number: int = number,
            blocked: threading.Event = blocked,
            released: threading.Event = released,
        ) -> None:
            if now == number and name not in WRITES:
                blocked.set()
                released.wait(10)

        def interrupt(_: int, __: int | None, blocked: threading.Event = blocked) -> None:
            if blocked.is_set():
                raise KeyboardInterrupt

        requests.before = hang
        bucket = scene.bucket(scene.new, scene.old)
        try:
            getattr(cb.rotation, verb)(bucket, workers=1, progress=interrupt).close()
        except KeyboardInterrupt:
            written = [name for name in requests.names if name in WRITES]
            released.set()
            ended(threads)
            after = [name for name in requests.names if name in WRITES]
            visible = {"put", "replace_metadata", "complete_upload"}
            assert [name for name in after[len(written) :] if name in visible] == []
            if not visible & set(written):
                assert scene.store.head(scene.name) == before
            assert scene.store.list_uploads() == []
        if len(requests.names) < number:
            break
    assert len(requests.names) < number
    assert number > 2
