"""Sealed bodies in plain files and pipes, and objects whose metadata is to be repaired."""

import base64
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, on_terminal, read, succeed

import cipherbucket as cb

BODY = bytes(range(256)) * 200


@pytest.fixture
def sealed(url: str, key_file: Path, other_key_file: Path) -> cb.Bucket:
    """Return a bucket with one object for two recipients."""
    policy = cb.Policy(unbound_names=True)
    bucket = cb.open_bucket(url, cb.load_key(key_file), format="sealed", policy=policy)
    bucket.put("dir/a", BODY, recipients=[cb.load_key(other_key_file)])
    return bucket


@pytest.fixture
def downloaded(sealed: cb.Bucket, tmp_path: Path) -> Path:
    """Return what another tool downloaded."""
    path = tmp_path / "a.sealed"
    path.write_bytes(stored_bytes(sealed, tmp_path, "dir/a"))
    return path


def stored_bytes(bucket: cb.Bucket, tmp_path: Path, name: str) -> bytes:
    (path,) = (tmp_path / "store").rglob(bucket.head(name).etag)
    return path.read_bytes()


def test_a_plain_file_is_opened_and_its_name_told(downloaded: Path, key_file: Path) -> None:
    result = succeed("cat", "-k", key_file, downloaded)
    assert result.stdout_bytes == BODY
    assert error_of(result).endswith("was sealed under the name 'dir/a'\n")
    for text, expected in (
        ("0-9", BODY[:10]),
        ("-20", BODY[-20:]),
        ("16000-17000", BODY[16000:17001]),
    ):
        assert succeed("cat", "-k", key_file, "--range", text, downloaded).stdout_bytes == expected


def test_a_name_can_be_demanded_of_a_plain_file(
    sealed: cb.Bucket, downloaded: Path, key_file: Path, tmp_path: Path
) -> None:
    right = succeed("cat", "-k", key_file, "--as-name", "dir/a", downloaded)
    assert (right.stdout_bytes, right.stderr) == (BODY, "")
    wrong = invoke("cat", "-k", key_file, "--as-name", "dir/b", downloaded)
    assert (wrong.exit_code, wrong.stdout) == (5, "")
    assert "it was sealed under the name 'dir/a'" in error_of(wrong)
    sealed.put("free", BODY, bind_name=False)
    downloaded.write_bytes(stored_bytes(sealed, tmp_path, "free"))
    unbound = succeed("cat", "-k", key_file, downloaded)
    assert unbound.stdout_bytes == BODY
    assert "was sealed under no name" in error_of(unbound)
    wrong = invoke("cat", "-k", key_file, "--as-name", "free", downloaded)
    assert (wrong.exit_code, wrong.stdout) == (5, "")


