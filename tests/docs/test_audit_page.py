"""What docs/audit.md says is run, and its tables are those of the program."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support.audit_scenes import audit_of

from cipherbucket.audit.audited_object import FORMATS
from cipherbucket.audit.findings import FINDINGS

TEXT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path, *codes: int) -> str:
    process = subprocess.run(
        ["bash", "-c", command.replace("/data/store", f"{folder}/store")],
        cwd=folder,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode in (codes or (0,)), f"{command}\n{process.stdout}{process.stderr}"
    return process.stdout


def test_every_command_works(tmp_path: Path) -> None:
    run("cipherbucket keygen cmk.pem --description desc=2026", tmp_path)
    run("cipherbucket keygen old.pem --description desc=2024", tmp_path)
    run("cipherbucket mb file:///data/store && mkdir r && echo Q3 > r/q3.txt", tmp_path)
    run("cipherbucket cp -r -q -k cmk.pem r file:///data/store/reports/", tmp_path)
    audits, retire, verify = blocks("sh")
    assert "no findings" in run(f"set -e\n{audits}", tmp_path)
    assert (tmp_path / "audit.html").exists()
    assert "q3.txt" in (tmp_path / "audit.csv").read_text()
    assert "be retired? yes" in run(f"set -e\n{retire}", tmp_path)
    assert "1 object verified" in run(f"set -e\n{verify}", tmp_path)


def test_the_program_works(tmp_path: Path) -> None:
    (program,) = blocks("python")
    (tmp_path / "program.py").write_text(program)
    told = run("python program.py", tmp_path)
    assert told == "{} ['yes']\n[('exampleobject.txt', 'sealed', True)]\n10\n"


def test_the_tables_name_all_there_is() -> None:
    table = TEXT.partition("### Findings")[2].partition("\n\n`--footers`")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE) == list(FINDINGS)
    for name in FORMATS:
        assert f"`{name}`" in TEXT
    with audit_of(20) as audit:
        for line in audit.lines():
            for field in json.loads(json.dumps(line)):
                assert field == "type" or f"`{field}`" in TEXT, field
