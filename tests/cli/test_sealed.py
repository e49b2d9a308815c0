"""Objects of the sealed format: ``cp``, ``cat``, ``ls``, ``stat`` and ``keys check``."""

import json
from pathlib import Path

import pytest
from tests.cli.runs import error_of, invoke, on_terminal, read, succeed
from tests.support.stub_kms import KEY_ID, OTHER_ID, stub_kms

import cipherbucket as cb

BODY = bytes(range(256)) * 200
SEALED = ("--format", "sealed")


@pytest.fixture(scope="session")
def aes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "vault.key"
    cb.create_aes_key_file(path, description={"desc": "vault"})
    return path


@pytest.fixture(scope="session")
def sealed_only_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "only.pem"
    cb.create_rsa_key_file(path, description={"desc": "only"}, bits=2048, sealed_only=True)
    return path


@pytest.fixture
def sealed(url: str, key_file: Path) -> cb.Bucket:
    """Return the store as one of sealed objects."""
    return cb.open_bucket(url, cb.load_key(key_file), format="sealed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BODY)
    return path


def move(url: str, name: str, target: str) -> None:
    """Copy an object as whoever controls the store can."""
    with cb.open_store(url) as store:
        store.copy(name, target)


def line(output: str, label: str) -> str:
    """Return what ``stat`` says behind a label."""
    (text,) = (row for row in output.splitlines() if row.startswith(f"{label}  "))
    return text.removeprefix(label).strip()


def test_what_is_written_sealed_is_read_sealed(url: str, key_file: Path, file: Path) -> None:
    succeed("cp", "-k", key_file, *SEALED, file, f"{url}/a")
    assert succeed("cat", "-k", key_file, *SEALED, f"{url}/a").stdout_bytes == BODY
    args = ("cat", "-k", key_file, *SEALED, "--range", "16380-16400", f"{url}/a")
    assert succeed(*args).stdout_bytes == BODY[16380:16401]
    succeed("cp", "-q", "-k", key_file, *SEALED, f"{url}/a", file.with_name("copy"))
    assert file.with_name("copy").read_bytes() == BODY


@pytest.mark.parametrize("kind", ["aes", "sealed only"])
def test_a_key_that_serves_sealed_alone_chooses_the_format(
    url: str, key_file: Path, aes_file: Path, sealed_only_file: Path, file: Path, kind: str
) -> None:
    key = aes_file if kind == "aes" else sealed_only_file
    succeed("cp", "-k", key, "-k", key_file, file, f"{url}/a")
    assert succeed("cat", "-k", key, f"{url}/a").stdout_bytes == BODY
    assert succeed("cat", "--force-key", key, f"{url}/a").stdout_bytes == BODY
    assert line(succeed("stat", f"{url}/a").stdout, "format") == "sealed"
    succeed("cp", "-k", key_file, "-k", key, file, f"{url}/b")
    assert line(succeed("stat", f"{url}/b").stdout, "format") == "oss"


def test_a_tree_goes_up_and_down(url: str, key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (tmp_path / "tree" / name).write_text(name)
    succeed("cp", "-k", key_file, *SEALED, "-r", tmp_path / "tree", f"{url}/t/")
    succeed("cp", "-k", key_file, *SEALED, "-r", f"{url}/t/", tmp_path / "down")
    assert (tmp_path / "down" / "sub" / "b").read_text() == "sub/b"
    lines = [row.split() for row in succeed("ls", "-lr", url).stdout.splitlines()]
    assert [(row[1], row[2], row[-1]) for row in lines] == [
        ("1", "sealed", "t/a"),
        ("5", "sealed", "t/sub/b"),
    ]


def test_each_format_is_refused_where_the_other_is_read(
    url: str, bucket: cb.Bucket, sealed: cb.Bucket, key_file: Path
) -> None:
    bucket.put("oss", BODY)
    sealed.put("sealed", BODY)
    refused = invoke("cat", "-k", key_file, f"{url}/sealed")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "read it with --format sealed" in error_of(refused)
    refused = invoke("cat", "-k", key_file, *SEALED, f"{url}/oss")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "read it with --accept oss; if not, someone put it" in error_of(refused)
    for args in (
        ("--accept", "sealed", f"{url}/sealed"),
        (*SEALED, "--accept", "oss", f"{url}/oss"),
    ):
        assert succeed("cat", "-k", key_file, *args).stdout_bytes == BODY


def test_an_oss_store_is_copied_into_a_sealed_one(
    url: str, bucket: cb.Bucket, sealed: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", BODY, metadata={"owner": "me"})
    sealed.put("b", BODY, context={"use": "test"})
    target = f"file://{tmp_path}/target"
    cb.make_bucket(target)
    args = ("cp", "-k", key_file, *SEALED, "--context", "use=test", "-r", url, target)
    refused = invoke(*args)
    assert refused.exit_code == 1
    assert "--accept oss" in refused.stderr
    succeed(*args, "--accept", "oss")
    with cb.open_bucket(target, cb.load_key(key_file), format="sealed") as copied:
        for name in ("a", "b"):
            assert copied.get(name, context={"use": "test"}).read() == BODY
        assert copied.head("a").metadata == {"owner": "me"}


def test_recipients_open_what_was_sealed_for_them(
    url: str, key_file: Path, other_key_file: Path, aes_file: Path, file: Path
) -> None:
    recipients = ("--recipient", f"{other_key_file}.pub", "--recipient", aes_file)
    succeed("cp", "-k", key_file, *SEALED, *recipients, file, f"{url}/a")
    for key in (key_file, other_key_file, aes_file):
        assert succeed("cat", "-k", key, *SEALED, f"{url}/a").stdout_bytes == BODY
    yes = succeed("keys", "check", "-k", other_key_file, f"{url}/a").stdout
    assert yes == f'yes: {other_key_file} opens it, found by {{"desc":"other"}}, recipient 2 of 3\n'
    yes = succeed("keys", "check", "--force-key", other_key_file, f"{url}/a").stdout
    assert 'the object has 3 recipients, the key {"desc":"other"}' in yes
    yes = succeed("keys", "check", "--force-key", aes_file, f"{url}/a").stdout
    assert 'the object has {"desc":"vault"}' in yes


def test_a_copy_within_the_store_keeps_its_recipients_or_says_who_is_lost(
    url: str, sealed: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    public = f"{other_key_file}.pub"
    sealed.put("a", BODY, recipients=[cb.load_key(public)])
    args = ("cp", "-q", "-k", key_file, *SEALED, f"{url}/a", f"{url}/b")
    refused = invoke(*args)
    assert refused.exit_code == 4
    assert "with -k KEY, or say whom the new one is for: --recipient KEY" in error_of(refused)
    succeed(*args, "-k", public)
    assert succeed("cat", "-k", other_key_file, *SEALED, f"{url}/b").stdout_bytes == BODY
    lost = succeed(*args, "--metadata", "x=y")
    assert 'warning: copies are not sealed for {"desc":"other"}' in error_of(lost)
    kept = succeed(*args, "--metadata", "x=y", "--recipient", public)
    assert kept.stderr == ""
    assert succeed("cat", "-k", other_key_file, *SEALED, f"{url}/b").stdout_bytes == BODY


def test_a_context_is_for_writing_and_reading(url: str, key_file: Path, file: Path) -> None:
    told = ("--context", "tenant=7", "--context", "use=a=b")
    succeed("cp", "-k", key_file, *SEALED, *told, file, f"{url}/a")
    args = ("cat", "-k", key_file, *SEALED, f"{url}/a")
    assert succeed(*args, *told[2:], *told[:2]).stdout_bytes == BODY
    assert succeed("cp", *args[1:], *told, "-").stdout_bytes == BODY
    for given, text in (
        ((), "give the pairs it was written with: --context NAME=VALUE"),
        (told[:2], "the object was sealed with another context"),
    ):
        refused = invoke(*args, *given)
        assert (refused.exit_code, refused.stdout) == (5, "")
        assert text in error_of(refused)
    for wrong in ("tenant", "=7"):
        assert invoke(*args, "--context", wrong).exit_code == 2
    assert "given twice" in error_of(invoke(*args, "--context", "a=1", "--context", "a=2"))


def test_a_moved_object_is_read_only_knowingly(
    url: str, sealed: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    sealed.put("a", BODY)
    move(url, "a", "b")
    keyed = ("-k", key_file, *SEALED)
    refused = invoke("cat", *keyed, f"{url}/b")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "under the name 'a' (someone moved it;" in error_of(refused)
    assert "--as-name NAME" in refused.stderr
    assert succeed("cat", *keyed, "--as-name", "a", f"{url}/b").stdout_bytes == BODY
    succeed("cp", "-q", *keyed, "--as-name", "a", f"{url}/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    succeed("cp", "-q", *keyed, "--as-name", "a", f"{url}/b", f"{url}/c")
    assert read(sealed, "c") == BODY
    assert invoke("cat", *keyed, "--as-name", "z", f"{url}/b").exit_code == 5


def test_an_unbound_object_can_be_renamed_in_the_store(
    url: str, key_file: Path, file: Path
) -> None:
    unbound = ("-k", key_file, *SEALED, "--accept", "unbound")
    refused = invoke("cp", "-k", key_file, *SEALED, "--no-bind-name", file, f"{url}/a")
    assert refused.exit_code == 2
    assert "add --accept unbound" in error_of(refused)
    succeed("cp", *unbound, "--no-bind-name", file, f"{url}/a")
    move(url, "a", "b")
    assert succeed("cat", *unbound, f"{url}/b").stdout_bytes == BODY
    refused = invoke("cat", "-k", key_file, *SEALED, f"{url}/b")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "--accept unbound" in error_of(refused)
    assert "bound to no name" in invoke("verify", "-k", key_file, f"{url}/b").stderr
    succeed("verify", "-k", key_file, "--accept", "unbound", f"{url}/b")
    assert "bound to no name" in invoke("repair", "-fk", key_file, f"{url}/b").stderr
    succeed("repair", "-fk", key_file, "--accept", "unbound", f"{url}/b")
    assert "yes" in succeed("keys", "check", "-k", key_file, f"{url}/b").stdout
    succeed("rotate", *unbound, f"{url}/b")
    assert "bound to no name" in invoke("rotate", "-k", key_file, *SEALED, f"{url}/b").stderr
    assert "no name: it opens under any" in succeed("stat", f"{url}/b").stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--context", "a=b"), "--context is for format sealed"),
        (("--recipient", "KEY"), "--recipient is for format sealed"),
        (("--no-bind-name",), "--no-bind-name is for format sealed"),
    ],
)
def test_options_of_sealed_objects_are_refused_for_oss_before_anything_is_sent(
    url: str, key_file: Path, tmp_path: Path, options: tuple[str, ...], text: str
) -> None:
    (tmp_path / "tree").mkdir()
    for name in "ab":
        (tmp_path / "tree" / name).write_text(name)
    given = [str(key_file) if option == "KEY" else option for option in options]
    refused = invoke("cp", "-k", key_file, *given, "-r", tmp_path / "tree", url)
    assert refused.exit_code == 2
    assert text in error_of(refused)
    assert "add --format sealed" in refused.stderr
    assert succeed("ls", url).stdout == ""


def test_options_where_they_mean_nothing_are_refused(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path
) -> None:
    bucket.put("a", BODY)
    keyed = ("-k", key_file, *SEALED)
    for args, text in (
        (("cat", "-k", key_file, "--as-name", "a", f"{url}/a"), "--as-name is for format sealed"),
        (("cat", "-k", key_file, "--context", "a=b", f"{url}/a"), "add --format sealed"),
        (("cp", *keyed, "--as-name", "x", file, f"{url}/b"), "--as-name is for reading"),
        (("cp", *keyed, "--as-name", "x", "-r", url, f"{url}/b"), "--as-name is for reading"),
        (("cp", *keyed, "--no-bind-name", f"{url}/a", file), "not for files"),
        (("cp", *keyed, "--recipient", key_file, f"{url}/a", file), "not for files"),
    ):
        refused = invoke(*args)
        assert refused.exit_code == 2, args
        assert text in error_of(refused)
    # An object that can have no context, read by somebody who gives one.
    refused = invoke("cat", *keyed, "--accept", "oss", "--context", "a=b", f"{url}/a")
    assert refused.exit_code == 5
    assert "leave out --context" in error_of(refused)


def test_stat_tells_a_sealed_object(
    url: str, sealed: cb.Bucket, key_file: Path, other_key_file: Path, aes_file: Path
) -> None:
    sealed.put("a", BODY, recipients=[cb.load_key(other_key_file), cb.load_key(aes_file)])
    output = succeed("stat", f"{url}/a").stdout
    envelope = sealed.head("a").envelope
    assert envelope is not None
    assert envelope.seal is not None
    for label, text in (
        ("size", "51,200 bytes (a claim, until the end of the object is read)"),
        ("format", "sealed"),
        ("content", "AES-256-GCM in chunks (C2SP chunked-encryption, Cobblestone-256)"),
        ("object id", envelope.seal.object_id.hex()),
        ("bound to", "its name; no context"),
        ("recipient 1", '{"desc":"mine"}, RSA-OAEP-SHA-256, wrapped key of 256 bytes'),
        ("recipient 3", '{"desc":"vault"}, AES-256-KWP, wrapped key of 40 bytes'),
        ("envelope", "not verified; that takes a key that opens the object"),
        ("opens with", "not tried; give keys with -k KEY"),
    ):
        assert line(output, label) == text
    assert "public half of a recipient's key" in line(output, "origin")
    assert "footer" not in output
    output = succeed("stat", "-k", aes_file, f"{url}/a").stdout
    assert line(output, "envelope") == "authentic"
    assert line(output, "opens with").endswith("found by its description, recipient 3")
    session = on_terminal("stat", "-k", aes_file, f"{url}/a", columns=70)
    assert max(map(len, session.screen.splitlines())) <= 70


def test_stat_says_who_can_have_made_an_object_of_an_aes_key(
    url: str, aes_file: Path, file: Path
) -> None:
    succeed("cp", "-k", aes_file, "--context", "a=b", file, f"{url}/a")
    known = succeed("stat", "-k", aes_file, "--context", "a=b", f"{url}/a").stdout
    assert line(known, "origin").startswith("only holders of the AES key can have made it;")
    assert line(known, "bound to") == "its name; a context, to be given by --context"
    unknown = succeed("stat", "-k", aes_file, f"{url}/a").stdout
    assert "made it, if that key opens it" in line(unknown, "origin")
    assert line(unknown, "opens with").startswith("none, as it is: 'a': the object is bound to a c")
    assert line(unknown, "envelope").startswith("not verified")


def test_stat_says_who_can_have_made_an_object_of_a_kms_key(
    url: str, sealed: cb.Bucket, aes_file: Path
) -> None:
    with stub_kms() as kms:
        key, other = (kms.key(each) for each in (KEY_ID, OTHER_ID))
        with cb.open_bucket(url, key, format="sealed") as bucket:
            bucket.put("one", BODY)
            bucket.put("two", BODY, recipients=[other])
            bucket.put("mixed", BODY, recipients=[cb.load_key(aes_file)])
        sealed.put("rsa", BODY, recipients=[key])
    for name, who in (
        ("one", "whoever may use the KMS key and may write to the store can have made it;"),
        ("two", "whoever may use one of these KMS keys and may write to the store"),
        ("mixed", "whoever may use one of these KMS keys or holds one of the AES keys and may"),
        ("rsa", "anyone who holds the public half"),
    ):
        assert line(succeed("stat", f"{url}/{name}").stdout, "origin").startswith(who)


def test_stat_shows_recipients_of_the_first_day_where_they_differ(
    url: str, sealed: cb.Bucket, key_file: Path, other_key_file: Path, aes_file: Path
) -> None:
    sealed.put("a", BODY, recipients=[cb.load_key(other_key_file)])
    cb.recipients.remove(sealed, "a", cb.load_key(other_key_file))
    cb.recipients.add(sealed, "a", cb.load_key(aes_file))
    output = succeed("stat", "-k", key_file, f"{url}/a").stdout
    assert line(output, "recipient 2").startswith('{"desc":"vault"}')
    assert "those of the day it was sealed" in line(output, "footer")
    assert line(output, "first recipient 2").startswith('{"desc":"other"}')
    assert line(output, "envelope") == "authentic"
    facts = json.loads(succeed("stat", "--json", "-k", key_file, f"{url}/a").stdout)
    now, first = facts["recipients"], facts["sealed_recipients"]
    assert [each["description"]["desc"] for each in now] == ["mine", "vault"]
    assert [each["description"]["desc"] for each in first] == ["mine", "other"]
    assert facts["envelope_authentic"] is True
    assert facts["key"]["recipient"] == 1
    assert (facts["name_bound"], facts["context_bound"]) == (True, False)


def test_stat_shows_what_was_moved_altered_or_damaged(
    url: str, sealed: cb.Bucket, key_file: Path, other_key_file: Path
) -> None:
    sealed.put("a", BODY)
    move(url, "a", "b")
    moved = succeed("stat", "-k", key_file, f"{url}/b").stdout
    assert line(moved, "bound to") == "another name, by its footer 'a': it was moved; no context"
    assert line(moved, "envelope") == "authentic"
    assert line(moved, "opens with").startswith("none, as it is: 'b': the object was sealed under")
    sealed.put("other", BODY, recipients=[cb.load_key(other_key_file)])
    with cb.open_store(url) as store:
        ours, theirs = (dict(store.head(name).metadata) for name in ("a", "other"))
        store.put("c", b"?" * 1000, metadata=theirs)
        cb.recipients.add(sealed, "a", cb.load_key(other_key_file))
        added = store.head("a").metadata["cipherbucket-recipients"]
        altered = {**ours, "cipherbucket-recipients": added}
        store.replace_metadata("a", metadata=altered, headers={})
    output = succeed("stat", "-k", key_file, f"{url}/a").stdout
    assert line(output, "envelope").startswith("ALTERED")
    assert "the recipients are not those" in line(output, "opens with")
    assert line(succeed("stat", f"{url}/c").stdout, "footer").startswith("damaged: footer: ")
    check = invoke("keys", "check", "-k", key_file, f"{url}/a")
    assert check.exit_code == 5


def test_stat_and_check_can_be_told_to_look_at_one_format(
    url: str, bucket: cb.Bucket, key_file: Path
) -> None:
    bucket.put("a", BODY)
    for command in (("stat",), ("keys", "check")):
        succeed(*command, "-k", key_file, f"{url}/a")
        refused = invoke(*command, "-k", key_file, *SEALED, f"{url}/a")
        assert refused.exit_code == 5
        assert "the object has format oss" in error_of(refused)


def test_ls_long_goes_on_after_an_impossible_length(url: str, sealed: cb.Bucket) -> None:
    sealed.put("a", BODY)
    sealed.put("b", BODY)
    with cb.open_store(url) as store:
        store.put("a", b"short", metadata=store.head("a").metadata)
    result = invoke("ls", "-l", url)
    assert result.exit_code == 1
    rows = [row.split() for row in result.stdout.splitlines()]
    assert [row[1] for row in rows] == ["malformed", "51,200"]
    assert error_of(result).startswith("cipherbucket: 'a': ")


def test_a_flipped_bit_is_never_written_out(
    url: str, sealed: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    info = sealed.put("a", BODY)
    (path,) = (tmp_path / "store").rglob(info.etag)
    body = bytearray(path.read_bytes())
    body[30_000] ^= 1
    with cb.open_store(url) as store:
        store.put("a", bytes(body), metadata=store.head("a").metadata)
    keyed = ("-k", key_file, *SEALED)
    assert succeed("cat", *keyed, "--range", "0-99", f"{url}/a").stdout_bytes == BODY[:100]
    refused = invoke("cat", *keyed, "--range", "29000-29010", f"{url}/a")
    assert (refused.exit_code, refused.stdout) == (5, "")
    refused = invoke("cp", *keyed, f"{url}/a", tmp_path / "down")
    assert refused.exit_code == 5
    assert not (tmp_path / "down").exists()
