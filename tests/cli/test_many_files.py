"""Many files, some large: several at once, at a rate, interrupted, and what is shown."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import click
import pytest
from tests.cli.runs import PROGRAM, base, contents, invoke, succeed

import cipherbucket as cb
from cipherbucket.cli.copying.local_files import files_below
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.copying.target_folder import TargetFolder
from cipherbucket.cli.options.parsing import byte_size
from cipherbucket.cli.terminal import progress


def test_many_small_files_go_at_once_beside_a_large_one(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    for number in range(200):
        path = tree / f"d{number % 7}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 100)
    for name in ("large", "larger"):
        (tree / name).write_bytes(os.urandom(17 << 20))
    (tree / "d3" / os.fsdecode(b"bad-\xff")).write_bytes(b"1")
    result = invoke("cp", "-k", key_file, "--workers", "6", "-r", tree, url)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert "copied 202 objects" in result.stderr
    (tree / "d3" / os.fsdecode(b"bad-\xff")).unlink()
    cb.open_bucket(url).delete("d5/f5")
    result = invoke("cp", "-k", key_file, "-r", url, tmp_path / "down")
    assert result.exit_code == 0
    (tree / "d5" / "f5").unlink()
    assert contents(tmp_path / "down") == contents(tree)
    assert list(cb.abandoned()) == []


def test_a_walk_gives_names_in_the_order_of_a_listing(bucket: cb.Bucket, tmp_path: Path) -> None:
    root = tmp_path / "walk"
    names = ["a.txt", "a/b", "a/b.c/d", "a0", "a-b/c", "é/x", "z", "Z", "a/é", "a/b/c"]
    for name in (name for name in names if name != "a/b"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
        bucket.put(name, b"")
    walked = [file.relative for file in files_below(root, [], Tally())]
    assert walked == [entry.name for entry in bucket.list()]
    assert len(walked) == 9


def test_a_folder_that_goes_meanwhile_is_a_failure_and_the_walk_goes_on(tmp_path: Path) -> None:
    root, store, tally = tmp_path / "tree", tmp_path / "store", Tally()
    for folder in (root / "b", store):
        folder.mkdir(parents=True)
    for name in ("a", "c"):
        (root / name).touch()
    walk = files_below(root, [f"file://{store}"], tally)
    assert next(walk).relative == "a"
    (root / "b").rmdir()
    assert [file.relative for file in walk] == ["c"]
    assert [failure.rpartition(":")[2] for failure in tally.failures] == [
        " No such file or directory"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("\u00e9", "e\u0301"), ("stra\u00dfe", "STRASSE"), ("a\u200db", "ab")],
)
def test_names_that_could_be_one_file_are_not_on_their_way_at_once(
    tmp_path: Path, one: str, other: str
) -> None:
    folder = TargetFolder(tmp_path)
    seen: list[str] = []

    def late() -> None:
        with folder.claimed(other):
            seen.append("other")

    with folder.claimed(one):
        thread = threading.Thread(target=late)
        thread.start()
        with folder.claimed("something else"):
            thread.join(0.2)
        seen.append("one")
    thread.join(10)
    assert seen == ["one", "other"]


def test_a_rate_holds_for_all_files_together(url: str, key_file: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(8):
        (tree / str(number)).write_bytes(bytes(100_000))
    for ends in ((tree, url), (url, tmp_path / "down")):
        begun = time.monotonic()
        succeed("cp", "-k", key_file, "--limit-rate", "800K", "-r", *ends)
        assert time.monotonic() - begun > 0.7  # 0.98 seconds


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_tree_and_tells_how_to_go_on(
    url: str, bucket: cb.Bucket, key_file: Path, tmp_path: Path, number: int, large: bool
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for index in range(20):
        (tree / f"s{index}").write_bytes(bytes(1 << 18))
    if large:
        (tree / "a-large-one").write_bytes(os.urandom(24 << 20))
    command = [*PROGRAM, "sync", "-k", str(key_file), str(tree), url, "--part-size", "1M"]
    with subprocess.Popen(
        [*command, "--limit-rate", "1M"], env=base(), stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        state = Path(os.environ["CIPHERBUCKET_STATE"])
        deadline = time.monotonic() + 30
        while not (list(state.glob("*.journal")) if large else list(bucket.list())):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        sent = time.monotonic()
        assert process.wait(60) == 128 + number
        assert time.monotonic() - sent < 5
        told = process.stderr.read()
    word = b"interrupted" if number == signal.SIGINT else b"terminated"
    assert told == b"cipherbucket: " + word + b"; run the same command again to go on\n"
    again = succeed(*command[len(PROGRAM) :])
    assert ("going on with an upload" in again.stderr) is large
    assert len(list(bucket.list())) == 20 + large
    assert list(bucket.uploads()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("slow", ["upload_part", "complete_upload"])
def test_a_signal_does_not_wait_for_a_slow_store_and_tells_what_is_so(
    url: str,
    bucket: cb.Bucket,
    key_file: Path,
    tmp_path: Path,
    slow: str,
    number: int,
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(1 << 20) * 24)
    asleep = tmp_path / "asleep"
    slowly = (
        "import pathlib, time\n"
        "from cipherbucket.stores.local.store import LocalStore\n"
        f"def sleep(*_, **__): pathlib.Path({str(asleep)!r}).touch(); time.sleep(60)\n"
        f"LocalStore._{slow} = sleep\n" + PROGRAM[2]
    )
    command = ["cp", "-k", str(key_file), "-r", str(tree), url, "--part-size", "1M"]
    with subprocess.Popen(
        [*PROGRAM[:2], slowly, *command], env=base(), stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 30
        while not asleep.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(number)
        sent = time.monotonic()
        assert process.wait(60) == 128 + number
        assert time.monotonic() - sent < 5  # a second, where there is nothing else to do
        word = "interrupted" if number == signal.SIGINT else "terminated"
        line = process.stderr.read().decode()
    # Threads that the library waits for give up their journal in time, on an idle machine.
    exact = "run the same command again to go on"
    general = "run the same command again, it goes on with what it can"
    allowed = [general] if slow == "complete_upload" else [exact, general]
    assert line in [f"cipherbucket: {word}; {text}\n" for text in allowed]
    assert "going on with an upload" in succeed(*command).stderr


@pytest.mark.parametrize("many", [False, True])
def test_lines_of_progress_where_there_is_no_terminal(
    url: str, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.3)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "one").write_bytes(bytes(2_000_000))
    args = ("-r", tree, url) if many else (tree / "one", url)
    result = succeed("cp", "-k", key_file, "--progress", "--limit-rate", "1M", *args)
    lines = result.stderr.splitlines()
    assert len(lines) >= 3
    name = r"\d of 1 object" if many else "one"
    assert re.fullmatch(rf"cipherbucket: {name}: .* of 1.9 MiB, .*/s, \d s left", lines[0])
    assert re.search(rf"{name}: 1.9 MiB of 1.9 MiB, ", lines[-2 if many else -1])


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500K", 512_000),
        ("10M", 10 << 20),
        ("1.5G", 3 << 29),
        ("2kib", 2048),
        ("3MB", 3 << 20),
    ],
)
def test_amounts_are_in_binary_units(text: str, size: int) -> None:
    context = click.Context(click.Command("x"))
    assert byte_size(context, click.Option(["--x"]), text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "K", "1e9", "1,5M", "10 X", "0.1", "nan"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        byte_size(click.Context(click.Command("x")), click.Option(["--x"]), text)
