"""Public halves whose description file is missing, and what is said in its place."""

from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Return a public half that came without its description, of a key for format sealed alone."""
    cb.create_rsa_key_file(
        tmp_path / "bob.pem", description={"desc": "bob"}, bits=2048, sealed_only=True
    )
    alone = tmp_path / "sent" / "bob.pem.pub"
    alone.parent.mkdir()
    alone.write_bytes((tmp_path / "bob.pem.pub").read_bytes())
    return alone


def described(url: str, name: str) -> list[dict[str, str]]:
    envelope = cb.open_bucket(url).head(name).envelope
    assert envelope is not None
    return [dict(each.description) for each in envelope.recipients]


def test_it_neither_writes_nor_becomes_a_recipient(url: str, key_file: Path, public: Path) -> None:
    for options in (
        ("-k", public),
        ("-k", public, "--format", "sealed"),
        ("-k", key_file, "--format", "sealed", "--recipient", public),
    ):
        result = invoke("cp", *options, "-", f"{url}/a", stdin=b"1")
        assert result.exit_code == 4
        assert f"{public.parent}/bob.pem.json is missing" in error_of(result)
        assert "--description NAME=VALUE, or --no-description" in result.stderr
    refused = invoke("audit", "--retire", public, url)
    assert refused.exit_code == 4
    assert "bob.pem.json is missing" in error_of(refused)
    assert invoke("stat", f"{url}/a").exit_code == 3


@pytest.mark.parametrize("text", ["desc=bob", '{"desc":"bob"}'])
def test_a_description_that_is_given_is_that_of_keys_without_one(
    url: str, key_file: Path, public: Path, text: str
) -> None:
    to = ("--recipient", public, "--description", text)
    succeed("cp", "-k", key_file, "--format", "sealed", *to, "-", f"{url}/a", stdin=b"1")
    assert described(url, "a") == [{"desc": "mine"}, {"desc": "bob"}]
    key = public.parent.parent / "bob.pem"
    assert succeed("cat", "-k", key, f"{url}/a").stdout == "1"


def test_only_the_description_of_the_key_itself_keeps_a_given_one_out(
    url: str, public: Path
) -> None:
    public.with_name("bob.pem.pub.json").write_text("{}")  # which nothing reads
    options = ("-k", public, "--format", "sealed", "--description", "desc=bob")
    succeed("cp", *options, "-", f"{url}/a", stdin=b"1")
    assert described(url, "a") == [{"desc": "bob"}]


def test_that_a_key_has_none_is_said(url: str, public: Path) -> None:
    succeed("cp", "-k", public, "--no-description", "-", f"{url}/a", stdin=b"1")
    assert described(url, "a") == [{}]
    both = invoke("cat", "-k", public, "--no-description", "--description", "a=b", f"{url}/a")
    assert both.exit_code == 2
    wrong = invoke("cat", "-k", public, "--description", "bob", f"{url}/a")
    assert wrong.exit_code == 2
    assert "'bob' is no description" in wrong.stderr


def test_key_files_that_others_can_write_are_refused_and_named(url: str, tmp_path: Path) -> None:
    key = tmp_path / "k.pem"
    cb.create_rsa_key_file(key, description={"desc": "k"}, bits=2048)
    for loose in (f"{key}.pub", f"{key}.json"):
        Path(loose).chmod(0o646)
        for options in (("-k", f"{key}.pub"), ("-k", key, "--recipient", f"{key}.pub")):
            sealed = ("--format", "sealed")
            result = invoke("cp", *options, *sealed, "-", f"{url}/a", stdin=b"1")
            assert result.exit_code == 4
            assert f"chmod go-w {loose}" in error_of(result)
        Path(loose).chmod(0o644)


def test_the_list_of_keys_shows_what_can_be_pinned(key_file: Path) -> None:
    listed = succeed("keys", "-k", key_file).stdout
    assert f"    fingerprint  {cb.load_key(key_file).id}\n" in listed
