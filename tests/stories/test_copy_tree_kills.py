"""``cp -r`` killed at random moments and run again: every file arrives, and little is sent twice.

What is sent again is what was under way when the program was killed, and no more: a file that a run
wrote down as copied is never sent again. Kills that follow closely can each catch the same file. A
file that another one replaced meanwhile arrives as it is now, also an older one.
"""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runs import PROGRAM, base, contents, succeed
from tests.support.counts import count
from tests.support.served_oss import oss_environment

import cipherbucket as cb
import oss2
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.cli.options.copying import FILES_AT_ONCE
from cipherbucket.server import Endpoint

FILES = count(2004, 160)
TIMES = count(10, 2)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[oss2.Bucket]:
    """Return a bucket that keeps versions, so that every upload of a file can be counted."""
    with Endpoint(buckets=["trees"]) as endpoint:
        for name, value in oss_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        auth = oss2.Auth(endpoint.access_key_id, endpoint.access_key_secret)
        bucket = oss2.Bucket(auth, endpoint.url, "trees")
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
        yield bucket


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    draw = random.Random(16)
    for number in range(FILES):
        folder = tmp_path / "tree" / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(draw.randbytes(draw.randrange(3000)))
    return tmp_path / "tree"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    cb.create_rsa_key_file(tmp_path / "key", description={"desc": "tests"}, bits=2048)
    return tmp_path / "key"


def uploads(bucket: oss2.Bucket) -> Counter[str]:
    """Count how often each object was written."""
    found: Counter[str] = Counter()
    marker = id_marker = ""
    while True:
        page = bucket.list_object_versions(key_marker=marker, versionid_marker=id_marker)
        found.update(each.key for each in page.versions)
        if not page.is_truncated:
            return found
        marker, id_marker = page.next_key_marker, page.next_versionid_marker


def interrupted(command: list[str], bucket: oss2.Bucket, done: int, number: int) -> bool:
    """Run the program until so many uploads more were made, then send it a signal.

    Returns:
        Whether it died of that.
    """
    goal = uploads(bucket).total() + done
    environment = {**base(), **{k: v for k, v in os.environ.items() if k.startswith("OSS_")}}
    with subprocess.Popen(
        [*PROGRAM, *command], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while uploads(bucket).total() < goal and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        code = process.wait(60)
    assert code in {0, 130, -number}
    return code != 0


def recorded() -> set[str]:
    """Return the objects that the runs so far have written down as copied."""
    (path,) = Path(os.environ["CIPHERBUCKET_STATE"]).glob("cp-*.ledger")
    with Ledger(path) as ledger:
        return {f"t/{each.name}" for each in ledger.outcomes()}


def moments(number: int) -> list[int]:
    """Draw after how many uploads each run dies: it has gone on by then, to new files."""
    draw = random.Random(number)
    return [draw.randrange(2 * FILES_AT_ONCE, FILES // TIMES // 2) for _ in range(TIMES)]


def made_older(tree: Path, names: list[str]) -> None:
    """Replace files by others of the same length that are older."""
    for name in names:
        path, before = tree / name, (tree / name).stat()
        other = tree.with_name("older")
        other.write_bytes(os.urandom(before.st_size))
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
        other.rename(path)


@pytest.mark.parametrize("sealing", ["oss", "sealed"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.each_pair
def test_an_upload_of_a_tree_goes_on(
    served: oss2.Bucket, tree: Path, key_file: Path, tmp_path: Path, sealing: str, number: int
) -> None:
    command = ["cp", "-r", "--format", sealing, "-k", str(key_file), str(tree), "oss://trees/t"]
    times, known, before = 0, set[str](), Counter[str]()
    for done in moments(number):
        times += interrupted(command, served, done, number)
        after = uploads(served)
        assert [name for name in known if after[name] != before[name]] == []
        known, before = recorded(), after
        assert len(before.keys() - known) <= FILES_AT_ONCE  # under way when it died
    assert times > 0
    before = uploads(served)
    skipped = re.search(r"([0-9,]+) skipped, copied by an earlier run", succeed(*command).stderr)
    assert skipped is not None
    least = len(before) - times * FILES_AT_ONCE
    assert least <= int(skipped[1].replace(",", "")) <= len(before)
    sent = uploads(served)
    assert len(sent) == FILES
    assert [name for name in known if sent[name] != before[name]] == []
    # What the last killed run had on its way can be stored late.
    assert sum(sent[name] > 1 for name in sent.keys() - before.keys()) <= FILES_AT_ONCE
    # Once more for each time that the program died while the file was under way.
    assert sent.total() - FILES <= times * FILES_AT_ONCE
    down = ["cp", "-r", "-q", "--format", sealing, "-k", str(key_file), "oss://trees/t"]
    succeed(*down, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_files_that_were_replaced_by_older_ones_in_between_arrive(
    served: oss2.Bucket, tree: Path, key_file: Path, tmp_path: Path, number: int
) -> None:
    command = ["cp", "-r", "-k", str(key_file), str(tree), "oss://trees/t"]
    draw, replaced, times = random.Random(number), 0, 0
    for done in moments(number):
        times += interrupted(command, served, done, number)
        there = sorted(name.removeprefix("t/") for name in uploads(served))
        chosen = draw.sample(there, min(20, len(there)))
        made_older(tree, chosen)
        replaced += len(chosen)
    assert times > 0
    assert replaced > 0
    succeed(*command)
    sent = uploads(served)
    assert sent.total() - FILES - replaced <= times * FILES_AT_ONCE
    succeed("cp", "-r", "-q", "-k", key_file, "oss://trees/t", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)
