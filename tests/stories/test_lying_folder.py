"""A folder that lies: whatever a directory store says, nothing outside it is read or changed.

Each lie of `lying_folders` meets the verbs of the library and of the command line that can open
such a store, in a store of ours, as an unpacked tarball is, and in another user's. A child does
it, so that memory is measured and a verb that hangs is ended.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.runs import invoke
from tests.support.counts import count, share
from tests.support.lying_folders import (
    LARGE,
    LIES,
    OTHER,
    PLAIN,
    SECRET,
    make_canary,
    make_store,
    state_of,
)

import cipherbucket as cb

MOST_SECONDS = 60
"""Far more than any takes, on a machine that does other things beside."""
MOST_MEMORY = 64 << 20
NOBODY = 65534
EXITS = {0, 1, 2, 3, 4, 5, 6, 7}


@dataclass(frozen=True)
class Scene:
    """A store that lies, and where its objects may go."""

    root: Path
    out: Path
    key_file: Path
    key: cb.MasterKey

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    @property
    def mirror(self) -> str:
        return f"file://{self.out}/mirror"


def command(*words: str, key: bool = True) -> Callable[[Scene], bytes]:
    """Return a run of the command line, of which all outputs are kept."""

    def run(scene: Scene) -> bytes:
        facts = {"url": scene.url, "out": str(scene.out), "mirror": scene.mirror}
        given = [word.format(**facts) for word in words]
        if key:
            given[1:1] = ["-k", str(scene.key_file)]
        result = invoke(*given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code in EXITS, result.output
        return result.stdout_bytes + result.stderr_bytes

    run.__name__ = " ".join(words)
    return run


def with_bucket(use: Callable[[cb.Bucket, Scene], object]) -> Callable[[Scene], bytes]:
    """Return a use of the library; an error of ours is an answer."""

    def run(scene: Scene) -> bytes:
        policy = cb.Policy(plaintext=True)
        try:
            with cb.open_bucket(scene.url, scene.key, policy=policy) as bucket:
                found = use(bucket, scene)
        except cb.CipherbucketError as error:
            return f"{error} {error.hint}".encode()
        return found if isinstance(found, bytes) else repr(found).encode()

    return run


def uploaded(bucket: cb.Bucket, scene: Scene) -> object:
    (scene.out / "file").write_bytes(b"new")
    return bucket.upload(scene.out / "file", PLAIN)


def opened(bucket: cb.Bucket, _: Scene) -> bytes:
    with bucket.open(PLAIN) as file:
        return bytes(file.read(100))


def got(bucket: cb.Bucket, _: Scene) -> bytes:
    return b"".join(_got(bucket, entry.name) for entry in bucket.list())


def _got(bucket: cb.Bucket, name: str) -> bytes:
    try:
        with bucket.get(name) as stream:
            return stream.read(1000)
    except cb.CipherbucketError as error:
        return str(error).encode()


def aborted(bucket: cb.Bucket, _: Scene) -> None:
    for upload in bucket.uploads():
        bucket.abort_upload(upload.name, upload.upload_id)


def in_parts(_: cb.Bucket, scene: Scene) -> object:
    with cb.open_store(scene.url) as store:
        for upload in store.list_uploads():
            store.upload_part(upload.name, upload.upload_id, 2, b"2")
            store.complete_upload(
                upload.name, upload.upload_id, store.list_parts(upload.name, upload.upload_id)
            )
        with store.get("m") as body:
            buffer = bytearray(100)
            return bytes(buffer[: body.readinto(buffer)])


def strange_ids(_: cb.Bucket, scene: Scene) -> object:
    with cb.open_store(scene.url) as store:
        for id_ in ("../../canary", "/", "", "..", "\udcff", "0" * 32):
            for verb in (store.list_parts, store.upload_metadata, store.abort_upload):
                try:
                    verb("m", id_)
                except cb.UploadNotFoundError:
                    continue
    return b""


def repaired(scene: Scene) -> bytes:
    try:
        return repr(cb.repair_index(scene.root)).encode()
    except cb.CipherbucketError as error:
        return str(error).encode()


VERBS: list[Callable[[Scene], bytes]] = [
    command("ls", "-lr", "{url}/", key=False),
    command("ls", "--json", "{url}/a", key=False),
    command("cat", "--plaintext", f"{{url}}/{PLAIN}"),
    command("stat", f"{{url}}/{PLAIN}"),
    command("cp", "--plaintext", f"{{url}}/{PLAIN}", "{out}/object"),
    command("cp", "--plaintext", "-r", "{url}/", "{out}/tree"),
    command("cp", __file__, "{url}/new"),
    command("cp", "-r", "{out}", "{url}/tree/"),
    command("sync", "--plaintext", "{url}/", "{out}/tree"),
    command("sync", "--delete", "{url}/", "{mirror}/", key=False),
    command("sync", "{out}", "{url}/tree/"),
    command("rm", f"{{url}}/{PLAIN}", key=False),
    command("rm", "-r", "-f", "{url}/", key=False),
    command("verify", "-r", "{url}/"),
    command("audit", "{url}/"),
    command("rotate", "-r", "{url}/"),
    command("reencrypt", "-r", "{url}/"),
    command("repair", "--index", "{url}", key=False),
    command("transfers", "{url}/", key=False),
    command("transfers", "--clear", "-f", "{url}/", key=False),
    command("mb", "{url}/new", key=False),
    command("mb", "{url}", key=False),
    command("repair", "--index", "--trust-store", "{url}", key=False),
    command("rm", "--trust-store", "-r", "-f", "{url}/", key=False),
    with_bucket(got),
    with_bucket(opened),
    with_bucket(lambda bucket, _: [bucket.exists(name) for name in (PLAIN, OTHER)]),
    with_bucket(lambda bucket, _: bucket.head(PLAIN)),
    with_bucket(lambda bucket, _: list(bucket.list("", delimiter="/"))),
    with_bucket(lambda bucket, _: bucket.put(PLAIN, b"new")),
    with_bucket(lambda bucket, scene: bucket.download(LARGE, scene.out / "large")),
    with_bucket(lambda bucket, _: bucket.delete(PLAIN)),
    with_bucket(lambda bucket, _: bucket.delete_many([PLAIN, OTHER, "none"])),
    with_bucket(lambda bucket, _: bucket.copy(PLAIN, "copy")),
    with_bucket(lambda bucket, _: bucket.rename(PLAIN, "renamed")),
    with_bucket(lambda bucket, _: bucket.update_metadata(PLAIN, metadata={"k": "v"})),
    with_bucket(uploaded),
    with_bucket(aborted),
    with_bucket(in_parts),
    with_bucket(strange_ids),
    with_bucket(lambda bucket, _: cb.verify_all(bucket).counts),
    with_bucket(lambda bucket, _: cb.audit.run(bucket).summary),
    with_bucket(lambda bucket, _: cb.rotation.rewrap_all(bucket)),
    repaired,
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, key: cb.RsaKey) -> Path:
    """Return a sound store, without the folders that are empty: copying it takes less."""
    root = tmp_path_factory.mktemp("sound") / "store"
    make_store(root, key)
    for folder in (root / "bodies").iterdir():
        if folder.name != "ab" and not any(folder.iterdir()):
            folder.rmdir()
    return root


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory, key: cb.RsaKey) -> Path:
    folder = tmp_path_factory.mktemp("key")
    cb.create_rsa_key_file(folder / "k.pem", description={"desc": "tests"}, bits=2048)
    return folder / "k.pem"


CASES = [
    pytest.param(number, theirs, id=f"{lie}-{'theirs' if theirs else 'ours'}")
    for number, lie in enumerate(LIES)
    for theirs in (False, True)
    if not theirs or number % count(1, 4) == 0
]


@pytest.mark.parametrize(("number", "theirs"), CASES)
def test_a_lie_leads_nowhere(
    sound: Path, key_file: Path, key: cb.RsaKey, tmp_path: Path, number: int, theirs: bool
) -> None:
    if theirs and os.getuid() != 0:
        pytest.skip("only root can give a store to another user")
    verbs = share(VERBS, number, 11)
    if theirs:  # what opens it is the same for all verbs: a third of them meets each lie
        verbs = verbs[number % count(3, 1) :: count(3, 1)]
    canary = tmp_path / "canary"
    make_canary(canary)
    scenes: list[tuple[Callable[[Scene], bytes], Scene]] = []
    for at, verb in enumerate(verbs):
        scene = Scene(tmp_path / str(at) / "store", tmp_path / str(at) / "out", key_file, key)
        shutil.copytree(sound, scene.root, symlinks=True)
        scene.out.mkdir()
        cb.make_bucket(scene.mirror)
        list(LIES.values())[number](scene.root, canary)
        if theirs:
            for path in (scene.root, *scene.root.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        scenes.append((verb, scene))
    problem = in_child(lambda: tell(scenes, canary))
    assert problem == "", problem


def tell(scenes: list[tuple[Callable[[Scene], bytes], Scene]], canary: Path) -> None:
    """Run each verb on its store, and see what came of it."""
    before = state_of(canary)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for verb, scene in scenes:
        started = time.monotonic()
        signal.alarm(MOST_SECONDS)
        said = verb(scene)
        signal.alarm(0)
        taken = time.monotonic() - started
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) << 10
        what = f"{verb.__name__}: {taken:.1f} s, {grown >> 20} MiB, {said[:300]!r}"
        if "LYING_FOLDER_FIGURES" in os.environ:
            with Path(os.environ["LYING_FOLDER_FIGURES"]).open("a") as file:
                file.write(f"{taken:.2f} {grown >> 20} {verb.__name__} {scene.root}\n")
        assert grown < MOST_MEMORY, what
        assert state_of(canary) == before, what
        assert SECRET not in said, what
        for path in scene.out.rglob("*"):
            assert path.is_symlink() or not path.is_file() or SECRET not in start_of(path), what
        (scene.out.parent / "done").touch()


def start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)


def in_child(work: Callable[[], None]) -> str:
    """Run in a forked child; return the traceback if it failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        problem = ""
        try:
            work()
        except BaseException:  # noqa: BLE001  its parent raises it
            problem = traceback.format_exc()
        finally:
            os.write(writing, problem.encode("utf-8", "replace")[-50_000:])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        problem = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return problem or (f"it ended with {code}" if code else "")
