"""The functions that programs import beside the bucket, compared with those of oss2."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.peer_sdks import OLD_FASHIONED, import_oss2

from cipherbucket.oss2 import compat, utils
from cipherbucket.oss2.exceptions import InconsistentError, OpenApiFormatError
from cipherbucket.oss2.utils import (
    Crc64,
    SizedFileAdapter,
    calc_obj_crc_from_parts,
    make_progress_adapter,
)

pytestmark = OLD_FASHIONED


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("b64encode_as_string", ["", "text", b"\x00\xff"]),
        ("b64decode_from_string", ["", "AP8=", b"AP8="]),
        ("content_md5", ["text", b"bytes"]),
        ("md5_string", ["text", b"bytes"]),
        (
            "content_type_by_name",
            ["a.js", "a.TXT", "a.xlsx", "a.docx", "a.tar.gz", "x", ".bashrc", "a.js/b", "a.png"],
        ),
        ("is_valid_bucket_name", ["abc", "ab", "a" * 64, "-ab", "ab-", "a.b", "Abc", "a-1"]),
        (
            "is_valid_endpoint",
            ["a.com", "http://a.b:80", "http://a:b", "a b", "https://", "x://y/z", "", None, "a_b"],
        ),
        ("http_date", [0, 1_600_000_000]),
        ("http_to_unixtime", ["Sat, 05 Dec 2015 11:10:29 GMT"]),
        ("iso8601_to_unixtime", ["2012-02-24T06:07:48.000Z"]),
    ],
)  # fmt: skip
def test_small_functions_answer_as_those_of_oss2(name: str, values: list[Any]) -> None:
    theirs, ours = getattr(import_oss2().utils, name), getattr(utils, name)
    assert [ours(value) for value in values] == [theirs(value) for value in values]


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_how_many_parts(total: int, part: int) -> None:
    parts = utils.how_many(total, part)
    assert parts * part >= total > (parts - 1) * part or parts == total == 0


def test_what_is_no_base64_is_told() -> None:
    with pytest.raises(OpenApiFormatError):
        utils.b64decode_from_string("A")


@given(st.binary(max_size=200), st.integers(0, 50), st.integers(0, 100), st.integers(1, 30))
def test_a_stretch_of_a_file_is_a_file(content: bytes, skip: int, size: int, amount: int) -> None:
    file = io.BytesIO(content)
    file.seek(skip)
    stretch = SizedFileAdapter(file, size)
    assert stretch.len == size
    read = b""
    for _ in range(size + 1):
        read += stretch.read(amount)
    assert read == content[skip : skip + size]
    assert stretch.read() == b""


def test_progress_is_told_with_each_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as file:
        file.seek(2)
        for data, size in [("0123456789", 10), (file, 8), (iter([b"01", b"23"]), None)]:
            told: list[tuple[int, int | None]] = []
            stream = make_progress_adapter(data, lambda *seen: told.append(seen))  # noqa: B023
            assert stream.len == size
            whole = stream.read(3) + b"".join(stream)
            assert told[0] == (3, size)
            assert told[-1] == (len(whole), size)


def test_checksums_of_parts_make_that_of_the_whole() -> None:
    pieces = [b"first", b"second", b"third"]
    whole = Crc64()
    parts = []
    for piece in pieces:
        whole(piece)
        crc = Crc64()
        crc.update(piece)
        parts.append(SimpleNamespace(part_crc=crc.crc, size=len(piece)))
    theirs = import_oss2().utils.Crc64()
    theirs.update(b"".join(pieces))
    assert whole.crc == theirs.crc == calc_obj_crc_from_parts(parts)
    assert calc_obj_crc_from_parts([SimpleNamespace(part_crc=None, size=1)]) is None
    utils.check_crc("put", 1, 1, "id")
    utils.check_crc("put", None, 1, "id")
    with pytest.raises(InconsistentError, match="put"):
        utils.check_crc("put", 1, 2, "id")


def test_files_and_headers(tmp_path: Path) -> None:
    utils.makedir_p(str(tmp_path / "a" / "b"))
    utils.makedir_p(str(tmp_path / "a" / "b"))
    file, other = tmp_path / "file", tmp_path / "other"
    utils.silently_remove(str(file))
    file.write_bytes(b"x")
    other.write_bytes(b"y")
    utils.force_rename(str(file), str(other))
    assert other.read_bytes() == b"x"
    with other.open("rb") as opened:
        assert utils.file_object_remaining_bytes(opened) == 1
        assert opened.tell() == 0
    assert utils.set_content_type(None, "a.txt") == {"Content-Type": "text/plain"}
    assert utils.set_content_type({"Content-Type": "x/y"}, "a.txt") == {"Content-Type": "x/y"}


def test_text_and_bytes() -> None:
    assert compat.to_bytes("é") == compat.to_bytes("é".encode()) == "é".encode()
    assert compat.to_string("é".encode()) == compat.to_unicode("é") == "é"
    assert compat.to_bytes(1) == 1
    assert compat.urlquote("a/b é") == "a/b%20%C3%A9"
    assert compat.urlquote("a/b", "") == "a%2Fb"
    assert compat.urlunquote("a%2Fb") == "a/b"
