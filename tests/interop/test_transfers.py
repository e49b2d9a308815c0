"""Files that we upload in parts are read by every SDK; what they upload, we download in ranges."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.interop.matrix import OURS, PART_SIZE, READERS, WRITERS
from tests.interop.peers import open_ours
from tests.interop.run import Run

from cipherbucket.transfers import files

DATA = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(11_000))[:351_234]


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "THRESHOLD", PART_SIZE)


@pytest.mark.parametrize("reader", [name for name in READERS if name != OURS])
def test_a_file_that_we_upload_in_parts_is_read(run: Run, reader: str, tmp_path: Path) -> None:
    need(reader)
    client = replace(run.client, keys=(run.first,))
    path = tmp_path / "plain"
    path.write_bytes(DATA)
    with open_ours(client) as bucket:
        bucket.upload(path, "transfers/ours", part_size=PART_SIZE, workers=3)
        assert not bucket.uploads("transfers/")

    assert run.peers[reader].get(client, "transfers/ours") == DATA
    assert (
        run.peers[reader].get(client, "transfers/ours", span="102390-102409")
        == (DATA[102390:102410])
    )


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != OURS])
def test_what_an_sdk_uploads_in_parts_is_downloaded_in_ranges(
    run: Run, writer: str, tmp_path: Path
) -> None:
    need(writer)
    client = replace(run.client, keys=(run.first,))
    name = f"transfers/{writer}"
    run.peers[writer].multipart(client, name, DATA, PART_SIZE)
    path = tmp_path / "back"
    with open_ours(client) as bucket:
        bucket.download(name, path, part_size=114_688, workers=3)

    assert path.read_bytes() == DATA
