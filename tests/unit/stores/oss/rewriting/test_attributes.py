"""What an object has beside its body stays in its place: copied at once, by parts, or put again."""

from collections.abc import Callable
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.oss_rewriting import (
    BODY,
    HEADERS,
    METADATA,
    NOTHING_ASKED,
    OF_THE_PLACE,
    opened,
    read,
    watched,
)

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss import attributes, copying
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import StoredObject


@pytest.mark.usefixtures("either_way")
def test_a_copy_takes_content_headers_and_metadata_along_and_nothing_else(store: OssStore) -> None:
    before = store.put("a", BODY, metadata=METADATA, headers=HEADERS)
    assert store.attributes("a") == HEADERS

    copied = store.copy("a", "b")

    assert store.attributes("b") == NOTHING_ASKED
    assert (copied.size, copied.crc64, copied.metadata) == (len(BODY), before.crc64, METADATA)
    assert read(store, "b") == BODY
    assert store.attributes("a") == HEADERS


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", ["b", "a"], ids=["elsewhere", "in its place"])
def test_a_copy_has_what_it_is_given(store: OssStore, name: str) -> None:
    store.put("a", BODY, metadata=METADATA, headers=HEADERS)
    asked = {"x-oss-object-acl": "private", "x-oss-tagging": "by=us"}

    store.copy("a", name, headers=asked)

    assert store.attributes(name) == (HEADERS if name == "a" else NOTHING_ASKED) | asked
    store.copy("a", name, headers=OF_THE_PLACE)
    assert store.attributes(name) == HEADERS


@pytest.mark.usefixtures("either_way")
def test_a_copy_in_its_place_keeps_everything(store: OssStore) -> None:
    store.put("a", BODY, metadata=METADATA, headers=HEADERS)

    store.copy("a", "a")

    assert store.attributes("a") == HEADERS
    assert store.head("a").metadata == METADATA


def test_a_copy_in_another_place_asks_for_no_acl_and_no_tags(
    store: OssStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"x", headers=HEADERS)
    sent = watched(store, monkeypatch)

    store.copy("a", "b")

    assert sent == ["HEAD", "PUT copy", "HEAD"]


@pytest.mark.usefixtures("either_way")
def test_new_metadata_leave_everything_else(store: OssStore) -> None:
    before = store.put("a", BODY, metadata=METADATA, headers=HEADERS)

    replaced = store.replace_metadata(
        "a", metadata={"k": "v"}, headers=store.head("a").headers, if_match=before.etag
    )

    assert replaced.metadata == {"k": "v"}
    assert store.attributes("a") == HEADERS
    assert replaced.crc64 == before.crc64
    assert read(store, "a") == BODY


@pytest.mark.usefixtures("either_way")
def test_new_headers_replace_what_they_name(store: OssStore) -> None:
    store.put("a", BODY, headers=HEADERS)
    new = {"x-oss-tagging": "only=this", "x-oss-object-acl": "private", "content-type": "a/b"}

    store.replace_metadata("a", metadata={}, headers=new)

    after = store.attributes("a")
    assert {key: after[key] for key in new} == new
    assert after["x-oss-storage-class"] == "IA"
    assert "cache-control" not in after


def test_what_is_put_again_with_its_attributes_keeps_them(store: OssStore) -> None:
    store.put("a", BODY, metadata=METADATA, headers=HEADERS)

    store.put("a", b"new", metadata=METADATA, headers=store.attributes("a"))
    assert store.attributes("a") == HEADERS

    upload_id = store.begin_upload("a", headers=store.attributes("a"))
    part = store.upload_part("a", upload_id, 1, BODY)
    store.complete_upload("a", upload_id, [part])
    assert store.attributes("a") == HEADERS
    assert read(store, "a") == BODY


def test_attributes_of_what_has_none_cost_two_requests(
    store: OssStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"x", headers={"content-type": "text/x"})
    sent = watched(store, monkeypatch)

    assert store.attributes("a") == {"content-type": "text/x", "x-oss-storage-class": "Standard"}

    assert sent == ["HEAD", "GET acl"]


