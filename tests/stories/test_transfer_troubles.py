"""Journals that are lost, torn, damaged or another's; stores that lie; networks that fail."""

import errno
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.counts import count
from tests.support.transfer_scenes import AES, COUNT, PART, Scene, Wire

import cipherbucket as cb
from cipherbucket.format.crc64 import crc64
from cipherbucket.format.sealed import sealed_layout
from cipherbucket.format.span import MAX_PART_SIZE, PartPlan, good_part_size
from cipherbucket.format.span import PLAIN as ONE_TO_ONE
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.requests import NewObject
from cipherbucket.transfers.journal import Journal
from cipherbucket.transfers.state import state_folder

NUMBERS = [*range(1, COUNT + 1)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "cipherbucket.writing.one_request",
        "cipherbucket.stores.http.resuming_body",
        "alibabacloud_oss_v2._client",
    ):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


def edited(path: Path, **changes: Any) -> None:
    """Change the first line of a journal, with a right checksum."""
    first, _, rest = path.read_bytes().partition(b"\n")
    line = json.loads(first.rpartition(b" ")[0]) | changes
    text = json.dumps(line, separators=(",", ":")).encode()
    path.write_bytes(text + f" {crc64(text):016x}\n".encode() + rest)


def torn(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


def half_a_line(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"part":5,"tag":"00')


def flipped(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:5] + bytes([lines[2][5] ^ 1]) + lines[2][6:]
    path.write_bytes(b"\n".join(lines))


# How the journal is broken, and which parts and ranges then are transferred; 3 was under way.
JOURNALS: dict[str, tuple[Callable[[Path], object], list[int]]] = {
    "as it was": (lambda path: None, [3, 4, 5]),
    "torn": (torn, [3, 4, 5]),
    "with half a line": (half_a_line, [3, 4, 5]),
    "damaged in the middle": (flipped, NUMBERS),
    "of another version": (lambda path: edited(path, version=2), NUMBERS),
    "of another store": (lambda path: edited(path, store="oss://elsewhere"), NUMBERS),
    "of another object": (lambda path: edited(path, name="elsewhere"), NUMBERS),
    "of another kind": (lambda path: edited(path, kind="elsewhere"), NUMBERS),
    "empty": (lambda path: os.truncate(path, 0), NUMBERS),
    "gone": (lambda path: path.unlink(), NUMBERS),
    "no journal": (lambda path: path.write_bytes(b"something\nelse\n"), NUMBERS),
}
FORGOTTEN = {"empty", "gone", "no journal"}


@pytest.mark.each_value
@pytest.mark.parametrize("case", JOURNALS)
def test_an_upload_whose_journal_is_not_as_it_was(moving: Scene, case: str) -> None:
    moving.interrupted("in part 3", moving.upload)
    (upload,) = moving.uploads()
    act, parts = JOURNALS[case]
    act(moving.journal())

    moving.upload()

    assert moving.wire.sent == parts
    assert len(moving.wire.ledger.identities) == (2 if parts == NUMBERS else 1)
    if case in FORGOTTEN:  # nothing knows of it any more; it shows among the unfinished uploads
        moving.store.abort_upload(moving.name, upload.upload_id)
    moving.assert_uploaded()


@pytest.mark.each_value
@pytest.mark.parametrize("case", JOURNALS)
def test_a_download_whose_journal_is_not_as_it_was(moving: Scene, case: str) -> None:
    moving.put()
    moving.interrupted("in get 4" if case == "torn" else "in get 3", moving.download)
    act, parts = JOURNALS[case]
    act(moving.journal())

    moving.download()

    assert moving.wire.gets - len(parts) in {0, 1}
    if case in FORGOTTEN:
        (left,) = moving.folder.glob(".cipherbucket-*.part")
        left.unlink()
    moving.assert_downloaded()


def test_a_journal_in_use_keeps_a_second_process_out(moving: Scene) -> None:
    moving.interrupted("in part 3", moving.upload)
    whose = ("upload", moving.store.url, moving.name, str(moving.file))
    with (
        Journal.open(state_folder(), *whose),
        pytest.raises(cb.UsageError, match="another process is at this transfer"),
    ):
        moving.upload()
    moving.upload()
    assert moving.wire.sent == [3, 4, 5]
    moving.assert_uploaded()


def test_a_journal_whose_disk_is_full_stops_it_and_it_goes_on_later(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, write = [4], os.pwrite

    def filling(descriptor: int, data: bytes, offset: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data if left[0] else data[:9], offset)

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", filling)
        with pytest.raises(cb.UsageError, match=r"(?i)no space left"):
            moving.upload()
    assert moving.wire.sent == [1]
    moving.wire.reset()
    moving.upload()
    assert moving.wire.sent == [2, 3, 4, 5]
    moving.assert_uploaded()


def test_no_room_for_the_first_line_leaves_nothing(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(cb.UsageError, match=r"(?i)no space left"):
            moving.upload()
    assert moving.wire.sent == []
    moving.assert_nothing_left()


class Liar:
    """Answers of a store, bent; it knows ciphertexts, and an envelope and parts of its own."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.store = scene.store
        key = cb.AesKey(bytes(32), description=scene.key.description)
        own = cb.Bucket(cb.MemoryStore(), cb.KeyRing(key), format="sealed")
        self.envelope = own.put("own", b"own").envelope
        assert self.envelope is not None
        self.parts: Any = self.store._list_parts
        self.begin: Any = self.store._begin_upload

    def tell_parts(self, bend: Callable[[list[cb.Part]], list[cb.Part]]) -> None:
        def list_parts(name: str, upload_id: str) -> list[cb.Part]:
            return bend(list(self.parts(name, upload_id)))

        self.store._list_parts = list_parts  # type: ignore[method-assign]

    def own_upload(self) -> None:
        """Answer Initiate with an upload of the store's own, under its own envelope."""
        assert self.envelope is not None
        metadata = self.envelope.to_metadata()

        def begin_upload(new: NewObject) -> str:
            begun = str(self.begin(replace(new, metadata=metadata)))
            if begun not in self.scene.wire._identities:
                self.scene.wire._identities[begun] = b"sealed:the store's own"
            return begun

        self.store._begin_upload = begin_upload  # type: ignore[method-assign]

    def own_metadata(self) -> None:
        assert self.envelope is not None
        metadata = self.envelope.to_metadata()
        self.store._upload_metadata = lambda *_: metadata  # type: ignore[method-assign]


def invented(parts: list[cb.Part]) -> list[cb.Part]:
    there = {part.number: part for part in parts}
    sample = parts[0] if parts else cb.Part(1, PART, "0" * 32, 0)
    return [there.get(n, replace(sample, number=n)) for n in range(1, 9)]


LIES: dict[str, Callable[[Liar], object]] = {
    "no parts": lambda liar: liar.tell_parts(lambda _: []),
    "all parts": lambda liar: liar.tell_parts(invented),
    "parts of another CRC-64": lambda liar: liar.tell_parts(
        lambda parts: [replace(part, crc64=1) for part in parts]
    ),
    "parts without a CRC-64": lambda liar: liar.tell_parts(
        lambda parts: [replace(part, crc64=None) for part in parts]
    ),
    "parts of another size": lambda liar: liar.tell_parts(
        lambda parts: [replace(part, size=part.size - 1) for part in parts]
    ),
    "parts in another order": lambda liar: liar.tell_parts(
        lambda parts: [
            replace(part, number=other.number)
            for part, other in zip(parts, reversed(parts), strict=True)
        ]
    ),
    "parts of another ETag": lambda liar: liar.tell_parts(
        lambda parts: [replace(part, etag="0" * 32) for part in parts]
    ),
    "its own envelope": Liar.own_metadata,
    "its own upload": Liar.own_upload,
}


@pytest.mark.each_pair
@pytest.mark.parametrize("resumed", [False, True], ids=["from the start", "at resume"])
@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_of_an_upload_gets_no_second_plaintext(
    moving: Scene, lie: str, *, resumed: bool
) -> None:
    if resumed:
        moving.interrupted("in part 4", moving.upload)
        moving.change(4 * PART)
    liar = Liar(moving)
    LIES[lie](liar)

    try:
        moving.upload()
    except (cb.SecurityError, cb.StoreError):
        assert lie in {"parts in another order", "parts of another ETag", "its own upload"}
        for left in moving.uploads():  # to be gone on with, from a store that tells the truth
            moving.store.abort_upload(left.name, left.upload_id)
    else:
        with moving.bucket().get(moving.name) as stream:
            assert stream.read() == moving.file.read_bytes()
        moving.assert_nothing_left()
    # Whatever was encrypted is under an envelope of ours: the store's opens nothing of it.
    if lie != "its own upload":
        assert all(b":" in identity for identity in moving.wire.ledger.identities)
    elif not resumed:
        with pytest.raises(cb.CipherbucketError):
            moving.read()


FAULTS = ["500=0.05", "503=0.05", "reset=0.05", "truncate=0.05", "crc=0.05", "slow=0.05"]
FAULTS += ["500=0.01,503=0.01,reset=0.01,truncate=0.01,crc=0.01,slow=0.01"]


@pytest.mark.each_value
@pytest.mark.parametrize("format_", ["oss", "sealed"])
@pytest.mark.parametrize("faults", FAULTS)
def test_transfers_over_a_network_that_fails(
    faults: str, format_: str, key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    master = key if format_ == "oss" else cb.AesKey(AES, description={"desc": "tests"})
    with Endpoint(buckets=["faults"], faults=f"{faults},seed=3,delay=0.001") as endpoint:
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_store("oss://faults", settings) as store:
            scene = Scene(Wire(store), format_, master, "a", tmp_path, workers=3)
            for number in range(count(40, 3)):
                scene.name = f"a/{number}"
                _until_done(scene.upload)
                if format_ == "sealed":
                    _abort_without_parts(store)
                _until_done(scene.download)
                scene.assert_downloaded()
    assert scene.wire.ledger.conflicts == []


def _abort_without_parts(store: Store) -> None:
    """Abort what an answer that was lost has begun: OSS shows no envelope to find it by."""

    def abort_all() -> None:
        for upload in store.list_uploads("a/"):
            assert not store.list_parts(upload.name, upload.upload_id)
            store.abort_upload(upload.name, upload.upload_id)

    _until_done(abort_all)


def _until_done(do: Callable[[], object]) -> None:
    for _ in range(20):
        try:
            do()
        except (cb.StoreError, cb.IntegrityError, cb.ObjectChangedError):
            continue
        return
    raise AssertionError("it never succeeds")


TIB = 1 << 40
SIZES = [1, 16 << 20, 10_000 * (16 << 20), 10_000 * (16 << 20) + 1, TIB, 48 * TIB]


@pytest.mark.parametrize("layout", [ONE_TO_ONE, sealed_layout(4096)], ids=["oss", "sealed"])
def test_ten_thousand_parts_suffice_for_all_that_a_store_holds(layout: Any) -> None:
    most = 10_000 * MAX_PART_SIZE  # 48.8 TiB
    for size in (*SIZES, most if layout == ONE_TO_ONE else most * 99 // 100):
        plan = PartPlan(size, good_part_size(size, layout), layout)
        assert plan.count <= 10_000
        assert plan.part_size == 16 << 20 or plan.count > 9_900
        stops = [plan.offsets(n) for n in (1, plan.count)]
        assert (stops[0][0], stops[-1][1]) == (0, size)


def test_as_many_parts_as_an_upload_may_have(
    key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    parts = count(10_000, 50)
    path, size = tmp_path / "file", (100 << 10) * parts
    with path.open("wb") as file:
        os.truncate(file.fileno(), size - 1)
        file.seek(size - 1)
        file.write(b"x")
    with cb.open_store(f"file://{tmp_path}/store") as store:
        bucket = cb.Bucket(store, cb.KeyRing(key))
        bucket.upload(path, "a", part_size=100 << 10)
        bucket.download("a", tmp_path / "out", part_size=100 << 10)
    assert (tmp_path / "out").stat().st_size == size
    with (tmp_path / "out").open("rb") as out, path.open("rb") as file:
        while block := file.read(1 << 20):
            assert out.read(1 << 20) == block


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_is_opened_once(bucket: cb.Bucket, pipe: Path) -> None:
    """Whoever writes to a pipe is told that nobody reads when its reader closes it."""
    plain = random.Random(2).randbytes(300_000)
    child = os.fork()
    if not child:
        try:
            pipe.write_bytes(plain)
        except OSError:
            os._exit(1)
        os._exit(0)
    bucket.upload(pipe, "a")
    assert os.waitpid(child, 0)[1] == 0
    with bucket.get("a") as stream:
        assert stream.read() == plain
