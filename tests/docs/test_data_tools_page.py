"""What docs/data-tools.md shows is run, tool by tool, where the tool is installed."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.documents import ROOT, blocks

import cipherbucket as cb
from cipherbucket.filesystem.spec import CipherbucketFileSystem

PAGE = ROOT / "docs" / "data-tools.md"
TOOLS = ("dask", "duckdb", "h5py", "pandas", "polars", "pyarrow", "upath", "xarray", "zarr")


@pytest.mark.filterwarnings("default")  # of the tools
def test_the_programs_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in TOOLS:
        pytest.importorskip(tool)
    monkeypatch.chdir(tmp_path)
    cb.create_rsa_key_file(tmp_path / "key.pem", description={"desc": "page"}, bits=2048)
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "a").write_bytes(b"a")
    known: dict[str, Any] = {
        "store": f"file://{tmp_path}/store",
        "key_file": str(tmp_path / "key.pem"),
        "settings": {},
        "local_file": str(tmp_path / "values.h5"),
        "local_folder": str(tmp_path / "tree"),
    }
    for program in blocks(PAGE, "python"):
        exec(compile(program, str(PAGE), "exec"), known)
    assert len(known["patients"].columns) == 1
    assert (known["third"].num_rows, known["counted"], known["total"]) == (143, (143,), 499_500)
    assert known["frame"].shape == (1000, 1)
    assert known["array"][500, 7] == 500_007
    assert known["grid"].equals(known["data"])
    assert known["last"] == 999
    assert [bytes(known["scans"][n])[:1] for n in range(len(known["scans"]))]
    assert known["fs"].cat("tree/sub/a") == b"a"
    assert (known["folder"] / "a.txt").read_text() == "text"
    opened = known["transport"].open("cipherbucket://notes/a.txt", "rb", known["options"])
    assert opened.read() == b"text"


def test_the_page_names_every_option() -> None:
    page = PAGE.read_text("utf-8")
    said = set(re.findall(r"`(\w+)=", page)) | {"config_sha256", "options"}
    assert set(inspect.signature(CipherbucketFileSystem.__init__).parameters) - {"self"} <= said
