"""What people work with reads and writes encrypted objects: on a directory store and on OSS."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import distributed
import duckdb
import fsspec
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import upath
import xarray as xr
import zarr
from fsspec.generic import rsync
from pyarrow import dataset
from tests.unit.filesystem.conftest import endpoint, key_file, names, numbers, options

import cipherbucket as cb
from cipherbucket.filesystem.spec import CipherbucketFileSystem

__all__ = ["endpoint", "key_file", "names", "numbers", "options"]
KINDS = [(kind, form) for kind in ("file", "oss") for form in ("oss", "sealed")]
URL = "cipherbucket://"


@pytest.fixture(params=KINDS, ids=[" ".join(each) for each in KINDS])
def storage(request: pytest.FixtureRequest, options: Any) -> dict[str, Any]:
    """Return the storage options of a new, empty store."""
    made: dict[str, Any] = options(*request.param)
    return made


@pytest.fixture
def fs(storage: dict[str, Any]) -> CipherbucketFileSystem:
    return CipherbucketFileSystem(**storage)


@pytest.fixture
def frame() -> Any:
    return pd.DataFrame({"id": range(1000), "ward": [f"w{n % 7}" for n in range(1000)]})


def test_pandas(storage: dict[str, Any], frame: Any) -> None:
    for name, write, read in (
        ("a.csv", frame.to_csv, pd.read_csv),
        ("a.csv.gz", frame.to_csv, pd.read_csv),
        ("a.parquet", frame.to_parquet, pd.read_parquet),
        ("a.json", frame.to_json, pd.read_json),
    ):
        arguments = {"index": False} if name.startswith("a.csv") else {}
        write(f"{URL}{name}", storage_options=storage, **arguments)
        again = read(f"{URL}{name}", storage_options=storage)
        pd.testing.assert_frame_equal(again, frame, check_dtype=False)


def test_polars_with_open_files(fs: CipherbucketFileSystem) -> None:
    frame = pl.DataFrame({"id": range(1000)})
    with fs.open("a.parquet", "wb") as file:
        frame.write_parquet(file)
    with fs.open("a.parquet") as file:
        assert pl.read_parquet(file).equals(frame)


def test_a_dataset_of_pyarrow(fs: CipherbucketFileSystem, frame: Any) -> None:
    table = pa.Table.from_pandas(frame)
    dataset.write_dataset(
        table,
        "wards",
        filesystem=fs,
        format="parquet",
        partitioning=["ward"],
        existing_data_behavior="overwrite_or_ignore",
    )
    found = dataset.dataset("wards", filesystem=fs, format="parquet", partitioning=["ward"])
    assert len(found.files) == 7
    some = found.to_table(columns=["id"], filter=dataset.field("ward") == "w3")
    assert sorted(some["id"].to_pylist()) == list(range(3, 1000, 7))


def test_duckdb(fs: CipherbucketFileSystem, frame: Any) -> None:
    with duckdb.connect() as db:
        db.register_filesystem(fs)
        db.execute(f"COPY (SELECT * FROM frame) TO '{URL}t/a.parquet' (FORMAT parquet)")
        db.execute(f"COPY (SELECT * FROM frame) TO '{URL}t/b.parquet' (FORMAT parquet)")
        db.execute(f"COPY (SELECT * FROM frame) TO '{URL}t/c.csv'")
        counted = db.execute(f"SELECT count(*) FROM '{URL}t/*.parquet' WHERE ward = 'w3'")
        assert counted.fetchone() == (286,)
        assert db.execute(f"SELECT sum(id) FROM '{URL}t/c.csv'").fetchone() == (499_500,)


def test_zarr_with_shards(fs: CipherbucketFileSystem, storage: dict[str, Any]) -> None:
    values: Any = np.arange(10_000, dtype="i4").reshape(100, 100)
    array = zarr.create_array(
        f"{URL}z",
        storage_options=storage,
        shape=values.shape,
        dtype="i4",
        shards=(50, 50),
        chunks=(10, 10),
    )
    array[:] = values
    again = zarr.open_array(f"{URL}z", storage_options=storage, mode="r")
    assert (again[15:65, 40:60] == values[15:65, 40:60]).all()
    assert len(fs.find("z")) == 5


class Scans:
    """A data set as PyTorch has them: a length, and a reading by number."""

    def __init__(self, fs: CipherbucketFileSystem, names: list[str]) -> None:
        self.fs, self.names = fs, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> bytes:
        data: bytes = self.fs.cat_file(self.names[number])
        return data


def serve(scans: Scans, numbers: Any, batches: Any) -> None:
    """Do what a worker of a `DataLoader` does with its copy of the data set."""
    for number in iter(numbers.get, None):
        batches.put((number, scans[number]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_set_in_workers_as_those_of_pytorch(fs: CipherbucketFileSystem, method: str) -> None:
    fs.pipe({f"scan/{number}": bytes([number]) * 70_000 for number in range(6)})
    scans = Scans(fs, fs.find("scan"))
    assert len(scans) == 6
    assert scans[0] == bytes(70_000)  # a connection is open here when the workers begin
    context: Any = multiprocessing.get_context(method)
    numbers, batches = context.Queue(), context.Queue()
    workers = [
        context.Process(target=serve, args=(scans, numbers, batches), daemon=True) for _ in "ab"
    ]
    for worker in workers:
        worker.start()
    for number in (*range(6), None, None):
        numbers.put(number)
    read = dict(batches.get(timeout=120) for _ in range(6))
    for worker in workers:
        worker.join(60)
    assert read == {number: bytes([number]) * 70_000 for number in range(6)}
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert scans[5] == bytes([5]) * 70_000


def test_xarray(storage: dict[str, Any]) -> None:
    data = xr.Dataset({"t": (("x", "y"), [[1.0, 2.0], [3.0, 4.0]])})
    data.to_zarr(f"{URL}x", storage_options=storage, consolidated=False)
    again = xr.open_zarr(f"{URL}x", storage_options=storage, consolidated=False)
    assert again.equals(data)


def test_h5py_reads(fs: CipherbucketFileSystem, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["values"] = range(5000)
    fs.put(str(tmp_path / "a.h5"), "a.h5")
    with fs.open("a.h5") as opened, h5py.File(opened) as file:
        assert file["values"][4990:].tolist() == list(range(4990, 5000))


@pytest.mark.filterwarnings("default")
def test_dask_on_threads(storage: dict[str, Any], frame: Any) -> None:
    dd.from_pandas(frame, npartitions=4).to_parquet(f"{URL}d", storage_options=storage)
    found = dd.read_parquet(f"{URL}d", storage_options=storage)
    assert found["id"].sum().compute(scheduler="threads") == 499_500


@pytest.mark.filterwarnings("default")
def test_dask_in_processes(storage: dict[str, Any], frame: Any) -> None:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        dd.from_pandas(frame, npartitions=4).to_parquet(f"{URL}d", storage_options=storage)
        found = dd.read_parquet(f"{URL}d", storage_options=storage)
        assert found["id"].sum().compute() == 499_500


@pytest.mark.filterwarnings("default")
def test_paths_of_universal_pathlib(storage: dict[str, Any]) -> None:
    folder = upath.UPath(f"{URL}u", **storage)
    (folder / "a.txt").write_text("data")
    assert [each.name for each in folder.iterdir()] == ["a.txt"]
    assert (folder / "a.txt").read_text() == "data"
    assert (folder / "a.txt").stat().st_size == 4


def test_rsync(storage: dict[str, Any], fs: CipherbucketFileSystem, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a").write_bytes(b"1")
    (tmp_path / "tree" / "sub" / "b").write_bytes(b"2")
    rsync(f"file://{tmp_path}/tree", f"{URL}tree", inst_kwargs={"default_method": "current"})
    assert fs.find("tree") == ["tree/a", "tree/sub/b"]


def test_a_cache_of_whole_files(storage: dict[str, Any], tmp_path: Path) -> None:
    CipherbucketFileSystem(**storage).pipe_file("a", b"data")
    options = {"cipherbucket": storage, "simplecache": {"cache_storage": str(tmp_path / "c")}}
    with fsspec.open(f"simplecache::{URL}a", "rb", **options) as file:
        assert file.read() == b"data"


def test_it_is_found_by_its_protocol() -> None:
    assert fsspec.get_filesystem_class("cipherbucket") is CipherbucketFileSystem
    assert "CipherbucketFileSystem" not in vars(cb)
