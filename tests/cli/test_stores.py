"""``mb`` and ``repair``."""

from pathlib import Path

import pytest
from tests.cli.runs import contents, error_of, invoke, read, succeed

import cipherbucket as cb


def test_mb_makes_a_store_once(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/new"
    assert succeed("mb", url).stdout == f"made a store at {url}\n"
    assert succeed("ls", url).output == ""
    result = invoke("mb", url)
    assert result.exit_code == 2
    error_of(result)


def test_a_store_by_name_is_made_and_its_index_rebuilt(tmp_path: Path) -> None:
    folder, config = tmp_path / "folder" / "new", tmp_path / "c.toml"
    config.write_text(f"""
[stores.new]
url = "file://{folder}"
trusted = true

[stores.cloud]
url = "oss://examplebucket"
""")
    folder.parent.mkdir()
    folder.parent.chmod(0o777)  # by its URL no store is made there
    named = ("--config", config)
    assert invoke("mb", f"file://{folder}").exit_code == 6
    assert succeed(*named, "mb", "new://").stdout == f"made a store at file://{folder}\n"
    assert succeed(*named, "ls", "new://").output == ""
    assert "there is a directory store" in error_of(invoke(*named, "mb", "new://"))
    (folder / "index.sqlite").unlink()
    rebuilt = succeed(*named, "repair", "--index", "new://").stdout
    assert rebuilt == f"0 objects in the index of file://{folder}\n"
    for command in (("mb", "cloud://"), ("repair", "--index", "cloud://"), ("mb", "other://")):
        result = invoke(*named, *command)
        assert result.exit_code == 2
        error_of(result)
    assert "no cipherbucket.toml was found" in error_of(invoke("mb", "new://"))


@pytest.mark.parametrize("url", ["memory://x", "oss://examplebucket", "new", "file://new"])
def test_mb_makes_directory_stores_only(url: str) -> None:
    result = invoke("mb", url)
    assert result.exit_code == 2
    error_of(result)


def test_repair_rebuilds_a_lost_index(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"1")
    bucket.close()
    for part in (tmp_path / "store").glob("index.sqlite*"):
        part.unlink()
    result = succeed("repair", "--index", url)
    assert result.stdout == f"1 object in the index of {url}\n"


def test_repair_of_a_sound_store_keeps_the_index_before(
    url: str, bucket: cb.Bucket, key_file: Path
) -> None:
    bucket.put("a", b"1")
    bucket.close()
    assert "the index before is kept as" in succeed("repair", "--index", url).stdout
    with cb.open_bucket(url, cb.load_key(key_file)) as again:
        assert read(again, "a") == b"1"


def test_repair_tells_what_it_cannot_use(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    for name in ("a", "b"):
        bucket.put(name, b"1")
    etag = bucket.head("a").etag
    bucket.close()
    body = next(path for path in (tmp_path / "store").rglob(etag) if path.is_file())
    body.chmod(0o600)
    body.write_bytes(b"longer than it was")
    result = invoke("repair", "--index", url)
    assert result.exit_code == 1
    assert f"{body} is missing, or not as long as recorded" in error_of(result)
    assert "1 object in" in result.stdout


def test_repair_wants_to_know_what(url: str, tmp_path: Path) -> None:
    for args in ((url,), ("--index", "oss://examplebucket"), ("--index", f"file://{tmp_path}/x")):
        result = invoke("repair", *args)
        assert result.exit_code == 2
        error_of(result)


def test_a_store_in_use_is_not_repaired(url: str, bucket: cb.Bucket) -> None:
    bucket.put("a", b"1")
    result = invoke("repair", "--index", url)
    assert result.exit_code == 6
    error_of(result)


def test_a_store_that_others_can_write_is_written_only_by_who_trusts_them(
    tmp_path: Path, url: str, key_file: Path
) -> None:
    """By the option, or by the file; reading needs neither."""
    folder, source, config = tmp_path / "store", tmp_path / "a", tmp_path / "c.toml"
    source.write_bytes(b"1")
    succeed("cp", "-k", key_file, source, f"{url}/a")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "x").touch()
    folder.chmod(0o777)
    config.write_text(f'[stores.shared]\nurl = "{url}"\ntrusted = true\n')
    refused = [
        ("cp", "-k", key_file, source, f"{url}/b"),
        ("rm", f"{url}/a"),
        ("sync", "-k", key_file, tmp_path / "tree", f"{url}/t/"),
        ("repair", "--index", url),
        ("mb", f"{url}/bodies/new"),
    ]
    for command in refused:
        result = invoke(*command)
        assert result.exit_code != 0, command
        assert "can be written by others" in result.stderr
        assert "--trust-store" in result.stderr
    for number in range(3):
        (tmp_path / "tree" / str(number)).touch()
    succeed("mb", f"file://{tmp_path}/mine")
    succeed("cp", "-r", "-k", key_file, tmp_path / "tree", f"file://{tmp_path}/mine/")
    many = [
        ("cp", "-r", "-k", key_file, tmp_path / "tree", f"{url}/t/"),
        ("cp", "-r", f"file://{tmp_path}/mine/", f"{url}/t/"),
        ("sync", f"file://{tmp_path}/mine/", f"{url}/"),
        ("sync", "--dry-run", tmp_path / "tree", f"{url}/t/"),
        ("rm", "-r", "-f", f"{url}/"),
        ("rotate", "-r", "-k", key_file, f"{url}/"),
    ]
    for command in many:
        result = invoke(*command)
        assert result.exit_code not in {0, 2}, command
        assert len(result.stderr.splitlines()) == 1, "not a line for each object"
    assert succeed("cat", "-k", key_file, f"{url}/a").stdout_bytes == b"1"
    assert "a\n" in succeed("ls", url).stdout
    succeed("cp", "--trust-store", "-k", key_file, source, f"{url}/b")
    succeed("--config", config, "cp", "-k", key_file, source, "shared://c")
    succeed("--config", config, "rm", "shared://c")
    succeed("rm", "--trust-store", f"{url}/b")
    succeed("repair", "--trust-store", "--index", url)
    succeed("mb", "--trust-store", f"file://{folder}/../more")


def test_only_a_folder_is_trusted(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[stores.a]\nurl = "memory://a"\ntrusted = true\n')
    result = invoke("--config", config, "ls", "a://")
    assert result.exit_code == 2
    assert "only folders need it" in error_of(result)


def test_a_store_that_cannot_be_written_is_the_source_of_everything(
    tmp_path: Path, url: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a snapshot or a mounted backup is; root would write what is only closed by its mode."""
    key = ("-k", key_file)
    (tmp_path / "a").write_bytes(b"1")
    succeed("cp", *key, tmp_path / "a", f"{url}/a")
    monkeypatch.setattr("cipherbucket.stores.local.trust._writable", lambda *_: False)
    before = contents(tmp_path / "store")
    assert succeed("cat", *key, f"{url}/a").stdout_bytes == b"1"
    for command in (
        ("ls", "-l", url),
        ("stat", *key, f"{url}/a"),
        ("cp", *key, f"{url}/a", tmp_path / "copy"),
        ("cp", "-r", *key, f"{url}/", tmp_path / "tree"),
        ("sync", *key, f"{url}/", tmp_path / "tree"),
        ("verify", "-r", *key, f"{url}/"),
        ("audit", *key, f"{url}/"),
        ("transfers", url),
    ):
        succeed(*command)
    result = invoke("rm", f"{url}/a")
    assert "cannot be written" in error_of(result)
    assert result.exit_code == 6
    assert contents(tmp_path / "store") == before
    assert contents(tmp_path / "tree") == {"a": b"1"}
