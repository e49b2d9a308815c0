"""What docs/audit.md says is run, and its tables are those of the program."""

import json
import re
from pathlib import Path

from tests.support.audit_scenes import audit_of
from tests.support.documents import ROOT, blocks, run

from cipherbucket.audit.audited_object import FORMATS
from cipherbucket.audit.findings import FINDINGS

PAGE = ROOT / "docs" / "audit.md"
TEXT = PAGE.read_text()


def run_in(command: str, folder: Path) -> str:
    """Run a command on a store in this folder instead of the page's."""
    return run(command.replace("/data/store", f"{folder}/store"), folder)


def test_every_command_works(tmp_path: Path) -> None:
    run_in("cipherbucket keygen cmk.pem --description desc=2026", tmp_path)
    run_in("cipherbucket keygen old.pem --description desc=2024", tmp_path)
    run_in("cipherbucket mb file:///data/store && mkdir r && echo Q3 > r/q3.txt", tmp_path)
    run_in("cipherbucket cp -r -q -k cmk.pem r file:///data/store/reports/", tmp_path)
    audits, retire, verify = blocks(PAGE, "sh")
    assert "no findings" in run_in(audits, tmp_path)
    assert (tmp_path / "audit.html").exists()
    assert "q3.txt" in (tmp_path / "audit.csv").read_text()
    assert "be retired? yes" in run_in(retire, tmp_path)
    assert "1 object verified" in run_in(verify, tmp_path)


def test_the_program_works(tmp_path: Path) -> None:
    program = blocks(PAGE, "python")[-1]
    (tmp_path / "program.py").write_text(program)
    output = run_in("python program.py", tmp_path)
    assert output == "{} ['yes']\n[('exampleobject.txt', 'sealed', True)]\n10\n"


def test_the_tables_name_all_there_is() -> None:
    table = TEXT.partition("### Findings")[2].partition("\n\n`--footers`")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE) == list(FINDINGS)
    for name in FORMATS:
        assert f"`{name}`" in TEXT
    with audit_of(20) as audit:
        for line in audit.lines():
            for field in json.loads(json.dumps(line)):
                assert field == "type" or f"`{field}`" in TEXT, field
