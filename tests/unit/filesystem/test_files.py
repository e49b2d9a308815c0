"""Open files of the file system: exceptions, transactions, pickles, slices, and what is secret."""

from __future__ import annotations

import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

import cipherbucket as cb
from cipherbucket.filesystem.files import FileToRead
from cipherbucket.filesystem.spec import CipherbucketFileSystem

DATA = bytes(range(256)) * 1000


class GaveUpError(Exception):
    pass


def give_up() -> None:
    raise GaveUpError


@pytest.mark.parametrize("mode", ["wb", "xb", "w", "x"])
def test_a_with_block_left_by_an_exception_stores_nothing(
    fs: CipherbucketFileSystem, mode: str
) -> None:
    piece: Any = b"half" if "b" in mode else "half"

    def write_half() -> None:
        with fs.open("a", mode) as file:
            file.write(piece)
            give_up()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if "b" not in mode else "error")
        with pytest.raises(GaveUpError):
            write_half()
    assert not fs.exists("a")


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_others_close_because_of_an_exception_is_not_stored(
    fs: CipherbucketFileSystem, compression: str | None
) -> None:
    def write_half() -> None:
        url, storage = "cipherbucket://a", fs.storage_options
        with fsspec.open(url, "wb", compression=compression, **storage) as file:
            file.write(b"half")
            give_up()

    warned = pytest.warns(cb.CipherbucketWarning, match="'a' is not stored: .* GaveUpError")
    with warned, pytest.raises(GaveUpError):
        write_half()
    assert not fs.exists("a")


def test_a_file_that_was_opened_while_an_exception_is_handled_is_stored(
    fs: CipherbucketFileSystem,
) -> None:
    try:
        give_up()
    except GaveUpError:
        with fs.open("log", "w") as file:
            file.write("it failed")
    assert fs.read_text("log") == "it failed"


@pytest.mark.parametrize("compression", [None, "gzip", "infer"])
def test_compression(fs: CipherbucketFileSystem, compression: str | None) -> None:
    with fs.open("a.gz", "wb", compression=compression) as file:
        file.write(DATA)
    assert fs.exists("a.gz")
    with fs.open("a.gz", "rb", compression=compression) as file:
        assert file.read() == DATA
    with fs.open("t.gz", "wt", compression=compression) as file:
        file.write("text")
    with fs.open("t.gz", "rt", compression=compression) as file:
        assert file.read() == "text"


def test_a_file_that_is_forgotten_stores_nothing(fs: CipherbucketFileSystem) -> None:
    file = fs.open("a", "wb")
    file.write(b"half")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del file
    assert not fs.exists("a")


def test_a_transaction_stores_all_or_nothing(fs: CipherbucketFileSystem) -> None:
    with fs.transaction:
        for name in ("a", "b"):
            with fs.open(name, "wb") as file:
                file.write(DATA)
            assert not fs.exists(name)
    assert fs.cat(["a", "b"]) == {"a": DATA, "b": DATA}

    def write_half() -> None:
        with fs.transaction:
            with fs.open("c", "wb") as file:
                file.write(DATA)
            give_up()

    with pytest.raises(GaveUpError):
        write_half()
    assert not fs.exists("c")


def test_only_a_new_object(fs: CipherbucketFileSystem) -> None:
    with fs.open("a", "xb") as file:
        file.write(b"1")
    with pytest.raises(FileExistsError):
        fs.open("a", "xb")
    with pytest.raises(FileExistsError):
        fs.pipe_file("a", b"2", mode="create")
    assert fs.cat("a") == b"1"


@pytest.mark.parametrize("mode", ["ab", "r+b", "wb+"])
def test_other_modes_are_refused(fs: CipherbucketFileSystem, mode: str) -> None:
    with pytest.raises(cb.UsageError, match="read or written as a whole"):
        fs.open("a", mode)


