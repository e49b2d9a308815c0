"""Two calls to a key that is elsewhere are made at once: one round trip, not two."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cipherbucket.keys.base import MasterKey

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
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  few have such a key

    with ThreadPoolExecutor(1, thread_name_prefix="cipherbucket-key") as other:
        later = other.submit(second)
        sooner = first()
        return sooner, later.result()
