"""What docs/bodies.md shows is run."""

from pathlib import Path
from typing import Any

from tests.support.documents import ROOT, blocks
from tests.support.http_bodies import serve

import cipherbucket as cb


def test_the_programs_of_the_page(key: cb.RsaKey, tmp_path: Path) -> None:
    page = ROOT / "docs" / "bodies.md"
    (tmp_path / "report").write_bytes(b"report")
    bucket = cb.Bucket(cb.MemoryStore(), cb.KeyRing(key))
    with serve(b"page") as served:
        known: dict[str, Any] = {
            "bucket": bucket,
            "url": f"{served.url}/whole",
            "__file__": str(tmp_path / "report"),
        }
        for program in blocks(page, "python"):
            exec(compile(program, str(page), "exec"), known)
    assert bucket.get("page").read() == b"page"
    assert bucket.get("report").read() == b"report"
    assert bucket.get("rest").read() == b"and body"
    assert known["last"] == 999
