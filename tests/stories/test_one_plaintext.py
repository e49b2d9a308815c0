"""One key and counter, one plaintext: whatever crashes, changes, and whatever the store says.

The store keeps what it saw of each part, by the wrapped key and the part's place, and answers as
chance has it: it stored the part, failed, lost it, hides it, or tells of parts that nobody sent. It
has won when it saw two different ciphertexts in one place.
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from tests.oss2.scene import key_pair
from tests.support.counts import count
from tests.support.forked import in_child
from tests.support.scripted_http import Answer, Request, scripted
from tests.support.transfer_scenes import AES, KilledError, identity_of

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.format.crc64 import crc64
from cipherbucket.format.sealed import CHUNK
from cipherbucket.oss2.crypto import RsaProvider
from cipherbucket.oss2.exceptions import OssError
from cipherbucket.oss2.models import MultipartUploadCryptoContext
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.store import OssStore

PART = 7 * CHUNK
COUNT = 3
SIZE = (COUNT - 1) * PART + 5_000
NAME = "salaries"
FAILURES = (cb.CipherbucketError, OssError, KilledError)
"""What ends a run of a program; the next one comes all the same."""


class Keeper:
    """A bucket of OSS that keeps what it sees, and lies.

    Attributes:
        chance: Decides each answer.
        seen: Ciphertexts by upload and part.
        again: How often the same ciphertext came again.
        url: Where it listens.
    """

    def __init__(self) -> None:
        self.chance = random.Random()
        self.seen: dict[tuple[bytes, int], bytes] = {}
        self.again = 0
        self.url = ""
        self.two: list[tuple[bytes, int]] = []
        self._identities: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
            upload_id = query.get("uploadId", [""])[0]
            if "uploads" in query:
                answer = self._begun(request) if request.method == "POST" else _xml("ListUploads")
            elif request.method == "PUT":
                self._keep(request, upload_id, int(query["partNumber"][0]))
                answer = self._told_of_part(request)
            elif request.method == "GET":
                answer = self._listed(upload_id)
            else:
                answer = Answer(204) if request.method == "DELETE" else _error(500)
            answer.headers["x-oss-request-id"] = "1"
            return answer

    def _begun(self, request: Request) -> Answer:
        prefix = "x-oss-meta-"
        metadata = {
            name.removeprefix(prefix): text
            for name, text in request.headers.items()
            if name.startswith(prefix)
        }
        upload_id = f"U{self.chance.randrange(3)}"  # the same one comes again
        self._identities[upload_id] = identity_of(metadata)
        return _xml("InitiateMultipartUpload", f"<UploadId>{upload_id}</UploadId>")

    def _keep(self, request: Request, upload_id: str, number: int) -> None:
        wrapped = request.headers.get("x-oss-meta-client-side-encryption-key")
        identity = wrapped.encode() if wrapped else self._identities[upload_id]
        before = self.seen.get((identity, number), b"")
        less, more = sorted((before, request.body), key=len)  # some break off in the middle
        self.seen[identity, number] = more
        self.again += less == more
        if not more.startswith(less):
            self.two.append((identity, number))

    def _told_of_part(self, request: Request) -> Answer:
        good = {"ETag": f'"{"0" * 32}"', "x-oss-hash-crc64ecma": str(crc64(request.body))}
        bad = [
            _error(500),
            _error(503),
            _error(403),
            _error(404, "NoSuchUpload"),
            Answer(200, {"Content-Type": "text/html"}, b"<html>sign in</html>"),
            Answer(200, {**good, "x-oss-hash-crc64ecma": "1"}),
            Answer(200, good | {"Content-Length": "7"}, b"", stop_after=0),
        ]
        return Answer(200, good) if self.chance.random() < 0.6 else self.chance.choice(bad)

    def _listed(self, upload_id: str) -> Answer:
        """Tell of all, some or none of the parts of an upload, or of some that nobody sent."""
        parts = {n: body for (_, n), body in self.seen.items() if self.chance.random() < 0.5}
        if self.chance.random() < 0.3:
            parts = {}
        if self.chance.random() < 0.1:
            parts |= dict.fromkeys(range(1, COUNT + 1), bytes(PART))
        told = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;{n:032}&quot;</ETag>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>{len(body)}</Size>"
            f"<HashCrc64ecma>{crc64(body)}</HashCrc64ecma></Part>"
            for n, body in sorted(parts.items())
        )
        of = f"<UploadId>{upload_id}</UploadId><IsTruncated>false</IsTruncated>"
        return _xml("ListParts", f"{of}<NextPartNumberMarker>{COUNT}</NextPartNumberMarker>{told}")


def _xml(verb: str, content: str = "") -> Answer:
    root = {"ListUploads": "ListMultipartUploadsResult"}.get(verb, f"{verb}Result")
    where = f"<Bucket>kept</Bucket><Key>{escape(NAME)}</Key>"
    if verb == "ListUploads":
        where = "<Bucket>kept</Bucket><IsTruncated>false</IsTruncated>"
    return Answer(200, {}, f"<?xml version='1.0'?><{root}>{where}{content}</{root}>".encode())


def _error(status: int, code: str = "InternalError") -> Answer:
    return Answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    keeper = Keeper()
    with scripted(keeper.answer) as server:
        keeper.url = server.url
        yield keeper
    assert keeper.two == []
    assert keeper.again  # the same came again


def opened(keeper: Keeper) -> Store:
    credentials = cb.Credentials("id", "secret")
    settings = cb.OssSettings(
        region="cn-hangzhou", endpoint=keeper.url, addressing="path", credentials=credentials
    )
    return cb.open_store("oss://kept", settings)


class Deaths:
    """Ends programs before a part leaves, or when it has left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after: int | None = None
        send: Any = OssStore._upload_part
        lock = threading.Lock()

        def upload_part(*request: Any) -> cb.Part:
            with lock:
                dies = self.after is not None and self.after <= 0
                self.after = None if self.after is None else self.after - 1
            if dies and self.early:
                raise KilledError
            part: cb.Part = send(*request)
            if dies:
                raise KilledError
            return part

        monkeypatch.setattr(OssStore, "_upload_part", upload_part)

    def plan(self, chance: random.Random) -> None:
        self.after = chance.choice([None, *range(COUNT)])
        self.early = chance.random() < 0.3


