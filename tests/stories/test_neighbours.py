"""Another user of the machine makes links where files are written: none of them leads anywhere."""

import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.runs import invoke
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket.cli.copying import object_transfers
from cipherbucket.cli.copying.target_folder import TargetFolder, set_time
from cipherbucket.transfers.target_file import Target

PLAIN = os.urandom(300_000)
NEIGHBOUR = 65534
CANARY = "what is mine"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes two users")


class Scene:
    """A folder that everybody can write to, a home that nobody else can, and a store."""

    def __init__(self, top: Path, key_file: Path) -> None:
        self.shared, self.home = top / "shared", top / "home"
        self.shared.mkdir()
        self.shared.chmod(0o777)
        self.home.mkdir(mode=0o700)
        self.canary = self.home / "canary"
        self.canary.write_text(CANARY)
        self.canary.chmod(0o600)
        self.url = f"file://{top}/store"
        self.key_file = key_file
        cb.make_bucket(self.url)
        self.bucket = cb.open_bucket(self.url, cb.load_key(key_file))
        self.bucket.put("d/file", PLAIN)

    @property
    def target(self) -> Path:
        return self.shared / "d" / "file"

    def assert_nothing_outside(self) -> None:
        assert sorted(path.name for path in self.home.iterdir()) == ["canary"]
        assert self.canary.read_text() == CANARY
        assert stat.S_IMODE(self.canary.stat().st_mode) == 0o600

    def assert_written(self) -> None:
        assert not self.target.is_symlink()
        assert self.target.read_bytes() == PLAIN
        assert self.target.stat().st_uid == os.geteuid()


@pytest.fixture
def scene(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    # Not the folder of the test, which is this user's alone.
    top = Path(tempfile.mkdtemp(dir="/tmp"))
    top.chmod(0o755)
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 1 << 20)
    yield Scene(top, key_file)
    shutil.rmtree(top)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "cmk.pem"
    cb.create_rsa_key_file(path, description={"desc": "mine"}, bits=2048)
    return path


def as_neighbour(code: str, *args: object) -> None:
    """Run Python as another user."""
    program = f"import os, sys, pathlib; os.setgroups([]); os.setgid({NEIGHBOUR})\n"
    program += f"os.setuid({NEIGHBOUR}); os.umask(0)\n{code}"
    subprocess.run([sys.executable, "-S", "-c", program, *map(str, args)], check=True)


def _cp_r(scene: Scene) -> str:
    return _told("cp", "-k", scene.key_file, "-r", scene.url, scene.shared)


def _sync(scene: Scene) -> str:
    return _told("sync", "-k", scene.key_file, scene.url, scene.shared)


def _cp(scene: Scene) -> str:
    return _told("cp", "-k", scene.key_file, f"{scene.url}/d/file", scene.target)


def _told(*args: object) -> str:
    result = invoke(*args)
    assert result.exit_code in {0, 1, 2}, result.stderr
    return result.stderr if result.exit_code else ""


def _download(scene: Scene, **how: int) -> str:
    try:
        scene.bucket.download("d/file", scene.target, **how)  # type: ignore[arg-type]
    except cb.UsageError as error:
        return str(error)
    return ""


def _download_in_parts(scene: Scene) -> str:
    return _download(scene, threshold=0, part_size=102_400)


TREES: list[Callable[[Scene], str]] = [_cp_r, _sync]
SINGLE: list[Callable[[Scene], str]] = [_cp, _download, _download_in_parts]


def meanwhile(monkeypatch: pytest.MonkeyPatch, attack: Callable[[], None]) -> None:
    """Do something once, when the first bytes are about to be written."""
    write, left = Target.write, [attack]

    def attacked(*args: object) -> None:
        if left:
            left.pop()()
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Target, "write", attacked)


LINK = "os.symlink(sys.argv[1], sys.argv[2])"


@as_root
@pytest.mark.parametrize("write", [*TREES, *SINGLE])
def test_a_link_that_is_there_is_not_written_through(
    scene: Scene, write: Callable[[Scene], str]
) -> None:
    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    as_neighbour(LINK, scene.canary, scene.target)
    told = write(scene)
    assert f"{scene.target} is " in told
    if write in SINGLE:
        assert "belongs to user nobody" in told
    scene.assert_nothing_outside()
    assert scene.target.is_symlink()


