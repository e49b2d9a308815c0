"""``cp -r`` killed at random moments and run again: every file arrives, none is sent twice.

What is sent again is what was under way when the program was killed, and no more. A file that
another one replaced meanwhile arrives as it is now, also an older one.
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

import cipherbucket as cb
import oss2
from cipherbucket.cli.options.copying import FILES_AT_ONCE
from cipherbucket.server import Endpoint

FILES = count(2004, 40)
TIMES = count(10, 2)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[oss2.Bucket]:
    """Return a bucket that keeps versions, so that every upload of a file can be counted."""
    with Endpoint(buckets=["trees"]) as endpoint:
        for name, value in (
            ("OSS_ENDPOINT", endpoint.url),
            ("OSS_REGION", endpoint.region),
            ("OSS_ACCESS_KEY_ID", endpoint.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", endpoint.access_key_secret),
        ):
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


@pytest.mark.parametrize("sealing", ["oss", "sealed"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.each_pair
def test_an_upload_of_a_tree_goes_on(
    served: oss2.Bucket, tree: Path, key_file: Path, tmp_path: Path, sealing: str, number: int
) -> None:
    command = ["cp", "-r", "--format", sealing, "-k", str(key_file), str(tree), "oss://trees/t"]
    draw = random.Random(number)
    times = 0
    for _ in range(TIMES):
        times += interrupted(command, served, draw.randrange(1, FILES // TIMES // 2), number)
    assert times > 0
    before = uploads(served)
    skipped = re.search(r"([0-9,]+) skipped, copied by an earlier run", succeed(*command).stderr)
    assert skipped is not None
    least = len(before) - times * FILES_AT_ONCE
    assert least <= int(skipped[1].replace(",", "")) <= len(before)
    sent = uploads(served)
    assert len(sent) == FILES
    # One more for each file that was under way when the program died.
    assert sent.total() - FILES <= times * FILES_AT_ONCE
    assert max(sent.values()) <= 1 + times
    down = ["cp", "-r", "-q", "--format", sealing, "-k", str(key_file), "oss://trees/t"]
    succeed(*down, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)


def test_files_that_were_replaced_by_older_ones_arrive(
    served: oss2.Bucket, tree: Path, key_file: Path, tmp_path: Path
) -> None:
    command = ["cp", "-r", "-k", str(key_file), str(tree), "oss://trees/t"]
    assert interrupted(command, served, FILES // 2, signal.SIGKILL)
    there = [name.removeprefix("t/") for name in uploads(served)]
    changed = random.Random(17).sample(there, 20)
    for name in changed:
        path, before = tree / name, (tree / name).stat()
        other = tmp_path / "older"
        other.write_bytes(bytes(before.st_size))  # of the same length
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
        other.rename(path)
    succeed(*command)
    succeed("cp", "-r", "-q", "-k", key_file, "oss://trees/t", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)
    assert all(not any(contents(tmp_path / "back")[name]) for name in changed)