def test_what_a_head_says_and_no_put_takes_is_left_out(store: OssStore) -> None:
    at_rest = "x-oss-server-side-encryption"
    store.put(
        "a",
        b"x",
        headers={
            at_rest: "AES256",
            f"{at_rest}-key-id": "default",
            "x-oss-server-side-data-encryption": "AES256",
        },
    )
    assert {k: v for k, v in store.attributes("a").items() if "server-side" in k} == {
        at_rest: "AES256"
    }
    sm4 = {at_rest: "KMS", "x-oss-server-side-data-encryption": "SM4"}
    store.put("b", b"x", headers=sm4)
    assert {k: v for k, v in store.attributes("b").items() if "server-side" in k} == sm4


@pytest.mark.usefixtures("either_way")
def test_the_old_version_stays_and_the_new_one_is_returned(versioned: OssStore) -> None:
    first = versioned.put("a", BODY, metadata={"k": "1"}, headers=HEADERS)
    second = versioned.replace_metadata("a", metadata={"k": "2"}, headers={})
    third = versioned.put("a", b"third")
    back = versioned.copy("a", "a", version_id=first.version_id)

    ids = [stored.version_id for stored in (first, second, third, back)]
    assert None not in ids
    assert len(set(ids)) == 4
    assert versioned.head("a").version_id == back.version_id
    assert versioned.head("a", version_id=first.version_id).metadata == {"k": "1"}
    assert versioned.head("a", version_id=second.version_id).metadata == {"k": "2"}
    assert versioned.attributes("a") == HEADERS
    assert versioned.attributes("a", version_id=third.version_id)["x-oss-storage-class"] != "IA"
    assert read(versioned, "a") == BODY


@pytest.mark.usefixtures("either_way")
def test_the_version_returned_is_ours_though_a_newer_one_lies_over_it(
    versioned: OssStore, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned.put("b", BODY, metadata={"k": "1"})
    with opened(endpoint, "versioned") as other:

        def overtaken(*args: Any) -> StoredObject:
            other.put("b", b"newer")
            return attributes.written(*args)

        monkeypatch.setattr(copying, "written", overtaken)
        replaced = versioned.replace_metadata("b", metadata={"k": "2"}, headers={})
    assert replaced.metadata == {"k": "2"}
    assert replaced.version_id != versioned.head("b").version_id


@pytest.mark.parametrize(("name", "kind"), [("link", "symlink"), ("log", "appendable")])
def test_links_and_appendable_objects_are_not_rewritten(
    store: OssStore, name: str, kind: str
) -> None:
    store.put("target", b"x")
    leads = {"x-oss-symlink-target": "target"}
    store.client.send("PutSymlink", "PUT", "link", query={"symlink": ""}, headers=leads)
    store.client.sdk.append_object(
        sdk.AppendObjectRequest(bucket="plain", key="log", position=0, body=b"line")
    )
    for verb in (
        lambda: store.attributes(name),
        lambda: store.replace_metadata(name, metadata={}, headers={}),
    ):
        with pytest.raises(cb.UsageError, match=f"'{name}'.*{kind}") as caught:
            verb()
        assert caught.value.hint
    assert read(store, store.copy(name, "copy").name) == read(store, name)


@pytest.mark.usefixtures("either_way")
def test_an_archived_object_must_be_restored_first(store: OssStore) -> None:
    store.put("cold", BODY, headers={"x-oss-storage-class": "Archive"})
    changes: list[Callable[[], StoredObject]] = [
        lambda: store.copy("cold", "b"),
        lambda: store.replace_metadata("cold", metadata={"k": "v"}, headers={}),
    ]
    for change in changes:
        with pytest.raises(cb.StoreError, match="must be restored") as caught:
            change()
        assert "restore" in (caught.value.hint or "")
    store.restore("cold")
    replaced = store.replace_metadata("cold", metadata={"k": "v"}, headers={})
    assert replaced.place_headers["x-oss-storage-class"] == "Archive"
