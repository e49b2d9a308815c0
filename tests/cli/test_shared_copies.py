"""``cp -r``, ``mv -r`` and ``sync`` whose copies are made by other processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import PROGRAM, base, contents, error_of, invoke, succeed
from tests.cli.test_tree_choices import BEFORE
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.cli.copying import groups
from cipherbucket.cli.copying.groups import SidesByName, groups_of
from cipherbucket.cli.copying.listings import Item
from cipherbucket.cli.copying.target_folder import TargetFolder
from cipherbucket.cli.options.copying import LARGE
from cipherbucket.cli.options.executors import ExecutorOptions
from cipherbucket.server import Endpoint

FILES = 60


class Carried(Executor):
    """Threads that get, and give, what a process could: all of it is pickled on the way."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(2)
        self.sent: list[bytes] = []
        self.before: Callable[[], None] = lambda: None

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        carried = pickle.dumps((call, args, kwargs))
        self.sent.append(carried)
        return self.threads.submit(self._done, carried)

    def _done(self, carried: bytes) -> Any:
        self.before()
        call, args, kwargs = pickle.loads(carried)
        return pickle.loads(pickle.dumps(call(*args, **kwargs)))


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> Iterator[Carried]:
    """Return what takes the place of processes."""
    executor = Carried()

    @contextmanager
    def opened(self: ExecutorOptions) -> Iterator[Executor | None]:
        yield executor if self else None

    monkeypatch.setattr(ExecutorOptions, "opened", opened)
    monkeypatch.setattr(groups, "MOST", 7)
    with executor.threads:
        yield executor


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number in range(FILES):
        path = root / f"d{number % 3}" / f"{number:03} é"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * number)
    (root / "large").write_bytes(os.urandom(LARGE + 5))
    return root


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["here", "there"], md5_etags=True) as running:
        yield running


@pytest.fixture(params=["folders", "oss"])
def stores(
    request: pytest.FixtureRequest,
    endpoint: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, str]:
    urls = (f"file://{tmp_path}/here", f"file://{tmp_path}/there")
    if request.param == "oss":
        for name, value in oss_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        return "oss://here", "oss://there"
    for url in urls:
        cb.make_bucket(url)
    return urls


@pytest.mark.each_pair
@pytest.mark.parametrize("form", ["oss", "sealed"])
@pytest.mark.parametrize("verb", ["cp", "mv", "sync"])
@pytest.mark.usefixtures("carried")
def test_the_same_is_copied(
    stores: tuple[str, str], tree: Path, tmp_path: Path, key_file: Path, form: str, verb: str
) -> None:
    here, there = (f"{each}/{form}/{verb}" for each in stores)
    keyed = ("-k", key_file, "--format", form)
    command = (verb, "--processes", 2) if verb == "sync" else (verb, "-r", "--processes", 2)
    whole, before = {"cp": "copied 61 objects", "sync": "copied 61 objects"}, contents(tree)
    expected = whole.get(verb, "moved 61 objects")
    assert expected in succeed(*command, *keyed, tree, here).stderr
    between = command if form == "oss" else (*command, "-k", key_file)  # another prefix
    assert expected in succeed(*between, here, there).stderr
    down = tmp_path / "down"
    assert expected in succeed(*command, *keyed, there, down).stderr
    assert contents(down) == before
    if verb == "mv":
        assert not contents(tree)
        for each in (here, there):
            assert invoke("ls", "-r", f"{each}/").exit_code == 3


def lines(*command: object) -> list[str]:
    result = invoke(*command)
    return sorted(result.stdout.splitlines() + result.stderr.splitlines())


@pytest.mark.usefixtures("carried")
@pytest.mark.parametrize("option", ["-v", "--json", "-n", "--update", "--skip-existing", "-q"])
def test_what_is_shown_stays(tree: Path, url: str, key_file: Path, option: str) -> None:
    succeed("cp", "-k", key_file, tree / "d0" / "000 é", f"{url}/t/d0/000 é")
    command = ("cp", "-r", option, "-k", key_file, "--exclude", "d1", tree, f"{url}/t")
    alone = lines(*command)
    if option != "-n":
        succeed("rm", "-rf", f"{url}/t/")
        succeed("cp", "-k", key_file, tree / "d0" / "000 é", f"{url}/t/d0/000 é")
    assert lines(*command, "--processes", 2) == alone
    assert alone or option == "-q"


