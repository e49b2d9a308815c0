"""What the documents say is run: every command, every example, every link."""

import builtins
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.documents import ROOT, blocks, run
from tests.support.served_oss import oss_environment

from cipherbucket.server import Endpoint

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    shell = blocks(ROOT / "README.md", "sh")
    commands = [block for block in shell if block.startswith(("cipherbucket", "mkdir"))]
    with Endpoint(buckets=["examplebucket"]) as endpoint:
        outputs = [run(block, tmp_path, **oss_environment(endpoint)) for block in commands]
    assert outputs[3].count("Hello OSS!") == 1
    assert outputs[3].endswith("Hello")
    rotated = outputs[4].splitlines()
    assert [line.split()[:3] for line in rotated if "rotated" in line] == [
        ["to", "be", "rotated"],
        ["rotated", "1", "object"],
    ]
    assert any(line.startswith("yes") or " yes" in line for line in rotated)
    assert rotated[-1] == "1 object verified, 3 bytes stored"
    assert "Hello OSS!" in outputs[5]
    assert "Hello OSS!\nHello" in outputs[0]
    assert "AES/CTR/NoPadding" in outputs[0]
    assert "reports/q3.txt" in outputs[1]
    assert (tmp_path / "copy-of-reports" / "q3.txt").read_text() == "Q3\n"
    # The rest needs a network or is this very test run; a wheel is installed by .ci/run.
    rest = [line for block in shell if block not in commands for line in block.splitlines()]
    assert rest == [
        "make demo",
        "make test",
        "python3 -m venv .venv",
        ".venv/bin/pip install -e .",
        ". .venv/bin/activate",
        "pip install -e '.[oss,server]'",
        "export OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=... OSS_ACCESS_KEY_SECRET=...",
    ]
    targets = (ROOT / "Makefile").read_text()
    assert "\ndemo:" in targets
    assert "\ntest:" in targets


def test_the_python_of_the_readme_works(tmp_path: Path) -> None:
    run('cipherbucket keygen cmk.pem --description \'{"desc":"2026"}\'', tmp_path)
    run("cipherbucket keygen vault.key --type aes --description desc=vault-2026", tmp_path)
    first, sealed, face = blocks(ROOT / "README.md", "python")
    assert face.startswith("from cipherbucket import oss2  # instead of: import oss2")
    program = tmp_path / "program.py"
    count = 'print(len(vault.head("ledger.csv").envelope.recipients), "recipients")\n'
    program.write_text(f"folder = {str(tmp_path / 'store')!r}\n{first}\n{sealed}\n{count}")
    output = run(f"{sys.executable} program.py", tmp_path)
    assert output == "exampleobject.txt 10\n2 recipients\n"


EXPECTED = {
    "range_reads": "all is well\nb'PK\\x05\\x06'\n",
    "two_keys": 'letter.txt {"desc":"old"}\nreply.txt {"desc":"new"}\nwithout the old key:',
    "stream_in": "5890 bytes\nb'0,0\\n'\n",
    "oss2_program": "206 4 b'OSS!'\nmotto.txt 10\n404 NoSuchKey\n",
    "sealed": "recovery key: b'2,400'\nvault key: b'2,400'\nnot as ledger/2025.csv:",
}


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.stem)
def test_every_example_runs(example: Path, tmp_path: Path) -> None:
    for name in ("old", "new"):
        run(f"cipherbucket keygen {name}.pem --description desc={name}", tmp_path)
    run("cipherbucket keygen vault.key --type aes --description desc=vault", tmp_path)
    keys = {"two_keys": "old.pem new.pem", "sealed": "vault.key new.pem"}.get(
        example.stem, "new.pem"
    )
    output = run(f"{sys.executable} {example} {keys} file://$PWD/store", tmp_path)
    assert output.startswith(EXPECTED[example.stem])


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.stem)
def test_an_example_without_arguments_shows_its_usage(example: Path) -> None:
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(rf"^Usage: .*{example.name} ", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text("utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_only_metadata_and_errors_that_exist(document: Path) -> None:
    import cipherbucket
    from cipherbucket import oss2

    text = re.sub(r"^.*\| not offered \|.*$", "", document.read_text("utf-8"), flags=re.MULTILINE)
    for name in re.findall(r"`(?:cb\.)?([A-Z][A-Za-z]+(?:Error|Warning))`", text):
        faces = (builtins, oss2, oss2.exceptions) if "oss2" in document.name else (builtins,)
        known = name in cipherbucket.__all__ or any(hasattr(face, name) for face in faces)
        assert known, f"{document.name}: {name}"


def test_the_python_of_the_oss_page_works(tmp_path: Path) -> None:
    run('cipherbucket keygen cmk.pem --description \'{"desc":"2026"}\'', tmp_path)
    first, settings, proxies, who, parts, url = blocks(ROOT / "docs" / "oss.md", "python")
    program = tmp_path / "program.py"
    given = "data, key = bytes(40_000_000), cb.load_key('cmk.pem')\nsize = len(data)\n"
    program.write_text(f"{first}\n{given}\n{parts}\nprint(bucket.head('movie.mkv').size)\n")
    with Endpoint(buckets=["examplebucket"]) as endpoint:
        environment = oss_environment(endpoint)
        assert run(f"{sys.executable} program.py", tmp_path, **environment) == "40000000\n"
        # These name hosts of the real service: what can be had here is that they are valid.
        program.write_text(f"import cipherbucket as cb\n{settings}\n{proxies}\n{who}")
        run(f"{sys.executable} program.py", tmp_path, **environment)
    compile(url, "oss.md", "exec")
