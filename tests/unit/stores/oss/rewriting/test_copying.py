"""Copies by parts: few requests, all of one body, nothing left where they fail."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.oss_rewriting import (
    BODY,
    HEADERS,
    METADATA,
    PART,
    Meddle,
    opened_twin,
    read,
    watched,
)

import cipherbucket as cb
from cipherbucket.stores.oss import copying, multipart
from cipherbucket.stores.oss.store import OssStore


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(("size", "parts"), [(PART, 0), (PART + 1, 2), (len(BODY), 3)])
def test_a_copy_by_parts_takes_few_requests(
    store: OssStore, monkeypatch: pytest.MonkeyPatch, size: int, parts: int
) -> None:
    store.put("a", BODY[:size], metadata=METADATA)
    sent = watched(store, monkeypatch)

    store.replace_metadata("a", metadata={"k": "v"}, headers={}, if_metadata=METADATA)

    looks = ["HEAD", "GET acl"]
    if not parts:
        assert sent == [*looks, "PUT copy", "HEAD"]
        return
    copies = ["PUT partNumber uploadId copy"] * parts
    assert sent == [*looks, "POST uploads", *copies, "HEAD", "POST uploadId", "HEAD"]


def refuse(error: Exception, when: str) -> Meddle:
    def meddle(name: str) -> None:
        if name == when:
            raise error

    return meddle


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("when", ["PUT partNumber uploadId copy", "POST uploadId"])
@pytest.mark.parametrize("error", [cb.TransientStoreError("broken"), KeyboardInterrupt()])
def test_a_copy_that_fails_leaves_nothing(
    store: OssStore, monkeypatch: pytest.MonkeyPatch, when: str, error: Exception
) -> None:
    store.put("a", BODY, metadata=METADATA, headers=HEADERS)
    with monkeypatch.context() as patch:
        watched(store, patch, refuse(error, when))
        with pytest.raises(type(error)):
            store.copy("a", "b")
        with pytest.raises(type(error)):
            store.replace_metadata("a", metadata={}, headers={})

    assert store.list_uploads() == []
    assert [entry.name for entry in store.list().entries] == ["a"]
    assert store.head("a").metadata == METADATA
    assert store.attributes("a") == HEADERS


@pytest.mark.usefixtures("in_parts")
def test_parts_are_all_of_one_body(store: OssStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", BODY)
    with opened_twin(store) as other, monkeypatch.context() as patch:
        pending = ["replace"]

        def meddle(name: str) -> None:
            if name == "PUT partNumber uploadId copy" and pending:
                pending.clear()
                other.put("a", BODY[::-1])

        watched(store, patch, meddle)
        with pytest.raises(cb.PreconditionFailedError, match="'a'"):
            store.copy("a", "b")
    assert [entry.name for entry in store.list().entries] == ["a"]
    assert read(store, "a") == BODY[::-1]


@pytest.mark.usefixtures("in_parts")
def test_metadata_that_change_while_parts_are_copied_are_not_lost(
    store: OssStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", BODY, metadata={"k": "old"})
    with opened_twin(store) as other, monkeypatch.context() as patch:
        pending = ["replace"]

        def meddle(name: str) -> None:
            if name == "PUT partNumber uploadId copy" and pending:
                pending.clear()
                monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", 1 << 30)
                other.replace_metadata("a", metadata={"k": "theirs"}, headers={})

        watched(store, patch, meddle)
        with pytest.raises(cb.PreconditionFailedError, match="'a'"):
            store.replace_metadata("a", metadata={"k": "ours"}, headers={})
    assert store.head("a").metadata == {"k": "theirs"}


@pytest.mark.usefixtures("in_parts")
def test_an_answer_to_the_completion_that_was_lost_is_looked_for(
    store: OssStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", BODY, metadata={"k": "old"})
    request = store.client.http.request
    lost: list[str] = []

    def losing(method: str, url: str, *rest: Any, **more: Any) -> Any:
        answer = request(method, url, *rest, **more)
        if method == "POST" and "uploadId" in url and not lost:
            lost.append(url)
            raise cb.TransientStoreError("the answer was lost")
        return answer

    monkeypatch.setattr(store.client.http, "request", losing)

    replaced = store.replace_metadata("a", metadata={"k": "new"}, headers={})

    assert lost
    assert replaced.metadata == store.head("a").metadata == {"k": "new"}
    assert read(store, "a") == BODY


@pytest.mark.usefixtures("in_parts")
def test_a_damaged_copy_gets_no_name(store: OssStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", BODY)

    def damaged(*args: Any) -> Any:
        part = multipart.copy_part(*args)
        assert part.crc64 is not None
        return replace(part, crc64=part.crc64 ^ 1)

    monkeypatch.setattr(copying, "copy_part", damaged)
    with pytest.raises(cb.IntegrityError, match="CRC-64"):
        store.copy("a", "b")
    assert [entry.name for entry in store.list().entries] == ["a"]


@pytest.mark.usefixtures("either_way")
def test_a_copy_is_made_only_if_there_is_none(store: OssStore) -> None:
    store.put("a", BODY)
    store.put("b", b"there")
    with pytest.raises(cb.PreconditionFailedError):
        store.copy("a", "b", if_absent=True)
    assert read(store, "b") == b"there"
    assert store.copy("a", "c", if_absent=True).size == len(BODY)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("condition", [{"if_match": "other"}, {"if_metadata": {"k": "other"}}])
def test_a_condition_that_does_not_hold_changes_nothing(
    store: OssStore, condition: dict[str, Any]
) -> None:
    before = store.put("a", BODY, metadata={"k": "v"})
    with pytest.raises(cb.PreconditionFailedError, match="'a'"):
        store.replace_metadata("a", metadata={}, headers={}, **condition)
    assert store.head("a").metadata == {"k": "v"}
    assert store.head("a").etag == before.etag
