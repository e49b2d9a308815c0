"""How much a test does: quickly by default, in full under ``make soak``.

What a test repeats in a loop is a `count`. Of what it repeats by parameter the quick run takes a
selection, where the test carries one of two markers:

``each_value``: so many cases that every value of every parameter occurs. For parameters that do
not depend on each other, such as an attack and the kind of store it is tried on.
``each_pair``: so many that every two values of two parameters occur together. For parameters that
do, such as a format and the moment of an interruption.

The selection is the same each time; ``make soak`` runs the whole product. A test without a marker
runs with all its parameters, always. ``make soak`` begins with the tests of the marker ``long``,
which take minutes each there, so that no worker has one left at the end.
"""

import os
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

import pytest

MARKERS = {
    "each_value": "the quick run takes so many cases that each value of each parameter occurs",
    "each_pair": "the quick run takes so many cases that each two values occur together",
    "long": "the soak run begins with it",
}
Case = TypeVar("Case")
SOAK = os.environ.get("CIPHERBUCKET_SOAK") == "1"


def count(full: int, quick: int) -> int:
    """Return ``full`` when the environment has CIPHERBUCKET_SOAK=1, else ``quick``."""
    return full if SOAK else quick


def share(cases: Sequence[Case], number: int, of: int) -> Sequence[Case]:
    """Return all the cases, or quickly share ``number``, from 0, of so many equal ones.

    A test that does the same to many cases in several ways gives each way another share, so that
    every case and every way occur.
    """
    return cases[number % count(1, of) :: count(1, of)]


def quick_selection(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests that run now, in their order."""
    if SOAK:
        return sorted(items, key=lambda item: item.get_closest_marker("long") is None)
    marked = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if any(item.get_closest_marker(name) for name in ("each_value", "each_pair")):
            marked[item.nodeid.split("[")[0]].append(item)
    left_out: set[pytest.Item] = set()
    for function, cases in marked.items():
        size = 2 if cases[0].get_closest_marker("each_pair") else 1
        left_out.update(set(cases) - _covering(cases, size, random.Random(function)))
    return [item for item in items if item not in left_out]


def _covering(cases: list[pytest.Item], size: int, draw: random.Random) -> set[pytest.Item]:
    """Choose cases in which all that occur together in any do, first those that add the most."""
    goals = {case: set[object](combinations(_values(case), size)) for case in cases}
    chosen: set[pytest.Item] = set()
    seen: set[object] = set()
    order = draw.sample(cases, len(cases))
    for least in range(max(map(len, goals.values())), 0, -1):
        for case in order:
            if len(goals[case] - seen) >= least:
                chosen.add(case)
                seen |= goals[case]
    return chosen


def _values(item: pytest.Item) -> list[tuple[str, tuple[int, ...]]]:
    """Return each parameter with its value; arguments that are given in rows are one parameter."""
    assert isinstance(item, pytest.Function)
    identities = {name: id(value) for name, value in item.callspec.params.items()}
    rows = [str(mark.args[0]).split(",") for mark in item.iter_markers("parametrize")]
    values = []
    for row in rows:
        names = [name.strip(" ()[]'\"") for name in row]
        values.append((names[0], tuple(identities.pop(name) for name in names)))
    return values + [(name, (identity,)) for name, identity in identities.items()]