def test_a_context_is_demanded_of_a_plain_file_too(
    sealed: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    sealed.put("c", BODY, context={"use": "test"})
    (tmp_path / "c").write_bytes(stored_bytes(sealed, tmp_path, "c"))
    args = ("cat", "-k", key_file, tmp_path / "c")
    assert "--context NAME=VALUE" in error_of(invoke(*args))
    assert succeed(*args, "--context", "use=test").stdout_bytes == BODY


@pytest.mark.parametrize("how", ["-", "/dev/stdin", "fifo"])
def test_what_comes_through_a_pipe_is_kept_in_a_file_without_a_name(
    downloaded: Path, key_file: Path, tmp_path: Path, how: str
) -> None:
    (tmp_path / "tmp").mkdir()
    if how == "fifo":
        os.mkfifo(tmp_path / "fifo")
    source = "fifo" if how == "fifo" else how
    command = shlex.join([*PROGRAM, "cat", "-k", str(key_file), "--range", "-20", source])
    fed = (
        f"cat {downloaded} > fifo & {command}" if how == "fifo" else f"cat {downloaded} | {command}"
    )
    run = subprocess.run(
        ["/bin/sh", "-c", fed],
        capture_output=True,
        env={**base(), "TMPDIR": str(tmp_path / "tmp")},
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, BODY[-20:])
    assert run.stderr.decode() == f"cipherbucket: {source!r} was sealed under the name 'dir/a'\n"
    assert not list((tmp_path / "tmp").iterdir())


def test_a_file_that_cannot_be_opened_is_named(
    downloaded: Path, key_file: Path, namesake_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_bytes(b"no sealed body" * 100)
    for args, code in (
        (("-k", key_file, tmp_path / "text"), 5),
        (("-k", key_file, tmp_path / "nothing"), 2),
        (("-k", key_file, tmp_path), 2),
        (("-k", namesake_file, downloaded), 4),
        ((downloaded,), 4),
    ):
        refused = invoke("cat", *args)
        assert (refused.exit_code, refused.stdout) == (code, ""), args
        assert str(args[-1]) in error_of(refused)
    piped = invoke("cat", "-k", key_file, "-", stdin=b"no sealed body" * 100)
    assert (piped.exit_code, piped.stdout) == (5, "")
    assert piped.stderr.startswith("cipherbucket: '-': footer: ")


@pytest.mark.parametrize("at", [20, 100, 30_000, -100])
def test_a_flipped_bit_in_a_plain_file_is_found(downloaded: Path, key_file: Path, at: int) -> None:
    body = bytearray(downloaded.read_bytes())
    body[at] ^= 1
    downloaded.write_bytes(body)
    refused = invoke("cat", "-k", key_file, downloaded)
    assert refused.exit_code in {4, 5}
    assert BODY.startswith(refused.stdout_bytes)
    assert len(refused.stdout_bytes) < len(BODY)


def lose_metadata(url: str) -> None:
    with cb.open_store(url) as store:
        own = {"owner": "me"}
        store.replace_metadata("dir/a", metadata=own, headers={})


@pytest.mark.usefixtures("sealed")
def test_a_sealed_body_without_its_metadata_is_told_from_plaintext(
    url: str, key_file: Path
) -> None:
    lose_metadata(url)
    with cb.open_store(url) as store:
        for name, body in {"text": BODY, "empty": b""}.items():
            store.put(name, body)
    stripped = "body of a sealed object without its metadata; cipherbucket repair URL gives them"
    for name, said in (
        ("dir/a", stripped),
        ("text", "plaintext: NOT"),
        ("empty", "plaintext: NOT"),
    ):
        assert said in succeed("stat", f"{url}/{name}").stdout
        facts = json.loads(succeed("stat", "--json", f"{url}/{name}").stdout)
        assert facts["sealed_body"] is (name == "dir/a")
        refused = error_of(invoke("cat", "-k", key_file, "--format", "sealed", f"{url}/{name}"))
        assert 0 < refused.index("cipherbucket repair URL") < refused.index("--plaintext")


def test_repair_gives_an_object_its_metadata_back(
    url: str, sealed: cb.Bucket, key_file: Path
) -> None:
    lose_metadata(url)
    assert invoke("cat", "-k", key_file, "--format", "sealed", f"{url}/dir/a").exit_code == 5
    output = succeed("repair", "-k", key_file, "--yes", f"{url}/dir/a").stdout
    assert output.splitlines() == [
        "'dir/a' was sealed for 2 recipients:",
        '  {"desc":"mine"} (RSA-OAEP-SHA-256)',
        '  {"desc":"other"} (RSA-OAEP-SHA-256)',
        "repaired: 'dir/a' has the recipients of the day it was sealed",
    ]
    assert read(sealed, "dir/a") == BODY
    assert sealed.head("dir/a").metadata == {"owner": "me"}


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_repair_asks_on_a_terminal(
    url: str, sealed: cb.Bucket, key_file: Path, answer: str, code: int
) -> None:
    lose_metadata(url)
    session = on_terminal(
        *("repair", "-k", key_file, f"{url}/dir/a"),
        answers=[("Let these, and no others, open it?", f"{answer}\n")],
    )
    assert session.code == code
    assert (sealed.head("dir/a").format == "sealed") == (code == 0)


def test_repair_shows_whom_it_lets_in_and_whom_it_shuts_out(
    url: str, sealed: cb.Bucket, key_file: Path, other_key_file: Path, tmp_path: Path
) -> None:
    cb.recipients.remove(sealed, "dir/a", cb.load_key(other_key_file))
    new = cb.create_aes_key_file(tmp_path / "new.key", description={"desc": "new"})
    cb.recipients.add(sealed, "dir/a", new)
    sound = succeed("repair", "-k", key_file, "-f", f"{url}/dir/a").stdout
    assert sound == "nothing to repair: the metadata of 'dir/a' is authentic\n"
    with cb.open_store(url) as store:  # somebody spoils the MAC
        texts = dict(store.head("dir/a").metadata)
        texts["cipherbucket-mac"] = base64.b64encode(bytes(32)).decode()
        store.replace_metadata("dir/a", metadata=texts, headers={})
    output = succeed("repair", "-k", key_file, "-f", f"{url}/dir/a").stdout.splitlines()
    assert output[1:-1] == [
        '  {"desc":"mine"} (RSA-OAEP-SHA-256)',
        '  {"desc":"other"} (RSA-OAEP-SHA-256), not one of its recipients now',
        "It will open no more for:",
        '  {"desc":"new"} (AES-256-KWP)',
    ]
    assert invoke("cat", "-k", tmp_path / "new.key", f"{url}/dir/a").exit_code == 4
    opened = succeed("cat", "-k", other_key_file, "--format", "sealed", f"{url}/dir/a")
    assert opened.stdout_bytes == BODY


def test_repair_refuses(
    url: str, bucket: cb.Bucket, sealed: cb.Bucket, key_file: Path, namesake_file: Path
) -> None:
    bucket.put("oss", BODY)
    with cb.open_store(url) as store:
        store.put("plain", BODY)
        store.copy("dir/a", "moved")
    lose_metadata(url)
    for args, code, text in (
        (
            ("-k", key_file, f"{url}/dir/a"),
            2,
            "not repaired without asking (to repair it, add --yes)",
        ),
        (("--yes", f"{url}/dir/a"), 4, "takes a key that opens it"),
        (("--yes", "-k", key_file, url), 2, "add /NAME, or --index"),
        (("--yes", "-k", key_file, f"{url}/nothing"), 3, "no such object"),
        (("--yes", "-k", key_file, f"{url}/oss"), 5, "only a sealed one can be repaired"),
        (("--yes", "-k", key_file, f"{url}/plain"), 5, "footer"),
        (("--yes", "-k", key_file, f"{url}/moved"), 5, "under the name 'dir/a'"),
        (("--yes", "-k", namesake_file, f"{url}/dir/a"), 4, "does not open this object"),
    ):
        refused = invoke("repair", *args)
        assert refused.exit_code == code, args
        assert text in error_of(refused)
    assert sealed.head("dir/a").format == "plaintext"
