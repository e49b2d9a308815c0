"""What every command says on a terminal, 80 and 120 columns wide, when it goes well and when not.

The folder ``transcripts`` has a file for each command. ``WRITE_TRANSCRIPTS=1`` makes them anew;
look at the difference before you commit it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.screens import on_screen
from tests.cli.test_help import commands
from tests.cli.transcript_lines import LINES, READERS, TYPED

import cipherbucket as cb
from cipherbucket.server import Endpoint

FOLDER = Path(__file__).with_name("transcripts")
WIDTHS = (80, 120)
HOME = "/home/ann/cipherbucket"
"""Where the transcripts say that they were made; as long as the folder that they are made in."""
_RULES = b"""[stores.records]
url = "oss://ledgers"

[keys.mine]
rsa = "mine.pem"

[[rules]]
at = "records"
write = "mine"
"""
_FILES = {
    "notes.txt": b"of a file\n",
    "reports/q1.txt": b"first quarter\n",
    "reports/q2.txt": b"second quarter\n",
    "reports/2025/q4.txt": b"last year's\n",
    "theirs/cipherbucket.toml": _RULES,
    "home/.config/cipherbucket/cipherbucket.toml": b'[stores.ledgers]\nurl = "oss://ledgers"\n',
}
_MARKS = (
    (r"CAEQ[0-9a-f]{56}", "CAEQ" + "VERSION" * 8),
    (r"[ \d]\d s  oss:", " 1 s  oss:"),
    (r"(x-oss-date=)\d{8}T\d{6}Z", r"\g<1>20260131THHMMSSZ"),
    (r"(-local%2F)\d{8}", r"\g<1>20260131"),
    (r"(x-oss-signature=)[0-9a-f]{64}", r"\1" + "SIGNATURE" * 7 + "S"),
)
_VERSIONED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


class Ground(NamedTuple):
    """Where a transcript is made."""

    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "bob"):
        cb.create_rsa_key_file(folder / f"{name}.pem", description={"desc": name}, bits=2048)
    cb.create_rsa_key_file(
        folder / "locked.pem", description={"desc": "locked"}, bits=2048, passphrase="open sesame"
    )
    return folder


@pytest.fixture
def grounds(keys: Path, command: str) -> Iterator[list[Ground]]:
    """Return a ground for each width; where nothing is changed there, it is one."""
    made = [_Laid(keys) for _ in (WIDTHS[:1] if command in READERS else WIDTHS)]
    try:
        yield [made[number % len(made)].ground for number in range(len(WIDTHS))]
    finally:
        for each in made:
            each.end()


def _folder() -> Path:
    """Make a folder whose path is as long as `HOME`, so that lines break where they do there."""
    random = 8
    parent = tempfile.gettempdir()
    if len(parent) + 1 + random > len(HOME):
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="u" * (len(HOME) - len(parent) - 1 - random), dir=parent))


class _Laid:
    """An endpoint and a folder with all that the commands need."""

    def __init__(self, keys: Path) -> None:
        self._endpoint = Endpoint(buckets=["ledgers", "kept"]).start()
        folder = _folder()
        environment = {
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "CIPHERBUCKET_STATE": str(folder / "home/state"),
            "OSS_ENDPOINT": self._endpoint.url,
            "OSS_REGION": self._endpoint.region,
            "OSS_ACCESS_KEY_ID": self._endpoint.access_key_id,
            "OSS_ACCESS_KEY_SECRET": self._endpoint.access_key_secret,
        }
        self.ground = Ground(folder, environment)
        self._fill(keys)

    def end(self) -> None:
        self._endpoint.stop()
        shutil.rmtree(self.ground.folder)

    def _fill(self, keys: Path) -> None:
        folder = self.ground.folder
        shutil.copytree(keys, folder, dirs_exist_ok=True)
        for name, data in _FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            os.utime(folder / name, (1_700_000_000, 1_700_000_000))
        mine, bob = (cb.load_key(folder / f"{name}.pem") for name in ("mine", "bob"))
        settings = cb.OssSettings(
            endpoint=self._endpoint.url,
            region=self._endpoint.region,
            credentials=cb.Credentials(
                self._endpoint.access_key_id, self._endpoint.access_key_secret
            ),
        )
        with cb.open_bucket("oss://ledgers", mine, settings=settings) as bucket:
            bucket.put("2026/q1.txt", b"first quarter\n")
            bucket.put("2026/q2.txt", bytes(40_000))
            store = bucket.access.store
            store.put("2026/plain.txt", b"in the clear\n")
            store.put("old/1999.txt", b"frozen", headers={"x-oss-storage-class": "Archive"})
            begun = store.begin_upload("broken/film")
            store.upload_part("broken/film", begun, 1, bytes(100 << 10))
        with cb.open_bucket("oss://ledgers", bob, settings=settings) as bucket:
            bucket.put("2026/of-bob.txt", b"of Bob\n")
        with cb.open_bucket(
            "oss://ledgers", mine, settings=settings, format="sealed", recipients=[bob]
        ) as bucket:
            bucket.put("shared/plan.txt", b"the plan\n")
        with cb.open_bucket("oss://kept", mine, settings=settings) as bucket:
            client = bucket.access.store.client  # type: ignore[attr-defined]
            client.request("PutBucketVersioning", "PUT", query={"versioning": ""}, body=_VERSIONED)
            for data in (b"first", b"second!"):
                bucket.put("memo", data)
        url = f"file://{folder}/store"
        cb.make_bucket(url)
        with cb.open_bucket(url, mine) as bucket:
            bucket.put("a.txt", b"of a store\n")


def transcript(lines: list[str], ground: Ground, columns: int) -> Iterator[tuple[str, str]]:
    """Run lines one after another, and yield each with what came of it."""
    for line in lines:
        shown = line.replace("$HOME", HOME)
        words = shlex.split(line.replace("$HOME", str(ground.folder)))
        screen, code = on_screen(
            words[1:],
            columns=columns,
            cwd=ground.folder,
            environment=ground.environment,
            typed=TYPED.get(line, ()),
            marks=[(re.escape(str(ground.folder)), HOME), *_MARKS],
        )
        ended = f"(exit code {code})" if code else ""
        yield f"$ {shown}", "\n".join(part for part in (screen, ended) if part)


@pytest.mark.parametrize("command", [name for name, _ in commands()])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # no other thread is at work then
def test_a_command_says_what_its_transcript_says(command: str, grounds: list[Ground]) -> None:
    runs = [
        list(transcript(LINES[command], ground, columns))
        for ground, columns in zip(grounds, WIDTHS, strict=True)
    ]
    blocks = []
    for (line, narrow), (_, wide) in zip(*runs, strict=True):
        if narrow == wide:
            blocks.append(f"{line}\n{narrow}".rstrip())
        else:
            blocks += [f"{line}  # {WIDTHS[0]} columns\n{narrow}", f"{line}  # {WIDTHS[1]}\n{wide}"]
    found = "\n\n".join(blocks) + "\n"
    path = FOLDER / f"{command.replace(' ', '-')}.txt"
    if os.environ.get("WRITE_TRANSCRIPTS") == "1":
        path.write_text(found)
    assert found == path.read_text()


def test_every_command_has_a_transcript_that_goes_well_and_one_that_does_not() -> None:
    names = [name for name, _ in commands()]
    assert sorted(LINES) == sorted(names)
    assert {path.stem for path in FOLDER.iterdir()} == {name.replace(" ", "-") for name in names}
    for name in names:
        blocks = (FOLDER / f"{name.replace(' ', '-')}.txt").read_text().split("\n\n$ ")
        failed = [
            block for block in blocks if block.rstrip().endswith(")") and "(exit code" in block
        ]
        assert 0 < len(failed) < len(blocks), name