def test_one_failure_stops_nothing_and_is_tried_again(
    tree: Path, url: str, key_file: Path, carried: Carried
) -> None:
    gone = tree / "d1" / "001 é"
    content = gone.read_bytes()
    carried.before = lambda: gone.unlink(missing_ok=True)
    command = ("cp", "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    result = invoke(*command)
    assert result.exit_code == 1
    assert f"'t/d1/001 é': {gone}: No such file" in result.stderr
    assert "copied 60 objects" in result.stderr
    assert "1 failed" in result.stderr
    carried.before = lambda: None
    gone.write_bytes(content)
    assert f"copied 1 object, 1 byte; 60 {BEFORE}" in succeed(*command).stderr


def test_a_worker_that_lacks_the_key_says_which(
    tree: Path, url: str, tmp_path: Path, key_file: Path, carried: Carried
) -> None:
    key = tmp_path / "mine.pem"
    for end in ("", ".json"):
        Path(f"{key}{end}").write_bytes(Path(f"{key_file}{end}").read_bytes())
    carried.before = lambda: key.unlink(missing_ok=True)
    result = invoke("cp", "-r", "--processes", 2, "-k", key, tree, f"{url}/t")
    assert result.exit_code == 4
    assert f"{key}" in result.stderr
    assert f"(in process {os.getpid()} of " in result.stderr


def test_a_worker_with_another_key_says_so(
    tree: Path, url: str, tmp_path: Path, key_file: Path, other_key_file: Path, carried: Carried
) -> None:
    key = tmp_path / "mine.pem"
    key.write_bytes(key_file.read_bytes())
    carried.before = lambda: bool(key.write_bytes(other_key_file.read_bytes()))  # type: ignore[assignment]
    command = ("cp", "-r", "--processes", 2, "--description", "desc=mine", "-k", key)
    result = invoke(*command, tree, f"{url}/t")
    assert result.exit_code == 4
    assert f"{key} holds key" in result.stderr


def test_workers_get_no_secret(
    tree: Path, url: str, locked_key_file: Path, other_key_file: Path, carried: Carried
) -> None:
    command = ("cp", "-r", "--processes", 2, "--format", "sealed", "-k", locked_key_file)
    recipient = ("--recipient", f"{other_key_file}.pub")
    env = {"CIPHERBUCKET_PASSPHRASE": "open sesame", "OSS_ACCESS_KEY_SECRET": "sesame too"}
    succeed(*command, *recipient, tree, f"{url}/t", env=env)
    assert carried.sent
    for sent in carried.sent:
        assert b"sesame" not in sent
        assert b"PRIVATE KEY" not in sent
    with cb.open_bucket(url, cb.load_key(other_key_file), format="sealed") as theirs:
        assert theirs.get("t/d1/001 é").read() == b"1"


def test_configuration_by_path_and_contents(ruled_folder: Path, carried: Carried) -> None:
    source = ruled_folder / "files"
    source.mkdir()
    (source / "a").write_bytes(b"1")
    config = ruled_folder / "cipherbucket.toml"
    command = ("--config", config, "cp", "-r", "--processes", 2, source, "records://t/")
    succeed(*command)
    carried.before = lambda: bool(config.write_text(config.read_text() + "\n# other\n"))  # type: ignore[assignment]
    refused = invoke(*command)
    assert refused.exit_code == 2
    assert "has other contents here" in refused.stderr


def test_a_file_makes_room_for_a_folder(
    tree: Path, url: str, tmp_path: Path, key_file: Path, carried: Carried
) -> None:
    down = tmp_path / "down"
    down.mkdir()
    (down / "d0").write_bytes(b"a file")
    succeed("cp", "-r", "-k", key_file, tree, f"{url}/t")
    command = ("sync", "--processes", 2, "--delete", "--max-delete", 5, "-k", key_file)
    assert "1 deleted" in succeed(*command, f"{url}/t", down).stderr
    assert contents(down) == contents(tree)
    assert carried.sent


def test_names_that_a_file_system_takes_for_one_are_not_given_to_two_workers(
    url: str, tmp_path: Path, key_file: Path, carried: Carried
) -> None:
    with cb.open_bucket(url, cb.load_key(key_file)) as bucket:
        for name in ("A", "a", "b"):
            bucket.put(name, name.encode())
    succeed("cp", "-r", "--processes", 2, "-k", key_file, url, tmp_path / "down")
    assert contents(tmp_path / "down") == {"A": b"A", "a": b"a", "b": b"b"}
    items = [item for each in carried.sent for item in pickle.loads(each)[1][1]]
    assert [item.relative for item in items] == ["A", "b"]


def test_a_file_that_a_worker_wrote_is_not_replaced_under_another_name(tmp_path: Path) -> None:
    with TargetFolder(tmp_path / "down") as folder:
        with folder.claimed("A") as place:
            Path(place).write_bytes(b"1")
            status = Path(place).stat()
        folder.remember_number((status.st_dev, status.st_ino), tmp_path / "down" / "A")
        os.link(tmp_path / "down" / "A", tmp_path / "down" / "a")  # as if both were one
        with pytest.raises(cb.UsageError, match="was just written"), folder.claimed("a"):
            pass


def test_a_source_stays_whose_copy_is_not_where_it_was_said_to_be(
    tree: Path, url: str, key_file: Path, carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_group = groups.copy_group

    def copy_elsewhere(sides: SidesByName, group: list[Item]) -> groups.Answer:
        answer = copy_group(sides, group)
        with cb.open_bucket(url) as bucket:
            for item in group:
                bucket.delete(f"t/{item.relative}")
        return answer

    monkeypatch.setattr(groups, "copy_group", copy_elsewhere)
    monkeypatch.setattr(Carried, "submit", lambda self, *args: self.threads.submit(*args))
    before = contents(tree)
    result = invoke("mv", "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    assert result.exit_code == 1
    assert "so it is left" in result.stderr
    assert contents(tree) == before
    assert not carried.sent


def test_an_object_stays_whose_file_is_not_where_it_was_said_to_be(
    tree: Path, url: str, key_file: Path, carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed("cp", "-r", "-k", key_file, tree, f"{url}/t")
    before, down = contents(tree), tree.parent / "down"
    copy_group = groups.copy_group

    def copy_elsewhere(sides: SidesByName, group: list[Item]) -> groups.Answer:
        answer = copy_group(sides, group)
        for item in group:
            (down / item.relative).unlink()
        return answer

    command = ("mv", "-r", "--processes", 2, "-k", key_file, f"{url}/t", down)
    with monkeypatch.context() as patched:
        patched.setattr(groups, "copy_group", copy_elsewhere)
        patched.setattr(Carried, "submit", lambda self, *args: self.threads.submit(*args))
        result = invoke(*command)
    assert result.exit_code == 1
    assert "moved 0 objects, 0 bytes; 61 failed" in result.stderr
    assert not contents(down)
    succeed(*command)
    assert contents(down) == before


def test_what_is_not_moved_is_given_to_no_worker(
    tree: Path, url: str, key_file: Path, carried: Carried
) -> None:
    (tree / "link").symlink_to(tree / "large")
    result = invoke("mv", "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    assert result.exit_code == 1
    assert "it is a link, which is not moved" in result.stderr
    assert carried.sent
    assert [path.name for path in tree.rglob("*") if not path.is_dir()] == ["link"]
    assert invoke("stat", f"{url}/t/link").exit_code == 3


def test_files_of_another_folder_are_not_copied_for_those_that_were_listed(
    tree: Path, url: str, key_file: Path, carried: Carried
) -> None:
    before, aside, one = contents(tree), tree.parent / "aside", threading.Lock()

    def swap() -> None:
        with one:
            if aside.exists():
                return
            tree.rename(aside)
            for name in before:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_bytes(b"another")

    carried.before = swap
    result = invoke("mv", "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    assert f"{tree} is another folder than the one that was listed" in result.stderr
    assert contents(aside) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--limit-rate", "1M", "--processes", "2"), "--limit-rate and --processes exclude"),
        (("--dask", "tcp://127.0.0.1:8786"), "--dask is for copies from store to store"),
        (("--dask", "8786"), "tcp://HOST:PORT"),
        (("--dask", "tcp://127.0.0.1:8786", "--processes", "2"), "exclude each other"),
        (("--processes", "0"), "1<=x"),
    ],
)
def test_refused(
    tree: Path, url: str, key_file: Path, options: tuple[str, ...], message: str
) -> None:
    result = invoke("cp", "-r", *options, "-k", key_file, tree, f"{url}/t")
    assert result.exit_code == 2
    assert message in error_of(result)
    assert not contents(tree / ".." / "store" / "t")


def test_one_object_is_not_shared(tree: Path, url: str, key_file: Path) -> None:
    result = invoke("cp", "--processes", 2, "-k", key_file, tree / "large", url)
    assert result.exit_code == 2
    assert "--processes is for many objects" in error_of(result)


def test_groups() -> None:
    sizes = [1] * 150 + [LARGE + 1] + [1] * 20 + [LARGE] * 9
    items = [Item(f"{number:03}", size, 0) for number, size in enumerate(sizes)]
    made = list(groups_of(items))
    assert [len(each) for each in made] == [100, 1, 74, 4, 1]
    assert sorted(item.relative for each in made for item in each) == [i.relative for i in items]


def _objects(url: str) -> int:
    with cb.open_bucket(url) as bucket:
        return sum(1 for _ in bucket.list())


@pytest.mark.parametrize("verb", ["cp", "mv"])
def test_a_worker_that_is_killed_loses_nothing(
    verb: str, tree: Path, url: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST", 3)
    before = contents(tree)
    command = (verb, "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    killed = threading.Event()

    def kill() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and not killed.is_set():
            if _objects(url) > 20 and (alive := multiprocessing.active_children()):
                os.kill(int(alive[0].pid or 0), signal.SIGKILL)
                killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    result = invoke(*command)
    killer.join()
    assert killed.is_set()
    assert result.exit_code == 1, result.stderr
    assert "a worker died, or was stopped" in result.stderr
    assert "run the same command again to go on" in result.stderr
    assert "Traceback" not in result.stderr
    with cb.open_bucket(url, cb.load_key(key_file)) as bucket:
        stored = {each.name.removeprefix("t/") for each in bucket.list()}
        assert set(before) <= stored | set(contents(tree))
        again = succeed(*command).stderr
        done = sum(
            int(line.split()[0]) if (line := part.strip()).endswith("run") else 0
            for part in again.split(";")
        )
        number = int(again.split(" object")[0].split()[-1])
        assert verb == "mv" or (done and number + done == len(before))
        read = {each.name.removeprefix("t/"): each.name for each in bucket.list()}
        assert {name: bucket.get(each).read() for name, each in read.items()} == before
    if verb == "mv":
        assert not contents(tree)
    assert not multiprocessing.active_children()


def test_a_group_that_comes_after_a_worker_died_is_no_other_error(
    tree: Path, url: str, key_file: Path, carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Carried.submit

    def broken(self: Carried, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if len(self.sent) > 2:
            raise BrokenProcessPool
        return submit(self, call, *args, **kwargs)

    monkeypatch.setattr(Carried, "submit", broken)
    result = invoke("cp", "-r", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    assert result.exit_code == 1
    assert "a worker died, or was stopped" in result.stderr


def _alive(group: int) -> bool:
    """Return whether a process of a group has not ended."""
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            stat = each.read_text().rpartition(")")[2].split()
            if int(stat[2]) == group and stat[0] != "Z":
                return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(tree: Path, url: str, key_file: Path, number: signal.Signals) -> None:
    for extra in range(700):
        (tree / f"extra{extra}").write_bytes(b"1")
    command = ("cp", "-r", "--processes", "2", "-k", str(key_file), str(tree), f"{url}/t")
    process = subprocess.Popen(
        [*PROGRAM, *command], env=base(), stderr=subprocess.PIPE, start_new_session=True
    )
    until = time.monotonic() + 60
    while _objects(url) < 300:  # some are answered by then
        assert time.monotonic() < until
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    text = " ".join(stderr.decode().split())
    assert process.returncode == (130 if number == signal.SIGINT else 143), text
    assert "Traceback" not in text
    assert text.endswith("run the same command again to go on"), text
    while _alive(process.pid):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert f" {BEFORE}" in succeed(*command).stderr
    assert _objects(url) == 761


def test_errors_are_carried() -> None:
    """What a worker answers is pickled."""
    kinds = [
        each
        for each in vars(cb).values()
        if isinstance(each, type) and issubclass(each, cb.CipherbucketError)
    ]
    for kind in kinds:
        more = {"field": "f"} if kind is cb.EnvelopeError else {}
        error = kind("what", name="n", hint="h", **more)
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.hint) == (kind, "'n': what", "h")


def test_json_of_what_failed(tree: Path, url: str, key_file: Path, carried: Carried) -> None:
    gone = tree / "d1" / "001 é"
    carried.before = lambda: gone.unlink(missing_ok=True)
    result = invoke("cp", "-r", "--json", "--processes", 2, "-k", key_file, tree, f"{url}/t")
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["action"] for each in shown} == {"copied", "failed"}
    assert len(shown) == 61
