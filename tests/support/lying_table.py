"""The table of lies and verbs: which verb meets which lie, and how quickly.

A verb meets a lie at each operation that it asks a store for. Which these are is seen where it is
told the truth. Quickly each lie is told to one verb of one face; ``make soak`` tells it to all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

import pytest
from tests.support.counts import SOAK, share
from tests.support.lied_to import MOST_SECONDS, Outcome, Verb, judge, meet
from tests.support.lies_in_http import LIES as IN_HTTP
from tests.support.lies_in_listings import LIES as IN_LISTINGS
from tests.support.lies_in_objects import LIES as IN_OBJECTS
from tests.support.lies_in_objects import packed
from tests.support.lies_in_xml import LIES as IN_XML
from tests.support.lying_ground import Ground
from tests.support.lying_store import Lie, Told

LIES = [*IN_HTTP, *IN_OBJECTS, *IN_XML, *IN_LISTINGS]
FACES = 3
"""The library, the command line, the layer for oss2."""
_AT_ONCE = 8
"""So many that wait for a slow store at once."""


@dataclass
class Table:
    """One face's verbs.

    Attributes:
        ground: What each begins with.
        verbs: The verbs.
        folder: For the files of each.
        lies: What they meet.
    """

    ground: Ground
    verbs: list[Verb]
    folder: Path
    lies: Sequence[Lie] = tuple(LIES)
    _numbers: Iterator[int] = field(default_factory=count)
    _truths: dict[int, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        packed()  # once: a child that does it answers too late, and is asked again

    def truth(self, number: int) -> Outcome:
        """Return what comes of a verb where no lie is told."""
        if number not in self._truths:
            self._truths[number] = self._found_out(self.verbs[number])
        return self._truths[number]

    def _found_out(self, verb: Verb) -> Outcome:
        first = meet(self.ground, verb, None, self.new_folder())
        assert first.broke is None, f"{verb.name}: {first.broke}"
        assert first.refused is None, f"{verb.name}: {first.refused}"
        if SOAK:
            again = meet(self.ground, verb, None, self.new_folder())
            assert first.result == again.result, verb.name
            assert (first.objects, first.files) == (again.objects, again.files), verb.name
        return first

    def new_folder(self) -> Path:
        """Return a folder that is not there yet."""
        return self.folder / str(next(self._numbers))

    def meetings(self, number: int) -> Iterator[tuple[int, Told]]:
        """Yield which verbs hear a lie, and where; each lie begins with another verb."""
        lie = self.lies[number]
        taken = share(range(len(self.verbs)), 0, 3)
        for at in range(len(taken)):
            verb = taken[(number + at) % len(taken)]
            counts = self.truth(verb).counts
            for operation in sorted(counts):
                if operation.rpartition(".")[2] in lie.on:
                    yield verb, Told(lie, operation)
                    if lie.later and counts[operation] > 1:
                        yield verb, Told(lie, operation, 1)


def lies(face: int) -> list[object]:
    """Return the lies as parameters: all of them, or quickly every third for each of the faces."""
    numbered = list(enumerate(LIES))
    return [
        pytest.param(number, id=lie.name.replace(" ", "-"))
        for number, lie in share(numbered, face, FACES)
    ]


def wrong_with(table: Table, number: int) -> list[str]:
    """Let all verbs, or quickly one of them, meet a lie; return what is wrong."""
    lie = table.lies[number]
    table.ground.load_keys()  # once, and so in no child

    def judged(meeting: tuple[int, Told]) -> list[str]:
        verb, told = table.verbs[meeting[0]], meeting[1]
        came = meet(table.ground, verb, told, table.new_folder())
        if came.seconds > MOST_SECONDS:  # the machine may do something else beside
            came = meet(table.ground, verb, told, table.new_folder())
        where = f"{verb.name} / {told.operation}" + (" later" if told.since else "")
        truth = table.truth(meeting[0])
        return [f"{where}: {each}" for each in judge(verb, lie, told.operation, truth, came)]

    meetings = islice(table.meetings(number), None if SOAK else 1)
    with ThreadPoolExecutor(_AT_ONCE if lie.slow else 1) as pool:
        return [problem for each in pool.map(judged, list(meetings)) for problem in each]