def test_a_missing_object_is_a_missing_file(fs: CipherbucketFileSystem) -> None:
    for look in (fs.info, fs.cat, fs.size, fs.ls, fs.rm, fs.modified, fs.rm_file):
        with pytest.raises(FileNotFoundError):
            look("none")
    with pytest.raises(FileNotFoundError), fs.open("none") as file:
        file.read()


SLICES = [
    *((None, None), (0, 0), (5, 10), (100, None), (None, 100), (-10, None), (None, -10)),
    *((-20, -10), (5, -5), (10, 5), (0, 10**9), (len(DATA), None)),
]


def test_slices(fs: CipherbucketFileSystem) -> None:
    fs.pipe_file("a", DATA)
    for start, end in SLICES:
        assert fs.cat_file("a", start, end) == DATA[start:end], (start, end)
    fs.pipe_file("b", DATA[::-1])
    paths = ["a", "b"] * len(SLICES)
    starts = [start for start, _ in SLICES for _ in "ab"]
    ends = [end for _, end in SLICES for _ in "ab"]
    right = [each[start:end] for start, end in SLICES for each in (DATA, DATA[::-1])]
    assert fs.cat_ranges(paths, starts, ends) == right
    missing, found = fs.cat_ranges(["none", "a"], 0, 3)
    assert isinstance(missing, FileNotFoundError)
    assert found == DATA[:3]
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(["none", "a"], 0, 3, on_error="raise")


def test_sizes_are_those_of_the_plaintext(fs: CipherbucketFileSystem) -> None:
    fs.pipe({"d/a": DATA, "d/e/b": b"1"})
    assert fs.du("d") == len(DATA) + 1
    assert fs.du("d", total=False) == {"d/a": len(DATA), "d/e/b": 1}
    assert {each["name"]: each["size"] for each in fs.ls("d")} == {"d/a": len(DATA), "d/e": 0}
    assert fs.info("d/a")["size"] == fs.size("d/a") == len(DATA)
    quick = CipherbucketFileSystem(**fs.storage_options, exact_sizes=False)
    stored = fs.info("d/a")["stored_size"]
    assert [each["size"] for each in quick.ls("d") if each["type"] == "file"] == [stored]


def test_directories(fs: CipherbucketFileSystem) -> None:
    fs.pipe({"d/a": b"1", "d/e/b": b"2", "dd": b"3"})
    fs.mkdir("new")
    fs.makedirs("new", exist_ok=True)
    assert fs.ls("", detail=False) == ["d", "dd"]
    assert fs.ls("d", detail=False) == ["d/a", "d/e"]
    assert fs.ls("d/a", detail=False) == ["d/a"]
    assert fs.find("d") == ["d/a", "d/e/b"]
    assert fs.find("d", withdirs=True) == ["d", "d/a", "d/e", "d/e/b"]
    assert fs.find("d", maxdepth=1) == ["d/a"]
    assert fs.find("") == ["d/a", "d/e/b", "dd"]
    assert fs.glob("d/**") == ["d", "d/a", "d/e", "d/e/b"]
    assert list(fs.walk("d")) == [("d", ["e"], ["a"]), ("d/e", [], ["b"])]
    assert (fs.isdir("d"), fs.isfile("d"), fs.isdir("dd"), fs.isdir("none")) == (
        *(True, False, False, False),
    )
    fs.rm("d", recursive=True)
    assert fs.find("") == ["dd"]


def test_copies_and_moves(fs: CipherbucketFileSystem) -> None:
    fs.pipe("a", DATA)
    fs.copy("a", "b")
    fs.mv("b", "c")
    assert fs.find("") == ["a", "c"]
    assert fs.cat("c") == DATA
    fs.touch("empty")
    assert fs.cat("empty") == b""
    fs.touch("a", truncate=False)
    assert fs.cat("a") == DATA
    assert fs.created("a") == fs.modified("a") <= fs.modified("empty")
    before = fs.checksum("a")
    fs.pipe("a", b"other")
    assert fs.checksum("a") != before


