"""Each writer read by each reader, all cases, against the local endpoint.

Rule: a cell works, or `limitations` names the peer's own bug that keeps it from working. Neither a
new failure nor a new success goes unnoticed, and the page in the documentation shows what came of
this run.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from tests.interop import page, recorded
from tests.interop.conftest import need
from tests.interop.limitations import LIMITATIONS, description_text, expected, limitation
from tests.interop.matrix import (
    CASES,
    DEFAULT,
    DESCRIPTIONS,
    ONLY_KEY,
    OURS,
    READERS,
    SECOND_KEY,
    WRITERS,
    Written,
)
from tests.interop.run import Run


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_reader_reads_every_case_of_a_writer_or_fails_for_a_named_reason(
    run: Run, writer: str, reader: str
) -> None:
    need(writer, reader)
    surprises = [
        f"{case}: {outcome}, expected {expected(writer, reader, case)}"
        f" {run.refusal(writer, reader, case)}"
        for case in CASES
        if (outcome := run.outcome(writer, reader, case)) != expected(writer, reader, case)
    ]
    assert not surprises, "\n".join(surprises)


def test_what_we_write_is_unreadable_only_for_a_bug_of_the_peer() -> None:
    ours = {
        (reader, case, found.mark)
        for reader in READERS
        for case in CASES
        if (found := limitation(OURS, reader, case))
    }
    assert {reader for reader, _, _ in ours} == {
        "oss-v2",
        "Go 1",
        "Go 1 + manager",
        "Go 2",
        "Java 1",
    }
    assert not any(limitation(writer, OURS, case) for writer in WRITERS[:-1] for case in CASES)


def test_every_limitation_explains_some_cell() -> None:
    found = {
        limitation(writer, reader, case)
        for writer in WRITERS
        for reader in READERS
        for case in CASES
    }
    assert found == {None, *LIMITATIONS}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", recorded.WRITERS)
def test_a_reader_reads_recorded_objects_or_fails_for_a_named_reason(
    run: Run, writer: str, reader: str
) -> None:
    need(reader)
    surprises = [
        f"{read}: {outcome}, expected {recorded.expected(reader, read)}"
        for read in recorded.reads(writer)
        if (outcome := run.recordings.outcome(reader, read)) != recorded.expected(reader, read)
    ]
    assert not surprises, "\n".join(surprises)


def test_every_obstacle_explains_some_read_of_a_recorded_object() -> None:
    found = {
        recorded.obstacle(reader, read)
        for reader in READERS
        for writer in recorded.WRITERS
        for read in recorded.reads(writer)
    }
    assert found == {None, *recorded.OBSTACLES}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_gives_a_description_the_text_we_believe_it_does(run: Run, writer: str) -> None:
    need(writer)
    for name, description in {"default": DEFAULT, **DESCRIPTIONS}.items():
        if (writer, name) == ("Java 1", "non-ASCII"):
            continue
        written = Written(17, description=name)
        text = run.stored_description(writer, written)
        assert text == description_text(writer, description), name


@pytest.mark.parametrize("reader", ["oss-v2", "Go 1", "Go 2"])
def test_peers_that_compare_texts_find_the_key_when_we_are_told_to_write_their_text(
    run: Run, reader: str
) -> None:
    need(reader)
    group = ONLY_KEY if reader == "Go 1" else SECOND_KEY  # Go 1 has but one key
    for case in CASES:
        if case.group != group:
            continue
        (key,) = run.writing(case.written).keys
        text = description_text(reader, key.description)
        name = f"text-of-{reader}/{case.written.name}"
        writing = replace(run.writing(case.written), keys=(replace(key, text=text),))
        run.peers[OURS].put(writing, name, case.expected)
        assert run.peers[reader].get(run.reading(case), name) == case.expected, case
        assert run.peers[OURS].get(run.reading(case), name) == case.expected, case


def test_the_page_of_the_documentation_shows_this_run(run: Run) -> None:
    need(*WRITERS, *READERS)
    text = page.render(run) + "\n"
    before, title, after = page.PAGE.read_text("utf-8").partition(page.STORES)
    if os.environ.get("CIPHERBUCKET_WRITE_DOCS"):
        page.PAGE.write_text(text + title + after, "utf-8")
        return
    assert before == text, "CIPHERBUCKET_WRITE_DOCS=1 make interop rewrites it"
