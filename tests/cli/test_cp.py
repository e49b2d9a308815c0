"""``cp`` of one object, in every direction."""

import hashlib
import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, program, read, succeed

import cipherbucket as cb

BODY = bytes(range(256)) * 5_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "movie.mkv"
    path.write_bytes(BODY)
    return path


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("movies/1.mkv", "movies/1.mkv"),
        ("", "movie.mkv"),
        ("movies/", "movies/movie.mkv"),
        ("../up%41", "../up%41"),
        ("é // x", "é // x"),
    ],
)
def test_up_and_down(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path, target: str, name: str
) -> None:
    result = succeed("cp", "-k", key_file, file, f"{url}/{target}")
    assert result.output == ""
    assert read(bucket, name) == BODY
    back = file.with_name("back")
    assert succeed("cp", "-k", key_file, f"{url}/{name}", back).output == ""
    assert back.read_bytes() == BODY


def test_the_url_of_the_store_itself_takes_the_files_name(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path
) -> None:
    succeed("cp", "-k", key_file, file, url)
    assert bucket.exists("movie.mkv")


def test_a_folder_takes_the_last_part_of_the_name(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a/b/c.txt", b"1")
    for target in (tmp_path, f"{tmp_path}/"):
        succeed("cp", "-k", key_file, f"{url}/a/b/c.txt", target)
        assert (tmp_path / "c.txt").read_bytes() == b"1"
        (tmp_path / "c.txt").unlink()


@pytest.mark.parametrize("name", ["..", "a/..", "a/.", "a/", "x/\0", "."])
def test_a_folder_takes_no_name_that_leads_elsewhere(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, name: str
) -> None:
    bucket.put(name, b"1")
    folder = tmp_path / "in"
    folder.mkdir()
    if "\0" in name:  # no argument can hold it; the tests of trees do
        return
    result = invoke("cp", "-k", key_file, f"{url}/{name}", folder)
    assert result.exit_code == 2
    error_of(result)
    assert list(folder.iterdir()) == []


def test_pipes_are_byte_exact(url: str, bucket: cb.Bucket, key_file: Path) -> None:
    assert program("cp", "-k", key_file, "-", f"{url}/a", stdin=BODY).returncode == 0
    told = program("cp", "-k", key_file, "--size", len(BODY), "-", f"{url}/told", stdin=BODY)
    assert told.returncode == 0
    assert read(bucket, "told") == BODY
    short = program("cp", "-k", key_file, "--size", "10M", "-", f"{url}/short", stdin=BODY)
    assert short.returncode == 1
    assert b"length of the body was given as" in short.stderr
    assert not bucket.exists("short")
    run = program("cp", "-k", key_file, f"{url}/a", "-")
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout == BODY


def test_a_named_pipe_is_read_like_stdin(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: fifo.write_bytes(BODY))
    thread.start()
    succeed("cp", "-k", key_file, fifo, f"{url}/a")
    thread.join()
    assert read(bucket, "a") == BODY


def test_a_named_pipe_is_written_to_and_not_replaced(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"through the pipe")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    thread.start()
    succeed("cp", "-k", key_file, f"{url}/a", fifo)
    thread.join()
    assert received == [b"through the pipe"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_that_is_named_as_target_stays(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path
) -> None:
    bucket.put("a", b"new")
    link = file.with_name("link")
    link.symlink_to(file)
    succeed("cp", "-k", key_file, f"{url}/a", link)
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/dev/stderr", "/proc/self/fd/2"])
def test_open_files_are_written_to_and_not_replaced(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, target: str
) -> None:
    bucket.put("a", b"new ")
    log = tmp_path / "log"
    log.write_bytes(b"old ")
    inode = log.stat().st_ino
    with log.open("ab") as opened:
        for _ in range(2):
            command = [*PROGRAM, "cp", "-k", str(key_file), f"{url}/a", target]
            subprocess.run(command, stdout=opened, stderr=opened, env=base(), check=True)
    assert log.read_bytes() == b"old new new "
    assert log.stat().st_ino == inode


def test_metadata_and_content_type_are_stored(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path
) -> None:
    succeed(
        *("cp", "-k", key_file, file, f"{url}/a", "--content-type", "video/x-matroska"),
        *("--metadata", "owner=me", "--metadata", "formula=a=b"),
    )
    info = bucket.head("a")
    assert info.content_type == "video/x-matroska"
    assert info.metadata == {"owner": "me", "formula": "a=b"}


def test_if_absent_overwrites_neither_object_nor_file(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path
) -> None:
    bucket.put("a", b"old")
    result = invoke("cp", "-k", key_file, "--if-absent", file, f"{url}/a")
    assert result.exit_code == 1
    error_of(result)
    assert read(bucket, "a") == b"old"
    result = invoke("cp", "-k", key_file, "--if-absent", f"{url}/a", file)
    assert result.exit_code == 1
    error_of(result)
    assert file.read_bytes() == BODY


@pytest.mark.parametrize("options", [(), ("-v",)])
@pytest.mark.parametrize(("target", "written"), [("new/er/out", "new/er/out"), ("new/", "new/a")])
def test_a_missing_folder_is_made_for_one_object_too(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    target: str,
    written: str,
) -> None:
    bucket.put("a", b"1")
    monkeypatch.chdir(tmp_path)
    assert invoke("cp", *options, "-k", key_file, f"{url}/none", target).exit_code == 3
    assert not Path("new").exists()
    succeed("cp", *options, "-k", key_file, f"{url}/a", target)
    assert Path(written).read_bytes() == b"1"
    Path("file").touch()
    refused = invoke("cp", *options, "-k", key_file, f"{url}/a", "file/out")
    assert error_of(refused).startswith("cipherbucket: file")
    assert "cp" not in error_of(refused)


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("a", "b"), "neither source nor target is a URL"),
        (("-", "-"), "neither"),
        (("-", "{url}"), "has no name"),
        (("-", "{url}/x/"), "has no name"),
        (("nothing", "{url}/x"), "there is no such file"),
        ((".", "{url}/x"), "add -r"),
        (("-r", "nothing", "{url}/x"), "nothing: there is no such folder"),
        (("-r", "{url}/x", "/dev/null"), "is no folder"),
        (("-r", "-", "{url}/x"), "leave out -r"),
        (("--size", "5", "y", "{url}/x"), "what comes from stdin"),
        (("{url}/x", "y", "--metadata", "a=b"), "for objects"),
        (("y", "{url}/x", "--metadata", "a"), "NAME=VALUE"),
        (("{url}", "y"), "is a store, not an object (add /NAME, or -r for all of them)"),
        (("s3://b/x", "y"), "s3://b is not the URL of a bucket"),
        (("file://relative/x", "y"), "file:///relative/x"),
        (("file:///nowhere/x", "y"), "no directory store"),
        (("{url}/x", "{url}/x"), "the same object"),
        (("y",), "SOURCE... and TARGET are needed"),
    ],
)
def test_mistakes_are_explained(
    url: str, key_file: Path, tmp_path: Path, args: tuple[str, ...], hint: str
) -> None:
    result = invoke("cp", "-k", key_file, *(arg.replace("{url}", url) for arg in args))
    assert result.exit_code == 2
    assert hint in error_of(result)


