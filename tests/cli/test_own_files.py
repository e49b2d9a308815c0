"""Keys, settings and state of the running command: never removed, replaced or taken along."""

import os
import shutil
from pathlib import Path

import pytest
from tests.cli.runs import contents, invoke, succeed
from tests.support.config_scenes import write_config

import cipherbucket as cb

KEYS = {"cmk.pem", "cmk.pem.json", "cmk.pem.pub"}


@pytest.fixture
def home(tmp_path: Path, other_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, which holds a key, all that belongs to it, and a file."""
    folder = tmp_path / "home"
    (folder / "state").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(folder / "state"))
    (folder / "state").chmod(0o700)
    (folder / "state" / "x.journal").write_bytes(b"1")
    (folder / "file").write_bytes(b"data")
    for end in ("", ".json", ".pub"):
        shutil.copy2(f"{other_key_file}{end}", folder / f"cmk.pem{end}")
    (folder / "here").symlink_to(".")
    return folder


def names(url: str) -> set[str]:
    with cb.open_bucket(url) as bucket:
        return {entry.name for entry in bucket.list()}


def test_a_copy_of_a_key_in_use_goes_into_no_store_along_with_others(
    url: str, home: Path, key_file: Path
) -> None:
    kept = home / "kept"
    kept.mkdir()
    (kept / "backup.pem").write_bytes((home / "cmk.pem").read_bytes())
    (kept / "another.pem").write_bytes(key_file.read_bytes())
    (kept / "data").write_bytes(b"1")
    result = succeed("cp", "-r", "-k", "cmk.pem", "kept", f"{url}/t")
    assert "left out kept/backup.pem" in result.stderr.replace("'", "")
    assert "a copy of a key that this command uses" in result.stderr
    assert names(url) == {"t/another.pem", "t/data"}
    succeed("cp", "-k", "cmk.pem", "kept/backup.pem", f"{url}/by-name")  # which is a decision
    assert "by-name" in names(url)


@pytest.mark.parametrize(
    ("key", "named", "further"),
    [
        ("cmk.pem", "cmk.pem", ()),
        ("cmk.pem", "cmk.pem", ("file",)),
        ("cmk.pem", "other-name", ("-n",)),
        ("here/cmk.pem", "cmk.pem.json", ()),
        ("cmk.pem.pub", "cmk.pem", ()),
        ("cmk.pem.pub", "cmk.pem.pub", ()),
        ("cmk.pem", "state/x.journal", ()),
    ],
)
def test_what_a_command_uses_is_not_moved_by_name(
    url: str, home: Path, key: str, named: str, further: tuple[str, ...]
) -> None:
    (home / "other-name").hardlink_to(home / "cmk.pem")
    before = contents(home)
    result = invoke("mv", "-k", key, *further, named, f"{url}/t/")
    assert result.exit_code == 2
    assert f"{named} is a " in result.stderr
    assert "stays where it is" in result.stderr
    assert contents(home) == before
    assert not names(url)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_command_uses_is_left_by_a_move_of_its_folder(
    url: str, home: Path, dry_run: bool
) -> None:
    before = contents(home)
    result = invoke("mv", "-r", *(["-n"] if dry_run else []), "-k", "cmk.pem", ".", url)
    assert result.exit_code == 1
    assert "4 failed" in result.stderr
    if dry_run:
        assert contents(home) == before
    else:
        left = {name: data for name, data in contents(home).items() if name in before}
        assert before.pop("file") == b"data"
        assert left == before
        assert names(url) == {"file"}


@pytest.mark.parametrize("command", ["cp -r", "cp", "sync", "sync -n"])
@pytest.mark.parametrize("key", [["-k", "cmk.pem"], ["--recipient", "cmk.pem.pub"]])
def test_a_private_key_goes_into_a_store_along_with_nothing(
    url: str, home: Path, key_file: Path, command: str, key: list[str]
) -> None:
    (home / "state" / "x.journal").unlink()
    writing = key if key[0] == "-k" else ["-k", key_file, "--format", "sealed", *key]
    sources = ["cmk.pem", "file"] if command == "cp" else ["."]
    result = succeed(*command.split(), *writing, *sources, f"{url}/")
    assert "cmk.pem': a key that this command uses" in result.stderr
    assert "cmk.pem'" not in result.stdout
    assert names(url) == (
        set() if "-n" in command else {"file"} if command == "cp" else {"file", *KEYS} - {"cmk.pem"}
    )


def test_what_is_left_out_of_a_store_stays_there_if_it_is_there(url: str, home: Path) -> None:
    assert "warning: cmk.pem is a key" in succeed("cp", "-k", "cmk.pem", "cmk.pem", url).stderr
    assert names(url) == {"cmk.pem"}
    before = contents(home)
    result = succeed("sync", "--delete", "--max-delete", "9", "-k", "cmk.pem", ".", url)
    assert "deleted" not in result.stderr
    assert {"cmk.pem", "file"} < names(url)
    assert before.items() <= contents(home).items()
    (home / "cmk.pem.pub").unlink()
    result = succeed("sync", "--exclude", "cmk.pem", "-k", "cmk.pem", ".", f"{url}/again")
    assert "cmk.pem'" not in result.stderr


def test_a_folder_that_holds_the_state_is_copied_without_it(url: str, home: Path) -> None:
    result = succeed("cp", "-r", "-k", "cmk.pem", ".", url)
    assert "state/x.journal': a journal or ledger of this program" in result.stderr
    assert not any(name.startswith("state") for name in names(url))


def test_other_files_in_the_state_folder_are_copied(
    url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(home))
    succeed("mv", "-k", "cmk.pem", "file", f"{url}/")
    assert names(url) == {"file"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_command_uses_is_not_superfluous(url: str, home: Path, dry_run: bool) -> None:
    for name in ("a", "b", "file"):
        succeed("cp", "-q", "-k", "cmk.pem", "file", f"{url}/t/{name}")
    (home / "stale").write_bytes(b"1")
    before = contents(home)
    flags = ["-n"] if dry_run else []
    result = succeed("sync", "--delete", *flags, "-k", "here/cmk.pem", f"{url}/t", ".")
    assert result.stderr.count("left out") == 4
    assert "1 to be deleted" in result.stderr or "1 deleted" in result.stderr
    if not dry_run:
        assert before.pop("stale") == b"1"
    assert before.items() <= contents(home).items()


def test_without_delete_nothing_is_said_of_what_stays(url: str, home: Path) -> None:
    succeed("cp", "-q", "-k", "cmk.pem", "file", f"{url}/t/a")
    for command in ("sync", "cp -r -u"):
        assert "left out" not in succeed(*command.split(), "-k", "cmk.pem", f"{url}/t", ".").stderr


@pytest.mark.parametrize("name", ["cmk.pem", "state/x.journal"])
@pytest.mark.parametrize("way", ["cp", "cp -u", "mv", "cp -r", "cp -r -n", "mv -r", "sync"])
def test_what_a_command_uses_is_not_replaced(url: str, home: Path, name: str, way: str) -> None:
    succeed("cp", "-q", "-k", "cmk.pem", "file", f"{url}/t/{name}")
    for path in contents(home):
        os.utime(home / path, (1, 1))
    before = contents(home)
    tree = way not in {"cp", "cp -u", "mv"}
    ends = [f"{url}/t", "here/."] if tree else [f"{url}/t/{name}", f"here/{name}"]
    result = invoke(*way.split(), "-k", "cmk.pem", *ends)
    assert result.exit_code == (1 if tree else 2)
    assert "is not replaced" in result.stderr
    assert before.items() <= contents(home).items()
    assert names(url) == {f"t/{name}"}


def test_the_settings_and_the_keys_in_them_are_kept(
    url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(
        home,
        f'[stores.own]\nurl = "{url}"\n[keys.main]\nrsa = "cmk.pem"\n'
        '[[rules]]\nat = "own://"\nwrite = "main"\n',
    )
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", "cipherbucket.toml")
    for named in ("cmk.pem", "cipherbucket.toml"):
        result = invoke("mv", named, "own://t/")
        assert result.exit_code == 2
        assert f"{named} is a " in result.stderr
    succeed("cp", "-q", "file", "own://t/cipherbucket.toml")
    assert "is not replaced" in invoke("cp", "own://t/cipherbucket.toml", ".").stderr
    assert "cmk.pem': a key" in succeed("cp", "-r", ".", "own://all/").stderr
