"""Requests about many objects, several at once; the answers come in the order of the objects.

Rule: so many objects are worked on before their answers are given, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from cipherbucket.workers.threads import Halt, run

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BATCH = 256
_WORKERS = 16


def in_order(
    items: Iterable[Item], ask: Callable[[Item], Answer], *, workers: int = _WORKERS
) -> Iterator[tuple[Item, Answer]]:
    """Give each item with its answer.

    Args:
        items: Drawn as they are needed.
        ask: Called in several threads; what it raises ends all.
        workers: How many threads.
    """
    drawn = iter(items)
    while batch := list(islice(drawn, _BATCH)):
        answers: dict[int, Answer] = {}

        def work(number: int, batch: list[Item] = batch, into: dict[int, Answer] = answers) -> None:
            into[number] = ask(batch[number])

        run(range(len(batch)), work, workers=min(workers, len(batch)), halt=Halt())
        for number, item in enumerate(batch):
            yield item, answers[number]
