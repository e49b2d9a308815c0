"""``cat``, ``ls``, ``stat`` and ``rm``."""

import json
import tracemalloc
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, read, succeed

import cipherbucket as cb

BODY = bytes(range(200))
EVIL = "evil\x1b[2J\u202ename\n"


@pytest.fixture
def filled(url: str, bucket: cb.Bucket) -> str:
    """Return the URL of a store that holds a little of everything."""
    bucket.put("a", BODY)
    bucket.put("folder/b", b"bb", metadata={"owner": "me"}, content_type="text/plain")
    bucket.put("folder/sub/c", b"")
    with cb.open_store(url) as store:
        store.put("plain", b"plain")
    return url


def make_malformed(url: str, name: str) -> None:
    with cb.open_store(url) as store:
        store.put(name, b"?", metadata={"client-side-encryption-key": "AAAA"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-99", BODY[:100]),
        ("100-", BODY[100:]),
        ("-50", BODY[-50:]),
        ("0-0", BODY[:1]),
        ("199-", BODY[199:]),
        ("200-", b""),
        ("150-1000", BODY[150:]),
        ("-1000", BODY),
        ("-0", b""),
    ],
)
def test_cat_writes_a_range(filled: str, key_file: Path, text: str, expected: bytes) -> None:
    result = succeed("cat", "-k", key_file, "--range", text, f"{filled}/a")
    assert result.stdout_bytes == expected


@pytest.mark.parametrize("text", ["", "-", "a-b", "1-0", "0-1,3-4", "201-"])
def test_cat_refuses_what_is_no_range_of_the_object(filled: str, key_file: Path, text: str) -> None:
    result = invoke("cat", "-k", key_file, "--range", text, f"{filled}/a")
    assert result.exit_code == 2
    error_of(result)


def test_cat_writes_objects_one_after_the_other(filled: str, key_file: Path) -> None:
    result = succeed("cat", "-k", key_file, f"{filled}/a", f"{filled}/folder/b", f"{filled}/a")
    assert result.stdout_bytes == BODY + b"bb" + BODY


def names(output: str) -> list[str]:
    return [line.split("  ")[-1].strip() for line in output.splitlines()]


def test_ls_folds_names_like_folders(filled: str) -> None:
    assert names(succeed("ls", filled).stdout) == ["a", "folder/", "plain"]
    assert names(succeed("ls", f"{filled}/").stdout) == ["a", "folder/", "plain"]
    assert names(succeed("ls", f"{filled}/f").stdout) == ["folder/"]
    assert names(succeed("ls", f"{filled}/folder/").stdout) == ["folder/b", "folder/sub/"]
    recursive = ["a", "folder/b", "folder/sub/c", "plain"]
    assert names(succeed("ls", "-r", filled).stdout) == recursive


def test_ls_long_tells_formats_and_sizes(filled: str) -> None:
    lines = [line.split() for line in succeed("ls", "-lr", filled).stdout.splitlines()]
    assert [line[:3] for line in lines] == [
        ["200", "200", "oss"],
        ["2", "2", "oss"],
        ["0", "0", "oss"],
        ["5", "5", "plaintext"],
    ]


def test_ls_of_nothing(filled: str, tmp_path: Path) -> None:
    result = invoke("ls", f"{filled}/nothing")
    assert result.exit_code == 3
    error_of(result)
    cb.make_bucket(f"file://{tmp_path}/empty")
    assert succeed("ls", f"file://{tmp_path}/empty").output == ""


def test_ls_json_is_one_object_a_line(filled: str) -> None:
    lines = [json.loads(line) for line in succeed("ls", "--json", "-l", filled).stdout.splitlines()]
    assert [line.get("name", line.get("prefix")) for line in lines] == ["a", "folder/", "plain"]
    assert (lines[0]["stored_size"], lines[0]["size"], lines[0]["format"]) == (200, 200, "oss")
    assert lines[1] == {"prefix": "folder/"}
    assert "format" not in json.loads(succeed("ls", "--json", filled).stdout.splitlines()[0])


