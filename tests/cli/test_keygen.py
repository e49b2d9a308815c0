"""``keygen``: what it makes, what it asks and what it refuses."""

import stat
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, program, succeed

import cipherbucket as cb

SHORT = ("--bits", "2048")


def load_rsa(file: Path | str) -> cb.RsaKey:
    key = cb.load_key(file)
    assert isinstance(key, cb.RsaKey)
    return key


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keygen_makes_a_private_key_its_public_half_and_its_description(tmp_path: Path) -> None:
    file = tmp_path / "cmk.pem"
    output = succeed("keygen", file, *SHORT, "-d", '{"desc": "2026"}').stdout
    key = load_rsa(file)
    assert key.id in output
    assert key.bits == 2048
    assert not key.sealed_only
    assert key.description.text == '{"desc":"2026"}'
    assert (mode_of(file), mode_of(Path(f"{file}.pub"))) == (0o600, 0o644)
    assert "Back it up" in output
    assert "PRIVATE KEY" not in output
    assert not load_rsa(f"{file}.pub").can_unwrap
    (warning,) = [line for line in output.splitlines() if line.startswith("Warning")]
    assert "both formats" in warning
    assert "--sealed-only" in warning
    last = output.splitlines()[-1]
    assert last == f"Who is to write for you needs both {file}.pub and {file}.json."


def test_keygen_keeps_an_rsa_key_for_the_sealed_format(tmp_path: Path) -> None:
    file = tmp_path / "vault.pem"
    output = succeed("keygen", file, *SHORT, "--sealed-only", "-d", "desc=vault").stdout
    assert load_rsa(file).sealed_only
    assert load_rsa(f"{file}.pub").sealed_only
    assert "Warning" not in output
    assert "format sealed, and no other" in output


