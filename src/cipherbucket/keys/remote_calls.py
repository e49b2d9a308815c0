"""Two calls to a key that is elsewhere are made at once: one round trip, not two.

Rule: an error waits for the other call, an interrupt does not. Whoever ends the program is not kept
by a KMS that does not answer; the call that is left behind changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cipherbucket.keys.base import MasterKey

if TYPE_CHECKING:
    from concurrent.futures import Future

First = TypeVar("First")
Second = TypeVar("Second")


def at_once(
    key: MasterKey, first: Callable[[], First], second: Callable[[], Second]
) -> tuple[First, Second]:
    """Do two things with a master key; at once if it says that it is ``remote``.

    Both are done whatever becomes of the other; if both fail, the first one's error is raised.
    A key of this process is used by one thread: a second would cost more than it saves.
    """
    if not getattr(key, "remote", False):
        return first(), second()
    from concurrent.futures import Future, wait  # noqa: PLC0415  few have such a key

    later: Future[Second] = Future()
    name = "cipherbucket-key"
    thread = threading.Thread(target=_settle, args=(later, second), name=name, daemon=True)
    thread.start()
    try:
        sooner = first()
    except Exception:
        wait([later])
        raise
    return sooner, later.result()


def _settle(later: Future[Second], call: Callable[[], Second]) -> None:
    try:
        later.set_result(call())
    except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
        later.set_exception(error)
