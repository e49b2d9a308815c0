"""`docs/oss2.md` says what became of every public name of oss2, and says the truth.

The names are those that are kept in `oss2_names.json`; the interop tests compare them with oss2.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.oss2.names import BUCKET, committed, differing, signature_of
from tests.oss2.page import STATES, entries
from tests.oss2.scene import LAYER, load

NAMES = committed()
ALL = [(place, name) for place, names in NAMES.items() for name in names]
ABSENT = object()


def of_the_layer(place: str, name: str) -> Any:
    """Return what the layer has under a name, or `ABSENT`."""
    module = load(LAYER, "" if place in {"oss2", BUCKET} else place)
    return getattr(module.CryptoBucket if place == BUCKET else module, name, ABSENT)


def test_every_name_is_on_the_page_and_no_other() -> None:
    said = set(entries())
    assert sorted(set(ALL) - said) == []
    assert sorted(said - set(ALL)) == []
    assert len(ALL) > 600


@pytest.mark.parametrize("place", NAMES)
def test_what_is_said_to_be_there_is_there(place: str) -> None:
    page = entries()
    wrong = [
        (name, page[place, name].state)
        for name in NAMES[place]
        if (of_the_layer(place, name) is ABSENT) != (page[place, name].state == "not offered")
    ]
    assert not wrong


@pytest.mark.parametrize("place", NAMES)
def test_other_parameters_are_said(place: str) -> None:
    page, unsaid = entries(), []
    for name, real in NAMES[place].items():
        entry = page[place, name]
        # What is refused takes anything.
        if entry.state == "not offered" or "refused" in entry.said:
            continue
        layer = signature_of(of_the_layer(place, name))
        unsaid += [
            (name, parameter)
            for parameter in differing(real, layer)
            if f"`{parameter}`" not in entry.said
        ]
    assert not unsaid


def test_what_is_better_or_not_offered_is_explained() -> None:
    bare = [key for key, entry in entries().items() if entry.state != STATES[0] and not entry.said]
    assert not bare


def test_a_difference_in_parameters_is_seen() -> None:
    real = ["key", "data", "headers=None", "cipher=..."]
    assert differing(real, real) == []
    assert differing(real, [*real, "policy=None"]) == []
    assert differing(real, ["key", "body", "headers=None", "cipher=<x>"]) == ["body"]
    assert differing(real, ["key", "data", "headers=1"]) == ["headers", "cipher"]
    assert differing(real, None) == []