def test_files_and_folders_up_and_down(fs: CipherbucketFileSystem, tmp_path: Path) -> None:
    (tmp_path / "up" / "sub").mkdir(parents=True)
    (tmp_path / "up" / "sub" / "a").write_bytes(DATA)
    fs.put(str(tmp_path / "up"), "tree", recursive=True)
    fs.get("tree", str(tmp_path / "down"), recursive=True)
    assert (tmp_path / "down" / "sub" / "a").read_bytes() == DATA
    callback = fsspec.Callback()
    fs.get_file("tree/sub/a", str(tmp_path / "one"), callback=callback)
    assert (callback.size, callback.value) == (len(DATA), len(DATA))


def read_in_another_process(fs: CipherbucketFileSystem, file: FileToRead) -> tuple[bytes, bytes]:
    return fs.cat_file("a", 0, 3), file.read(3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("form", ["oss", "sealed"])
@pytest.mark.parametrize("kind", ["file", "oss"])
def test_file_system_and_files_go_to_other_processes(
    options: Any, kind: str, form: str, method: str
) -> None:
    fs = CipherbucketFileSystem(**options(kind, form))
    fs.pipe("a", DATA)
    with fs.open("a") as file:
        file.seek(100)
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(read_in_another_process, fs, file).result() == (
                DATA[:3],
                DATA[100:103],
            )
        assert file.read(3) == DATA[100:103]
    assert pickle.loads(pickle.dumps(fs)) is fs


def test_a_file_that_is_written_is_not_pickled(fs: CipherbucketFileSystem) -> None:
    with fs.open("a", "wb") as file, pytest.raises(cb.UsageError, match="cannot be pickled"):
        pickle.dumps(file)
    assert fs.exists("a")


@pytest.mark.parametrize("name", ["credentials", "proxy"])
def test_secrets_are_refused_as_options(key_file: str, name: str) -> None:
    with pytest.raises(cb.UsageError, match=f"holds no {name}"):
        CipherbucketFileSystem(store="oss://b", keys=[key_file], settings={name: "x"})


def test_an_unknown_option_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(cb.UsageError, match="unknown storage option 'formats'") as caught:
        CipherbucketFileSystem(formats="sealed")
    assert caught.value.hint is not None
    assert "store, keys, config, config_sha256, format, recipients" in caught.value.hint
    assert "self" not in caught.value.hint.split(";")[0]


def test_options_without_a_store_are_refused(key_file: str) -> None:
    with pytest.raises(cb.UsageError, match="keys without store"):
        CipherbucketFileSystem(keys=[key_file])


@pytest.fixture
def config(tmp_path: Path, key_file: str) -> Path:
    path = tmp_path / "cipherbucket.toml"
    path.write_text(
        f'[stores.records]\nurl = "file://{tmp_path}/records"\n'
        f'[stores.vault]\nurl = "file://{tmp_path}/vault"\n'
        f'[keys.k]\nrsa = "{key_file}"\n'
    )
    for name in ("records", "vault"):
        cb.make_bucket(f"file://{tmp_path}/{name}")
    return path


def test_stores_of_a_configuration(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = CipherbucketFileSystem(config=str(config))
    assert fs.ls("", detail=False) == ["records", "vault"]
    fs.pipe({"records/a": b"1", "records/d/b": b"2"})
    assert fs.find("records") == ["records/a", "records/d/b"]
    assert fs.ls("vault") == []
    fs.copy("records/a", "vault/a")
    assert fs.cat("vault/a") == b"1"
    with fsspec.open("cipherbucket://records/a", config=str(config)) as file:
        assert file.read() == b"1"
    monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(config))
    found = pickle.dumps(CipherbucketFileSystem())
    monkeypatch.delenv("CIPHERBUCKET_CONFIG")
    assert pickle.loads(found).cat("records/a") == b"1"
    config.write_text(config.read_text() + "# changed\n")
    CipherbucketFileSystem.clear_instance_cache()
    with pytest.raises(cb.UsageError, match="has other contents"):
        pickle.loads(found)
