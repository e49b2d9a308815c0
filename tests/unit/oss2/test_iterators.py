"""Iterators over pages: order, markers, retries; each against a bucket that keeps a script."""

from types import SimpleNamespace
from typing import Any

import pytest

from cipherbucket.oss2 import defaults
from cipherbucket.oss2._entries import MultipartUploadInfo, PartInfo, SimplifiedObjectInfo
from cipherbucket.oss2.exceptions import InconsistentError, ServerError
from cipherbucket.oss2.iterators import (
    MultipartUploadIterator,
    ObjectIterator,
    ObjectIteratorV2,
    ObjectUploadIterator,
    PartIterator,
)


class Pages:
    """A bucket whose lists are written down beforehand; an exception in their place is raised."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def _next(self, *_: Any, **asked: Any) -> Any:
        self.asked.append(asked)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    list_objects = list_objects_v2 = list_multipart_uploads = list_parts = _next


def entry(name: str) -> SimplifiedObjectInfo:
    return SimplifiedObjectInfo(name, 1, "etag", "Normal", 1, "Standard")


def objects(names: str, prefixes: str = "", after: str = "") -> SimpleNamespace:
    return SimpleNamespace(
        object_list=[entry(name) for name in names],
        prefix_list=list(prefixes),
        is_truncated=bool(after),
        next_marker=after,
        next_continuation_token=after,
    )


def uploads(
    keys: list[str], prefixes: str = "", after: str = "", after_id: str = ""
) -> SimpleNamespace:
    return SimpleNamespace(
        upload_list=[MultipartUploadInfo(key, f"id-{key}", 1) for key in keys],
        prefix_list=list(prefixes),
        is_truncated=bool(after),
        next_key_marker=after,
        next_upload_id_marker=after_id,
    )


def busy(status: int = 503) -> ServerError:
    return ServerError(status, {}, b"", {"Code": "Busy"})


def test_objects_and_prefixes_come_in_the_order_of_names() -> None:
    bucket = Pages(objects("ac", "b", after="c"), objects("", after="d"), objects("e", "df"))
    found = list(
        ObjectIterator(
            bucket, prefix="p", delimiter="/", marker="m", max_keys=2, headers={"h": "1"}
        )
    )
    assert [(each.key, each.is_prefix()) for each in found] == [
        ("a", False), ("b", True), ("c", False), ("d", True), ("e", False), ("f", True),
    ]  # fmt: skip
    assert [asked["marker"] for asked in bucket.asked] == ["m", "c", "d"]
    for asked in bucket.asked:
        assert (asked["prefix"], asked["delimiter"], asked["max_keys"]) == ("p", "/", 2)
        assert asked["headers"] == {"h": "1"}


def test_the_newer_call_goes_on_by_token() -> None:
    bucket = Pages(objects("a", after="token"), objects("b"))
    iterator = ObjectIteratorV2(bucket, start_after="0", fetch_owner=True)
    assert iterator.next().key == "a"
    assert [each.key for each in iterator] == ["b"]
    assert [asked["continuation_token"] for asked in bucket.asked] == ["", "token"]
    assert all(asked["start_after"] == "0" and asked["fetch_owner"] for asked in bucket.asked)
    with pytest.raises(StopIteration):
        iterator.next()


def test_uploads_go_on_by_name_and_id() -> None:
    bucket = Pages(uploads(["a", "c"], "b", after="c", after_id="id-c"), uploads(["c", "d"]))
    found = list(MultipartUploadIterator(bucket, key_marker="k", upload_id_marker="u"))
    assert [each.key for each in found] == ["a", "b", "c", "c", "d"]
    markers = [(asked["key_marker"], asked["upload_id_marker"]) for asked in bucket.asked]
    assert markers == [("k", "u"), ("c", "id-c")]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([uploads(["a", "a"], after="a"), uploads(["a", "ab"])], 3),
        ([uploads(["a", "ab"], after="ab")], 1),  # what follows cannot be of this name
        ([uploads(["ab"], after="a")], 0),
        ([uploads([])], 0),
    ],
)
def test_uploads_of_one_object_end_where_other_names_begin(pages: list[Any], found: int) -> None:
    bucket = Pages(*pages)
    assert [each.key for each in ObjectUploadIterator(bucket, "a")] == ["a"] * found
    assert bucket.pages == []
    assert bucket.asked[0]["prefix"] == "a"


def test_parts() -> None:
    first, last = [PartInfo(1, "a"), PartInfo(2, "b")], [PartInfo(3, "c")]
    bucket = Pages(
        SimpleNamespace(parts=first, is_truncated=True, next_marker="2"),
        SimpleNamespace(parts=last, is_truncated=False, next_marker=""),
    )
    assert [part.part_number for part in PartIterator(bucket, "key", "id")] == [1, 2, 3]
    assert [asked["marker"] for asked in bucket.asked] == ["0", "2"]


@pytest.mark.parametrize(("retries", "asks"), [(None, 3), (5, 5), (1, 1), (0, 1), (-1, 1)])
def test_a_page_is_asked_for_again(retries: int | None, asks: int) -> None:
    bucket = Pages(*[busy() for _ in range(asks - 1)], objects("a"))
    assert [each.key for each in ObjectIterator(bucket, max_retries=retries)] == ["a"]
    bucket = Pages(*[busy() for _ in range(asks)])
    with pytest.raises(ServerError):
        list(ObjectIterator(bucket, max_retries=retries))
    assert bucket.pages == []


def test_the_usual_retries_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "request_retries", 7)
    assert ObjectIterator(Pages()).max_retries == 7


def test_a_refusal_is_not_asked_for_again() -> None:
    bucket = Pages(busy(403), objects("a"))
    with pytest.raises(ServerError):
        list(ObjectIterator(bucket))
    assert len(bucket.asked) == 1


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        (ObjectIterator, [objects("a", after="m"), objects("b", after="m")]),
        (ObjectIteratorV2, [objects("a", after="m"), objects("b", after="m")]),
        (MultipartUploadIterator, [uploads(["a"], after="m", after_id="1")] * 2),
    ],
)
def test_a_list_that_does_not_go_on_ends_with_an_error(kind: Any, pages: list[Any]) -> None:
    names = kind(Pages(*pages))
    assert next(names).key == "a"
    with pytest.raises(InconsistentError, match="does not advance"):
        next(names)


def test_many_uploads_of_one_name_go_on() -> None:
    pages = [uploads(["a"], after="a", after_id=number) for number in "12"] + [uploads(["a"])]
    assert len(list(MultipartUploadIterator(Pages(*pages)))) == 3


def test_an_empty_page_does_not_end_the_uploads_of_an_object() -> None:
    bucket = Pages(uploads([], after="a", after_id="1"), uploads(["a"]))
    assert [each.key for each in ObjectUploadIterator(bucket, "a")] == ["a"]


def test_a_page_that_does_not_come_after_the_one_before_is_an_error() -> None:
    bucket = Pages(objects("ab", after="1"), objects("bc"))
    with pytest.raises(InconsistentError, match="begin after"):
        list(ObjectIteratorV2(bucket))


def test_empty_pages_without_end_are_an_error() -> None:
    bucket = Pages(*[objects("", after=str(number)) for number in range(1000)])
    with pytest.raises(InconsistentError, match="does not advance"):
        list(ObjectIteratorV2(bucket))
    assert len(bucket.asked) <= 101
