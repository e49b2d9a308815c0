"""Several sources, wildcards, and what is shown of each object."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.runs import contents, error_of, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli.options.wildcards import Pattern


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a/1", "a/sub/2", "b/1", "c.csv", "d.csv", "e.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


@pytest.fixture
def filled(bucket: cb.Bucket) -> cb.Bucket:
    for name in ("x/a.csv", "x/b.csv", "x/b.txt", "x/y/c.csv", "z"):
        bucket.put(name, name.encode())
    return bucket


def names(bucket: cb.Bucket) -> list[str]:
    return [each.name for each in bucket.list()]


def test_files_and_folders_keep_their_last_parts(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    succeed("cp", "-k", key_file, tree / "c.csv", tree / "d.csv", f"{url}/t")
    assert names(bucket) == ["t/c.csv", "t/d.csv"]
    result = succeed(
        "cp", "-r", "-k", key_file, tree / "a", tree / "b", tree / "e.txt", f"{url}/u/"
    )
    assert names(bucket)[2:] == ["u/a/1", "u/a/sub/2", "u/b/1", "u/e.txt"]
    assert "copied 4 objects" in result.stderr
    assert bucket.get("u/a/sub/2").read() == b"a/sub/2"


def test_objects_and_prefixes_keep_their_last_parts(
    url: str, filled: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    down = tmp_path / "down"
    down.mkdir()
    succeed("cp", "-k", key_file, f"{url}/x/a.csv", f"{url}/z", down)
    assert contents(down) == {"a.csv": b"x/a.csv", "z": b"z"}
    succeed("cp", "-r", "-k", key_file, f"{url}/x", f"{url}/x/y", down)
    assert sorted(contents(down)) == [
        *("a.csv", "x/a.csv", "x/b.csv", "x/b.txt", "x/y/c.csv", "y/c.csv", "z"),
    ]


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("x/*.csv", ["a.csv", "b.csv"]),
        ("x/**.csv", ["a.csv", "b.csv", "y/c.csv"]),
        ("x/?.txt", ["b.txt"]),
        ("*/a.csv", ["x/a.csv"]),
        ("x/*/c.csv", ["y/c.csv"]),
        ("x*", []),
    ],
)
def test_a_pattern_gives_what_fits(
    url: str, filled: cb.Bucket, key_file: Path, tmp_path: Path, pattern: str, fitting: list[str]
) -> None:
    down = tmp_path / "down"
    result = invoke("cp", "-k", key_file, f"{url}/{pattern}", down)
    assert result.exit_code == (0 if fitting else 3)
    assert ([] if not down.exists() else sorted(contents(down))) == fitting
    if not fitting:
        assert f"fits {pattern!r}" in error_of(result)


def test_with_r_a_pattern_takes_folders_that_fit(
    url: str, filled: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    succeed("cp", "-r", "-k", key_file, f"{url}/?", tmp_path / "down")
    assert len(contents(tmp_path / "down")) == 5


@pytest.mark.parametrize("name", ["what?", "x/*", "x/**"])
def test_an_object_that_alone_fits_its_name_is_that_object(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, name: str
) -> None:
    bucket.put(name, b"it")
    bucket.put("another", b"no")
    succeed("cp", "-k", key_file, f"{url}/{name}", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"it"
    succeed("mv", f"{url}/{name}", f"{url}/moved")
    succeed("mv", f"{url}/moved", f"{url}/{name}")  # a target is taken as it is written
    succeed("rm", f"{url}/{name}")
    assert names(bucket) == ["another"]


@pytest.mark.parametrize(
    "command", ["cp", "mv", "rm", "rm -r", "rm -rf", "cp -r", "cp -n", "mv -r"]
)
@pytest.mark.parametrize("name", ["x/what?", "x/*"])
def test_a_pattern_that_is_a_name_too_is_refused(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, command: str, name: str
) -> None:
    for each in (name, "x/what1", "y"):
        bucket.put(each, b"")
    verb, *options = command.split()
    further = () if verb == "rm" else ("-k", key_file, tmp_path / "down")
    result = invoke(verb, *options, f"{url}/{name}", *further)
    assert result.exit_code == 2
    written = name.replace("*", r"\*").replace("?", r"\?")
    assert f"in quotes, '{written}' is that one alone" in error_of(result)
    assert len(names(bucket)) == 3
    assert not (tmp_path / "down").exists()
    if "-r" not in command:
        succeed(verb, *options, f"{url}/{written}", *further)
        left = len(names(bucket))
        assert left == (3 if verb == "cp" else 2)
        assert "x/what1" in names(bucket)


def test_a_folder_that_is_named_as_a_pattern_is_refused(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("what?/a", "what1/a"):
        bucket.put(name, name.encode())
    for verb, *further in (("rm", "-f"), ("mv", tmp_path / "down")):
        result = invoke(verb, "-r", f"{url}/what?", *further)
        assert result.exit_code == 2
        assert r"'what\?'" in error_of(result)
    assert len(names(bucket)) == 2
    succeed("mv", "-r", "-k", key_file, rf"{url}/what\?", tmp_path / "down")
    assert contents(tmp_path / "down") == {"a": b"what?/a"}
    bucket.put("what?/a", b"again")
    succeed("rm", "-rf", rf"{url}/what\?/")
    assert names(bucket) == ["what1/a"]


def test_a_name_means_the_same_when_it_is_gone(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("what?.pdf", "what1.pdf"):
        bucket.put(name, b"")
    for code in (0, 3):
        result = invoke("mv", "-k", key_file, rf"{url}/what\?.pdf", tmp_path / "file")
        assert result.exit_code == code
        assert names(bucket) == ["what1.pdf"]


def test_a_backslash_is_a_character_but_before_a_wildcard_or_beside_one(
    url: str, bucket: cb.Bucket
) -> None:
    for name in (r"a\b", r"a\\b", r"a\b1", "a*"):
        bucket.put(name, b"")
    succeed("rm", rf"{url}/a\b")
    assert names(bucket) == ["a*", r"a\\b", r"a\b1"]
    assert succeed("rm", "-n", rf"{url}/a\b?").stdout == "would delete a\\b1\n"
    assert succeed("rm", "-n", rf"{url}/a\\b?").stdout == "would delete a\\b1\n"
    succeed("rm", "-f", rf"{url}/a\*")
    assert names(bucket) == [r"a\\b", r"a\b1"]


@pytest.mark.parametrize(
    ("text", "fitting", "others"),
    [
        ("a*c", ["ac", "abc"], ["a/c", "abcd"]),
        ("a**c", ["ac", "a/b/c"], ["a/b"]),
        ("[a-c]", ["[a-c]"], ["b"]),
        ("?", ["b"], ["/", "", "bb"]),
        ("**", ["", "a/b"], []),
        ("**a*b", ["a/ab", "ab"], ["a/b"]),
        ("a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]),
        (r"a\**", ["a*", "a*b"], ["ab", "a\\"]),
        (r"a\b\\c?", [r"a\b\cx"], [r"a\b\\cx"]),
        (r"a\b", [r"a\b"], ["ab"]),
        (r"a\\b", [r"a\\b"], [r"a\b"]),
        ("a/*/", ["a/b/"], ["a/b", "a/b/c"]),
        ("a.b*", ["a.b"], ["aXb"]),
    ],
)
def test_patterns(text: str, fitting: list[str], others: list[str]) -> None:
    pattern = Pattern(text)
    assert all(map(pattern.fits, fitting))
    assert not any(map(pattern.fits, others))
    assert all(name.startswith(pattern.prefix) for name in fitting)


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("{tree}/a/1", "{tree}/b/1", "{url}/t"), "would both become '1'"),
        (("{tree}/c.csv", "{url}/z", "{url}/t"), "some sources are URLs"),
        (("{url}/z", "{other}/z", "{tree}"), "in several stores"),
        (("{url}/z", "{url}/x/a.csv", "{tree}/new"), "make it: mkdir"),
        (("{tree}/a", "{tree}/c.csv", "{url}/t"), "add -r"),
        (("-", "{tree}/c.csv", "{url}/t"), "a pipe holds one object"),
        (("-n", "-", "{url}/t"), "--dry-run is not for pipes"),
        (("-v", "{tree}/none", "{url}/t"), "there is no such file"),
    ],
)
def test_mistakes_are_explained(
    url: str, filled: cb.Bucket, key_file: Path, tree: Path, args: tuple[str, ...], hint: str
) -> None:
    other = f"file://{tree.parent}/other"
    cb.make_bucket(other)
    places = {"url": url, "tree": tree, "other": other}
    before = names(filled)
    result = invoke("cp", "-k", key_file, *(each.format(**places) for each in args))
    assert result.exit_code == 2
    assert hint in error_of(result)
    assert names(filled) == before


def test_each_object_is_said_or_written_as_json(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path
) -> None:
    result = succeed("cp", "-v", "-k", key_file, tree / "c.csv", f"{url}/t")
    assert result.stderr == f"cipherbucket: copied {tree}/c.csv -> {url}/t (5 bytes)\n"
    result = succeed("cp", "-r", "--json", "-k", key_file, tree, f"{url}/u")
    facts = [json.loads(line) for line in result.stdout.splitlines()]
    assert {
        "action": "copied",
        "size": 3,
        "source": f"{tree}/a/1",
        "target": f"{url}/u/a/1",
    } in facts
    assert len(facts) == 6
    result = succeed(
        "sync", "--delete", "--max-delete", "6", "--json", "-k", key_file, tree / "a", f"{url}/u"
    )
    actions = sorted(json.loads(line)["action"] for line in result.stdout.splitlines())
    assert actions == ["copied"] * 2 + ["deleted"] * 6
    result = invoke("cp", "--json", "-k", key_file, f"{url}/nothing", tree)
    assert (result.exit_code, result.stdout) == (3, "")


def test_a_single_copy_under_another_name_has_the_choices_of_a_tree(
    url: str, bucket: cb.Bucket, key_file: Path, tree: Path, tmp_path: Path
) -> None:
    assert succeed("cp", "-n", "-k", key_file, tree / "c.csv", f"{url}/t/new").stdout == (
        "would copy new (not there)\n"
    )
    succeed("cp", "-v", "-k", key_file, tree / "c.csv", f"{url}/t/new")
    assert names(bucket) == ["t/new"]
    assert "1 skipped" in succeed("cp", "-u", "-k", key_file, tree / "c.csv", f"{url}/t/new").stderr
    down = tmp_path / "file"
    succeed("cp", "--json", "-k", key_file, f"{url}/t/new", down)
    assert down.read_text() == "c.csv"
    succeed("cp", "--skip-existing", f"{url}/t/new", f"{url}/t/again")
    assert names(bucket) == ["t/again", "t/new"]


def test_whether_a_long_name_fits_is_found_soon() -> None:
    pattern = Pattern("logs/*a*a*a*a*a*a*b")
    assert not pattern.fits("logs/" + "a" * 1000)
    assert pattern.fits("logs/" + "a" * 1000 + "b")


@given(st.text("ab/*\\", max_size=8), st.text("ab/*?\\", max_size=6))
def test_patterns_fit_as_the_expressions_do(name: str, text: str) -> None:
    places = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\\[*?\\]|\*\*|.", text) if set(text) & {"*", "?"} else text
    expression = "".join(places.get(token) or re.escape(token[-1]) for token in tokens)
    assert Pattern(text).fits(name) == (re.fullmatch(expression, name) is not None)


@pytest.mark.parametrize("name", ["what?.pdf", "*.pdf", "**"])
def test_a_name_that_is_gone_is_no_pattern_for_rm_f(url: str, bucket: cb.Bucket, name: str) -> None:
    bucket.put(name, b"")
    succeed("rm", "-f", f"{url}/{name}")
    bucket.put("what1.pdf", b"")
    result = invoke("rm", "-f", f"{url}/{name}")
    assert result.exit_code == 2
    assert "add -r" in error_of(result)
    written = name.replace("*", r"\*").replace("?", r"\?")
    assert f"'{written}' is the object" in error_of(result)
    succeed("rm", "-f", f"{url}/{written}")
    assert names(bucket) == ["what1.pdf"]


def test_brackets_are_no_pattern(url: str, bucket: cb.Bucket) -> None:
    for name in ("report[1].pdf", "report1.pdf"):
        bucket.put(name, b"")
    for _ in range(2):
        succeed("rm", "-f", f"{url}/report[1].pdf")
        assert names(bucket) == ["report1.pdf"]


def test_patterns_that_give_one_name_are_refused_before_anything_is_done(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    for name in ("x/aab", "x/azz", "y/aab", "y/b"):
        bucket.put(name, name.encode())
    down = tmp_path / "down"
    down.mkdir()
    result = invoke("mv", "-k", key_file, f"{url}/x/a*", f"{url}/y/aa*", down)
    assert (result.exit_code, list(down.iterdir())) == (2, [])
    assert "two sources would both become 'aab'" in error_of(result)
    assert len(names(bucket)) == 4
    succeed("cp", "-k", key_file, f"{url}/x/a*", f"{url}/y/b*", down)
    assert sorted(contents(down)) == ["aab", "azz", "b"]


def test_names_that_clash_only_when_the_first_is_moved_end_the_command_for_good(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x/a", "x/b", "y/b"):
        bucket.put(name, name.encode())
    down = tmp_path / "down"
    down.mkdir()
    # As if y/b had come after the names were compared.
    monkeypatch.setattr("cipherbucket.cli.copying.sources._refuse_same", lambda _: None)
    result = invoke("mv", "-k", key_file, f"{url}/x/*", f"{url}/y/*", down)
    assert result.exit_code == 2
    assert "two sources would both become 'b'" in result.stderr
    assert "run the same command again" not in result.stderr
    assert bucket.exists("y/b")
    assert bucket.exists("x/b") or (down / "b").read_bytes() == b"x/b"


def test_the_names_of_several_patterns_are_compared_in_one_listing_each(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x/a1", "x/a2", "y/b1", "y/b2"):
        bucket.put(name, name.encode())
    ended: list[str] = []
    whole = cb.Bucket.list

    def noting(self: cb.Bucket, prefix: str = "", **options: str) -> Iterator[cb.Entry]:
        yield from whole(self, prefix, **options)
        ended.append(prefix)

    monkeypatch.setattr(cb.Bucket, "list", noting)
    (tmp_path / "down").mkdir()
    patterns = (f"{url}/x/a*", f"{url}/y/b*")
    succeed("cp", "-n", "-k", key_file, *patterns, tmp_path / "down")
    # An object of the pattern's own name is looked for; then names are compared, and copied.
    assert sorted(ended) == ["x/a", "x/a", "x/a*", "y/b", "y/b", "y/b*"]


def test_sync_takes_no_patterns(
    url: str, filled: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    result = invoke("sync", "-k", key_file, f"{url}/x*", tmp_path / "down")
    assert result.exit_code == 3
    assert "begins with 'x*/'" in error_of(result)


@pytest.mark.parametrize("option", ["-v", "--json", "-u"])
def test_the_error_of_one_object_is_that_of_the_command(
    url: str, filled: cb.Bucket, other_key_file: Path, tmp_path: Path, option: str
) -> None:
    expected = invoke("cp", "-k", other_key_file, f"{url}/z", tmp_path / "a").exit_code
    result = invoke("cp", option, "-k", other_key_file, f"{url}/z", tmp_path / "a")
    assert result.exit_code == expected == 4


def test_rm_takes_several_and_patterns(url: str, filled: cb.Bucket) -> None:
    assert succeed("rm", f"{url}/z", f"{url}/x/b.txt").stdout == ""
    assert names(filled) == ["x/a.csv", "x/b.csv", "x/y/c.csv"]
    result = invoke("rm", f"{url}/x/*.csv")
    assert result.exit_code == 2
    assert "not deleting 2 objects at" in error_of(result)
    assert "lies below folders that fit, add -rf" in error_of(result)  # -f alone takes no pattern
    assert succeed("rm", "-n", f"{url}/x/*.csv").stdout == (
        "would delete x/a.csv\nwould delete x/b.csv\n"
    )
    result = succeed("rm", "-rf", "--json", f"{url}/x/*.csv")
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == [
        "x/a.csv",
        "x/b.csv",
    ]
    assert names(filled) == ["x/y/c.csv"]


def test_rm_of_several_deletes_nothing_if_one_is_missing(url: str, filled: cb.Bucket) -> None:
    before = names(filled)
    assert invoke("rm", f"{url}/z", f"{url}/nothing").exit_code == 3
    assert names(filled) == before
    succeed("rm", "-f", f"{url}/z", f"{url}/nothing")
    assert names(filled) == before[:-1]


def test_rm_leaves_what_is_excluded(url: str, filled: cb.Bucket) -> None:
    result = succeed("rm", "-rfv", "--exclude", "*.txt", f"{url}/x")
    assert names(filled) == ["x/b.txt", "z"]
    assert result.stderr.splitlines()[0] == "cipherbucket: deleted x/a.csv"
