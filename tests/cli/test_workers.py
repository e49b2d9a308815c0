"""``--processes`` and ``--dask``: what workers are sent, what is refused, and how they end."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runs import PROGRAM, base, error_of, invoke, succeed
from tests.support.inventories import Line, of_oss

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.by_reference import BucketByOptions, KeyByOptions
from cipherbucket.cli.options.executors import ExecutorOptions
from cipherbucket.cli.workers.processes import processes
from cipherbucket.errors import EXTRAS

NAMES = [f"d/{number:02}" for number in range(30)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with two RSA keys, one of sealed objects, and a store of 30 objects."""
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        cb.create_rsa_key_file(f"{name}.pem", description={"desc": name}, bits=2048)
    cb.create_aes_key_file("vault.key", description={"desc": "vault"})
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key("old.pem")) as bucket:
        for name in NAMES:
            bucket.put(name, name.encode())
    return tmp_path


@pytest.fixture
def store(folder: Path) -> str:
    return f"file://{folder}/store"


class Pickling(ThreadPoolExecutor):
    """Threads that get what processes would: bytes, which are kept."""

    def __init__(self) -> None:
        super().__init__(2)
        self.sent: list[bytes] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.sent.append(pickle.dumps((call, args, kwargs)))
        again, its, named = pickle.loads(self.sent[-1])
        return super().submit(again, *its, **named)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Pickling:
    """Have the options open an executor whose workers are threads elsewhere."""
    pickling = Pickling()

    @contextmanager
    def opened(self: ExecutorOptions) -> Iterator[Executor | None]:
        yield pickling if self else None

    monkeypatch.setattr(ExecutorOptions, "opened", opened)
    return pickling


def objects(output: str) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, output.splitlines()) if each["type"] == "object"]


def test_each_pass_with_workers_does_what_it_does_alone(store: str, executor: Pickling) -> None:
    two = ("--processes", "2")
    dry = succeed("rotate", "-rn", "-k", "new.pem", "-k", "old.pem", *two, store)
    assert "to be rotated           30 objects" in dry.stdout
    args = ("-k", "new.pem", "-k", "old.pem", "--only", "old.pem", "--json", *two, store)
    done = succeed("rotate", "-r", *args)
    assert [each["name"] for each in objects(done.stdout)] == NAMES
    assert {each["status"] for each in objects(done.stdout)} == {"done"}
    verified = succeed("verify", "-r", "-k", "new.pem", *two, store)
    assert verified.stdout.startswith("30 objects verified")
    audited = succeed("audit", "-k", "new.pem", "--json", *two, f"{store}/")
    assert [each["name"] for each in objects(audited.stdout)] == NAMES
    anew = succeed(
        "reencrypt", "-r", "-k", "vault.key", "-k", "new.pem", "--kind", "oss", *two, store
    )
    assert "reencrypted             30 objects" in anew.stdout
    bob = ("--recipient", "old.pem.pub", *two, f"{store}/d")
    added = succeed("recipients", "add", "-r", "-k", "vault.key", *bob)
    assert "added to                30 objects" in added.stdout
    removed = succeed("recipients", "remove", "-r", "-k", "vault.key", *bob)
    assert "removed from            30 objects" in removed.stdout
    repaired = succeed("repair", "-r", "-f", "-k", "vault.key", *two, f"{store}/d")
    assert "30 objects  with authentic metadata" in repaired.stdout
    forced = ("verify", "-r", "--force-key", "vault.key", "--format", "sealed", *two, store)
    assert succeed(*forced).stdout.startswith("30 objects verified")
    assert len(executor.sent) > 50


def test_what_was_written_since_a_time_is_shared(store: str, executor: Pickling) -> None:
    args = ("-k", "old.pem", "--since", "2026-01-01", "--processes", "2", store)
    assert succeed("verify", "-r", *args).stdout.startswith("30 objects verified")
    none = succeed("verify", "-r", "--since", "2999-01-01", *args[:2], *args[4:]).stdout
    assert none == "since 2999-01-01T00:00:00Z; what was written before was not looked at\n"


def test_the_objects_of_an_inventory_are_shared(
    store: str, folder: Path, executor: Pickling
) -> None:
    written = of_oss([Line(name, bucket="store") for name in (*NAMES[:9], "d/gone")])
    written.further["sourceBucket"] = "store"
    manifest = written.below(folder / "inventory")
    two = ("--inventory", manifest, "--processes", "2")
    done = succeed("rotate", "-r", "-k", "new.pem", "-k", "old.pem", *two, store)
    assert "rotated                  9 objects" in done.stdout
    assert "1 object  deleted since it was listed" in done.stdout
    audited = succeed("audit", "--json", *two, f"{store}/")
    assert len(objects(audited.stdout)) == 10


def test_to_and_recipients_travel_by_reference(store: str, executor: Pickling) -> None:
    two = ("--processes", "2")
    succeed("rotate", "-r", "-k", "old.pem", "--to", "new.pem.pub", *two, store)
    args = ("--kind", "oss", "--recipient", "old.pem.pub", *two, store)
    succeed("reencrypt", "-r", "-k", "vault.key", "-k", "new.pem", *args)
    with cb.open_bucket(store) as bucket:
        envelope = bucket.head("d/00").envelope
        assert envelope is not None
        assert {each.description["desc"] for each in envelope.recipients} == {"vault", "old"}


