"""What must not lose or mix up a file: moves, answers that fail, odd names, other surroundings."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cipherbucket as cb
from cipherbucket.bucket import Bucket
from cipherbucket.filesystem.spec import CipherbucketFileSystem
from cipherbucket.stores.base import Store

Options = Callable[[str, str], dict[str, Any]]


@pytest.fixture(params=["oss", "sealed"])
def fs(request: pytest.FixtureRequest, options: Options) -> CipherbucketFileSystem:
    return CipherbucketFileSystem(**options("memory", request.param))


def contents(fs: CipherbucketFileSystem) -> dict[str, bytes]:
    return {name: fs.cat_file(name) for name in fs.find("")}


@pytest.mark.parametrize(
    ("source", "target"), [("d/a", "/d/a"), ("d/a", "cipherbucket://d/a"), ("d", "d/"), ("d/", "d")]
)
def test_what_is_moved_onto_itself_stays(
    fs: CipherbucketFileSystem, source: str, target: str
) -> None:
    fs.pipe("d/a", b"1")
    fs.mv(source, target, recursive=True)
    assert contents(fs) == {"d/a": b"1"}


@pytest.mark.parametrize(
    ("source", "target"),
    [("d/e", "d"), ("d/e/a", "d/e"), (["d/e/a", "f/a"], "g"), (["d/e/a", "f/a"], ["f/a", "h"])],
)
def test_a_move_that_would_lose_a_file_is_refused(
    fs: CipherbucketFileSystem, source: Any, target: Any
) -> None:
    before = {"d/e/a": b"1", "f/a": b"2"}
    fs.pipe(before)
    with pytest.raises(cb.UsageError, match="would be moved"):
        fs.mv(source, target, recursive=True)
    assert contents(fs) == before


def test_a_directory_moves_into_itself(fs: CipherbucketFileSystem) -> None:
    fs.pipe({"d/a": b"1", "d/b": b"2"})
    with pytest.raises(FileNotFoundError, match="no such file"):
        fs.mv("d", "e")
    fs.mv("d", "d/e", recursive=True)
    assert contents(fs) == {"d/e/a": b"1", "d/e/b": b"2"}


def test_what_is_written_into_a_directory_while_it_is_moved_stays(
    fs: CipherbucketFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.pipe({"d/a": b"1", "d/b": b"2"})

    def meanwhile(verb: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            fs.pipe("d/new", b"3")
            return verb(*arguments, **options)

        return call

    monkeypatch.setattr(Bucket, "copy", meanwhile(Bucket.copy))
    monkeypatch.setattr(Bucket, "rename", meanwhile(Bucket.rename))
    fs.mv("d", "e", recursive=True)
    assert contents(fs) == {"e/a": b"1", "e/b": b"2", "d/new": b"3"}


FILE = """
[stores.a]
url = "file://{folder}/a"
[stores.same]
url = "file://{folder}/link"
trusted = true
[stores.b]
url = "file://{folder}/b"
[keys.k]
rsa = "{key}"
[[rules]]
at = "a"
write = "k"
format = "oss"
[[rules]]
at = "a/sealed/"
write = "k"
format = "sealed"
[[rules]]
at = "b"
write = "k"
format = "sealed"
[[rules]]
at = "same"
write = "k"
"""


@pytest.fixture
def configured(tmp_path: Path, key_file: str) -> CipherbucketFileSystem:
    path = tmp_path / "cipherbucket.toml"
    path.write_text(FILE.format(folder=tmp_path, key=key_file))
    for name in "ab":
        cb.make_bucket(f"file://{tmp_path}/{name}")
    return CipherbucketFileSystem(config=str(path))


def test_sizes_are_by_the_rule_of_each_object(configured: CipherbucketFileSystem) -> None:
    sizes = {"a/x": 10, "a/sealed/y": 20}
    configured.pipe({name: bytes(size) for name, size in sizes.items()})
    assert configured.du("a", total=False) == sizes
    assert [each["size"] for each in configured.ls("a/sealed")] == [20]


def test_metadata_go_along_to_another_store(configured: CipherbucketFileSystem) -> None:
    bucket, name = configured._places.find("a/x")
    bucket.put(name, b"1", metadata={"ward": "7"}, content_type="text/csv")
    configured.copy("a/x", "b/x")
    configured.mv("a/x", "b/y")
    for path in ("b/x", "b/y"):
        bucket, name = configured._places.find(path)
        info = bucket.head(name)
        assert (info.metadata, info.content_type) == ({"ward": "7"}, "text/csv")
    assert configured.find("a") == []


def test_a_move_to_the_same_place_by_another_url_loses_nothing(
    configured: CipherbucketFileSystem, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")  # the file would be refused with it
    configured.pipe("a/x", b"1")
    with pytest.raises(cb.ObjectChangedError, match="perhaps by its own copy"):
        configured.mv("a/x", "same/x")
    assert configured.cat("a/x") == b"1"


def fail(*_: Any, **__: Any) -> Any:
    raise cb.StoreError("the token is expired")


def test_a_failure_is_not_taken_for_nothing_there(
    fs: CipherbucketFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.pipe({"a": b"1", "d/b": b"2", "d/e/c": b"3"})
    with monkeypatch.context() as patch:
        patch.setattr(Store, "head", fail)
        asked = (fs.exists, fs.isfile, fs.isdir, lambda path: fs.touch(path, truncate=False))
        for ask in asked:
            with pytest.raises(cb.StoreError, match="expired"):
                ask("a")
    listed = Store.list

    def fail_below(store: Store, prefix: str = "", **options: Any) -> Any:
        return fail() if prefix == "d/e/" else listed(store, prefix, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "list", fail_below)
        for path in ("d/*/c", "d/*/*"):
            with pytest.raises(cb.StoreError, match="expired"):
                fs.glob(path)
    assert fs.glob("none/*") == []
    assert contents(fs)["a"] == b"1"


def test_touch_does_not_empty_what_was_written_meanwhile(
    fs: CipherbucketFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs.pipe("a", b"1")
    with monkeypatch.context() as patch:
        patch.setattr(CipherbucketFileSystem, "exists", lambda *_: False)
        fs.touch("a", truncate=False)
    assert fs.cat("a") == b"1"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_text_file_that_is_forgotten_stores_nothing(
    fs: CipherbucketFileSystem, compression: str | None
) -> None:
    file = fs.open("a", "w", compression=compression)
    file.write("half")
    del file
    gc.collect()
    assert not fs.exists("a")
    with fs.open("a", "w", compression=compression) as file:
        file.write("whole")
    with fs.open("a", "r", compression=compression) as file:
        assert file.read() == "whole"


def test_nothing_is_written_to_a_closed_file_of_a_transaction(fs: CipherbucketFileSystem) -> None:
    with fs.transaction:
        file = fs.open("a", "wb")
        file.write(b"1")
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.write(b"2")
    assert fs.cat("a") == b"1"


def test_names_that_no_path_has_are_not_listed_and_are_removed_with_their_directory(
    fs: CipherbucketFileSystem,
) -> None:
    bucket = fs._places.find("")[0]
    for name in ("/a", "d//a", "d/e/", "d/e/f/", "d/b", "cipherbucket://c"):
        bucket.put(name, b"1")
    assert fs.find("") == ["d//a", "d/b"]
    assert fs.find("d", withdirs=True) == ["d", "d//a", "d/b"]
    assert fs.ls("d", detail=False) == ["d/b", "d/e"]
    fs.rm("d", recursive=True)
    assert [each.name for each in bucket.list()] == ["/a", "cipherbucket://c"]
    with pytest.raises(FileNotFoundError):
        fs.rm("d", recursive=True)


def test_a_name_does_not_lead_out_of_the_folder_that_is_downloaded_to(
    fs: CipherbucketFileSystem, tmp_path: Path
) -> None:
    fs.pipe("d/../../out", b"1")
    inside = tmp_path / "x" / "inside"
    inside.mkdir(parents=True)
    with pytest.raises(ValueError, match="out"):
        fs.get("d", str(inside), recursive=True)
    with pytest.raises(cb.UsageError, match="leads out"):
        fs.get_file("d/../../out", f"{inside}/d/../../out")
    assert not (tmp_path / "x" / "out").exists()
    fs.get_file("d/../../out", f"{inside}/named")
    assert (inside / "named").read_bytes() == b"1"


def make_key(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    cb.create_rsa_key_file(folder / "k.pem", description={"desc": folder.name}, bits=2048)
    return folder / "k.pem"


def test_relative_paths_are_by_the_working_directory_of_each_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for name in ("one", "two"):
        make_key(tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        made[name] = CipherbucketFileSystem("memory://surroundings", ["k.pem"], format="sealed")
    assert made["one"] is not made["two"]
    made["one"].pipe("a", b"1")
    with pytest.raises(cb.SecurityError):
        made["two"].cat("a")
    again = pickle.loads(pickle.dumps(made["one"]))  # in the working directory of the other
    assert again.cat("a") == b"1"


def test_the_configuration_is_that_of_the_environment(
    tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        path = tmp_path / f"{name}.toml"
        path.write_text(f'[stores.{name}]\nurl = "memory://{name}"\n[keys.k]\nrsa = "{key_file}"\n')
        monkeypatch.setenv("CIPHERBUCKET_CONFIG", str(path))
        assert CipherbucketFileSystem().ls("", detail=False) == [name]


def test_another_key_under_the_same_path_is_refused_when_unpickled(tmp_path: Path) -> None:
    key, other = make_key(tmp_path / "one"), make_key(tmp_path / "two")
    pickled = pickle.dumps(CipherbucketFileSystem("memory://other-key", [str(key)]))
    for suffix in ("", ".json"):
        Path(f"{other}{suffix}").rename(f"{key}{suffix}")
    CipherbucketFileSystem.clear_instance_cache()
    with pytest.raises(cb.MasterKeyError, match="other keys here"):
        pickle.loads(pickled)


def test_sealed_objects_are_bound_to_the_context_whatever_reads_and_writes_them(
    options: Options, tmp_path: Path
) -> None:
    storage = options("memory", "sealed")
    fs = CipherbucketFileSystem(**storage, context={"study": "7"})
    other = CipherbucketFileSystem(**storage)
    local = tmp_path / "local"
    local.write_bytes(b"text")
    fs.pipe("piped", b"text")
    fs.put_file(str(local), "put")
    fs.cp_file("piped", "copied")
    with fs.open("opened", "wb") as file:
        file.write(b"text")
    for name in ("piped", "put", "copied", "opened"):
        fs.get_file(name, str(tmp_path / "got"))
        assert (tmp_path / "got").read_bytes() == fs.cat(name) == fs.cat_file(name, -4) == b"text"
        assert fs.cat_ranges([name], [1], [2]) == [b"e"]
        with fs.open(name) as file:
            assert file.read() == b"text"
        with pytest.raises(cb.BindingError):
            other.cat(name)


def test_only_a_new_object_also_where_another_one_comes_meanwhile(
    fs: CipherbucketFileSystem,
) -> None:
    file = fs.open("a", "xb")
    file.write(b"1")
    fs.pipe("a", b"2")
    with pytest.raises(FileExistsError):
        file.close()
    assert fs.cat("a") == b"2"


def test_a_listing_leaves_out_what_is_deleted_meanwhile_and_not_what_is_damaged(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = CipherbucketFileSystem(**options("memory", "sealed"))
    fs.pipe({"damaged": b"1", "deleted": b"2", "good": b"3"})
    head = Bucket.head

    def look(bucket: Bucket, name: str) -> cb.ObjectInfo:
        if name == "damaged":
            raise cb.EnvelopeError("it cannot be read", field="tag")
        if name == "deleted":
            raise cb.ObjectNotFoundError("there is no such object")
        return head(bucket, name)

    monkeypatch.setattr(Bucket, "head", look)
    assert [each["name"] for each in fs.ls("")] == ["damaged", "good"]
