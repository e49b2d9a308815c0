"""Where ``cipherbucket.toml`` is found, whose it may be, and when one that was found is used."""

import os
import stat
from pathlib import Path

import pytest

import cipherbucket as cb
from cipherbucket.config import finding
from cipherbucket.local_files.ownership import find_stranger

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a folder with a file, in one where nothing else is found."""
    here = tmp_path / "here"
    here.mkdir()
    made(here / "cipherbucket.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CIPHERBUCKET_CONFIG", raising=False)
    monkeypatch.chdir(here)
    return here


def made(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def trusted_files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "home" / "cipherbucket" / "trusted").iterdir())


def test_where_the_file_is_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "cipherbucket.toml").unlink()
    assert cb.find_config() is None
    with pytest.raises(cb.UsageError, match=r"no cipherbucket\.toml"):
        cb.load_config()
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    own = tmp_path / "home" / "cipherbucket" / "cipherbucket.toml"
    for path in (own, folder / "cipherbucket.toml", folder / "a" / "cipherbucket.toml"):
        made(path)
        cb.load_config(path).trust()
        assert cb.find_config() == path
        assert cb.load_config().path == path
    named = made(tmp_path / "named.toml")
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(named))
    assert cb.find_config() == named
    assert cb.load_config().path == named
    assert cb.load_config(own).path == own
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", "")  # names none
    assert cb.load_config().path == folder / "a" / "cipherbucket.toml"


def test_a_file_that_was_only_found_is_used_once_it_is_trusted_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "cipherbucket.toml"
    with pytest.raises(cb.UsageError, match=rf"{path} is not trusted yet") as raised:
        cb.load_config()
    assert "cipherbucket config trust" in str(raised.value.hint)
    assert "load_config(path)" in str(raised.value.hint)
    cb.load_config(path).trust()
    assert cb.load_config().path == path
    path.write_text("# more\n")
    with pytest.raises(cb.UsageError, match="has changed since you trusted it"):
        cb.load_config()
    path.write_text("")
    assert cb.load_config().path == path
    path.rename(folder / "other.toml")
    (folder / "below").mkdir()
    (folder / "other.toml").rename(folder / "below" / "cipherbucket.toml")
    monkeypatch.chdir(folder / "below")
    with pytest.raises(cb.UsageError, match="not trusted yet"):
        cb.load_config()


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe", "large"])
def test_what_is_no_file_is_refused_with_the_way_on(folder: Path, kind: str) -> None:
    path = folder / "cipherbucket.toml"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("missing")
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        made(path, "#" * (1 << 21))
    with pytest.raises(cb.UsageError, match=str(path)) as raised:
        cb.load_config()
    assert raised.value.hint == "go without: --no-config"


def test_the_way_on_names_the_file_that_is_meant(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another than the nearest, and the shell may stand elsewhere."""
    path = made(folder / "two words" / "cipherbucket.toml")
    monkeypatch.chdir(path.parent)
    with pytest.raises(cb.UsageError) as raised:
        cb.load_config()
    assert f"cipherbucket config trust '{path}'" in str(raised.value.hint)


