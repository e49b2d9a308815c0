"""What ``rotate`` and ``reencrypt`` say of what cannot be done, and who is to read it then."""

import shutil
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, succeed

import cipherbucket as cb


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return the folder of three keys, and of the public half of the last."""
    for name in ("mine", "bob", "recovery"):
        cb.create_rsa_key_file(tmp_path / f"{name}.pem", description={"desc": name}, bits=2048)
    return tmp_path


@pytest.fixture
def shared(url: str, keys: Path) -> str:
    """Return the URL of a store: two sealed objects of mine, which Bob can open, too."""
    mine, bob = (cb.load_key(keys / f"{name}.pem") for name in ("mine", "bob"))
    with cb.open_bucket(url, mine, format="sealed", recipients=[bob]) as bucket:
        bucket.put("shared/a", b"aaa")
        bucket.put("shared/b", b"bbb")
    return url


def readers(url: str, name: str) -> list[str]:
    with cb.open_bucket(url) as bucket:
        envelope = bucket.head(name).envelope
    assert envelope is not None
    return [each.description["desc"] for each in envelope.recipients]


def told(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines()]


def test_recipients_named_take_the_place_of_those_that_are_there(shared: str, keys: Path) -> None:
    sealed = ("--format", "sealed", "-k", keys / "mine.pem")
    named = ("--recipient", keys / "recovery.pem.pub")
    succeed("reencrypt", *sealed, *named, f"{shared}/shared/a")
    assert readers(shared, "shared/a") == ["mine", "recovery"]
    planned = succeed("reencrypt", "-r", "--dry-run", *sealed, *named, f"{shared}/shared")
    assert told(planned.stdout)[0].startswith("to be reencrypted 2 objects")
    succeed("reencrypt", "-r", *sealed, *named, f"{shared}/shared")
    assert readers(shared, "shared/b") == ["mine", "recovery"]
    assert succeed("cat", *sealed, f"{shared}/shared/b").stdout == "bbb"


def test_recipients_are_for_sealed_objects(shared: str, keys: Path) -> None:
    missing = ("--recipient", keys / "missing")
    result = invoke("reencrypt", "-r", "-k", keys / "mine.pem", *missing, shared)
    assert result.exit_code == 2
    assert "--recipient is for format sealed" in error_of(result)


def test_a_dry_run_foresees_a_recipient_whose_key_is_missing(shared: str, keys: Path) -> None:
    args = ("reencrypt", "-r", "--format", "sealed", "-k", keys / "mine.pem", f"{shared}/shared")
    for option in ((), ("--dry-run",)):
        result = invoke(*args, *option)
        assert result.exit_code == 1
        assert result.stderr.count("--recipient KEY; if it is to read no more") == 2
        assert [line.rpartition("objects")[0] for line in told(result.stdout)] == [
            "to be reencrypted 0 " if option else "reencrypted 0 ",
            "failed 2 ",
        ]
    assert readers(shared, "shared/a") == ["mine", "bob"]
    planned = succeed(*args, "--dry-run", "-k", keys / "bob.pem.pub")
    assert told(planned.stdout)[0].startswith("to be reencrypted 2 objects")


def test_a_dry_run_foresees_that_no_key_opens_it(url: str, keys: Path) -> None:
    with cb.open_bucket(url, cb.load_key(keys / "bob.pem")) as bucket:
        bucket.put("a", b"aaa")
    result = invoke("reencrypt", "-r", "--dry-run", "-k", keys / "mine.pem", url)
    assert result.exit_code == 1
    assert told(result.stdout)[0] == "to be reencrypted 0 objects 0 bytes"
    assert "the object's key is described as" in result.stderr


def test_a_dry_run_with_nothing_to_do_does_not_say_that_it_was_done(url: str, keys: Path) -> None:
    with cb.open_store(url) as store:
        store.put("plain", b"plain")
    for command in ("rotate", "reencrypt"):
        planned = succeed(command, "-r", "--dry-run", "-k", keys / "mine.pem", url)
        done = {"rotate": "rotated", "reencrypt": "reencrypted"}[command]
        assert told(planned.stdout)[0] == f"to be {done} 0 objects 0 bytes"


def test_objects_of_all_formats_are_taken_unless_a_format_is_named(shared: str, keys: Path) -> None:
    args = ("-k", keys / "recovery.pem", "-k", keys / "mine.pem")
    one = invoke("rotate", "--format", "oss", *args, f"{shared}/shared/a")
    many = invoke("rotate", "-r", "--format", "oss", *args, f"{shared}/shared")
    assert (one.exit_code, many.exit_code) == (5, 1)
    for result in (one, many):
        assert (
            "read it with --format sealed, or beside others with --accept sealed" in result.stderr
        )
        assert "tries these again" not in result.stdout
    succeed("rotate", "-r", "--format", "oss", "--accept", "sealed", *args, f"{shared}/shared")
    assert readers(shared, "shared/a") == ["recovery", "bob"]
    succeed("rotate", "-r", "-k", keys / "mine.pem", "-k", keys / "recovery.pem", shared)
    assert readers(shared, "shared/b") == ["mine", "bob"]


def test_an_object_that_names_no_key_is_not_one_described_as_nothing(url: str, keys: Path) -> None:
    shutil.copy(keys / "bob.pem", keys / "bare.pem")
    succeed("cp", "-k", keys / "bare.pem", "-", f"{url}/a", stdin=b"1")
    told = error_of(invoke("cat", "-k", keys / "mine.pem", f"{url}/a"))
    assert "it names no key" in told
    assert "if you know the key, read with --force-key KEY" in told
    assert "add the key" not in told


@pytest.mark.parametrize("error", [cb.TransientStoreError, cb.KmsError])
def test_what_may_pass_is_tried_again(
    url: str, keys: Path, monkeypatch: pytest.MonkeyPatch, error: type[cb.CipherbucketError]
) -> None:
    with cb.open_bucket(url, cb.load_key(keys / "mine.pem")) as bucket:
        bucket.put("a", b"aaa")

    def fails(*_: object, **__: object) -> None:
        raise error("down")

    monkeypatch.setattr("cipherbucket.rotation.passes.reencrypted_object", fails)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    result = invoke("reencrypt", "-r", "-k", keys / "mine.pem", url)
    assert told(result.stdout)[1] == "failed 1 object 3 bytes; the same command tries these again"


def test_verbose_says_what_became_of_each_object(shared: str, keys: Path) -> None:
    with cb.open_store(shared) as store:
        store.put("shared/c", b"plaintext")
    args = ("-r", "-v", "--format", "sealed", "-k", keys / "bob.pem", f"{shared}/shared")
    planned = succeed("reencrypt", "-n", "-k", keys / "mine.pem", *args)
    assert told(planned.stderr)[:3] == [
        "cipherbucket: to be reencrypted shared/a",
        "cipherbucket: to be reencrypted shared/b",
        "cipherbucket: skipped shared/c (of kind plaintext)",
    ]
    failing = invoke("reencrypt", *args)  # the other recipient's key is missing
    assert failing.exit_code == 1
    assert failing.stderr.count("shared/a") == 1
