"""``demo`` shows what it says and leaves its files where it says."""

import filecmp
import re
import shlex
from pathlib import Path

import pytest
from tests.cli.runs import invoke, on_terminal, program, succeed

import cipherbucket as cb
from cipherbucket.cli.commands import demo


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_RECORDS", 1 << 14)
    monkeypatch.setattr(demo, "_SHOWN_RECORD", 4321)


def test_it_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# The project's own README\n" * 10)
    run = program("demo", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stderr == b""
    output = run.stdout.decode()
    assert "64.0 MiB" in output
    assert "# The pr" in output
    assert "record 00654321" in output
    assert "NoMatchingKeyError" in output
    assert "WrongKeyError" in output
    assert output.count("the same, byte for byte") == 2
    assert "note-oss.txt    reads as  Pay 900 to Alice." in output
    assert "note-sealed.txt reads as  IntegrityError" in output
    assert "\x1b" not in output
    made = tmp_path / "demo-output"
    for name in ("README.md", "records.txt"):
        assert filecmp.cmp(made / "plain" / name, made / "read-back" / name, shallow=False)
    commands = re.findall(r"^  (?:/\S+/)?cipherbucket (.*)$", output, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert succeed(*shlex.split(command)).stdout


@pytest.mark.usefixtures("_small")
def test_its_commands_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cipherbucket").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    output = succeed("demo", "--dir", tmp_path / "a folder").stdout
    lines = [line for line in output.splitlines() if line.startswith(f"  {tmp_path}/cipherbucket")]
    assert len(lines) == 3
    for line in lines:
        assert succeed(*shlex.split(line)[1:]).stdout


@pytest.mark.usefixtures("_small")
def test_it_writes_over_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for expected in (folder, folder / "2", folder / "3"):
        assert f"all of it is in {expected};" in succeed("demo", "--dir", folder).stdout
        assert (expected / "cmk.pem").is_file()
    (tmp_path / "file").write_text("")
    assert invoke("demo", "--dir", tmp_path / "file" / "x").exit_code == 2


@pytest.mark.usefixtures("_small")
def test_it_has_a_text_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "# A lett" in succeed("demo").stdout


@pytest.mark.usefixtures("_small")
def test_it_shows_the_bytes_that_lie_on_the_disk(tmp_path: Path) -> None:
    output = succeed("demo", "--dir", tmp_path / "d").stdout
    bodies = [Path(text) for text in re.findall(r"the bytes on disk are (.*)", output)]
    assert len(bodies) == 2
    for body in bodies:
        assert body.read_bytes()[:8].hex(" ") in output
    with cb.open_store(f"file://{tmp_path}/d/store") as store:
        names = set(store.head("README.md").metadata)
    assert all(name in output for name in names)


@pytest.mark.parametrize("columns", [80, 120])
def test_its_tables_fit_the_terminal(tmp_path: Path, columns: int) -> None:
    screen = on_terminal("demo", cwd=tmp_path, columns=columns).screen
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen)
    for line in plain.splitlines():
        if "/" not in line.replace("/NoPadding", "").replace("NONE/PKCS1", "").replace("/s", ""):
            assert len(line) <= columns, line
