"""A downloaded file appears wholly or not at all."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.plaintexts import pattern

import cipherbucket as cb
from cipherbucket.transfers.download import download_file

PLAIN = pattern(2_500_000)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_upload_and_download_are_inverse(bucket: cb.Bucket, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(PLAIN)
    bucket.upload(tmp_path / "in", "a")
    assert bucket.download("a", str(tmp_path / "out")).size == len(PLAIN)
    assert (tmp_path / "out").read_bytes() == PLAIN
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_a_replaced_file_keeps_its_permissions(bucket: cb.Bucket, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    target.chmod(0o640)
    bucket.put("a", b"new")
    bucket.download("a", target)
    assert target.read_bytes() == b"new"
    assert mode_of(target) == 0o640


def test_a_damaged_object_leaves_the_old_file(
    bucket: cb.Bucket, store: cb.MemoryStore, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    bucket.put("a", PLAIN)
    metadata = dict(store.head("a").metadata)
    md5 = "client-side-encryption-unencrypted-content-md5"
    metadata[md5] = "AAAAAAAAAAAAAAAAAAAAAA=="
    store.replace_metadata("a", metadata=metadata, headers={})
    with pytest.raises(cb.IntegrityError):
        bucket.download("a", target)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["missing/out", "."])
def test_a_target_that_cannot_be_written_is_an_error(
    bucket: cb.Bucket, tmp_path: Path, target: str
) -> None:
    bucket.put("a", b"x")
    with pytest.raises(cb.UsageError):
        bucket.download("a", tmp_path / target)
    assert list(tmp_path.iterdir()) == []


def test_a_long_file_name_is_no_obstacle(bucket: cb.Bucket, tmp_path: Path) -> None:
    bucket.put("a", b"x")
    name = "é" * 127
    bucket.download("a", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_followed_and_stays_a_link(bucket: cb.Bucket, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    bucket.put("a", b"new")
    bucket.download("a", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_not_replaced(
    bucket: cb.Bucket, tmp_path: Path, kind: str
) -> None:
    bucket.put("a", b"x")
    target = tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target = Path("/dev/null")
    with pytest.raises(cb.UsageError, match="no regular file"):
        bucket.download("a", target)
    assert not target.is_file()


def test_progress_of_a_body_of_unknown_length_ends_with_its_length(bucket: cb.Bucket) -> None:
    seen: list[tuple[int, int | None]] = []
    bucket.put("a", iter([b"12", b"345"]), progress=lambda *told: seen.append(told))
    assert seen[-1] == (5, 5)


@pytest.mark.parametrize("verb", ["put", "upload"])
@pytest.mark.parametrize("change", ["content", "time"])
def test_a_small_file_that_is_changed_while_it_is_read_is_not_stored(
    bucket: cb.Bucket, tmp_path: Path, verb: str, change: str
) -> None:
    path = tmp_path / "in"
    path.write_bytes(PLAIN)
    os.utime(path, ns=(1, 1))

    def write(*_: object) -> None:
        if change == "content":
            with path.open("r+b") as file:
                file.write(b"behind what was read")
        else:
            os.utime(path, ns=(1, 2))

    store = {
        "put": lambda: bucket.put("a", path, progress=write),
        "upload": lambda: bucket.upload(path, "a", progress=write),
    }
    with pytest.raises(cb.SourceError, match="changed while it was read") as caught:
        store[verb]()
    assert caught.value.name == "a"
    assert not bucket.exists("a")


def test_a_file_object_may_be_written_to_behind_what_was_read(
    bucket: cb.Bucket, tmp_path: Path
) -> None:
    path = tmp_path / "in"
    path.write_bytes(PLAIN)
    with path.open("rb") as file:
        bucket.put("a", file, progress=lambda *_: os.utime(path, ns=(1, 2)))
    assert bucket.get("a").read() == PLAIN


class Named:
    """Stands for a path, in bytes or in text."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


NO_PATHS = [b"in", Named(b"in"), bytearray(b"in"), memoryview(b"in"), [b"in"], 3, None]


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: type(path).__name__)
def test_what_is_no_path_is_refused(bucket: cb.Bucket, path: Any) -> None:
    bucket.put("a", b"x")
    calls: list[Callable[[], object]] = [
        lambda: bucket.upload(path, "b"),
        lambda: bucket.download("a", path),
        lambda: bucket.matches("a", path),
    ]
    for call in calls:
        with pytest.raises(cb.UsageError, match="a path is a str"):
            call()
    assert not bucket.exists("b")


def test_a_path_in_bytes_is_no_body(bucket: cb.Bucket) -> None:
    body: Any = Named(b"in")
    with pytest.raises(cb.UsageError, match="a path is a str"):
        bucket.put("a", body)