def test_keygen_makes_an_aes_key_and_its_description(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    output = succeed("keygen", file, "--type", "aes", "-d", "desc=vault").stdout
    key = cb.load_key(file)
    assert isinstance(key, cb.AesKey)
    assert key.description == {"desc": "vault"}
    assert key.id in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault.key", "vault.key.json"]
    assert mode_of(file) == 0o600
    assert "Back it up" in output
    assert "Warning" not in output
    assert file.read_text().strip() not in output
    assert "Who is to write" not in output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--bits", "3072"), "an AES key has 256 bits"),
        (("--bits", "4096"), "an AES key has 256 bits"),
        (("--passphrase",), "the bare key"),
        (("--sealed-only",), "writes no other format"),
    ],
)
def test_keygen_refuses_for_aes_what_is_of_rsa_and_says_why(
    tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    result = invoke("keygen", tmp_path / "k", "--type", "aes", "-d", "a=b", *options)
    assert result.exit_code == 2
    assert complaint in error_of(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_keygen_overwrites_nothing_with_an_aes_key(tmp_path: Path, suffix: str) -> None:
    there = tmp_path / f"vault.key{suffix}"
    there.write_text("precious")
    result = invoke("keygen", tmp_path / "vault.key", "--type", "aes")
    assert result.exit_code == 4
    assert f"{there.name} is already there" in error_of(result)
    assert there.read_text() == "precious"


def test_on_a_terminal_an_aes_key_is_asked_for_its_description_alone(
    url: str, bucket: cb.Bucket, tmp_path: Path
) -> None:
    file = tmp_path / "k"
    session = on_terminal(
        *("keygen", file, "--type", "aes"), answers=[("find this key", "desc=asked\n")]
    )
    assert session.code == 0
    assert "assphrase" not in session.screen
    assert cb.load_key(file).description == {"desc": "asked"}
    bucket.put("a", b"1")
    session = on_terminal("keys", "check", f"{url}/a", "-k", file)
    assert session.code == 4
    assert "assphrase" not in session.screen


@pytest.mark.parametrize("options", [("--type", "aes"), (*SHORT, "--sealed-only")])
def test_a_key_of_the_sealed_format_writes_and_reads_no_other(
    url: str, bucket: cb.Bucket, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "k"
    succeed("keygen", file, *options, "-d", "desc=mine")
    refused = invoke("cp", "-k", file, "--format", "oss", "-", f"{url}/new", stdin=b"1")
    assert refused.exit_code == 4
    assert "sealed" in error_of(refused)
    assert invoke("stat", f"{url}/new").exit_code == 3
    succeed("cp", "-k", file, "-", f"{url}/new", stdin=b"1")
    assert bucket.head("new").format == "sealed"
    assert succeed("cat", "-k", file, f"{url}/new").stdout == "1"
    bucket.put("a", b"1")
    for option in ("-k", "--force-key"):
        refused = invoke("cat", f"{url}/a", option, file)
        assert (refused.exit_code, refused.stdout) == (5, "")
        assert "--accept oss" in error_of(refused)
        refused = invoke("cat", "--accept", "oss", f"{url}/a", option, file)
        assert (refused.exit_code, refused.stdout) == (4, "")
        no = invoke("keys", "check", f"{url}/a", option, file)
        assert (no.exit_code, no.stdout[:4]) == (4, "no: ")


@pytest.mark.parametrize("suffix", ["", ".pub", ".json"])
def test_keygen_overwrites_nothing(tmp_path: Path, suffix: str) -> None:
    there = tmp_path / f"cmk.pem{suffix}"
    there.write_text("precious")
    result = invoke("keygen", tmp_path / "cmk.pem", *SHORT)
    assert result.exit_code == 4
    assert f"{there.name} is already there" in error_of(result)
    assert [path.name for path in tmp_path.iterdir()] == [there.name]
    assert there.read_text() == "precious"


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('{"desc":"2026"}', {"desc": "2026"}),
        ('{"b": "2", "a": "1"}', {"a": "1", "b": "2"}),
        ("desc=2026", {"desc": "2026"}),
        ("desc=2026, team=billing", {"desc": "2026", "team": "billing"}),
        ("desc=a=b", {"desc": "a=b"}),
    ],
)
def test_descriptions_that_are_taken(tmp_path: Path, text: str, description: object) -> None:
    succeed("keygen", tmp_path / "k", *SHORT, "--description", text)
    assert cb.load_key(tmp_path / "k").description == description


@pytest.mark.parametrize("text", ["", "2026", "{desc: 1}", '{"desc": 1}', "=a", "a=1,a=2", "{}"])
def test_descriptions_that_are_refused(tmp_path: Path, text: str) -> None:
    result = invoke("keygen", tmp_path / "k", *SHORT, "--description", text)
    assert result.exit_code == 2
    error_of(result)
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_the_description_is_made_of_file_and_date(tmp_path: Path) -> None:
    assert program("keygen", tmp_path / "billing.pem", *SHORT).returncode == 0
    (description,) = cb.load_key(tmp_path / "billing.pem").description.items()
    assert description[0] == "desc"
    assert description[1].startswith("billing-20")


def test_on_a_terminal_the_description_is_asked_for(tmp_path: Path) -> None:
    session = on_terminal(
        "keygen", tmp_path / "k", *SHORT, answers=[("find this key", "desc=asked\n")]
    )
    assert session.code == 0
    assert cb.load_key(tmp_path / "k").description == {"desc": "asked"}


def test_on_a_terminal_the_passphrase_is_asked_for_twice_without_echo(tmp_path: Path) -> None:
    session = on_terminal(
        "keygen",
        tmp_path / "k",
        *SHORT,
        "--passphrase",
        answers=[("find this key", "\n"), ("passphrase", "hush hush\n"), ("again", "hush hush\n")],
    )
    assert session.code == 0
    assert "hush" not in session.screen
    assert cb.load_key(tmp_path / "k", passphrase=lambda: "hush hush").description


@pytest.mark.parametrize(
    ("first", "again", "complaint"), [("hush", "hash", "differ"), ("", "", "protects nothing")]
)
def test_passphrases_that_are_refused(
    tmp_path: Path, first: str, again: str, complaint: str
) -> None:
    answers = [("New passphrase", f"{first}\n"), ("same again", f"{again}\n")]
    session = on_terminal(
        *("keygen", tmp_path / "k", *SHORT, "-d", "a=b", "--passphrase"),
        answers=answers if first else answers[:1],
    )
    assert session.code == 4
    assert complaint in session.screen
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_the_passphrase_is_the_environments(tmp_path: Path) -> None:
    args = ("keygen", tmp_path / "k", *SHORT, "--passphrase")
    refused = program(*args)
    assert refused.returncode == 4
    assert b"set CIPHERBUCKET_PASSPHRASE" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    succeed(*args, env={"CIPHERBUCKET_PASSPHRASE": "hush"})
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "k").read_bytes()
    assert cb.load_key(tmp_path / "k", passphrase=lambda: "hush").description