@as_root
@pytest.mark.parametrize("write", [*TREES, *SINGLE])
def test_a_link_that_is_made_meanwhile_is_replaced(
    scene: Scene, write: Callable[[Scene], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    meanwhile(monkeypatch, lambda: as_neighbour(LINK, scene.canary, scene.target))
    assert write(scene) == ""
    scene.assert_nothing_outside()
    scene.assert_written()


SWAP = "os.rename(sys.argv[2], sys.argv[2] + '-moved'); os.symlink(sys.argv[1], sys.argv[2])"


@as_root
@pytest.mark.parametrize("write", [*TREES, *SINGLE])
def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(
    scene: Scene, write: Callable[[Scene], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.target.parent.mkdir()
    meanwhile(monkeypatch, lambda: as_neighbour(SWAP, scene.home, scene.target.parent))
    write(scene)
    scene.assert_nothing_outside()
    assert (scene.shared / "d-moved" / "file").read_bytes() == PLAIN


@as_root
@pytest.mark.parametrize("write", [*TREES, *SINGLE])
def test_a_link_to_a_folder_is_not_written_through(
    scene: Scene, write: Callable[[Scene], str]
) -> None:
    as_neighbour(LINK, scene.home, scene.target.parent)
    assert f"{scene.target.parent} is a link" in write(scene)
    scene.assert_nothing_outside()


@as_root
@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_the_named_folder_is_no_link_of_another_user(scene: Scene, verb: str) -> None:
    as_neighbour(LINK, scene.home, scene.shared / "link")
    for folder in ("link", "link/new"):
        options = ["-r"] if verb == "cp" else []
        result = invoke(verb, "-k", scene.key_file, *options, scene.url, scene.shared / folder)
        assert result.exit_code == 1
        assert "link is a link that belongs to user nobody" in result.stderr
    scene.assert_nothing_outside()


@as_root
@pytest.mark.parametrize("write", [*TREES, *SINGLE])
def test_permissions_of_another_users_file_are_not_taken_over(
    scene: Scene, write: Callable[[Scene], str]
) -> None:
    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    as_neighbour("os.open(sys.argv[1], os.O_CREAT, 0o666)", scene.target)
    before = os.umask(0o027)
    try:
        assert write(scene) == ""
    finally:
        os.umask(before)
    scene.assert_written()
    assert stat.S_IMODE(scene.target.stat().st_mode) == 0o640


TEMPORARY = (
    "(part,) = pathlib.Path(sys.argv[2]).parent.glob('.cipherbucket-*.part')\n"
    "part.unlink(); part.symlink_to(sys.argv[1])"
)


@as_root
def test_a_temporary_file_that_is_replaced_does_not_appear(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    meanwhile(monkeypatch, lambda: as_neighbour(TEMPORARY, scene.canary, scene.target))
    assert "somebody else changed the folder" in _download_in_parts(scene)
    assert not os.path.lexists(scene.target)
    scene.assert_nothing_outside()


@as_root
@pytest.mark.parametrize("kind", ["link", "second name", "theirs", "pipe"])
def test_a_temporary_file_that_was_replaced_is_not_resumed(scene: Scene, kind: str) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    how = {"threshold": 0, "part_size": 102_400, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        scene.bucket.download("d/file", scene.target, progress=interrupt, **how)  # type: ignore[arg-type]
    (part,) = scene.target.parent.glob(".cipherbucket-*.part")
    other = scene.home.parent / "other"
    if kind == "second name":
        os.link(part, other)
        before = other.read_bytes()
    else:
        part.unlink()
        act = {
            "link": "os.symlink(sys.argv[1], sys.argv[2])",
            "theirs": f"os.truncate(os.open(sys.argv[2], os.O_CREAT | os.O_RDWR), {len(PLAIN)})",
            "pipe": "os.mkfifo(sys.argv[2])",
        }[kind]
        as_neighbour(act, scene.canary, part)
    scene.bucket.download("d/file", scene.target, **how)  # type: ignore[arg-type]
    scene.assert_written()
    scene.assert_nothing_outside()
    assert list(scene.target.parent.iterdir()) == [scene.target]
    if kind == "second name":
        assert other.read_bytes() == before


@as_root
def test_nothing_is_written_into_the_pipe_of_another_user(scene: Scene) -> None:
    scene.target.parent.mkdir()
    scene.target.parent.chmod(0o777)
    as_neighbour("os.mkfifo(sys.argv[1])", scene.target)
    assert "belongs to user nobody" in _cp(scene)


@as_root
def test_nothing_is_deleted_through_a_link(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene.shared / "d").mkdir()
    (scene.shared / "d" / "canary").write_text("superfluous")
    shutil.copy(scene.shared / "d" / "canary", scene.shared / "old")
    meanwhile(monkeypatch, lambda: as_neighbour(SWAP, scene.home, scene.shared / "d"))
    options = ["-k", scene.key_file, "--delete", "--max-delete", "2"]
    told = _told("sync", *options, scene.url, scene.shared)
    assert f"{scene.shared}/d is a link and is not followed" in told
    assert not (scene.shared / "old").exists()
    scene.assert_nothing_outside()


def test_links_that_are_swapped_all_the_time_lead_nowhere(scene: Scene) -> None:
    (scene.shared / "d").mkdir()
    begun, over = threading.Event(), threading.Event()

    def swap() -> None:
        while not over.is_set():
            for step in _swaps(scene):
                with suppress(OSError):
                    step()
                # Most often in the middle of a download; now and then with time enough for one.
                time.sleep(random.choice((0, 0.001, 0.002, 0.03)))
            begun.set()

    thread = threading.Thread(target=swap)
    thread.start()
    written = 0
    try:
        assert begun.wait(10)
        with TargetFolder(scene.shared) as folder:
            number = 0
            while number < count(1000, 60) or (not written and number < 10_000):
                number += 1
                threshold = (None, 0)[number % 2]
                with suppress(cb.UsageError, OSError), folder.claimed("d/file") as place:
                    scene.bucket.download("d/file", place, threshold=threshold)
                    set_time(place, number)
                    written += 1
                with suppress(cb.UsageError, OSError):
                    folder.delete("d/canary")
    finally:
        over.set()
        thread.join()
    scene.assert_nothing_outside()
    assert written, "of all downloads none came through"


def _swaps(scene: Scene) -> list[Callable[[], object]]:
    """Return what a neighbour does in turn; only these make links, and none through one."""
    folder, spare = scene.shared / "d", scene.shared / "spare"

    def put_link(target: Path, at: Path) -> None:
        made = at.with_name("link")
        made.unlink(missing_ok=True)  # of an attempt that failed
        made.symlink_to(target)
        if os.geteuid() == 0:
            os.chown(made, NEIGHBOUR, NEIGHBOUR, follow_symlinks=False)
        made.replace(at)

    def put_back() -> None:
        try:
            spare.rename(folder)
        except OSError:  # it was made anew meanwhile
            shutil.rmtree(spare)

    return [
        lambda: put_link(scene.canary, folder / "file"),
        lambda: folder.rename(spare),
        lambda: put_link(scene.home, folder),
        (spare / "file").unlink,
        folder.unlink,
        put_back,
        lambda: time.sleep(random.uniform(0, 0.1)),  # else all is refused at the first look
    ]


@as_root
@pytest.mark.parametrize("verb", [("cp", "-r"), ("sync",)])
def test_nothing_is_read_through_links_of_another_user(
    scene: Scene, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c", "d"):
        (scene.shared / name).mkdir()
        (scene.shared / name).chmod(0o777)
        (scene.shared / name / "canary").write_text("mine to give")
    (scene.shared / "mine").symlink_to("a/canary")
    (scene.shared / "led").symlink_to("b/canary")
    as_neighbour(LINK, scene.canary, scene.shared / "theirs")
    upload, left = object_transfers.upload, ["attack"]

    def attacked(*args: object) -> cb.ObjectInfo:
        if left:
            left.clear()
            as_neighbour(SWAP, scene.home, scene.shared / "b")
            as_neighbour(SWAP, scene.canary, scene.shared / "c" / "canary")
        return upload(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(object_transfers, "upload", attacked)
    how = ["-k", scene.key_file, "--workers", "1", scene.shared, f"{scene.url}/up/"]
    result = invoke(*verb, *how)
    assert result.exit_code == 1
    assert "theirs is a link that belongs to user nobody" in result.stderr
    assert "/b is a link and is not followed" in result.stderr
    assert "/b is a link that belongs to user nobody" in result.stderr
    for entry in scene.bucket.list("up/"):
        with scene.bucket.get(entry.name) as stream:
            assert stream.read() == b"mine to give"
    assert scene.bucket.exists("up/mine")
    assert not scene.bucket.exists("up/led")
    assert not scene.bucket.exists("up/b/canary")
    assert not scene.bucket.exists("up/c/canary")