def test_writing_without_a_key_is_explained(url: str, file: Path) -> None:
    result = invoke("cp", file, f"{url}/a")
    assert result.exit_code == 4
    assert "-k KEY or in CIPHERBUCKET_KEY" in error_of(result)


def test_a_damaged_object_leaves_the_target_as_it_was(
    url: str, bucket: cb.Bucket, key_file: Path, file: Path, tmp_path: Path
) -> None:
    bucket.put("a", b"x" * 3_000_000)
    etag = bucket.head("a").etag
    (body,) = (path for path in (tmp_path / "store").rglob(etag) if path.stat().st_size > 10_000)
    body.chmod(0o600)
    with body.open("r+b") as stored:
        stored.seek(-1, os.SEEK_END)
        (last,) = stored.read(1)
        stored.seek(-1, os.SEEK_END)
        stored.write(bytes([last ^ 1]))
    result = invoke("cp", "-k", key_file, f"{url}/a", file)
    assert result.exit_code == 5
    error_of(result)
    assert file.read_bytes() == BODY
    assert not list(tmp_path.glob(".cipherbucket-*"))
    result = invoke("cp", "-k", key_file, f"{url}/a", "-")
    assert result.exit_code == 5
    error_of(result)


def test_within_a_store_the_ciphertext_is_copied_and_needs_no_key(
    url: str, bucket: cb.Bucket
) -> None:
    bucket.put("a", BODY, metadata={"owner": "me"})
    succeed("cp", f"{url}/a", f"{url}/copies/")
    assert read(bucket, "copies/a") == BODY
    before, after = bucket.head("a"), bucket.head("copies/a")
    assert after.envelope == before.envelope
    assert after.metadata == {"owner": "me"}