def change(path: Path, chance: random.Random) -> None:
    """Change a byte of some parts, and leave size and time as they are."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    for number in range(COUNT):
        if chance.random() < 0.4:
            content[number * PART + chance.randrange(5_000)] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("format_", ["oss", "sealed", "oss2"])
def test_of_files_that_change_between_the_runs_of_a_program(
    format_: str, keeper: Keeper, key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths(monkeypatch)
    ring = cb.KeyRing(key if format_ == "oss" else cb.AesKey(AES, description={"desc": "tests"}))
    path = tmp_path / "file"
    with opened(keeper) as store:
        for seed in range(count(100, 5)):
            keeper.chance = chance = random.Random(seed)
            path.write_bytes(chance.randbytes(SIZE))
            for _ in range(4):
                change(path, chance)
                deaths.plan(chance)
                workers = chance.choice([1, 2])
                with suppress(*FAILURES):
                    if format_ == "oss2":
                        oss2.resumable_upload(
                            of_oss2(keeper),
                            NAME,
                            str(path),
                            multipart_threshold=1,
                            part_size=PART,
                            num_threads=workers,
                        )
                    else:
                        bucket = cb.Bucket(store, ring, format=format_)
                        bucket.upload(path, NAME, part_size=PART, workers=workers)


def of_oss2(keeper: Keeper) -> oss2.CryptoBucket:
    provider = RsaProvider(key_pair(), mat_desc={"desc": "tests"})
    return oss2.CryptoBucket(
        oss2.Auth("id", "secret"), keeper.url, "kept", provider, is_path_style=True
    )


class OfLibrary:
    """An upload whose parts a program hands over."""

    def __init__(self, bucket: cb.Bucket) -> None:
        self.held: Any = bucket.multipart(NAME, data_size=SIZE, part_size=PART)

    def send(self, number: int, body: bytes, held: Any = None) -> None:
        (held or self.held).upload_part(number, body)


class OfOss2:
    """The same through the layer: a context that several buckets are given."""

    def __init__(self, keeper: Keeper, chance: random.Random) -> None:
        self._keeper = keeper
        self._buckets = [of_oss2(keeper) for _ in range(2)]
        self._chance = chance
        self.held: Any = MultipartUploadCryptoContext(SIZE, PART)
        begun = self._buckets[0].init_multipart_upload(NAME, upload_context=self.held)
        self._id = begun.upload_id

    def send(self, number: int, body: bytes, held: Any = None) -> None:
        bucket = self._chance.choice(self._buckets) if held is None else of_oss2(self._keeper)
        bucket.upload_part(NAME, self._id, number, body, upload_context=held or self.held)


@pytest.mark.parametrize("kind", ["oss", "sealed", "oss2"])
def test_of_parts_that_a_program_hands_over(
    kind: str, keeper: Keeper, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths(monkeypatch)
    ring = cb.KeyRing(key if kind == "oss" else cb.AesKey(AES, description={"desc": "tests"}))
    bodies = [[random.Random(v).randbytes(PART)] * 2 + [bytes(5_000)] for v in range(3)]
    with opened(keeper) as store, ThreadPoolExecutor(2) as pool:
        for seed in range(count(100, 8)):
            keeper.chance = chance = random.Random(seed)
            bucket = cb.Bucket(store, ring, format="sealed" if kind == "sealed" else "oss")
            upload = OfOss2(keeper, chance) if kind == "oss2" else OfLibrary(bucket)
            for _ in range(8):
                deaths.plan(chance)
                number = chance.randrange(COUNT)
                one, other = (chance.choice(bodies)[number] for _ in range(2))
                step(upload, chance, pool, number + 1, one, other)


def step(
    upload: OfLibrary | OfOss2,
    chance: random.Random,
    pool: ThreadPoolExecutor,
    number: int,
    one: bytes,
    other: bytes,
) -> None:
    """Send a part: in this thread, in two, in a forked process, or with a copy of the upload."""

    def send(body: bytes, held: Any = None) -> None:
        with suppress(*FAILURES):
            upload.send(number, body, held)

    way = chance.random()
    if way < 0.1:
        assert in_child(lambda: send(other)) == 0
    elif way < 0.2:
        list(pool.map(send, (one, other)))
    elif way < 0.4:
        copies: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, _pickled]
        held = upload.held
        with suppress(*FAILURES):
            held = chance.choice(copies)(held)
        send(other, held)
    else:
        send(one)


def _pickled(held: Any) -> Any:
    return pickle.loads(pickle.dumps(held))
