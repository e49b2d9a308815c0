"""A rate holds while bytes pass, not after them."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.plaintexts import pattern

import cipherbucket as cb
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.stores.bodies import RawBody
from cipherbucket.stores.records import StoredObject
from cipherbucket.workers.rate_limit import RateLimit

MIB = 1 << 20
PLAIN = pattern(3 * MIB + 5)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Timed(cb.MemoryStore):
    """Writes down when bytes pass.

    Attributes:
        passed: Time, and how many bytes had passed then.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.passed: list[tuple[float, int]] = []

    def count(self, count: int) -> None:
        self.passed.append(
            (self.clock.now - 100, count + (self.passed[-1][1] if self.passed else 0))
        )

    def _put(self, new: Any, body: Any, *args: Any) -> StoredObject:
        inner = body._body

        def blocks() -> Iterator[bytes]:
            for block in inner:
                self.count(len(block))
                yield block

        body._body = blocks()
        return super()._put(new, body, *args)

    def _get(self, *args: Any) -> tuple[StoredObject, int, int, RawBody]:
        stored, start, stop, raw = super()._get(*args)
        count = self.count

        class Raw:
            def readinto(self, buffer: memoryview, /) -> int:
                got = raw.readinto(buffer)
                count(got)
                return got

            def close(self) -> None:
                raw.close()

        return stored, start, stop, Raw()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cipherbucket.workers.rate_limit.time", clock)
    return clock


class Pipe(io.RawIOBase):
    """A readable file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._data.readinto(buffer[:65_536])


@pytest.mark.parametrize("rate", [100_000, MIB, 10 * MIB])
@pytest.mark.parametrize("kind", ["path", "file"])
def test_a_small_upload_keeps_to_the_rate_all_along(
    clock: Clock, key: cb.RsaKey, tmp_path: Path, rate: int, kind: str
) -> None:
    store = Timed(clock)
    path = tmp_path / "in"
    path.write_bytes(PLAIN)
    body: Any = path if kind == "path" else io.BytesIO(PLAIN)
    cb.Bucket(store, cb.KeyRing(key)).upload(body, "a", limit_rate=rate)

    assert all(seconds >= count / rate - 1e-3 for seconds, count in store.passed)
    assert clock.now - 100 == pytest.approx(len(PLAIN) / rate)
    seconds, count = store.passed[-1]
    assert seconds == pytest.approx(clock.now - 100), "no sleep after it"
    assert count == len(PLAIN)
    assert max(clock.slept) <= 1.0001, "bytes pass in every second"


@pytest.mark.parametrize("format_", ["oss", SEALED])
def test_a_pipe_keeps_to_the_rate(clock: Clock, key: cb.RsaKey, format_: str) -> None:
    store = Timed(clock)
    master = key if format_ == "oss" else cb.AesKey(bytes(32), description={"desc": "tests"})
    bucket = cb.Bucket(store, cb.KeyRing(master), format=format_)
    pipe: Any = Pipe(PLAIN)
    bucket.upload(pipe, "a", limit_rate=100_000)
    assert clock.now - 100 == pytest.approx(len(PLAIN) / 100_000)
    assert max(clock.slept) < 1
    assert bucket.get("a").read() == PLAIN


@pytest.mark.parametrize("rate", [100_000, MIB, 10 * MIB])
def test_a_small_download_keeps_to_the_rate_all_along(
    clock: Clock, key: cb.RsaKey, tmp_path: Path, rate: int
) -> None:
    store = Timed(clock)
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("a", PLAIN)
    store.passed.clear()
    bucket.download("a", tmp_path / "out", limit_rate=rate)

    assert (tmp_path / "out").read_bytes() == PLAIN
    assert all(seconds >= count / rate - 1e-3 for seconds, count in store.passed)
    assert clock.now - 100 == pytest.approx(len(PLAIN) / rate)
    seconds, count = store.passed[-1]
    assert seconds == pytest.approx(clock.now - 100), "no sleep after it"
    assert count == len(PLAIN)
    assert max(clock.slept) <= 1.0001, "bytes pass in every second"


def test_what_is_slow_by_itself_is_not_made_slower(clock: Clock) -> None:
    rate_limit = RateLimit(1000)
    for _ in range(5):
        clock.now += 2
        rate_limit.wait(1000)
    assert clock.slept == []
    rate_limit.wait(1000)
    rate_limit.wait(1000)
    assert sum(clock.slept) >= 1, "what it did not use is not saved up"


@pytest.mark.parametrize(
    ("rate", "block"),
    [(None, MIB), (1, 65_536), (200_000, 196_608), (1e9, MIB), (float("inf"), MIB)],
)
def test_blocks_are_smaller_where_the_rate_is_low(rate: float | None, block: int) -> None:
    assert RateLimit(rate).block(MIB) == block


@pytest.mark.parametrize(
    "how",
    [
        {"limit_rate": 1e-9},
        {"limit_rate": 0.99},
        {"limit_rate": 0},
        {"limit_rate": -5},
        {"limit_rate": float("nan")},
        {"limit_rate": "10M"},
        {"limit_rate": True},
        {"limit_rate": [1]},
        {"workers": 0},
        {"workers": "4"},
        {"workers": 1.5},
    ],
    ids=repr,
)
def test_a_rate_that_moves_nothing_is_refused(
    bucket: cb.Bucket, store: cb.MemoryStore, tmp_path: Path, how: dict[str, Any]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    bucket.put("a", b"x")
    calls: list[Callable[[], object]] = [
        lambda: bucket.upload(path, "b", **how),
        lambda: bucket.download("a", path, **how),
        lambda: bucket.copy_to(bucket, "a", "b", **how),
    ]
    for call in calls:
        with pytest.raises(cb.UsageError):
            call()
    assert not bucket.exists("b")
