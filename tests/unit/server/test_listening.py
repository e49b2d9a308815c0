"""A server that is waited for, and a signal that ends the waiting."""

import signal
import threading
from types import FrameType

import pytest

from cipherbucket.server import Endpoint


class Interrupted(Exception):  # noqa: N818
    """What the handler of a signal raises."""


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def test_a_server_whose_waiting_was_interrupted_still_runs_and_can_be_stopped() -> None:
    others = set(threading.enumerate())  # endpoints that a whole run of tests shares
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Endpoint() as endpoint:
            ours = set(threading.enumerate()) - others
            (thread,) = (each for each in ours if each.name == "cipherbucket-endpoint")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Interrupted):
                endpoint.wait()
            # Taken for ended, it would not be waited for, and the process end under it.
            assert thread.is_alive()
        assert not thread.is_alive()
    finally:
        signal.signal(signal.SIGALRM, before)