def test_ls_long_goes_on_after_an_envelope_that_cannot_be_understood(filled: str) -> None:
    make_malformed(filled, "b")
    result = invoke("ls", "-l", filled)
    assert result.exit_code == 1
    assert names(result.stdout) == ["a", "b", "folder/", "plain"]
    assert "malformed" in result.stdout
    assert "client-side-encryption" in error_of(result)


def test_ls_on_a_terminal_has_a_heading(filled: str) -> None:
    session = on_terminal("ls", "-l", filled)
    assert session.screen.split()[:5] == ["STORED", "PLAINTEXT", "FORMAT", "MODIFIED", "NAME"]
    for args in (("ls", f"{filled}/nothing"), ("ls", f"{filled}/n*")):
        session = on_terminal(*args)
        assert session.code == 3
        assert len(session.screen.splitlines()) == 1
    assert invoke("ls", "--json", "--total", f"{filled}/nothing").stdout == ""


def test_ls_long_on_a_narrow_terminal_has_names_on_lines_of_their_own(filled: str) -> None:
    narrow = on_terminal("ls", "-lr", filled, columns=80).screen.splitlines()
    assert [line.strip() for line in narrow[1:-1:2]] == [
        "NAME",
        *names(succeed("ls", "-r", filled).stdout),
    ]
    assert max(map(len, narrow)) <= 80
    wide = on_terminal("ls", "-lr", filled, columns=100).screen.splitlines()
    assert [line.split()[-1] for line in wide[1:-1]] == [line.strip() for line in narrow[3:-1:2]]


