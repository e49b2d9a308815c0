"""A store that lies about ranges and lengths, or changes an object while it is being read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from tests.support.counts import count
from tests.support.oss_objects import Objects, error_xml, store_at
from tests.support.scripted_http import Answer, Request, scripted
from tests.support.sealed_attacks import (
    ATTACKS,
    CHUNK,
    FIELDS,
    NAME,
    PLAIN,
    STRIDE,
    Scene,
    Stored,
    stored_by,
)
from tests.support.sealed_reads import (
    SEEKS,
    SPANS,
    cut_of,
    drained,
    error_of,
    ranged,
    right_or_refused,
    sealed_bucket,
    serve,
    sought,
)

import cipherbucket as cb
from cipherbucket.format.span import Span
from cipherbucket.stores.base import Store

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Liar(Objects):
    """Answers truly, and lets a lie bend the answer."""

    def __init__(self, lie: Callable[[Request, Answer, bytes], Answer]) -> None:
        super().__init__()
        self._lie = lie

    def get(self, request: Request) -> Answer:
        return self._lie(request, super().get(request), self.body)


def claiming(answer: Answer, start: int = 0, stop: int = 0, size: int = 0) -> Answer:
    """Add to what an answer says of itself."""
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None:
        return answer
    first, last, total = map(int, match.groups())
    told = f"bytes {first + start}-{last + stop}/{total + size}"
    return replace(answer, headers={**answer.headers, "Content-Range": told})


def other_bytes(by: int) -> Callable[[Request, Answer, bytes], Answer]:
    """Send bytes from further behind or before as those that were asked for."""

    def lie(request: Request, answer: Answer, body: bytes) -> Answer:
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if match is None:
            return answer
        first, last, _ = map(int, match.groups())
        there = (body * 3)[len(body) + first + by : len(body) + last + by + 1]
        return replace(answer, body=there)

    return lie


def whole(request: Request, answer: Answer, body: bytes) -> Answer:
    """Ignore the range."""
    headers = {k: text for k, text in answer.headers.items() if k != "Content-Range"}
    return Answer(200, headers, body)


def part_as_whole(request: Request, answer: Answer, body: bytes) -> Answer:
    """Send the range that was asked for, and call it the object."""
    headers = {k: text for k, text in answer.headers.items() if k != "Content-Range"}
    headers.pop("x-oss-hash-crc64ecma", None)
    return replace(answer, status=200, headers=headers)


def refusing(request: Request, answer: Answer, body: bytes) -> Answer:
    """Say that the object ends before every range that has a beginning."""
    if request.method == "GET" and re.match(r"bytes=[1-9]", request.headers.get("range", "")):
        return Answer(416, {"x-oss-request-id": "R"}, error_xml("InvalidRange"))
    return answer


def shortened(by: int) -> Callable[[Request, Answer, bytes], Answer]:
    """Say everywhere that the object is shorter than it is, and send no more."""

    def lie(request: Request, answer: Answer, body: bytes) -> Answer:
        short = Objects()
        short.headers, short.body = {}, body[:-by]
        told = short.get(request)
        headers = {**answer.headers, **told.headers}
        headers.pop("x-oss-hash-crc64ecma", None)
        if "Content-Range" not in told.headers:
            headers.pop("Content-Range", None)
        return replace(told, headers=headers)

    return lie


LIES: dict[str, Callable[[Request, Answer, bytes], Answer]] = {
    "the next chunk's bytes": other_bytes(STRIDE),
    "the chunk's before": other_bytes(-STRIDE),
    "bytes off by one": other_bytes(1),
    "a range that begins later": lambda _, answer, __: claiming(answer, 1, 1),
    "a range a chunk further": lambda _, answer, __: claiming(answer, STRIDE, STRIDE),
    "a range that is longer": lambda _, answer, __: claiming(answer, 0, 1),
    "a range that is shorter": lambda _, answer, __: claiming(answer, 0, -1),
    "the total less by one": lambda _, answer, __: claiming(answer, size=-1),
    "the total less by a chunk": lambda _, answer, __: claiming(answer, size=-STRIDE),
    "the total more by one": lambda _, answer, __: claiming(answer, size=1),
    "the total more by a chunk": lambda _, answer, __: claiming(answer, size=STRIDE),
    "a total of a petabyte": lambda _, answer, __: claiming(answer, size=10**15),
    "no content range": lambda _, answer, __: replace(
        answer, headers={k: t for k, t in answer.headers.items() if k != "Content-Range"}
    ),
    "the whole object": whole,
    "the range as the whole": part_as_whole,
    "the range ends before it": refusing,
    "shorter by one": shortened(1),
    "shorter by a chunk": shortened(STRIDE),
    "shorter by the last chunk and the footer": shortened(116),
    "empty": shortened(1 << 20),
    "half the body": lambda _, answer, __: replace(
        answer, body=answer.body[: len(answer.body) // 2]
    ),
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("cipherbucket.stores.http.resuming_body", "alibabacloud_oss_v2._client"):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


@pytest.fixture
def lying(scenes: dict[str, Scene], request: pytest.FixtureRequest) -> Iterator[cb.Bucket]:
    scene = scenes["aes"]
    objects = Liar(LIES[request.param])
    objects.body = scene.one.body
    objects.headers = {f"x-oss-meta-{name}": text for name, text in scene.one.metadata.items()}
    with scripted(objects) as served, store_at(served.url) as store:
        yield sealed_bucket(store, scene)


@pytest.mark.parametrize("lying", LIES, indirect=True)
def test_a_lie_about_ranges_gives_the_right_bytes_or_an_error(lying: cb.Bucket) -> None:
    step = count(1, 3)
    for span in SPANS[::step]:
        right_or_refused(partial(ranged, lying, span), cut_of(span))
    for at in SEEKS[::step]:
        right_or_refused(partial(sought, lying, at, 100), PLAIN[at:][:100])
    right_or_refused(partial(drained, partial(lying.get, NAME), PLAIN), PLAIN)


@pytest.mark.parametrize("lying", ["the whole object"], indirect=True)
def test_a_store_that_ignores_ranges_is_read_rightly(lying: cb.Bucket) -> None:
    assert [ranged(lying, span) for span in SPANS] == [cut_of(span) for span in SPANS]


@pytest.mark.parametrize("lying", ["the range ends before it"], indirect=True)
def test_a_store_that_denies_a_range_does_not_make_the_object_end_there(lying: cb.Bucket) -> None:
    for span in (Span(20_000, 5), Span(CHUNK), Span(CHUNK, 0)):
        assert ranged(lying, span) == cut_of(span)  # all of it comes with the end
    assert sought(lying, CHUNK, 5) == PLAIN[CHUNK:][:5]
    with lying.open(NAME) as file:
        assert file.read(5) == PLAIN[:5]
        file.seek(CHUNK)
        assert isinstance(error_of(partial(file.read, 5)), cb.ObjectChangedError)
    assert ranged(lying, Span(0, 5)) == PLAIN[:5]


class Reopened:
    """A reader of `Scene.one` that has read its beginning and not yet what comes behind it."""

    def __init__(self, store: Store, scene: Scene) -> None:
        serve(store, scene.one)
        self._file = sealed_bucket(store, scene).open(NAME)
        assert self._read(0) == PLAIN[:5]

    def read(self) -> bytes:
        return self._read(CHUNK + 5)

    def _read(self, at: int) -> bytes:
        self._file.seek(at)
        return self._file.read(5)


def test_an_object_that_is_replaced_between_two_reads_is_never_mixed(
    scene: Scene, raw: Store
) -> None:
    again = stored_by(scene.ring, "sealed", NAME, PLAIN)
    short = stored_by(scene.ring, "sealed", NAME, b"short")
    empty = stored_by(scene.ring, "sealed", NAME, b"")
    others = [again, short, empty, scene.two, scene.oss, scene.one.without(*FIELDS)]
    for stored in (*others, Stored(PLAIN, {}), Stored(b"", {})):
        reader = Reopened(raw, scene)
        serve(raw, stored)

        with pytest.raises(cb.ObjectChangedError):
            reader.read()
    reader = Reopened(raw, scene)
    raw.delete(NAME)
    with pytest.raises(cb.ObjectChangedError):
        reader.read()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_between_two_reads_is_an_error_or_touches_nothing(
    scenes: dict[str, Scene], name: str
) -> None:
    store, scene = cb.MemoryStore(), scenes["aes"]
    reader = Reopened(store, scene)
    serve(store, ATTACKS[name](scene))

    right_or_refused(reader.read, PLAIN[CHUNK + 5 : CHUNK + 10])


def test_a_change_of_recipients_between_two_reads_is_none_of_the_object(
    scene: Scene, raw: Store
) -> None:
    reader = Reopened(raw, scene)
    before = raw.head(NAME).metadata
    cb.recipients.add(
        sealed_bucket(raw, scene), NAME, cb.AesKey(bytes(32), description={"desc": "b"})
    )

    assert raw.head(NAME).metadata != before
    assert reader.read() == PLAIN[CHUNK + 5 : CHUNK + 10]
