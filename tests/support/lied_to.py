"""What comes of a verb that meets a lying store, and whether that may be.

The rule needs no table. A verb that hears a lie either fails with an error of its face, or comes to
what it comes to at a store that tells the truth. Whichever it is, each object and each file is then
as it was, or as it is where the truth was told; and it took little time and little memory.

Each verb runs in a forked child, with a copy of the store.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.honest_store import Honest
from tests.support.lying_ground import FILES, POLICY, Ground, Scene, fill, settle
from tests.support.lying_store import BELIEVED, LISTINGS, SURE, Lie, Told, lying_store

import cipherbucket as cb
from cipherbucket.server.catalog import Version

MOST_SECONDS = 5.0
MOST_MEMORY = 64 << 20
_HANGS = 15
"""Seconds after which a verb is ended."""


class Refused(Exception):  # noqa: N818  the right end of a verb that is lied to
    """The verb failed as its face fails.

    Attributes:
        status: The HTTP status that its error names, or None.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Verb:
    """Something that asks a store.

    Attributes:
        name: What it is called.
        run: Does it; returns what it came to, or raises `Refused`.
        unaware: Topics of lies that it does not ask about, and operations that it can do without.
    """

    name: str
    run: Callable[[Scene], object]
    unaware: frozenset[str] = frozenset()


@dataclass
class Outcome:
    """What came of a verb."""

    result: object = None
    refused: str | None = None
    status: int | None = None
    broke: str | None = None
    objects: dict[tuple[str, ...], object] = field(default_factory=dict)
    uploads: set[tuple[str, ...]] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lies: int = 0
    elsewhere: int = 0
    seconds: float = 0.0
    memory: int = 0


def meet(ground: Ground, verb: Verb, told: Told | None, out: Path) -> Outcome:
    """Run a verb against a copy of the store, and see what came of it."""
    return in_child(lambda: _meet(ground, verb, told, out))


def _meet(ground: Ground, verb: Verb, told: Told | None, out: Path) -> Outcome:
    out.mkdir(parents=True)
    fill(out / "files")
    settle(out, slow=told is not None and told.lie.slow)
    outcome = Outcome()
    before = _shallow(ground.honest)
    uploads = ground.honest.uploads()
    with lying_store(ground.honest, told, ground.protocol.spoken) as served:
        os.environ["OSS_ENDPOINT"] = served.url
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.monotonic()
        try:
            outcome.result = verb.run(Scene(served.url, out / "files", ground))
        except Refused as error:
            outcome.refused, outcome.status = str(error) or "refused", error.status
        except BaseException:  # noqa: BLE001  it is shown
            outcome.broke = traceback.format_exc()[-3000:]
        outcome.seconds = time.monotonic() - started
        outcome.memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) << 10
        outcome.counts = dict(served.counts)
        outcome.lies, outcome.elsewhere = served.lies, len(served.elsewhere)
        outcome.objects = _objects(ground, before)
        outcome.uploads = {
            key for key, parts in uploads.items() if ground.honest.uploads().get(key) == parts
        }
    outcome.files = {
        str(path.relative_to(out / "files")): path.read_bytes()
        for path in sorted((out / "files").rglob("*"))
        if path.is_file()
    }
    return outcome


def _shallow(honest: Honest) -> dict[tuple[str, ...], object]:
    return {where: _label(version) for where, (version, _) in honest.objects().items()}


def _label(version: Version) -> object:
    at = version.attributes
    return version.etag, version.size, sorted(at.metadata.items()), sorted(at.tags.items()), at.acl


def _objects(
    ground: Ground, before: dict[tuple[str, ...], object]
) -> dict[tuple[str, ...], object]:
    """Return what is in the store: what is as before by a word, and the rest in full."""
    found: dict[tuple[str, ...], object] = {}
    for where, (version, data) in ground.honest.objects().items():
        if before.get(where) == _label(version):
            found[where] = "as before"
        else:
            place = where if where in before else (*where[:2], "new")
            found[place] = _in_full(ground, version, data)
    return found