def test_no_name_reaches_a_terminal_raw(url: str, bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put(EVIL, b"1", metadata={"note": "\u202e\x9b2J"}, content_type="\x9b2J")
    for args in (
        ("ls", url),
        ("ls", "-l", url),
        ("stat", f"{url}/{EVIL}"),
        ("cat", f"{url}/{EVIL}"),
        ("cp", "-r", url, tmp_path / "down"),
        ("rm", f"{url}/{EVIL}x"),
        ("rm", "-r", f"{url}/{EVIL}"),
    ):
        output = invoke(*args).output
        assert not {"\x1b", "\u202e", "\x9b"} & set(output), args
        assert "evil\\x1b[2J\\u202ename\\n" in output
    (line,) = succeed("ls", "--json", url).stdout.splitlines()
    assert json.loads(line)["name"] == EVIL
    assert line.isascii()


def test_stat_shows_the_envelope_and_the_key_that_opens_it(
    filled: str, key_file: Path, other_key_file: Path
) -> None:
    args = ("stat", "-k", other_key_file, "-k", key_file, f"{filled}/folder/b")
    output = succeed(*args).stdout
    fingerprint = cb.load_key(key_file).id
    for expected in (
        "name            folder/b\n",
        "size            2 bytes\n",
        "content-type    text/plain\n",
        "metadata owner  me\n",
        "content         AES/CTR/NoPadding\n",
        "key wrapping    RSA/NONE/PKCS1Padding, wrapped key of 256 bytes\n",
        'description     {"desc":"mine"}\n',
        f"opens with      {key_file} ({fingerprint}), found by its description\n",
        "origin          anyone who holds the public half of the key",
    ):
        assert expected in output


@pytest.mark.parametrize(
    ("option", "key", "expected"),
    [
        ("-k", "other", "none of the keys given: 'a': the object's key is described as"),
        ("-k", "namesake", "none of the keys given: 'a': key SHA256:"),
        ("-k", "public", "is a public half"),
        ("--force-key", "other", "does not open this object"),
        ("--force-key", "mine", "forced"),
        (None, "", "not tried; give keys with -k KEY"),
    ],
)
def test_stat_says_why_no_key_opens_it(
    filled: str,
    key_file: Path,
    other_key_file: Path,
    namesake_file: Path,
    option: str | None,
    key: str,
    expected: str,
) -> None:
    files = {
        "mine": key_file,
        "other": other_key_file,
        "namesake": namesake_file,
        "public": Path(f"{key_file}.pub"),
    }
    options = () if option is None else (option, files[key])
    output = succeed("stat", *options, f"{filled}/a").stdout
    assert expected in output.partition("opens with")[2].partition("\n")[0]


def test_stat_of_plaintext_says_so_loudly(filled: str) -> None:
    output = succeed("stat", f"{filled}/plain").stdout
    assert "plaintext: NOT encrypted" in output
    assert "opens with" not in output
    assert "origin    anyone who may write to the store" in output


def test_stat_json(filled: str, key_file: Path) -> None:
    facts = json.loads(succeed("stat", "--json", "-k", key_file, f"{filled}/a").stdout)
    assert facts["description"] == {"desc": "mine"}
    assert facts["wrapped_key_bytes"] == 256
    assert facts["key"] == {
        "opens": True,
        "file": str(key_file),
        "id": cb.load_key(key_file).id,
        "by": "description",
    }
    lines = succeed("stat", "--json", f"{filled}/folder/**").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["folder/b", "folder/sub/c"]
    plain = json.loads(succeed("stat", "--json", f"{filled}/plain").stdout)
    assert plain["format"] == "plaintext"
    assert "key" not in plain


def test_stat_of_a_damaged_description(filled: str) -> None:
    with cb.open_store(filled) as store:
        metadata = {**store.head("a").metadata, "client-side-encryption-matdesc": "[1]"}
        store.replace_metadata("a", metadata=metadata, headers={})
    assert "description   damaged: [1]\n" in succeed("stat", f"{filled}/a").stdout
    assert json.loads(succeed("stat", "--json", f"{filled}/a").stdout)["description"] is None


def test_stat_breaks_long_lines_on_a_terminal_only(filled: str) -> None:
    session = on_terminal("stat", f"{filled}/a", columns=60)
    assert max(map(len, session.screen.splitlines())) <= 60
    assert max(map(len, succeed("stat", f"{filled}/a").stdout.splitlines())) > 100


def test_rm_deletes_one_object(filled: str, bucket: cb.Bucket) -> None:
    assert succeed("rm", f"{filled}/folder/b").output == ""
    assert not bucket.exists("folder/b")
    result = invoke("rm", f"{filled}/folder/b")
    assert result.exit_code == 3
    error_of(result)
    assert succeed("rm", "-f", f"{filled}/folder/b").output == ""
    for option in ("-fv", "-fn"):  # nothing is there to be deleted
        assert succeed("rm", option, f"{filled}/folder/b").output == ""


def test_rm_of_a_tree_deletes_nothing_without_asking(filled: str, bucket: cb.Bucket) -> None:
    result = invoke("rm", "-r", f"{filled}/folder")
    assert result.exit_code == 2
    assert "add -f" in error_of(result)
    assert len(list(bucket.list())) == 4


def test_rm_of_a_tree_takes_the_prefix_for_a_folder(filled: str, bucket: cb.Bucket) -> None:
    bucket.put("folder-2", b"")
    succeed("rm", "-rf", f"{filled}/folder")
    assert [entry.name for entry in bucket.list()] == ["a", "folder-2", "plain"]
    assert invoke("rm", "-r", f"{filled}/folder").exit_code == 3
    succeed("rm", "-rf", f"{filled}/folder")


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 2), ("n", 1, 4), ("", 1, 4)])
def test_rm_of_a_tree_asks_on_a_terminal(
    filled: str, bucket: cb.Bucket, answer: str, code: int, left: int
) -> None:
    session = on_terminal(
        "rm", "-r", f"{filled}/folder/", answers=[("Delete 2 objects below", f"{answer}\n")]
    )
    assert session.code == code
    assert len(list(bucket.list())) == left


