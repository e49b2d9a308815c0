"""What stories of transfers play with: a watched store, and the law that they all must keep.

The law of the keystream: no two different ciphertexts ever leave for one envelope and one stored
offset. A `Ledger` holds all bytes that left, over all calls of a test.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cipherbucket as cb
from cipherbucket.format.footer import Seal
from cipherbucket.format.sealed import CHUNK, HEADER, TAG
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store
from cipherbucket.stores.bodies import Body, Buffer, Outgoing, RawBody
from cipherbucket.stores.requests import NewObject
from cipherbucket.transfers.state import state_folder

PART = 7 * CHUNK
COUNT = 5
SIZE = (COUNT - 1) * PART + 5_000
PLAIN = random.Random(1).randbytes(SIZE)
AES = random.Random(3).randbytes(32)


class KilledError(BaseException):
    """What a test raises where a process would have died."""


class Ledger:
    """Every byte that left, by the identity of its envelope and its offset in the stored body."""

    def __init__(self) -> None:
        self._left: dict[bytes, dict[int, bytes]] = {}
        self._lock = threading.Lock()
        self.conflicts: list[str] = []

    @property
    def identities(self) -> list[bytes]:
        return list(self._left)

    def enter(self, identity: bytes, offset: int, block: bytes) -> None:
        with self._lock:
            blocks = self._left.setdefault(identity, {})
            for start, there in blocks.items():
                low, high = max(start, offset), min(start + len(there), offset + len(block))
                if (
                    low < high
                    and there[low - start : high - start] != block[low - offset :][: high - low]
                ):
                    self.conflicts.append(f"bytes {low} to {high} of {identity.hex()[:16]}")
            if len(blocks.get(offset, b"")) < len(block):
                blocks[offset] = block


class _Tee:
    """A body whose blocks are entered as they leave, in halves."""

    def __init__(self, body: Body, enter: Callable[[int, bytes], None], half: Callable[[], object]):
        self._body = body
        self._enter = enter
        self._half = half

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[Buffer]:
        offset = 0
        for block in self._body:
            view = memoryview(block)
            for piece in (view[: len(view) // 2], view[len(view) // 2 :]):
                self._enter(offset, bytes(piece))
                yield piece
                if not offset:
                    self._half()
                offset += len(piece)


class _Sized:
    """What a store was given to send, with its length, whether it is blocks or a body."""

    def __init__(self, body: Outgoing) -> None:
        self._blocks: Any = body._body
        self._length = len(body)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Buffer]:
        return iter(self._blocks)


class _Slow:
    """A body on its way in, in pieces; tells when half of it came."""

    def __init__(self, raw: RawBody, size: int, count: Callable[[int], None]) -> None:
        self._raw = raw
        self._piece = max(1, size // 2)
        self._count = count

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._raw.readinto(buffer[: self._piece])
        self._count(count)
        return count

    def close(self) -> None:
        self._raw.close()


class Wire:
    """Watches a store: what leaves, what comes; a test may break in at any moment.

    Attributes:
        ledger: All that ever left.
        at: Called with the moment: "begin", "begun", "part 1", "in part 1", "sent 1", "complete",
            "completed", "get 1" (which unlocks, and is of the first range), "in get 1".
        sent: Numbers of the parts of which a byte left since `reset`.
        fetched: Bytes that came since `reset`.
        gets: How often a body was asked for since `reset`.
    """

    def __init__(self, store: Store, part_size: int = PART) -> None:
        self.store = store
        self.ledger = Ledger()
        self.at: Callable[[str], object] = lambda _: None
        self._identities: dict[str, bytes] = {}
        self._part_size = part_size
        self.reset()
        for verb in ("begin_upload", "upload_part", "complete_upload", "put", "get"):
            setattr(store, f"_{verb}", self._watched(verb, getattr(store, f"_{verb}")))

    def _watched(self, verb: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            return getattr(self, f"_on_{verb}")(original, *args)

        return watched

    def reset(self) -> None:
        self.sent: list[int] = []
        self.fetched = 0
        self.gets = 0
        self.at = lambda _: None

    def kill_at(self, moment: str) -> None:
        def kill(now: str) -> None:
            if now == moment:
                raise KilledError(moment)

        self.at = kill

    def _on_begin_upload(self, original: Callable[..., str], new: NewObject) -> str:
        self.at("begin")
        upload_id = original(new)
        self._identities[upload_id] = identity_of(new.metadata)
        self.at("begun")
        return upload_id

    def _on_upload_part(
        self, original: Callable[..., Any], name: str, upload_id: str, number: int, body: Outgoing
    ) -> Any:
        identity = self._identities.get(upload_id, upload_id.encode())
        base = self._begin_of(number, identity)
        first = True

        def enter(offset: int, block: bytes) -> None:
            nonlocal first
            if first:
                self.sent.append(number)
                first = False
            self.ledger.enter(identity, base + offset, block)

        self.at(f"part {number}")
        body._body = _Tee(_Sized(body), enter, lambda: self.at(f"in part {number}"))
        part = original(name, upload_id, number, body)
        self.at(f"sent {number}")
        return part

    def _begin_of(self, number: int, identity: bytes) -> int:
        """Return where a part begins in what is stored."""
        base = (number - 1) * self._part_size
        if not base or not identity.startswith(b"sealed"):
            return base
        base = base // CHUNK * (CHUNK + TAG)
        return base if self.store.equal_parts else HEADER + base

    def _on_complete_upload(self, original: Callable[..., Any], *args: Any) -> Any:
        self.at("complete")
        stored = original(*args)
        self.at("completed")
        return stored

    def _on_put(
        self, original: Callable[..., Any], new: NewObject, body: Outgoing, *rest: Any
    ) -> Any:
        if any("cipherbucket" in key or "encryption" in key for key in new.metadata):
            identity = identity_of(new.metadata)

            def enter(offset: int, block: bytes) -> None:
                self.ledger.enter(identity, offset, block)

            body._body = _Tee(_Sized(body), enter, lambda: None)
        return original(new, body, *rest)

    def _on_get(self, original: Callable[..., Any], *args: Any) -> Any:
        self.gets += 1
        number = self.gets
        self.at(f"get {number}")
        stored, first, stop, raw = original(*args)
        half = [True]

        def count(size: int) -> None:
            self.fetched += size
            if half:
                half.clear()
                self.at(f"in get {number}")

        return stored, first, stop, _Slow(raw, stop - first, count)


def identity_of(metadata: Mapping[str, str]) -> bytes:
    envelope = cb.Envelope.parse(metadata)
    assert envelope is not None
    assert envelope.seal is None or isinstance(envelope.seal, Seal)
    return envelope.format.encode() + b":" + envelope.identity


@dataclass
class Scene:
    """A file, a bucket over a watched store, and what a transfer may leave nothing of."""

    wire: Wire
    format: str
    key: MasterKey
    name: str
    folder: Path
    file: Path = field(init=False)
    out: Path = field(init=False)
    workers: int = 1

    def __post_init__(self) -> None:
        self.file, self.out = self.folder / "file", self.folder / "out"
        self.file.write_bytes(PLAIN)
        os.utime(self.file, ns=(10**18, 10**18))

    @property
    def store(self) -> Store:
        return self.wire.store

    def bucket(self, *keys: MasterKey, **how: Any) -> cb.Bucket:
        ring = cb.KeyRing(*(keys or (self.key,)))
        return cb.Bucket(self.store, ring, format=self.format, **how)

    def upload(self, bucket: cb.Bucket | None = None, **how: Any) -> cb.ObjectInfo:
        how = {"part_size": PART, "workers": self.workers, **how}
        return (bucket or self.bucket()).upload(self.file, self.name, **how)

    def download(self, bucket: cb.Bucket | None = None, **how: Any) -> cb.ObjectInfo:
        how = {"part_size": PART, "workers": self.workers, **how}
        return (bucket or self.bucket()).download(self.name, self.out, **how)

    def interrupted(self, moment: str, do: Callable[[], object]) -> None:
        """Do something until that moment, and forget it."""
        self.wire.kill_at(moment)
        try:
            do()
        except KilledError:
            pass
        else:
            raise AssertionError(f"there was no {moment!r}")
        self.wire.reset()

    def put(self, plain: bytes = PLAIN) -> None:
        self.bucket().put(self.name, plain)
        self.wire.reset()

    def read(self) -> bytes:
        with self.bucket().get(self.name) as stream:
            return stream.read()

    def journals(self) -> list[Path]:
        folder = state_folder()
        return list(folder.iterdir()) if folder.is_dir() else []

    def journal(self) -> Path:
        (path,) = self.journals()
        return path

    def uploads(self) -> Sequence[cb.Upload]:
        return [each for each in self.store.list_uploads(self.name) if each.name == self.name]

    def assert_nothing_left(self) -> None:
        assert self.journals() == []
        assert self.uploads() == []
        assert {path.name for path in self.folder.iterdir()} <= {"file", "out", "store"}

    def assert_uploaded(self) -> None:
        self.assert_nothing_left()
        assert self.read() == self.file.read_bytes()
        assert self.wire.ledger.conflicts == []

    def assert_downloaded(self, plain: bytes = PLAIN) -> None:
        self.assert_nothing_left()
        assert self.out.read_bytes() == plain

    def change(self, at: int, length: int = 1) -> None:
        """Change bytes of the file, and leave size and time as they are."""
        status = self.file.stat()
        with self.file.open("r+b") as file:
            file.seek(at)
            old = file.read(length)
            file.seek(at)
            file.write(bytes(byte ^ 1 for byte in old))
        os.utime(self.file, ns=(status.st_atime_ns, status.st_mtime_ns))
