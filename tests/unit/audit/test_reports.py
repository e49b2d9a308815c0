"""Reports of an audit: nothing in a name is taken for anything else, and memory stays flat."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.support.audit_scenes import audit_of, found
from tests.support.counts import count
from tests.support.envelopes import v2

import cipherbucket as cb
from cipherbucket.audit.audited_object import AuditedObject
from cipherbucket.audit.findings import FINDINGS
from cipherbucket.audit.retirement import Question

HOSTILE = [
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); '",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "a\nb,c\td",
    "\u202egnp.exe",
    "<!-- &amp; &#60; -->",
]
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "code"),
    *("dl", "div", "dt", "dd", "ul", "ol", "li", "br", "span", "details", "summary", "strong"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("figure", "figcaption", "svg", "text", "line", "rect"),
}


class Page(HTMLParser):
    """Reads a page the way a browser does, as far as it can tell what a browser would do."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_bucket() -> cb.Bucket:
    store = cb.MemoryStore()
    for number, name in enumerate(HOSTILE):
        text = json.dumps({"desc": name})
        store.put(name, b"x", metadata=v2(matdesc=text) if number % 2 else {})
    return cb.Bucket(store, cb.KeyRing())


def page_of(audit: cb.Audit, tmp_path: Path) -> str:
    audit.write_html(tmp_path / "audit.html")
    return (tmp_path / "audit.html").read_text("utf-8")


def test_a_page_holds_hostile_names_as_text_alone(tmp_path: Path) -> None:
    asked = [json.dumps({"desc": name}) for name in HOSTILE]
    with cb.audit.run(hostile_bucket(), retire=asked) as audit:
        text = page_of(audit, tmp_path)
    page = Page(text)
    assert page.tags <= TAGS
    assert not any(
        name.startswith("on") or name in {"src", "href", "style"} for name, _ in page.attributes
    )
    for name in ('"><img src=x onerror=alert(1)>', "<!-- &amp; &#60; -->", "</style><script>"):
        assert name in page.text
    assert "\u202e" not in text  # what turns the direction of text is shown as its number
    assert "\\u202egnp.exe" in page.text


def test_a_page_needs_nothing_else_and_forbids_all_else(tmp_path: Path) -> None:
    import base64
    import hashlib

    with audit_of(200, Question.by_description({"desc": "2022"})) as audit:
        text = page_of(audit, tmp_path)
    assert not re.search(r"https?:|url\(|@import|<script|<link|<img|<iframe", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_a_page_shows_findings_answers_keys_and_charts(tmp_path: Path) -> None:
    existing = replace(Question.by_description({"desc": "2018"}), exists=True)
    questions = (Question.by_description({"desc": "2022"}), existing)
    with audit_of(3000, *questions) as audit:
        page = Page(page_of(audit, tmp_path))
        summary = audit.summary
        assert [each.answer for each in audit.answers] == ["no", "unknown"]
    for code, (number, _) in summary.findings.items():
        assert FINDINGS[code].text in page.text
        assert f"{number:,}" in page.text
    for part in ("Objects and bytes by format", "by master key", "by age", "Stored (bytes)"):
        assert part in page.text
    assert "examplebucket" in page.text
    assert "2026-11-20 09:30 UTC" in page.text
    assert "All of this is what the store says" in page.text
    assert page.text.index("not encrypted") < page.text.index("In figures")


def test_an_empty_bucket_makes_a_page(tmp_path: Path) -> None:
    with cb.audit.run(cb.Bucket(cb.MemoryStore(), cb.KeyRing())) as audit:
        page = Page(page_of(audit, tmp_path))
        assert audit.report()["formats"] == {}
    assert "FindingsNone." in page.text.replace("\n", "")


def test_a_report_that_cannot_be_written_keeps_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    bucket = hostile_bucket()
    there = tmp_path / "audit.csv"
    there.write_text("the last one")
    (tmp_path / "no").write_text("")
    audit = cb.audit.run(bucket)
    ledger = audit._ledger.path
    with pytest.raises(cb.UsageError, match="cannot be written"), audit:
        audit.write_html(tmp_path / "no" / "page.html")
    assert ledger.exists()
    with cb.audit.run(bucket) as audit:
        assert audit._ledger.resumed == len(HOSTILE)
        audit.write_csv(there)
    assert there.read_text().startswith('"name",')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.csv", "no"]
    assert not ledger.exists()


def test_a_report_takes_no_place_but_a_files(tmp_path: Path) -> None:
    aim, link = tmp_path / "aim.csv", tmp_path / "link.csv"
    aim.write_text("somebody's")
    link.symlink_to(aim)
    with cb.audit.run(hostile_bucket()) as audit:
        audit.write_csv(link)
    assert not link.is_symlink()
    assert (aim.read_text(), link.stat().st_mode & 0o777) == ("somebody's", 0o600)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path):
        with (
            pytest.raises(cb.UsageError, match="is not a file"),
            cb.audit.run(hostile_bucket()) as audit,
        ):
            audit.write_html(place)
    assert pipe.is_fifo()


