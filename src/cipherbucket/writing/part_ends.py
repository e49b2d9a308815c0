"""The ends of parts that are sent with the parts after them, where all parts must be equal.

A sealed body begins with a header, so that parts of one stored size begin a little before a chunk
does: each has the last bytes of the part before in front.

Rule: no chunk is encrypted twice. It is encrypted with the part that its plaintext belongs to, and
the part after waits for its end. That is handed on only when what the chunk became was noted, so
that no byte of it leaves before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from cipherbucket.format.span import PartPlan

_TICK = 0.1


class PartEnds:
    """The ends of the parts of one upload; used from several threads.

    Args:
        plan: How the object is cut.
    """

    def __init__(self, plan: PartPlan) -> None:
        self._plan = plan
        self._ends: dict[int, bytes] = {}
        self._changed = threading.Condition()

    def room(self, number: int) -> memoryview:
        """Return room for a part, and for the end of the part before in front of it."""
        start, stop = self._plan.offsets(number)
        last = number == self._plan.count
        size = self._plan.layout.part_size(start, stop, last=last)
        return memoryview(bytearray(self._plan.lead(number) + size))

    def hand_on(self, number: int, ciphertext: memoryview) -> None:
        """Let the part after this one have its end; it was noted what the part became."""
        if number < self._plan.count and (length := self._plan.lead(number + 1)):
            with self._changed:
                self._ends[number] = bytes(ciphertext[-length:])
                self._changed.notify_all()

    def joined(
        self, number: int, stored: memoryview, waiting: Callable[[], None] = lambda: None
    ) -> list[tuple[int, memoryview]]:
        """Put the end of the part before in front of a part, and return what is sent, by number.

        Args:
            number: The part's.
            stored: Its ciphertext, behind room for that end.
            waiting: Called while the part before was not handed on; raises where it never will be.
        """
        if length := self._plan.lead(number):
            with self._changed:
                while (end := self._ends.get(number - 1)) is None:
                    waiting()
                    self._changed.wait(_TICK)
            stored[:length] = end
        return self._plan.cut(number, stored)
