"""The counts of an audit are one in text, JSON, CSV and page, and what the rows add up to."""

from __future__ import annotations

import csv
import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import invoke
from tests.cli.test_oss_verbs import environment, settings_of, versioned
from tests.support.mixed_bucket import fill

import cipherbucket as cb
from cipherbucket.audit.findings import FINDINGS
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import StoredObject
from cipherbucket.text import amount


@dataclass(frozen=True)
class Reports:
    """All reports of one bucket.

    Attributes:
        rows: The objects, of ``--json``.
        whole: Its last line.
        table: The lines of ``--csv``.
        page: The page of ``--html``.
        text: What stands on the terminal.
    """

    rows: list[dict[str, Any]]
    whole: dict[str, Any]
    table: list[dict[str, str]]
    page: str
    text: str


@pytest.fixture(scope="module", params=["objects", "versions"])
def reports(
    request: pytest.FixtureRequest, key_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reports]:
    """Audit all formats and kinds of trouble; in OSS with old versions, markers and uploads."""
    folder = tmp_path_factory.mktemp(str(request.param))
    key = cb.load_key(key_file)
    with ExitStack() as stack:
        if request.param == "objects":
            url, env = f"file://{folder}/store", dict[str, str]()
            cb.make_bucket(url)
            bucket = stack.enter_context(cb.open_bucket(url, key))
        else:
            endpoint = stack.enter_context(Endpoint(buckets=["kept"]))
            url, env = "oss://kept", environment(endpoint)
            bucket = stack.enter_context(cb.open_bucket(url, key, settings=settings_of(endpoint)))
            versioned(bucket)
            fill(bucket.access.store, "p/")
            bucket.multipart("unfinished", data_size=1, part_size=102_400)
        fill(bucket.access.store, "p/")
        bucket.put("ours", b"1")
        bucket.delete("p/oss/old")
        _refuse_some(bucket.access.store, stack.enter_context(pytest.MonkeyPatch.context()))
        more = () if request.param == "objects" else ("--versions",)
        yield _reports(url, key_file, folder, env, *more)


def _refuse_some(store: Store, patch: pytest.MonkeyPatch) -> None:
    kind = type(store)
    looked = kind._head

    def head(self: Store, name: str, version_id: str | None) -> StoredObject:
        if name in {"p/oss/new", "p/sealed/new"}:
            raise cb.StoreError("refused (HTTP 403)")
        return looked(self, name, version_id)

    patch.setattr(kind, "_head", head)


def _reports(url: str, key_file: Path, folder: Path, env: dict[str, str], *more: str) -> Reports:
    files = ("--csv", folder / "a.csv", "--html", folder / "a.html")
    args = ("--no-config", "audit", "-k", key_file, "--footers", "--retire", "desc=old", *more)
    lines = invoke(*args, "--json", *files, url, env=env)
    assert lines.exit_code == 7, lines.stderr
    rows = [json.loads(line) for line in lines.stdout.splitlines()]
    with (folder / "a.csv").open(newline="") as table:
        read = list(csv.DictReader(table))
    page = (folder / "a.html").read_text()
    return Reports(rows[:-1], rows[-1], read, page, invoke(*args, url, env=env).stdout)


def test_objects_bytes_and_formats_are_one_count(reports: Reports) -> None:
    rows, whole = reports.rows, reports.whole
    assert len(rows) == len(reports.table) == whole["objects"] > 26
    assert len({row["name"] for row in rows}) == whole["names"]
    stored = sum(row["stored_size"] for row in rows)
    assert stored == sum(int(row["stored_bytes"]) for row in reports.table) == whole["stored_bytes"]
    for each in (rows, reports.table):
        formats = Counter(str(row["format"]) for row in each)
        assert formats == {name: tally["objects"] for name, tally in whole["formats"].items()}
    for name, tally in whole["formats"].items():
        sizes = sum(row["stored_size"] for row in rows if row["format"] == name)
        assert sizes == tally["stored_bytes"]
        line = f"{tally['objects']:>13,}  {amount(sizes):>11}  {name}"
        assert line in reports.text.splitlines()
    ages = Counter[str]()
    for age in whole["ages"]:
        ages.update({name: tally["objects"] for name, tally in age["formats"].items()})
    undated = sum(row["modified"] is None for row in rows)
    assert ages.total() + undated == whole["objects"]
    assert f"<strong>{whole['objects']:,}</strong>" in reports.page
    assert amount(stored) in reports.page
    assert f"{whole['objects']:,} " in reports.text.splitlines()[0]