def test_a_description_is_shown_as_people_read_it_and_as_it_is(tmp_path: Path) -> None:
    store = cb.MemoryStore()
    for text in ("\u5bc6\u94a5", "\u0441m\u043a", "\u202eabc"):
        store.put(text, b"x", metadata=v2(matdesc=json.dumps({"desc": text})))
    with cb.audit.run(cb.Bucket(store, cb.KeyRing()), retire=['{"desc":"\u5bc6\u94a5"}']) as audit:
        page = Page(page_of(audit, tmp_path))
    assert page.text.count('{"desc":"\u5bc6\u94a5"}') >= 3
    assert page.text.count('{"desc":"\\u5bc6\\u94a5"}') == 2
    assert '{"desc":"\\u0441m\\u043a"}' in page.text  # letters that look like others
    assert "\u202e" not in page.text


def test_what_a_ledger_keeps_of_an_object_is_all_of_it() -> None:
    for each in found(300):
        if each.format != "failed":
            outcome = each.outcome(None)
            kept = json.loads(json.dumps(dict(outcome.detail)))
            again = AuditedObject.of(type(outcome)(each.name, each.format, each.stored_size, kept))
            assert again == each


def test_lines_end_with_the_whole() -> None:
    with audit_of(50, Question.by_description({"desc": "2022"})) as audit:
        lines = [json.loads(json.dumps(line)) for line in audit.lines()]
    assert [line["type"] for line in lines] == ["object"] * 50 + ["audit"]
    whole = lines[-1]
    assert whole["schema"] == 1
    assert sum(tally["objects"] for tally in whole["formats"].values()) == whole["objects"] == 50
    named = sum(line["retire"] == ['{"desc":"2022"}'] for line in lines[:-1])
    assert whole["retire"][0]["objects"] == named > 0


MEMORY = """
import resource, sys
from tests.support.audit_scenes import audit_of
from cipherbucket.audit.retirement import Question
with audit_of(int(sys.argv[1]), Question.by_description({"desc": "2022"})) as audit:
    audit.write_html("audit.html")
    audit.write_csv("audit.csv")
    print(sum(1 for _ in audit.lines()))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_objects(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    peaks = []
    for objects in (count(100_000, 2_000), count(1_000_000, 20_000)):
        printed = subprocess.run(
            [sys.executable, "-c", MEMORY, str(objects)],
            env={"PYTHONPATH": root, "CIPHERBUCKET_STATE": str(tmp_path), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert int(printed[0]) == objects + 1
        peaks.append(int(printed[1]))
    assert peaks[1] - peaks[0] < 10 * 1024  # KiB


def test_what_is_wider_than_a_phone_scrolls_by_itself(tmp_path: Path) -> None:
    with audit_of(200) as audit:
        audit.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    wide = '<div class="wide" tabindex="0">'
    assert page.count(f"{wide}<svg") == page.count("<figure>") == 4
    assert page.count(f"{wide}<table><thead><tr><th>Key</th>") == 1
    narrow = page.partition("@media (max-width: 50rem)")[2].partition("@media print")[0]
    assert ".wide { overflow-x: auto;" in narrow
    assert ".wide > svg { width: 734px;" in narrow
