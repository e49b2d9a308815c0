"""Objects as text: opened as files are, stored wholly or not at all as objects are."""

import csv
import gc
import io
import json
from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb

TEXT = "Größe;1\r\n漢字;2\nlast"


@pytest.fixture(params=["oss", "sealed"])
def texts(request: pytest.FixtureRequest, store: cb.MemoryStore, key: cb.RsaKey) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(key), format=request.param)


@pytest.mark.parametrize("mode", ["w", "wt", "x", "xt"])
def test_text_is_written_and_read_as_a_file_has_it(
    texts: cb.Bucket, mode: Any, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        file.write(TEXT)
    with texts.open("a", mode) as written:
        assert written.write(TEXT) == len(TEXT)
        assert not texts.exists("a")
    assert (written.mode, written.name, written.encoding) == (mode, "a", "utf-8")
    assert written.info.size == len(TEXT.encode())
    assert texts.get("a").read() == (tmp_path / "file").read_bytes()

    read_mode: Any = "rt" if mode.endswith("t") else "r"
    with texts.open("a", read_mode) as read, (tmp_path / "file").open(encoding="utf-8") as file:
        assert (read.name, read.readable(), read.writable()) == ("a", True, False)
        assert read.readline() == file.readline() == "Größe;1\n"
        place = read.tell()
        assert read.read() == file.read()
        read.seek(place)
        assert list(read) == ["漢字;2\n", "last"]


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-32", "utf-16-be", "latin-1", "gb18030", "utf-8-sig"]
)
@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n"])
def test_encoding_newline_and_errors_are_those_of_open(
    texts: cb.Bucket, tmp_path: Path, encoding: str, newline: str | None
) -> None:
    how: dict[str, Any] = {"encoding": encoding, "newline": newline, "errors": "replace"}
    with (tmp_path / "file").open("w", **how) as file, texts.open("a", "w", **how) as written:
        file.write(TEXT)
        written.write(TEXT)
    assert texts.get("a").read() == (tmp_path / "file").read_bytes()
    with (tmp_path / "file").open("r", **how) as file, texts.open("a", "r", **how) as read:
        assert list(read) == list(file)


def test_a_table_and_a_document_are_written_and_read(texts: cb.Bucket) -> None:
    with texts.open("a.csv", "w", newline="") as file:
        csv.writer(file).writerows([["a", "b\nc"], ["1", "2"]])
    with texts.open("a.csv", "r", newline="") as file:
        assert list(csv.reader(file)) == [["a", "b\nc"], ["1", "2"]]
    with texts.open("a.json", "w") as file:
        json.dump({"a": "ß"}, file, ensure_ascii=False)
    with texts.open("a.json", "r") as file:
        assert json.load(file) == {"a": "ß"}


def test_a_block_that_fails_stores_no_text(texts: cb.Bucket, store: cb.MemoryStore) -> None:
    class StopError(Exception):
        pass

    with pytest.raises(StopError), texts.open("a", "w") as file:  # noqa: PT012
        file.write("half" * 100_000)
        raise StopError
    assert file.closed
    file.close()
    with pytest.raises(UnicodeEncodeError), texts.open("a", "w", encoding="ascii") as ascii_file:
        ascii_file.writelines(["half", "ß"])
    with texts.open("a", "w") as file:
        file.write("half")
        file.abort()
    assert not texts.exists("a")
    assert store.list_uploads("") == []
    with pytest.raises(cb.UsageError, match="stored when"):
        _ = file.info


def test_text_whose_end_cannot_be_written_is_not_stored(
    texts: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    file = texts.open("a", "w")
    file.write("half")
    file.flush()
    file.write("other half")
    monkeypatch.setattr(file.buffer, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.close()
    assert file.closed
    assert not texts.exists("a")


def test_a_file_that_was_detached_from_its_text_is_the_callers(texts: cb.Bucket) -> None:
    text = texts.open("a", "w")
    text.write("ß")
    file = text.detach()
    del text
    gc.collect()
    file.write(b"\xff")
    file.close()
    assert texts.get("a").read() == b"\xc3\x9f\xff"


def test_text_that_is_forgotten_is_not_stored(texts: cb.Bucket) -> None:
    file = texts.open("a", "w")
    file.write("half")
    with pytest.warns(ResourceWarning, match="nothing is stored"):  # noqa: PT031
        del file
        gc.collect()
    assert not texts.exists("a")


@pytest.mark.parametrize("mode", ["x", "xt", "xb"])
def test_mode_x_replaces_nothing(texts: cb.Bucket, mode: Any) -> None:
    texts.put("a", b"before")
    file = texts.open("a", mode)
    file.write(b"new" if mode == "xb" else "new")
    with pytest.raises(cb.PreconditionFailedError):
        file.close()
    assert texts.get("a").read() == b"before"


def test_arguments_of_text_are_looked_at_when_it_is_opened(texts: cb.Bucket) -> None:
    anything: Any = texts
    for mode in ("rb", "wb", "xb"):
        for argument in ({"encoding": "utf-8"}, {"errors": "strict"}, {"newline": ""}):
            with pytest.raises(cb.UsageError, match="no encoding, errors or newline"):
                anything.open("a", mode, **argument)
    refused: list[dict[str, Any]] = [{"encoding": "no such"}, {"newline": "x"}, {"newline": 5}]
    for argument in refused:
        for mode in ("r", "w"):
            with pytest.raises(cb.UsageError, match="text cannot be opened so"):
                anything.open("a", mode, **argument)


def test_text_that_is_no_text_is_an_error_of_python(texts: cb.Bucket) -> None:
    texts.put("a", b"\xff\xfe\xfd")
    with texts.open("a", "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()
    with texts.open("a", "r", errors="replace") as file:
        assert file.read() == "\ufffd" * 3
    with pytest.raises(io.UnsupportedOperation):
        texts.open("a", "r").write("x")
