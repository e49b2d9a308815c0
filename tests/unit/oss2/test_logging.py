"""The log: each request of a bucket in a line, and no secrets."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import Scene

from cipherbucket import oss2
from cipherbucket.oss2.exceptions import NoSuchKey, ServerError

_LINE = re.compile(r"DEBUG (\w+) (.*): (\w+), request (\w+)")


@pytest.mark.parametrize("options", [{}, {"name": "oss2"}], ids=["ours", "oss2"])
def test_each_request_is_a_line(
    opened: Any, layer: Scene, tmp_path: Path, options: dict[str, Any]
) -> None:
    logger = logging.getLogger("cipherbucket")
    before = logger.level, list(logger.handlers)
    path, file = tmp_path / "log", tmp_path / "file"
    file.write_bytes(bytes(250_000))
    oss2.set_file_logger(
        path, level=logging.DEBUG, format_string="%(levelname)s %(message)s", **options
    )
    try:
        result = opened.put_object("a b", b"content", headers={"x-oss-meta-word": "not-logged"})
        opened.get_object("a b").read()
        opened.delete_object("a b")
        with pytest.raises(NoSuchKey) as missing:
            opened.get_object("a b")
        with pytest.raises(ServerError):
            opened.get_object_tagging("a b")
        oss2.resumable_upload(opened, "o", str(file), multipart_threshold=1, part_size=102_400)
    finally:
        for handler in set(logger.handlers) - set(before[1]):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(before[0])
    text = path.read_text()
    lines = [found.groups() for found in map(_LINE.fullmatch, text.splitlines()) if found]
    assert lines[:4] == [
        ("PUT", "'a b'", "200", result.request_id),
        ("GET", "'a b'", "200", lines[1][3]),
        ("DELETE", "'a b'", "204", lines[2][3]),
        ("GET", "'a b'", "404", missing.value.request_id),
    ]
    assert lines[4][:3] == ("GET", "'a b'", "404")
    assert [line[0] for line in lines].count("PUT") == 4  # workers' requests, too
    for secret in (layer.oss.access_key_secret, "not-logged", "ignature", "x-oss-meta"):
        assert secret not in text