@needs_root
def test_the_owner_is_that_of_the_file_that_was_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "cipherbucket.toml"
    cb.load_config(path).trust()
    ours = made(folder / "ours")
    os.chown(path, NOBODY, -1)

    def exchange(*arguments: object) -> object:
        if ours.exists():
            ours.replace(path)
        return find_stranger(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(finding, "find_stranger", exchange)
    with pytest.raises(cb.UsageError, match="belongs to "):
        cb.load_config()


@needs_root
def test_to_name_a_file_is_no_way_on_where_it_would_be_refused_too(
    folder: Path, tmp_path: Path
) -> None:
    path = folder / "cipherbucket.toml"
    os.chown(folder, NOBODY, -1)
    with pytest.raises(cb.UsageError, match=f"{folder} belongs to ") as raised:
        cb.load_config()
    assert raised.value.hint == "copy it to a folder of your own; or go without: --no-config"
    with pytest.raises(cb.UsageError, match=f"{folder} belongs to ") as raised:
        cb.load_config(path)
    os.chown(folder, 0, -1)
    cb.load_config(path).trust()
    os.chown(tmp_path / "home" / "cipherbucket", NOBODY, -1)
    with pytest.raises(cb.UsageError, match="says which configuration is trusted") as raised:
        cb.load_config()
    assert raised.value.hint == "set HOME or XDG_CONFIG_HOME to a folder of your own"


def test_what_is_trusted_is_what_was_read(folder: Path) -> None:
    path = folder / "cipherbucket.toml"
    config = cb.load_config(path)
    path.write_text("# exchanged after it was shown\n")
    config.trust()
    with pytest.raises(cb.UsageError, match="has changed since"):
        cb.load_config()


def test_what_is_named_or_the_users_own_needs_no_trust(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "cipherbucket.toml"
    assert cb.load_config(path).path == path
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(path))
    assert cb.load_config().path == path
    monkeypatch.delenv("CIPHERBUCKET_CONFIG")
    own = made(tmp_path / "home" / "cipherbucket" / "cipherbucket.toml")
    monkeypatch.chdir(own.parent)
    assert cb.load_config().path == own


def test_what_is_remembered_is_the_users_alone(folder: Path, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        cb.load_config(folder / "cipherbucket.toml").trust()
    finally:
        os.umask(umask)
    (record,) = trusted_files(tmp_path)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (record, *record.parents[:3])]
    assert modes == [0o600, 0o700, 0o700, 0o700]
    assert record.read_text().endswith(f"  {folder}/cipherbucket.toml\n")


def test_what_others_can_write_says_nothing_of_trust(folder: Path, tmp_path: Path) -> None:
    config = cb.load_config(folder / "cipherbucket.toml")
    config.trust()
    (record,) = trusted_files(tmp_path)
    for loose, mode in ((record, 0o606), (record.parent, 0o777), (record.parent.parent, 0o707)):
        before = stat.S_IMODE(loose.stat().st_mode)
        loose.chmod(mode)
        with pytest.raises(cb.UsageError, match="says which configuration is trusted") as raised:
            cb.load_config()
        assert str(raised.value.hint).endswith(f"chmod go-w {loose}")
        if loose != record:
            with pytest.raises(cb.UsageError, match="says which configuration is trusted"):
                config.trust()
        loose.chmod(before)
    assert cb.load_config().path == config.path


@pytest.mark.parametrize("loose", ["here/cipherbucket.toml", "here"])
def test_a_file_that_others_can_replace_is_refused_and_not_trusted(
    folder: Path, tmp_path: Path, loose: str
) -> None:
    path = folder / "cipherbucket.toml"
    config = cb.load_config(path)
    config.trust()
    (tmp_path / loose).chmod(0o707)
    for call in (cb.load_config, lambda: cb.load_config(path), config.trust):
        with pytest.raises(cb.UsageError, match="others can replace it") as raised:
            call()
        assert f"chmod go-w {tmp_path / loose}" in str(raised.value.hint)


def test_a_link_is_used_only_if_it_is_named(folder: Path) -> None:
    path = folder / "cipherbucket.toml"
    path.rename(folder / "real.toml")
    path.symlink_to("real.toml")
    with pytest.raises(cb.UsageError, match="is a link"):
        cb.load_config()
    with pytest.raises(cb.UsageError, match="is a link"):
        cb.load_config(path).trust()
    assert cb.load_config(path).path == path


def test_the_folder_is_known_by_its_path_without_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(folder)
    cb.load_config(tmp_path / "way" / "cipherbucket.toml").trust()
    assert cb.load_config().path == folder / "cipherbucket.toml"


@needs_root
def test_a_file_of_another_user_is_used_only_if_it_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "cipherbucket.toml"
    cb.load_config(path).trust()
    os.chown(path, NOBODY, -1)
    with pytest.raises(cb.UsageError, match="belongs to ") as raised:
        cb.load_config()
    assert f"name it: --config {path}" in str(raised.value.hint)
    with pytest.raises(cb.UsageError, match="belongs to "):
        cb.load_config(path).trust()
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(path))
    assert cb.load_config().path == path
    os.chown(path, 0, -1)
    os.chown(folder, NOBODY, -1)  # who is neither its owner nor we
    with pytest.raises(cb.UsageError, match="belongs to "):
        cb.load_config()


def test_the_name_of_a_key_counts_in_every_file_that_is_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = made(folder / "cipherbucket.toml", '[keys.cmk]\nrsa = "cmk.pem"\n')
    assert cb.find_key_name("cmk") is None  # it is new, and nobody means its keys
    cb.load_config(upper).trust()
    made(folder / "below" / "cipherbucket.toml")
    monkeypatch.chdir(folder / "below")
    assert cb.find_key_name("cmk") == upper
    assert cb.find_key_name("other") is None
    upper.write_text("")
    with pytest.raises(cb.UsageError, match="has changed since"):
        cb.find_key_name("cmk")


def test_without_a_home_or_a_working_folder_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    path = made(tmp_path / "named.toml")
    for name in ("CIPHERBUCKET_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cb.find_config() is None
    with pytest.raises(cb.UsageError, match="no home directory"):
        cb.load_config(path).trust()


def test_a_home_below_the_working_directory_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "cipherbucket.toml").unlink()
    made(folder / "home" / ".config" / "cipherbucket" / "cipherbucket.toml")
    monkeypatch.setenv("HOME", "home")
    for relative in ("home/.config", "", "./home/.config"):
        monkeypatch.setenv("XDG_CONFIG_HOME", relative)
        assert cb.find_config() is None


def test_where_trust_cannot_be_remembered_the_file_can_be_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null")
    with pytest.raises(cb.UsageError, match="cannot be written") as raised:
        cb.load_config(folder / "cipherbucket.toml").trust()
    assert f"name {folder}/cipherbucket.toml by CIPHERBUCKET_CONFIG" in str(raised.value.hint)


@pytest.mark.parametrize("loose", ["certificates/ca.pem", "certificates"])
def test_certificates_that_others_can_replace_are_refused(tmp_path: Path, loose: str) -> None:
    made(tmp_path / "certificates" / "ca.pem")
    text = '[stores.r]\nurl = "oss://bucket"\nca_file = "certificates/ca.pem"\n'
    path = made(tmp_path / "c.toml", text)
    assert cb.load_config(path).path == path
    (tmp_path / loose).chmod(0o707)
    with pytest.raises(cb.UsageError, match=r"c\.toml:3: .* decides whom we talk to") as raised:
        cb.load_config(path)
    assert raised.value.hint == f"chmod go-w {tmp_path / loose}"
