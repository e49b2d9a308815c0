"""Many mixed operations against an endpoint that fails one time in twenty.

The law that is checked: what succeeded is right; what failed is an error of ours; nothing half
written is ever visible; nothing is left behind. A write that failed may have been done or not, but
nothing in between.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.counts import count

import cipherbucket as cb
from cipherbucket.server import Endpoint

PART = 100 << 10
NAMES = [f"object/{number}" for number in range(12)]
FAULTS = "500=0.008,503=0.008,slow=0.008,reset=0.009,truncate=0.009,crc=0.008,seed=7,delay=0.001"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "cipherbucket.writing.one_request",
        "cipherbucket.stores.http.resuming_body",
        "alibabacloud_oss_v2._client",
    ):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


class Story:
    """What may be in the bucket: for each name the values that some operation may have left."""

    def __init__(self, bucket: cb.Bucket, folder: Path, seed: int) -> None:
        self.bucket = bucket
        self.folder = folder
        self.random = random.Random(seed)
        self.possible: dict[str, set[bytes | None]] = {name: {None} for name in NAMES}
        self.succeeded = 0
        self.failed = 0

    def some_bytes(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 16, 1000, 70_001, 300_000]))

    def step(self) -> None:
        verb = self.random.choice(
            [
                self.put,
                self.put,
                self.put_file,
                self.put_stream,
                self.multipart,
                self.get,
                self.get,
                self.get_range,
                self.open,
                self.head,
                self.list,
                self.copy,
                self.delete,
                self.download,
            ]
        )
        try:
            verb(self.random.choice(NAMES))
        except cb.ObjectNotFoundError:
            self.succeeded += 1  # where it matters the verb has checked that this may be
        except (cb.StoreError, cb.IntegrityError, cb.ObjectChangedError):
            self.failed += 1
        else:
            self.succeeded += 1

    def written(self, name: str, plain: bytes | None) -> None:
        self.possible[name] = {plain}

    def perhaps_written(self, name: str, plain: bytes | None) -> None:
        self.possible[name].add(plain)

    def writing(self, name: str, plain: bytes, body: object) -> None:
        self.perhaps_written(name, plain)
        self.bucket.put(name, body)  # type: ignore[arg-type]
        self.written(name, plain)

    def put(self, name: str) -> None:
        plain = self.some_bytes()
        self.writing(name, plain, plain)

    def put_file(self, name: str) -> None:
        plain = self.some_bytes()
        path = self.folder / "body"
        path.write_bytes(plain)
        self.writing(name, plain, path)

    def put_stream(self, name: str) -> None:
        plain = self.some_bytes()

        def pieces() -> Iterator[bytes]:
            for at in range(0, len(plain), 50_000):
                yield plain[at : at + 50_000]

        self.writing(name, plain, pieces())

    def multipart(self, name: str) -> None:
        plain = self.random.randbytes(2 * PART + 33)
        self.perhaps_written(name, plain)
        with self.bucket.multipart(name, data_size=len(plain), part_size=PART) as upload:
            for number in (3, 1, 2):
                upload.upload_part(number, plain[(number - 1) * PART : number * PART])
            upload.complete()
        self.written(name, plain)

    def check(self, name: str, plain: bytes | None) -> None:
        assert plain in self.possible[name], f"{name} was never this"
        self.written(name, plain)

    def get(self, name: str) -> None:
        try:
            with self.bucket.get(name) as stream:
                self.check(name, stream.read())
        except cb.ObjectNotFoundError:
            self.check(name, None)

    def get_range(self, name: str) -> None:
        start, length = self.random.randrange(2000), self.random.randrange(5000)
        try:
            with self.bucket.get(name, start=start, length=length) as stream:
                got = stream.read()
        except cb.RangeError:
            assert any(v is not None and len(v) < start for v in self.possible[name])
            return
        slices = {v[start : start + length] for v in self.possible[name] if v is not None}
        assert got in slices

    def open(self, name: str) -> None:
        with self.bucket.open(name) as file:
            head = file.read(10)
            file.seek(0)
            whole = file.read()
        assert whole[:10] == head
        self.check(name, whole)

    def download(self, name: str) -> None:
        target = self.folder / "target"
        target.write_bytes(b"before")
        try:
            self.bucket.download(name, target)
        except cb.CipherbucketError:
            assert target.read_bytes() == b"before"
            raise
        self.check(name, target.read_bytes())

    def head(self, name: str) -> None:
        size = self.bucket.head(name).size
        assert size in {len(v) for v in self.possible[name] if v is not None}

    def list(self, _: str) -> None:
        listed = {entry.name for entry in self.bucket.list("object/")}
        for name in NAMES:
            if name in listed:
                assert self.possible[name] != {None}
            else:
                assert None in self.possible[name]

    def copy(self, name: str) -> None:
        target = self.random.choice([other for other in NAMES if other != name])
        self.possible[target] |= self.possible[name] - {None}
        self.bucket.copy(name, target)
        self.possible[target] = self.possible[name] - {None}

    def delete(self, name: str) -> None:
        self.perhaps_written(name, None)
        self.bucket.delete(name)
        self.written(name, None)


def test_what_succeeds_is_right_and_what_fails_leaves_nothing(
    key: cb.RsaKey, tmp_path: Path
) -> None:
    operations = count(2000, 200)
    with Endpoint(buckets=["story-bucket"], faults=FAULTS) as endpoint:
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_bucket("oss://story-bucket", key, settings=settings) as bucket:
            story = Story(bucket, tmp_path, seed=11)
            for _ in range(operations):
                story.step()
            assert story.succeeded > 0.9 * operations
            # Left alone, the endpoint tells what is really there.
            assert bucket.uploads() == []
            for name in NAMES:
                story.get(name)
    leftovers = {path.name for path in tmp_path.iterdir()} - {"body", "target"}
    assert leftovers == set()