def test_what_stands_for_a_path_is_one(bucket: cb.Bucket, tmp_path: Path) -> None:
    path: Any = Named(str(tmp_path / "file"))
    (tmp_path / "file").write_bytes(b"x")
    bucket.upload(path, "a")
    bucket.put("b", path)
    (tmp_path / "file").unlink()
    bucket.download("a", path)
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.parametrize(
    "error", [RuntimeError("no home"), PermissionError(13, "Permission denied"), cb.UsageError("x")]
)
@pytest.mark.parametrize("place", ["forget_upload", "state_folder"])
def test_small_transfers_need_no_state(
    bucket: cb.Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    place: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    if place == "forget_upload":
        monkeypatch.setattr("cipherbucket.transfers.files.forget_upload", fail)
        monkeypatch.setattr("cipherbucket.transfers.files.forget_download", fail)
    else:
        monkeypatch.setattr("cipherbucket.transfers.files.state_folder", fail)
    (tmp_path / "in").write_bytes(b"x")
    bucket.upload(tmp_path / "in", "a")
    bucket.download("a", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"x"
    assert caplog.text.count("could not be removed") == 2


def test_large_transfers_without_a_home_keep_no_journal(
    bucket: cb.Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 1 << 20)
    monkeypatch.delenv("CIPHERBUCKET_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", fail)
    (tmp_path / "in").write_bytes(PLAIN)
    bucket.upload(tmp_path / "in", "a")
    bucket.download("a", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == PLAIN
    assert caplog.text.count("will begin anew") == 2


@pytest.mark.parametrize(
    ("size", "threshold", "parts"),
    [(200_000, 200_000, 0), (200_001, 200_000, 2), (0, -1, 0), (1, 0, 1)],
)
def test_where_parts_begin_is_told_by_the_caller(
    tmp_path: Path,
    key: cb.RsaKey,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    threshold: int,
    parts: int,
) -> None:
    sent: list[int] = []

    class Watched(cb.MemoryStore):
        def _upload_part(self, name: str, upload_id: str, number: int, body: Any) -> cb.Part:
            sent.append(number)
            return super()._upload_part(name, upload_id, number, body)

    bucket = cb.Bucket(Watched(), cb.KeyRing(key))
    (tmp_path / "in").write_bytes(PLAIN[:size])
    bucket.upload(tmp_path / "in", "name", threshold=threshold, part_size=102_400)
    assert len(sent) == parts
    ranges: list[object] = []

    def watched(*told: Any) -> None:
        ranges.append(told)
        download_file(*told)

    monkeypatch.setattr("cipherbucket.transfers.files.download_file", watched)
    bucket.download("name", tmp_path / "out", threshold=threshold, part_size=102_400)
    assert bool(ranges) == bool(parts)
    assert (tmp_path / "out").read_bytes() == PLAIN[:size]


def test_where_the_journal_lies_is_told_by_the_caller(bucket: cb.Bucket, tmp_path: Path) -> None:
    def interrupted(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "state"
    (tmp_path / "in").write_bytes(PLAIN)
    options: dict[str, Any] = {"threshold": 0, "state": folder}
    with pytest.raises(KeyboardInterrupt):
        bucket.upload(tmp_path / "in", "name", progress=interrupted, **options)
    assert len(list(folder.iterdir())) == 1
    bucket.upload(tmp_path / "in", "name", **options)
    assert list(folder.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        bucket.download("name", tmp_path / "out", progress=interrupted, **options)
    assert len(list(folder.iterdir())) == 1
    # What is left there is removed also by a transfer that is made at once.
    bucket.download("name", tmp_path / "out", state=folder, threshold=len(PLAIN))
    assert list(folder.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "state"}


def test_a_process_that_dies_leaves_no_plaintext_behind(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "import cipherbucket as cb\n"
        "from cryptography.hazmat.primitives.asymmetric import rsa\n"
        "from cipherbucket.transfers import target_file\n"
        "key = cb.RsaKey(rsa.generate_private_key(65537, 2048), description={'d': '1'})\n"
        "bucket = cb.open_bucket('memory://x', key)\n"
        "bucket.put('a', b'secret' * 1000)\n"
        "write = target_file.Target.write\n"
        "def dying(*args):\n"
        "    write(*args)\n"
        "    os.kill(os.getpid(), 9)\n"
        "target_file.Target.write = dying\n"
        "bucket.download('a', sys.argv[1])\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False)

    assert run.returncode == -9
    if Path("/proc/self/fd").is_dir():
        assert list(tmp_path.iterdir()) == []
