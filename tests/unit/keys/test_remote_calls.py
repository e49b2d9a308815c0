"""Two calls to a remote key at once, and keys that draw data keys."""

import threading
from typing import Any

import pytest
from tests.support.fake_key import FakeKey

import cipherbucket as cb
from cipherbucket.keys.remote_calls import at_once


class RemoteKey(FakeKey):
    """A fake that says it is elsewhere."""

    remote = True

    def __init__(self) -> None:
        super().__init__(bytes(32), bytes(16))


class DrawingKey(RemoteKey):
    """A fake that draws data keys of some length."""

    length = 32

    def generate(self, length: int, *, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
        return bytes(self.length), b"key"


def test_the_two_meet_only_if_the_key_is_remote() -> None:
    meeting = threading.Barrier(2, timeout=5)
    assert at_once(RemoteKey(), meeting.wait, meeting.wait) in {(0, 1), (1, 0)}
    one = at_once(FakeKey(b"", b""), threading.get_ident, threading.get_ident)
    assert one == (threading.get_ident(),) * 2


def test_the_first_error_is_raised_after_both_are_done() -> None:
    done = threading.Event()

    def fail(text: str, wait: float = 0) -> Any:
        threading.Event().wait(wait)
        done.set()
        raise cb.KmsError(text)

    with pytest.raises(cb.KmsError, match="second"):
        at_once(RemoteKey(), lambda: 1, lambda: fail("second"))
    done.clear()

    def first() -> None:
        raise cb.KmsError("first")

    with pytest.raises(cb.KmsError, match="first"):
        at_once(RemoteKey(), first, lambda: fail("second", 0.05))
    assert done.is_set()


def test_an_interrupt_does_not_wait_for_the_other_call() -> None:
    end, ended = threading.Event(), threading.Event()

    def interrupted() -> None:
        raise KeyboardInterrupt

    def slow() -> None:
        end.wait(30)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        at_once(RemoteKey(), interrupted, slow)
    assert not ended.is_set()
    end.set()
    assert ended.wait(30)


def test_a_data_key_that_the_master_key_drew_is_used_and_its_length_looked_at() -> None:
    key = DrawingKey()
    store = cb.MemoryStore()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("name", bytes(16))
    (iv,) = key.wrapped  # the data key was not wrapped again
    assert len(iv) == 16
    key.length = 31
    with pytest.raises(cb.MasterKeyError, match="another length"):
        bucket.put("other", b"")
    assert [entry.name for entry in bucket.list()] == ["name"]