def test_nothing_secret_is_sent(store: str, folder: Path, executor: Pickling) -> None:
    args = ("--to", "vault.key", "--force-key", "old.pem", "--kind", "oss", "--dask", "tcp://a:1")
    succeed("reencrypt", "-r", "-k", "vault.key", "-k", "old.pem", *args, store)
    for name in ("old.pem", "vault.key"):
        lines = (folder / name).read_bytes().splitlines()
        secret = [line for line in lines if b"-----" not in line]
        assert not [line for line in secret for sent in executor.sent if line in sent]
    assert all(os.fsencode(folder / "old.pem") in sent for sent in executor.sent)


def test_each_worker_goes_by_the_same_cipherbucket_toml(
    store: str, folder: Path, executor: Pickling, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "cipherbucket.toml").write_text(
        f'[stores.here]\nurl = "{store}"\n'
        '[keys.old]\nrsa = "old.pem"\n[keys.new]\nrsa = "new.pem"\n'
        '[[rules]]\nat = "here"\nwrite = "old"\n[[rules]]\nat = "here/d"\nwrite = "new"\n'
        'read = ["new", "old"]\n'
    )
    with cb.open_bucket(store, cb.load_key("old.pem")) as bucket:
        bucket.put("above", b"")
    config = ("--config", "cipherbucket.toml")
    done = succeed(*config, "rotate", "-r", "--processes", "2", "here://")
    assert "rotated                 30 objects" in done.stdout
    assert "1 object  under the new key already" in done.stdout
    succeed(*config, "verify", "-r", "--processes", "2", "here://")
    succeed(*config, "audit", "--processes", "2", "here://")
    submit = Pickling.submit

    def after_a_change(self: Pickling, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        (folder / "cipherbucket.toml").write_text("# another\n")
        return submit(self, call, *args, **kwargs)

    monkeypatch.setattr(Pickling, "submit", after_a_change)
    said = error_of(invoke(*config, "verify", "-r", "-n", "--processes", "2", "here://"))
    assert "has other contents here" in said


def test_a_worker_refuses_another_key_file(folder: Path, store: str) -> None:
    access = AccessOptions(("old.pem",))
    with access.open(store) as bucket:
        assert bucket.get("d/00").read() == b"d/00"
        sent = BucketByOptions(bucket, access, partial(AccessOptions.open, store_url=store))
        key = KeyByOptions(access.keys[0], "old.pem", access)
        assert sent.open() is bucket
        assert key.load() is access.keys[0]
        elsewhere, key_elsewhere = pickle.loads(pickle.dumps((sent, key)))
    for name in ("old.pem", "old.pem.json", "old.pem.pub"):
        (folder / name.replace("old", "new")).replace(folder / name)
    with pytest.raises(cb.MasterKeyError, match=r"old\.pem holds key .* here, not "):
        elsewhere.open()
    with pytest.raises(cb.MasterKeyError, match=r"old\.pem holds key .* here, not "):
        key_elsewhere.load()


def test_a_worker_without_a_key_says_which(
    store: str, executor: Pickling, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Pickling.submit

    def after_the_key_is_gone(self: Pickling, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        (folder / "old.pem").unlink(missing_ok=True)
        return submit(self, call, *args, **kwargs)

    monkeypatch.setattr(Pickling, "submit", after_the_key_is_gone)
    result = invoke("verify", "-r", "-k", "old.pem", "--processes", "1", store)
    assert result.exit_code == 4
    assert f"{folder}/old.pem" in error_of(result)
    assert f"(in process {os.getpid()} of {socket.gethostname()})" in result.stderr


def test_a_passphrase_is_not_asked_for(folder: Path, store: str, executor: Pickling) -> None:
    cb.create_rsa_key_file("locked.pem", description={"desc": "l"}, bits=2048, passphrase="abcd")
    args = ("rotate", "-r", "-k", "locked.pem", "-k", "old.pem", "--processes", "2", store)
    result = invoke(*args)
    assert result.exit_code == 4
    assert "CIPHERBUCKET_PASSPHRASE" in error_of(result)
    assert "not asked for" in result.stderr
    succeed(*args, env={"CIPHERBUCKET_PASSPHRASE": "abcd"})


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("verify", "-r", "--processes", "0"), "--processes"),
        (("verify", "-r", "--processes", "-1"), "--processes"),
        (
            ("verify", "--processes", "2"),
            "--processes is for many objects (add -r, or leave it out)",
        ),
        (("rotate", "--dask", "tcp://a:1"), "--dask is for many objects"),
        (("rotate", "-r", "--processes", "2", "--dask", "tcp://a:1"), "exclude each other"),
        (("rotate", "-r", "--processes", "2", "--limit-rate", "1M"), "exclude each other"),
        (("verify", "-r", "--dask", "tcp://a:1", "--limit-rate", "1M"), "exclude each other"),
        (
            ("audit", "--processes", "2", "--ask-kms"),
            "--ask-kms and --processes exclude each other",
        ),
        (("verify", "-r", "--dask", "a:8786"), "write tcp://HOST:PORT"),
        (("verify", "-r", "--dask", "http://a:8786"), "write tcp://HOST:PORT"),
        (("verify", "-r", "--dask", "tcp://a"), "write tcp://HOST:PORT"),
        (("verify", "-r", "--dask", "tcp://a:x"), "write tcp://HOST:PORT"),
    ],
)
def test_what_cannot_be_shared_is_refused(store: str, args: tuple[str, ...], said: str) -> None:
    result = invoke(*args, "-k", "old.pem", f"{store}/d")
    assert result.exit_code == 2
    assert said in error_of(result)


