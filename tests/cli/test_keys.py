"""Keys in use: passphrases, ``keys check``, the environment, and no key in any output."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, program, succeed

import cipherbucket as cb

SHORT = ("--bits", "2048")


def test_an_encrypted_key_reads_and_writes(url: str, locked_key_file: Path) -> None:
    args = ("cp", "-k", locked_key_file, "-", f"{url}/a")
    env = {"CIPHERBUCKET_PASSPHRASE": "open sesame"}
    succeed(*args, stdin=b"secret", env=env)
    read = ("cat", "-k", locked_key_file, f"{url}/a")
    assert succeed(*read, env=env).stdout == "secret"
    refused = invoke(*read, env={"CIPHERBUCKET_PASSPHRASE": "open barley"})
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "sesame" not in error_of(refused)
    assert "barley" not in refused.stderr
    unasked = program(*read)  # without a terminal to ask on
    assert (unasked.returncode, unasked.stdout) == (4, b"")
    assert unasked.stderr.count(b"\n") == 1


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
