"""What an endpoint keeps is its owner's alone, and what is somebody else's is refused."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.wire_client import WireClient

import cipherbucket as cb
from cipherbucket.server import Endpoint, KmsEndpoint

as_root = pytest.mark.skipif(os.getuid() != 0, reason="another user's files are made by root")
NOBODY = 65534


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of all below a folder, and of the folders that hold it."""
    return {
        str(each.relative_to(folder)): stat.S_IMODE(each.stat().st_mode)
        for each in folder.rglob("*")
    }


def used(data: Path) -> None:
    """Let an endpoint make all of its files in a folder, and look at them while it runs."""
    with (
        Endpoint(data=data, buckets=["examplebucket"]) as endpoint,
        KmsEndpoint(keys=data / "kms.sqlite", aliases=["alias/one"]),
    ):
        send = WireClient(endpoint, "examplebucket")
        assert send("PUT", "a", body=b"1" * 1000).status == 200
        assert send("POST", "b", query={"uploads": ""}).status == 200
        private(data)
    private(data)


def private(data: Path) -> None:
    found = modes(data)
    assert {"catalog.sqlite", "kms.sqlite", "bodies"} <= set(found)
    for name, mode in found.items():
        assert mode == (0o700 if (data / name).is_dir() else 0o600), (name, oct(mode))


@pytest.mark.usefixtures("umask")
def test_files_in_a_folder_that_is_there_are_the_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    used(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o755


@pytest.mark.usefixtures("umask")
def test_folders_that_are_made_are_the_owners_alone(tmp_path: Path) -> None:
    used(tmp_path / "a" / "b" / "data")
    for folder in ("a", "a/b", "a/b/data"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_files_that_others_could_read_become_the_owners_alone(tmp_path: Path) -> None:
    used(tmp_path)
    (tmp_path / "catalog.sqlite").chmod(0o644)
    used(tmp_path)


def refused(data: Path, what: str) -> None:
    with pytest.raises(cb.CipherbucketError, match=what):
        Endpoint(data=data).start()


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "open", tmp_path / "open" / "data"):
        folder.mkdir()
    (tmp_path / "open").chmod(0o777)
    refused(tmp_path / "open" / "data", "can be written by others")
    refused(tmp_path / "open" / "new", "can be written by others")
    assert list(modes(tmp_path / "open")) == ["data"]


@pytest.mark.parametrize("link", ["catalog.sqlite", "catalog.sqlite-wal", "kms.sqlite"])
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, link: str) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.write_bytes(b"")
    other.chmod(0o600)
    (data / link).symlink_to(other)
    endpoint = KmsEndpoint(keys=data / link) if link.startswith("kms") else Endpoint(data=data)
    with pytest.raises(cb.UsageError, match="is no file"):
        endpoint.start()
    assert other.read_bytes() == b""


@as_root
@pytest.mark.parametrize(
    "theirs", [".", "catalog.sqlite", "catalog.sqlite-wal", "bodies", "bodies/index.sqlite"]
)
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path, theirs: str) -> None:
    used(tmp_path)
    (tmp_path / "catalog.sqlite-wal").touch(0o600)
    os.chown(tmp_path / theirs, NOBODY, NOBODY)
    refused(tmp_path, "belongs to")


@as_root
@pytest.mark.parametrize(
    "theirs", ["kms.sqlite", "tls", "tls/private-key.pem", "tls/certificate.pem"]
)
def test_keys_that_belong_to_somebody_else_are_refused(tmp_path: Path, theirs: str) -> None:
    with KmsEndpoint(keys=tmp_path / "kms.sqlite", tls=tmp_path / "tls"):
        pass
    os.chown(tmp_path / theirs, NOBODY, NOBODY)
    with pytest.raises(cb.UsageError, match="belongs to"):
        KmsEndpoint(keys=tmp_path / "kms.sqlite", tls=tmp_path / "tls").start()