def test_a_store_in_memory_is_not_shared(folder: Path, executor: Pickling) -> None:
    result = invoke("verify", "-r", "-k", "old.pem", "--processes", "2", "memory://shared-not")
    assert "other processes cannot reach a store in memory" in error_of(result)


def test_no_scheduler_and_no_dask(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cipherbucket.cli.workers import cluster

    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT", 1)
    with socket.socket() as taken:  # nothing listens there
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = invoke("verify", "-r", "-k", "old.pem", "--dask", address, store)
    assert result.exit_code == 2
    assert f"no scheduler of Dask answers at {address}" in error_of(result)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    missing = error_of(invoke("verify", "-r", "-k", "old.pem", "--dask", address, store))
    assert f"pip install '{EXTRAS['dask'][0]}'" in missing


def running_below(pid: int) -> list[int]:
    """Return the processes that a process has started, and those of these."""
    shown = subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True)
    parents = {int(each): int(its) for each, its in map(str.split, shown.splitlines())}
    found = {pid}
    while new := {each for each, its in parents.items() if its in found} - found:
        found |= new
    return sorted(found - {pid})


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def begun(store: str, folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a rotation by two processes that are slow, and wait until it is under way."""
    slow = (
        "import time; from cipherbucket.stores.local.store import LocalStore as S; h = S.head\n"
        "def head(*a, **k): time.sleep(0.3); return h(*a, **k)\nS.head = head\n"
    )
    (folder / "sitecustomize.py").write_text(slow)
    env = {**base(), "PYTHONPATH": str(folder)}
    args = ["rotate", "-r", "-k", "new.pem", "-k", "old.pem", "--workers", "1", "--processes", "2"]
    child = subprocess.Popen(
        [*PROGRAM, *args, store],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    state = Path(env["CIPHERBUCKET_STATE"])
    while len(list(state.glob("step-*.ledger"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
        assert child.poll() is None, child.communicate()
    return child, running_below(child.pid)


@pytest.mark.parametrize("stopped", ["by the terminal", "alone", "killed"])
def test_workers_end_with_the_command(store: str, folder: Path, stopped: str) -> None:
    child, below = begun(store, folder)
    try:
        assert len(below) >= 2
        if stopped == "by the terminal":  # which sends it to the whole group
            os.killpg(child.pid, signal.SIGINT)
        else:
            child.send_signal(signal.SIGINT if stopped == "alone" else signal.SIGKILL)
        out, said = child.communicate(timeout=60)
        if stopped == "killed":
            assert child.returncode == -signal.SIGKILL
        else:
            assert child.returncode == 130
            text = "cipherbucket: interrupted; run the same command again to go on\n"
            assert (out, said) == ("", text)
        until = time.monotonic() + 20
        while any(map(is_running, below)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(is_running, below))
    finally:
        for pid in filter(is_running, [child.pid, *below]):
            os.kill(pid, signal.SIGKILL)
        child.wait()
    (folder / "sitecustomize.py").unlink()
    with cb.open_bucket(store, *map(cb.load_key, ("new.pem", "old.pem"))) as bucket:
        assert [bucket.get(name).read().decode() for name in NAMES] == NAMES


def begin(path: Path, seconds: float) -> None:
    with path.open("a") as file:
        file.write("begun\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)


def test_what_is_queued_is_not_begun_when_processes_are_ended(tmp_path: Path) -> None:
    noted, before = tmp_path / "noted", time.monotonic()
    with suppress(KeyboardInterrupt), processes(1) as executor:
        for _ in range(9):
            executor.submit(begin, noted, 60)
        while not noted.exists():
            time.sleep(0.05)
        raise KeyboardInterrupt
    assert noted.read_text() == "begun\n"
    assert time.monotonic() - before < 60


def test_a_worker_that_is_killed_is_one_line(store: str, folder: Path) -> None:
    child, below = begun(store, folder)
    workers = [pid for pid in below if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    assert said.count("\n") == 1
    assert "a worker of the executor died" in said
    (folder / "sitecustomize.py").unlink()
    again = ("rotate", "-r", "-k", "new.pem", "-k", "old.pem", "--processes", "2", store)
    done = succeed(*again)
    assert "failed" not in done.stdout
