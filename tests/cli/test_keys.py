"""``keygen`` and ``keys check``."""

import json
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
    refused = invoke("cp", "-k", file, "-", f"{url}/new", stdin=b"1")
    assert refused.exit_code == 4
    assert "sealed" in error_of(refused)
    assert invoke("stat", f"{url}/new").exit_code == 3
    bucket.put("a", b"1")
    for option in ("-k", "--force-key"):
        refused = invoke("cat", f"{url}/a", option, file)
        assert (refused.exit_code, refused.stdout) == (4, "")
        error_of(refused)
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
    assert program(*args, env={"CIPHERBUCKET_PASSPHRASE": "hush"}).returncode == 0
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "k").read_bytes()
    assert cb.load_key(tmp_path / "k", passphrase=lambda: "hush").description


def test_an_encrypted_key_reads_and_writes(url: str, locked_key_file: Path) -> None:
    args = ("cp", "-k", locked_key_file, "-", f"{url}/a")
    env = {"CIPHERBUCKET_PASSPHRASE": "open sesame"}
    assert program(*args, stdin=b"secret", env=env).returncode == 0
    assert program("cat", "-k", locked_key_file, f"{url}/a", env=env).stdout == b"secret"
    for wrong in ({}, {"CIPHERBUCKET_PASSPHRASE": "open barley"}):
        refused = program("cat", "-k", locked_key_file, f"{url}/a", env=wrong)
        assert (refused.returncode, refused.stdout) == (4, b"")
        assert refused.stderr.count(b"\n") == 1
        assert b"sesame" not in refused.stderr
        assert b"barley" not in refused.stderr


def test_a_passphrase_is_asked_for_even_where_stdin_and_stdout_are_pipes(
    url: str, locked_key_file: Path
) -> None:
    session = on_terminal(
        *("cp", "-q", "-k", locked_key_file, "-", f"{url}/a"),
        stdin_piped=b"secret",
        answers=[("Passphrase of", "open sesame\n")],
    )
    assert session.code == 0
    session = on_terminal(
        *("cat", "-k", locked_key_file, f"{url}/a"),
        stdout_piped=True,
        answers=[("Passphrase of", "open sesame\n")],
    )
    assert (session.code, session.stdout) == (0, b"secret")
    assert "sesame" not in session.screen


def test_check_says_that_a_key_is_found_by_its_description(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    bucket.put("a", b"1")
    output = succeed("keys", "check", f"{url}/a", "-k", other_key_file, "-k", key_file).stdout
    assert output == f'yes: {key_file} opens it, found by {{"desc":"mine"}}\n'


def test_check_says_that_a_key_opens_only_when_forced(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    bare = tmp_path / "bare.pem"
    bare.write_bytes(key_file.read_bytes())
    for option in ("-k", "--force-key"):
        output = succeed("keys", "check", f"{url}/a", option, bare).stdout
        assert output.startswith(f"yes, but only forced: {bare} opens it with --force-key")
        assert output.endswith('has {"desc":"mine"}, the key no description\n')
    assert succeed("cat", f"{url}/a", "--force-key", bare).stdout == "1"


@pytest.mark.parametrize("how", ["other", "namesake", "public half"])
def test_check_says_no(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    other_key_file: Path,
    namesake_file: Path,
    how: str,
) -> None:
    bucket.put("a", b"1")
    file = {"other": other_key_file, "namesake": namesake_file, "public half": f"{key_file}.pub"}
    result = invoke("keys", "check", f"{url}/a", "-k", file[how])
    assert result.exit_code == 4
    assert result.stdout.startswith("no: ")
    assert result.stderr == ""


def test_check_of_what_is_not_an_encrypted_object(
    url: str, bucket: cb.Bucket, key_file: Path
) -> None:
    with cb.open_store(url) as store:
        store.put("plain", b"1")
    assert invoke("keys", "check", f"{url}/plain", "-k", key_file).exit_code == 5
    assert invoke("keys", "check", f"{url}/nothing", "-k", key_file).exit_code == 3
    assert invoke("keys", "check", f"{url}/plain").exit_code == 2
    assert invoke("keys", "check", url, "-k", key_file).exit_code == 2


def test_check_of_a_damaged_description(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    bucket.put("a", b"1")
    with cb.open_store(url) as store:
        metadata = dict(store.head("a").metadata)
        store.replace_metadata(
            "a", metadata={**metadata, "client-side-encryption-matdesc": "[]"}, headers={}
        )
    output = succeed("keys", "check", f"{url}/a", "-k", key_file).stdout
    assert "only forced" in output
    assert "damaged" in output
    with cb.open_store(url) as store:
        metadata["client-side-encryption-wrap-alg"] = "ROT13"
        store.replace_metadata("a", metadata=metadata, headers={})
    assert invoke("keys", "check", f"{url}/a", "-k", key_file).exit_code == 5


def test_keys_come_from_the_environment(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    bucket.put("a", b"1")
    env = {"CIPHERBUCKET_KEY": f"{other_key_file}:{key_file}:"}
    assert succeed("cat", f"{url}/a", env=env).stdout == "1"
    succeed("cp", "-", f"{url}/b", stdin=b"2", env=env)
    envelope = bucket.head("b").envelope
    assert envelope is not None
    assert envelope.recipients[0].description == {"desc": "other"}
    assert invoke("cat", f"{url}/a", "-k", other_key_file, env=env).exit_code == 4


def test_no_output_holds_a_key(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"1")
    wrapped = [text for _, text in cb.open_store(url).head("a").metadata.items() if len(text) > 200]
    assert len(wrapped) == 2
    secrets = [
        line
        for file in (key_file, other_key_file)
        for line in file.read_text().splitlines()
        if "-----" not in line and len(line) == 64
    ]
    assert len(secrets) > 40
    cb.create_aes_key_file(tmp_path / "aes.key", description={"desc": "aes"})
    secrets.append((tmp_path / "aes.key").read_text().strip())
    (tmp_path / "broken.key").write_text(f"{secrets[-1]} ")
    for args in (
        ("keygen", tmp_path / "new.pem", *SHORT),
        ("cat", "-k", tmp_path / "aes.key", f"{url}/a"),
        ("cp", "-k", tmp_path / "aes.key", "-", f"{url}/b"),
        ("cat", "-k", tmp_path / "broken.key", f"{url}/a"),
        ("keygen", key_file),
        ("stat", "-k", key_file, f"{url}/a"),
        ("stat", "--json", "-k", key_file, f"{url}/a"),
        ("keys", "check", "-k", key_file, f"{url}/a"),
        ("keys", "check", "-k", other_key_file, f"{url}/a"),
        ("cat", "-k", other_key_file, f"{url}/a"),
        ("cat", "-k", f"{key_file}.json", f"{url}/a"),
        ("ls", "-l", "--json", url),
    ):
        output = invoke("--debug", *args).output
        for secret in (*secrets, *wrapped):
            assert secret not in output
            assert json.dumps(secret) not in output
    new = (tmp_path / "new.pem").read_text().splitlines()
    assert len(new) > 20
