"""Starting, stopping, keeping: the endpoint as a whole."""

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.counts import count
from tests.support.wire_client import WireClient

from cipherbucket.errors import StoreError, UsageError
from cipherbucket.server import Endpoint
from cipherbucket.server.catalog import open_catalog

SERVER = """
import sys
from cipherbucket.server import Endpoint
with Endpoint(data=sys.argv[1], buckets=["bucket"], access_key_secret="secret") as endpoint:
    print(endpoint.url, flush=True)
    sys.stdin.read()
"""
MIB = 1 << 20


def test_it_starts_on_a_free_port_of_loopback_with_its_buckets() -> None:
    with Endpoint(buckets=["one", "two"]) as endpoint:
        parts = urlsplit(endpoint.url)
        assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1")
        assert parts.port
        send = WireClient(endpoint)
        assert send("GET").texts("Buckets/Bucket/Name") == ["one", "two"]


def test_two_endpoints_have_nothing_in_common() -> None:
    with Endpoint(buckets=["bucket"]) as one, Endpoint(buckets=["bucket"]) as other:
        assert one.url != other.url
        assert one.access_key_secret != other.access_key_secret
        WireClient(one, "bucket")("PUT", "k", body=b"1")
        assert WireClient(other, "bucket")("GET", "k").status == 404


def test_it_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())  # other tests may keep an endpoint of theirs
    with Endpoint(buckets=["bucket"]) as endpoint:
        WireClient(endpoint, "bucket")("PUT", "k", body=b"1")
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith("cipherbucket")]


def test_a_port_that_is_taken_is_refused() -> None:
    with Endpoint() as endpoint:
        port = urlsplit(endpoint.url).port or 0
        with pytest.raises(StoreError, match="cannot be bound"):
            Endpoint(port=port).start()


def test_a_name_of_this_machine_is_told_as_its_address() -> None:
    with Endpoint(host="localhost", buckets=["bucket"]) as endpoint:
        assert endpoint.url.startswith("http://127.0.0.1:")  # `bucket.localhost` is no host


def test_a_bucket_name_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="BAD"):
        Endpoint(buckets=["BAD"])


def test_a_folder_keeps_everything(tmp_path: Path) -> None:
    with Endpoint(data=tmp_path / "data", buckets=["bucket"]) as endpoint:
        send = WireClient(endpoint, "bucket")
        send("PUT", "k", body=b"kept", x_oss_meta_a="1", x_oss_tagging="t=1")
        send("PUT", "replaced", body=b"old")
        send("PUT", "replaced", body=b"new")
        upload = send("POST", "u", {"uploads": ""}).text("UploadId") or ""
        send("PUT", "u", {"partNumber": "1", "uploadId": upload}, b"part")
    bodies = [path for path in (tmp_path / "data/bodies/bodies").rglob("*") if path.is_file()]
    assert sorted(path.read_bytes() for path in bodies if not path.suffix) == [
        b"kept",
        b"new",
        b"part",
    ]
    with Endpoint(data=tmp_path / "data") as endpoint:
        send = WireClient(endpoint, "bucket")
        got = send("GET", "k")
        assert (got.body, got.headers["x-oss-meta-a"]) == (b"kept", "1")
        assert got.headers["x-oss-tagging-count"] == "1"
        assert send("GET", "u", {"uploadId": upload}).texts("Part/Size") == ["4"]


def test_bodies_that_nothing_names_are_swept_at_the_start(tmp_path: Path) -> None:
    from cipherbucket.stores.local.store import LocalStore

    with Endpoint(data=tmp_path, buckets=["bucket"]) as endpoint:
        WireClient(endpoint, "bucket")("PUT", "k", body=b"kept")
    with LocalStore(tmp_path / "bodies") as store:
        store.put("left", b"by a process that died")
        assert len(store.list().entries) == 2
    with Endpoint(data=tmp_path) as endpoint:
        assert WireClient(endpoint, "bucket")("GET", "k").body == b"kept"
    with LocalStore(tmp_path / "bodies") as store:
        assert len(store.list().entries) == 1


def test_one_folder_serves_one_endpoint(tmp_path: Path) -> None:
    with Endpoint(data=tmp_path), pytest.raises(UsageError, match="cannot be opened"):
        Endpoint(data=tmp_path).start()


def test_a_change_is_on_the_disk_before_what_it_replaces_is_removed(tmp_path: Path) -> None:
    catalog = open_catalog(str(tmp_path / "catalog.sqlite"))
    with closing(catalog), catalog.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_another_parser_that_is_installed_changes_nothing() -> None:
    code = """
import sys, types
sys.modules["httptools"] = types.ModuleType("httptools")
from urllib.request import urlopen
from urllib.error import HTTPError
from cipherbucket.server import Endpoint
with Endpoint() as endpoint:
    try:
        urlopen(endpoint.url, timeout=10)
    except HTTPError as error:
        print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "403"


def test_it_says_where_it_is_and_how_to_point_sdks_at_it() -> None:
    with Endpoint(access_key_secret="very-secret") as endpoint:
        text = endpoint.describe(with_secret=True)
        assert text.count(endpoint.url) >= 7
        assert "very-secret" in text
        assert "very-secret" not in endpoint.describe(with_secret=False)


def test_a_missing_extra_is_named() -> None:
    code = """
import sys
sys.modules["uvicorn"] = None
from cipherbucket import MissingExtraError
try:
    import cipherbucket.server
except MissingExtraError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pip install 'uvicorn>=0.40'"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_bodies_pass_in_little_memory(tmp_path: Path) -> None:
    size = count(1024, 256) * MIB
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        running = Endpoint(access_key_secret="secret")
        running._listener.port = int(process.stdout.readline().strip().rpartition(":")[2])
        send = WireClient(running, "bucket")
        send("PUT", "k", body=b"warm")
        before = peak_memory(process.pid)
        block = bytes(range(256)) * 4096
        sent = send("PUT", "k", body=(block for _ in range(size // MIB)), content_length=str(size))
        assert sent.status == 200
        assert drained(send, "k") == size
        assert peak_memory(process.pid) - before < 64 * MIB
        process.stdin.close()
        assert process.wait(30) == 0


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def drained(send: WireClient, key: str) -> int:
    """Read an object without keeping it; return its size."""
    import socket

    with socket.create_connection(send.address) as sock:
        sock.sendall(send.head_of("GET", key))
        stream = sock.makefile("rb")
        while stream.readline().strip():
            pass
        return sum(len(block) for block in iter(lambda: stream.read(MIB), b""))