def _in_full(ground: Ground, version: Version, data: bytes) -> object:
    """Return what an object is to its owners, without what differs each time."""
    store, at = cb.MemoryStore(), version.attributes
    other = ("client-side", "cipherbucket", "lie")
    own = {key: text for key, text in at.metadata.items() if not key.startswith(other)}
    rest = (sorted(own.items()), sorted(at.tags.items()), at.acl, at.headers.get("content-type"))
    try:
        store.put(version.name, data, metadata=at.metadata)
        bucket = cb.Bucket(store, ground.ring, policy=POLICY)
        info = bucket.head(version.name)
        plain = bucket.get(version.name).read()
    except cb.CipherbucketError as error:
        return "unreadable", str(error), version.kind, at.target, rest
    keys = () if info.envelope is None else info.envelope.recipients
    labels = sorted(str(dict(each.description)) for each in keys)
    return hashlib.sha256(plain).hexdigest(), len(plain), info.format, labels, at.target, rest


def judge(verb: Verb, lie: Lie, operation: str, truth: Outcome, came: Outcome) -> list[str]:
    """Return what is wrong with what came of a lie."""
    if came.broke is not None:
        return [f"it broke: {came.broke}"]
    wrong = []
    kind = BELIEVED if verb.unaware & {lie.topic, operation} else lie.kind
    if came.elsewhere:
        wrong.append("it followed a redirect")
    if came.seconds > MOST_SECONDS:
        wrong.append(f"it took {came.seconds:.1f} s")
    if came.memory > MOST_MEMORY:
        wrong.append(f"it took {came.memory >> 20} MiB")
    if came.refused is None and came.lies:
        if kind == SURE:
            wrong.append(f"it went well: {came.result!r:.300}")
        elif kind != BELIEVED and came.result != truth.result:
            wrong.append(f"it came to {came.result!r:.300}, not to {truth.result!r:.300}")
    done = came.refused is None and kind != BELIEVED
    wrong += _changes(truth.objects, came.objects, done=done)
    wrong += _file_changes(truth.files, came.files, done=done)
    kept = {key for key in truth.uploads if key not in came.uploads}
    if kept:
        wrong.append(f"uploads are gone or changed: {sorted(kept)}")
    if came.refused is not None and came.lies:
        if operation.rpartition(".")[2] in LISTINGS:
            gone = [
                name
                for name in came.counts
                if name.rpartition(".")[2] in {"delete", "delete_multiple"}
            ]
            if gone:
                wrong.append(f"it deleted after a listing that was none: {gone}")
        if None not in {lie.status, came.status} and came.status != lie.status:
            wrong.append(f"its error says {came.status}, not {lie.status}: {came.refused:.200}")
    return wrong


_BEFORE = "as before"


def _changes(truth: dict[Any, object], came: dict[Any, object], *, done: bool) -> list[str]:
    """Compare objects: each is as it was, or as it should be; where it is done, as it should be."""
    wrong = []
    for where in truth.keys() | came.keys():
        now, right = came.get(where), truth.get(where)
        new = where[-1] == "new"
        before = None if new else _BEFORE
        if now == right or (now == before and not done):
            continue
        wrong.append(f"{where} is {now!r:.200}; it was {before!r}, and is to be {right!r:.200}")
    return wrong


def _file_changes(truth: dict[str, bytes], came: dict[str, bytes], *, done: bool) -> list[str]:
    wrong = []
    for name in truth.keys() | came.keys():
        now, right, before = came.get(name), truth.get(name), FILES.get(name)
        kept = name.startswith(".cipherbucket-") and not done  # to go on with what came
        if now == right or kept or (now == before and not done):
            continue
        wrong.append(
            f"the file {name} is {now!r:.100}, was {before!r:.100}, is to be {right!r:.100}"
        )
    return wrong


def in_child(work: Callable[[], Outcome]) -> Outcome:
    """Run in a forked child, which may take its time or die."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_HANGS)
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(pickle.dumps(work()))
        except BaseException:  # noqa: BLE001  its parent hears it
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not data or code:
        return Outcome(broke=f"it hung: the child ended with {code}")
    outcome: Outcome = pickle.loads(data)
    return outcome
