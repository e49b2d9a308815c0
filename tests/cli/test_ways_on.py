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
    line: str, code: int, said: str, url: str, key_file: Path
) -> None:
    words = [each.replace("URL", url) if each != "KEY" else key_file for each in line.split()]
    result = invoke(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert error_of(result) == f"cipherbucket: {said}\n"
