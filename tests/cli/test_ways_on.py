"""What is not there: what may have been meant, and how that is written."""

from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke

import cipherbucket as cb


@pytest.fixture
def _filled(bucket: cb.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put objects below ``g`` into the store, and be in a folder with a file and a folder."""
    bucket.put("g/1.txt", b"1")
    bucket.put("g/2.txt", b"2")
    work = tmp_path / "work"
    (work / "tree").mkdir(parents=True)
    (work / "tree" / "1.txt").write_bytes(b"1")
    monkeypatch.chdir(work)


NO_WILDCARDS = "this command takes no wildcards; "
FOLDER = f"{NO_WILDCARDS}give the folder before them, with -r"
GLOBS = f"{NO_WILDCARDS}give the folder before them, --exclude '*' and --include GLOB"


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("verify -k KEY URL/g/*", 3, f"'g/*': there is no such object ({FOLDER})"),
        ("verify -r -k KEY URL/g/*", 3, f"no objects there ({FOLDER})"),
        ("verify -r -k KEY URL/none/", 3, "no objects there"),
        ("rotate -k KEY URL/g/*", 3, f"'g/*': there is no such object ({FOLDER})"),
        ("rotate -rq -k KEY URL/g/*", 3, f"no objects there ({FOLDER})"),
        ("reencrypt -k KEY URL/g/?.txt", 3, f"'g/?.txt': there is no such object ({FOLDER})"),
        ("recipients list URL/g/*", 3, f"'g/*': there is no such object ({FOLDER})"),
        (
            "recipients list -r URL/g/*",
            3,
            f"there is no object whose name begins with 'g/*/' ({FOLDER})",
        ),
        (
            "recipients add -k KEY --recipient KEY URL/g/*",
            3,
            f"'g/*': there is no such object ({FOLDER})",
        ),
        ("repair -k KEY URL/g/*", 3, f"'g/*': there is no such object ({FOLDER})"),
        (
            "keys check -k KEY URL/g/*",
            3,
            (
                f"'g/*': there is no such object ({NO_WILDCARDS}cipherbucket ls 'URL' lists what"
                " fits, name one)"
            ),
        ),
        (
            "sync -k KEY URL/g/* out",
            3,
            f"there is no object whose name begins with 'g/*/' ({GLOBS})",
        ),
        ("diff URL/g/* tree", 3, f"there is no object whose name begins with 'g/*/' ({GLOBS})"),
        ("diff URL/none tree", 3, "there is no object whose name begins with 'none/'"),
        ("diff tree URL/none", 3, "there is no object whose name begins with 'none/'"),
        ("diff URL/g URL/none", 3, "there is no object whose name begins with 'none/'"),
        (
            "transfers URL/g/*",
            0,
            f"no interrupted transfers ({NO_WILDCARDS}give what the names begin with)",
        ),
        (
            "audit URL/g/*",
            3,
            f"no object's name begins so ({NO_WILDCARDS}give what the names begin with)",
        ),
        (
            "cp -r -k KEY URL/g/1.txt out",
            3,
            (
                "there is no object whose name begins with 'g/1.txt/', but 'g/1.txt' is an object"
                " (leave out -r for this one)"
            ),
        ),
        (
            "sync -k KEY URL/g/1.txt out",
            3,
            (
                "there is no object whose name begins with 'g/1.txt/', but 'g/1.txt' is an object"
                " (copy one file or object with cp)"
            ),
        ),
        (
            "diff URL/g/1.txt tree",
            3,
            (
                "there is no object whose name begins with 'g/1.txt/', but 'g/1.txt' is an object"
                " (both are taken as folders; name those that they lie in)"
            ),
        ),
        (
            "rotate -rq -k KEY URL/g/1.txt",
            3,
            "no objects there, but 'g/1.txt' is an object (leave out -r for this one)",
        ),
        (
            "verify -r -k KEY URL/g/1.txt",
            3,
            "no objects there, but 'g/1.txt' is an object (leave out -r for this one)",
        ),
        (
            "rm URL/g/1.txt URL/none",
            3,
            "'none': there is no such object (nothing was deleted)",
        ),
        (
            "rm URL/g/1.txt URL/g",
            3,
            (
                "'g': there is no such object, but objects lie below g/"
                " (nothing was deleted; add -r for all of them)"
            ),
        ),
        (
            "rm -r URL/g/1.txt",
            3,
            "no objects below URL/g/1.txt/, but 'g/1.txt' is an object (leave out -r for this one)",
        ),
        ("sync -k KEY none URL/x", 2, "none: there is no such folder"),
        ("diff none URL/x", 2, "none: there is no such folder"),
        ("cp -r -k KEY none URL/x", 2, "none: there is no such folder"),
        (
            "sync -k KEY tree/1.txt URL/x",
            2,
            "tree/1.txt is no folder (copy one file or object with cp)",
        ),
        (
            "diff tree/1.txt URL",
            2,
            "tree/1.txt is no folder (both are taken as folders; name those that they lie in)",
        ),
        (
            "cp -r -k KEY tree/1.txt URL/x",
            2,
            "tree/1.txt is no folder (leave out -r for this one)",
        ),
        (
            "cp -r -k KEY tree/* URL/x",
            2,
            (
                "tree/*: there is no such folder (the shell replaces wildcards of files: leave out"
                " the quotes, and see that a file fits)"
            ),
        ),
        (
            "cp -k KEY tree/*.md URL/x",
            2,
            (
                "tree/*.md: there is no such file (the shell replaces wildcards of files: leave out"
                " the quotes, and see that a file fits)"
            ),
        ),
    ],
)
def test_what_is_not_there_is_told_with_what_may_be_meant(
    line: str, code: int, said: str, url: str, key_file: Path, bucket: cb.Bucket
) -> None:
    words = [each.replace("URL", url) if each != "KEY" else key_file for each in line.split()]
    result = invoke(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert [each.name for each in bucket.list("g/")] == ["g/1.txt", "g/2.txt"]
    assert error_of(result) == f"cipherbucket: {said.replace('URL/', f'{url}/')}\n"


def test_a_store_by_name_takes_two_slashes(ruled_folder: Path) -> None:
    config = ruled_folder / "cipherbucket.toml"
    name = next(iter(cb.load_config(config).stores))
    for given in (f"{name}:", f"{name}:/"):
        said = error_of(invoke("--config", config, "ls", given))
        assert f"{given} is no URL; did you mean '{name}://'?" in said
    said = error_of(invoke("--config", config, "ls", f"{name}:a/b"))
    assert f"did you mean '{name}://a/b'?" in said


@pytest.mark.parametrize("variable", ["CIPHERBUCKET_PASSPHRASE", "CMK_PASS"])
def test_a_wrong_passphrase_names_its_variable(
    variable: str, url: str, locked_key_file: Path, tmp_path: Path
) -> None:
    key: tuple[object, ...] = ("-k", locked_key_file)
    given: tuple[object, ...] = ()
    if variable == "CMK_PASS":
        config = tmp_path / "cipherbucket.toml"
        config.write_text(f'[keys.mine]\nrsa = "{locked_key_file}"\npassphrase_env = "CMK_PASS"\n')
        given, key = ("--config", config), ("-k", "mine")
    result = invoke(*given, "cat", *key, f"{url}/a", env={variable: "not this"})
    assert result.exit_code == 4
    said = error_of(result)
    assert f"the passphrase does not open this key (it is that of {variable})" in said
    assert "not this" not in said


def test_the_ciphertext_of_an_oss_object_in_a_file_is_read_at_its_url(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1" * 100)
    with bucket.access.store.get("a") as body:
        stored = bytearray(body.stop)
        body.readinto(stored)
    (tmp_path / "down").write_bytes(stored)
    said = error_of(invoke("cat", "-k", key_file, tmp_path / "down"))
    assert "was not sealed: the envelope of an oss object is in its headers" in said
    assert "give cat the URL" in said


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("cp -r --version-id i URL/g URL/x", "leave out -r"),
        ("cp --version-id i file URL/x", "leave it out"),
        ("cp --version-id i URL/g/1.txt URL/g/2.txt out/", "leave it out"),
        (
            "cp --version-id i URL/g/* out",
            r"name one without wildcards; \* and \? are the characters",
        ),
    ],
)
def test_a_version_that_is_not_of_one_object_is_refused_with_the_reason(
    line: str,
    hint: str,
    url: str,
    bucket: cb.Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("g/1.txt", "g/2.txt"):
        bucket.put(name, b"1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    result = invoke(*line.replace("URL", url).split())
    said = f"--version-id is for one object of a store ({hint})"
    assert (result.exit_code, error_of(result)) == (2, f"cipherbucket: {said}\n")


def test_a_folder_called_as_a_url_begins_stands_in_no_way(
    url: str, bucket: cb.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such folders are made by programs that know no URLs."""
    bucket.put("a", b"1")
    (tmp_path / "file:" / url.removeprefix("file:///")).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert invoke("ls", url).stdout.endswith("  a\n")
