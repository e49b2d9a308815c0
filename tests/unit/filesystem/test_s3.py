"""A file system over S3: its store and settings are names and addresses, as over OSS."""

import pickle
from pathlib import Path

import pytest
from tests.support.s3_servers import moto

import cipherbucket as cb
from cipherbucket.filesystem.spec import CipherbucketFileSystem


def test_files_in_s3_are_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cb.create_aes_key_file(tmp_path / "k.key", description={"desc": "k"})
    with moto() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        bucket = server.make_bucket()
        files = CipherbucketFileSystem(
            f"s3://{bucket}",
            [str(tmp_path / "k.key")],
            format="sealed",
            settings={"addressing": "path", "endpoint": server.url},
        )
        files.pipe_file("a/b", b"hello")
        again = pickle.loads(pickle.dumps(files))
        assert again.cat_file("a/b", 1, 3) == b"el"
        assert [each["name"] for each in again.ls("a")] == ["a/b"]
    with pytest.raises(cb.UsageError, match="unknown setting 'signature'"):
        CipherbucketFileSystem("s3://bucket", settings={"signature": "v4"})