def test_rm_of_a_tree_holds_no_names_in_memory(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = (cb.Entry(name=f"{number:01000}") for number in range(20_000))
    deleted = 0

    def delete(_: cb.Bucket, name: str) -> None:
        nonlocal deleted
        deleted += int(name)
        if int(name) % 2:
            raise cb.StoreError("access denied", name=name)

    monkeypatch.setattr(cb.Bucket, "list", lambda *_: listed)
    monkeypatch.setattr(cb.Bucket, "delete", delete)
    tracemalloc.start()
    try:
        assert invoke("rm", "-rf", filled).exit_code == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert deleted == sum(range(20_000))
    assert peak < 10 << 20


def test_rm_tells_what_is_deleted_as_it_goes(
    filled: str, bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = (each.name for each in bucket.list())
    deleting = cb.Bucket.delete

    def delete(self: cb.Bucket, name: str) -> None:
        if name == second:
            raise KeyboardInterrupt
        deleting(self, name)

    monkeypatch.setattr(cb.Bucket, "delete", delete)
    result = invoke("rm", "-rfv", filled)
    assert result.exit_code == 130
    assert f"deleted {first}\n" in result.stderr
    assert result.stderr.endswith("cipherbucket: interrupted; deleted 1 of 4 objects\n")


def test_rm_of_several_ends_with_their_number(filled: str, bucket: cb.Bucket) -> None:
    for name in ("x", "y", "z/1", "z/2"):
        bucket.put(name, b"1")
    said = "cipherbucket: deleted 2 objects\n"
    assert succeed("rm", f"{filled}/x", f"{filled}/y").stderr == said
    assert succeed("rm", "-rfq", f"{filled}/z").stderr == ""
    bucket.put("z/1", b"1")
    assert succeed("rm", "-rfn", f"{filled}/z").stderr == "cipherbucket: would delete 1 object\n"
    assert succeed("rm", "-rf", f"{filled}/z").stderr == "cipherbucket: deleted 1 object\n"
    bucket.put("twice", b"1")
    twice = succeed("rm", "-v", f"{filled}/twice", f"{filled}/twice")
    assert twice.stderr == "cipherbucket: deleted twice\n"


def test_an_interrupted_look_says_no_more_than_that(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cb.Bucket, "list", stopped)
    for command in ("ls", "du", ("rm", "-rf")):
        result = invoke(*([command] if isinstance(command, str) else command), filled)
        assert (result.exit_code, result.stderr) == (130, "cipherbucket: interrupted\n")


def test_rm_of_the_whole_store(filled: str, bucket: cb.Bucket) -> None:
    succeed("rm", "-rf", filled)
    assert list(bucket.list()) == []
    cb.open_bucket(filled).close()


def test_a_multipart_object_is_shown_with_its_parts(url: str, bucket: cb.Bucket) -> None:
    with bucket.multipart("m", data_size=150_000, part_size=102_400) as upload:
        for number, size in ((1, 102_400), (2, 47_600)):
            upload.upload_part(number, bytes(size))
        upload.complete()
    output = succeed("stat", f"{url}/m").stdout
    assert "150,000 bytes" in output
    assert "part size     102,400 bytes" in output
    assert read(bucket, "m") == bytes(150_000)


@pytest.mark.parametrize("command", [("cat",), ("cp",)])
def test_a_body_goes_to_stdout_in_blocks_whatever_its_lines_are(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    asked: list[int] = []
    whole = cb.ObjectStream.read

    def read(self: cb.ObjectStream, size: int | None = -1, /) -> bytes:
        assert size is not None
        asked.append(size)
        return whole(self, size)

    monkeypatch.setattr(cb.ObjectStream, "read", read)
    monkeypatch.setattr(cb.ObjectStream, "readline", None)
    body = bytes(3 << 20)
    bucket.put("a", body)
    target = ("-",) if command == ("cp",) else ()
    assert succeed(*command, "-k", key_file, f"{url}/a", *target).stdout_bytes == body
    assert set(asked) == {1 << 20}