def test_findings_are_one_count(reports: Reports) -> None:
    found = Counter(code for row in reports.rows for code in row["findings"])
    table = Counter(code for row in reports.table for code in row["findings"].split("\n") if code)
    told = {each["finding"]: each["objects"] for each in reports.whole["findings"]}
    assert found == table == told
    assert len(told) > 6
    assert reports.whole["concerned"] == sum(bool(row["findings"]) for row in reports.rows)
    for each in reports.whole["findings"]:
        reasons = [why["objects"] for why in each["reasons"]]
        assert not reasons or sum(reasons) == each["objects"]
        assert re.search(
            rf"^ *{each['objects']:,}  {re.escape(each['text'])}:", reports.text, re.MULTILINE
        )
    rows = re.findall(
        r'<span class="what">(.*?)</span>.*?<td class="n">([\d,]+)</td></tr>',
        reports.page,
        re.DOTALL,
    )
    shown = {html.unescape(text): int(number.replace(",", "")) for text, number in rows}
    assert shown == {FINDINGS[code].text: number for code, number in told.items()}
    concerned = f"in {reports.whole['concerned']:,} "
    assert f"kinds of findings, {concerned}" in reports.page


def test_keys_are_one_count(reports: Reports) -> None:
    named = Counter[tuple[str, str]]()
    stored = Counter[tuple[str, str]]()
    for row in reports.rows:
        for label in {(each["kind"], each["description"]) for each in row["recipients"]}:
            named[label] += 1
            stored[label] += row["stored_size"]
    keys = [each for each in reports.whole["keys"] if each["objects"]]
    assert named == {(each["kind"], each["description"]): each["objects"] for each in keys}
    assert stored == {(each["kind"], each["description"]): each["stored_bytes"] for each in keys}
    cells = re.findall(
        r'<td class="n">([\d,]+)</td><td class="n">(.*?)</td><td class="when">', reports.page
    )
    expected = sorted((f"{each['objects']:,}", amount(each["stored_bytes"])) for each in keys)
    assert sorted(cell for cell in cells if cell[0] != "0") == expected
    listed = reports.text.partition("  RETIRE  ")[2].partition("\n\n")[0]
    for objects, size in expected:
        assert re.search(rf"^ *{objects}  +{re.escape(size)}  ", listed, re.MULTILINE)
    for name, formats in reports.whole["algorithms"].items():
        whose = [
            row
            for row in reports.rows
            if any(each["wrap_algorithm"] == name for each in row["recipients"])
        ]
        assert len(whose) == sum(tally["objects"] for tally in formats.values())
    verified = sum(row["verified"] is True for row in reports.rows)
    assert verified == sum(row["verified"] == "yes" for row in reports.table)
    assert verified == reports.whole["verified"] > 0


def test_the_answer_for_a_key_is_what_the_rows_say(reports: Reports) -> None:
    (answer,) = reports.whole["retire"]
    naming = [row for row in reports.rows if row["retire"]]
    assert answer["answer"] == "no"
    assert answer["objects"] == len(naming)
    assert answer["objects"] == sum(bool(row["retire"]) for row in reports.table)
    thing = "version" if reports.whole["versions"] == "looked at" else "object"
    assert f"{answer['objects']:,} {thing}s name it" in reports.text
    assert f"{answer['objects']:,} {thing}s name it" in reports.page