def test_within_a_store_new_metadata_means_new_encryption(
    url: str, bucket: cb.Bucket, key_file: Path
) -> None:
    bucket.put("a", BODY, metadata={"owner": "me"}, content_type="text/plain")
    succeed("cp", "-k", key_file, "--metadata", "owner=you", f"{url}/a", f"{url}/b")
    before, after = bucket.head("a"), bucket.head("b")
    assert after.envelope != before.envelope
    assert (after.metadata, after.content_type) == ({"owner": "you"}, "text/plain")
    assert read(bucket, "b") == BODY


@pytest.fixture
def other(tmp_path: Path) -> str:
    """Return the URL of a second store."""
    made = f"file://{tmp_path}/other"
    cb.make_bucket(made)
    return made


def test_between_stores_objects_are_moved_unchanged_and_need_no_key(
    url: str, bucket: cb.Bucket, key_file: Path, other_key_file: Path, other: str
) -> None:
    bucket.put("a", BODY, metadata={"owner": "me"}, content_type="text/plain")
    assert succeed("cp", f"{url}/a", f"{other}/").output == ""
    succeed("cp", "-k", other_key_file, f"{url}/a", f"{other}/b")
    with cb.open_bucket(other, cb.load_key(key_file)) as theirs:
        for name in "ab":
            assert read(theirs, name) == BODY
            info = theirs.head(name)
            assert info.envelope == bucket.head("a").envelope
            assert (info.metadata, info.content_type) == ({"owner": "me"}, "text/plain")
    assert invoke("cp", "--if-absent", f"{url}/a", f"{other}/b").exit_code == 1


@pytest.mark.parametrize("asked", [("--format", "oss"), ("--metadata", "owner=me")])
def test_between_stores_objects_are_encrypted_anew_where_that_is_asked_for(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    other_key_file: Path,
    other: str,
    asked: tuple[str, str],
) -> None:
    bucket.put("a", BODY, metadata={"owner": "me"}, content_type="text/plain")
    succeed("cp", *asked, "-k", other_key_file, "-k", key_file, f"{url}/a", f"{other}/")
    with cb.open_bucket(other, cb.load_key(other_key_file)) as theirs:
        assert read(theirs, "a") == BODY
        info = theirs.head("a")
    assert (info.metadata, info.content_type) == ({"owner": "me"}, "text/plain")
    result = invoke("cp", *asked, f"{url}/a", f"{other}/b")
    assert result.exit_code == 4


def test_between_stores_a_bound_name_is_sealed_anew_or_refused(
    url: str, key_file: Path, other: str
) -> None:
    master = cb.load_key(key_file)
    with cb.open_bucket(url, master, format="sealed") as sealed:
        sealed.put("a", BODY, metadata={"owner": "me"})
    succeed("cp", f"{url}/a", f"{other}/")
    refused = invoke("cp", f"{url}/a", f"{other}/b")
    assert refused.exit_code == 2
    assert "sealed under its name and would not open as 'b'" in error_of(refused)
    assert "with -k KEY" in refused.stderr
    succeed("cp", "-k", key_file, f"{url}/a", f"{other}/b")
    with cb.open_bucket(other, master, format="sealed") as theirs:
        for name in "ab":
            assert read(theirs, name) == BODY
            assert theirs.head(name).metadata == {"owner": "me"}
            assert theirs.head(name).format == "sealed"


def test_plaintext_is_read_only_when_asked_for(url: str, key_file: Path, tmp_path: Path) -> None:
    with cb.open_store(url) as store:
        store.put("plain", b"for all to see")
    target = tmp_path / "plain"
    result = invoke("cp", "-k", key_file, f"{url}/plain", target)
    assert result.exit_code == 5
    assert "--plaintext" in error_of(result)
    assert not target.exists()
    succeed("cp", "--plaintext", f"{url}/plain", target)
    assert target.read_bytes() == b"for all to see"


def test_a_weak_key_writes_only_when_allowed(
    url: str, bucket: cb.Bucket, tmp_path: Path, file: Path
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = tmp_path / "weak.pem"
    weak.write_bytes(
        rsa.generate_private_key(65537, 1024).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    weak.chmod(0o600)
    for args in ((file, f"{url}/a"), ("-r", tmp_path, f"{url}/a")):
        result = invoke("cp", "-k", weak, *args)
        assert result.exit_code == 4
        assert "--allow-weak-key" in result.stderr.splitlines()[-1]
    result = succeed("cp", "-k", weak, "--allow-weak-key", file, f"{url}/a")
    assert error_of(result).startswith("cipherbucket: warning: key SHA256:")
    assert (
        hashlib.sha256(invoke("cat", "-k", weak, f"{url}/a").stdout_bytes).digest()
        == hashlib.sha256(BODY).digest()
    )
