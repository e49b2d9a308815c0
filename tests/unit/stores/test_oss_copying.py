"""What an object has beside its body stays with it: copied at once, by parts, or put again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import alibabacloud_oss_v2 as sdk
import pytest

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.objects import StoredObject
from cipherbucket.stores.oss import OssStore

PART = 100 << 10
BODY = random.Random(1).randbytes(2 * PART + 33)
METADATA = {"owner": "mé", "cipherbucket-note": "x"}
HEADERS = {
    "cache-control": "no-cache",
    "content-disposition": "attachment",
    "content-encoding": "identity",
    "content-language": "en",
    "content-type": "text/x",
    "expires": "Sat, 21 Nov 2026 10:00:00 GMT",
    "x-oss-object-acl": "public-read",
    "x-oss-server-side-encryption": "KMS",
    "x-oss-server-side-encryption-key-id": "key-1",
    "x-oss-storage-class": "IA",
    "x-oss-tagging": "team=a%26b&year%202026=%C3%A9",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["plain", "versioned"]) as running:
        with opened(running, "versioned") as store:
            store._client.put_bucket_versioning(
                sdk.PutBucketVersioningRequest(
                    bucket="versioned",
                    versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
                )
            )
        yield running


def opened(endpoint: Endpoint, bucket: str) -> OssStore:
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    settings = cb.OssSettings(
        region=endpoint.region, endpoint=endpoint.url, credentials=credentials
    )
    return OssStore(bucket, settings)


@pytest.fixture
def store(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[OssStore]:
    monkeypatch.setattr("alibabacloud_oss_v2._client.time.sleep", lambda _: None)
    with opened(endpoint, "plain") as store:
        for entry in store.list().entries:
            store.delete(entry.name)
        yield store
        assert store.list_uploads() == []


@pytest.fixture
def versioned(endpoint: Endpoint) -> Iterator[OssStore]:
    with opened(endpoint, "versioned") as store:
        yield store


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.stores.oss_copying._ONE_COPY", PART)


@pytest.fixture(params=["at once", "by parts"])
def either_way(request: pytest.FixtureRequest) -> None:
    if request.param == "by parts":
        request.getfixturevalue("in_parts")


Meddle = Callable[[str], None]


def watched(store: OssStore, monkeypatch: pytest.MonkeyPatch, meddle: Meddle | None = None) -> Any:
    """Write down what each request is; ``meddle`` may do something before it is sent."""
    sent: list[str] = []
    request = store._http.request

    def noted(method: str, url: str, headers: Any, *rest: Any, **more: Any) -> Any:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True)
        copy = "x-oss-copy-source" in {key.lower() for key in headers}
        asked = sorted(query.keys() & {"acl", "partNumber", "tagging", "uploadId", "uploads"})
        name = " ".join([method, *asked, *(["copy"] if copy else [])])
        sent.append(name)
        if meddle is not None:
            meddle(name)
        return request(method, url, headers, *rest, **more)

    monkeypatch.setattr(store._http, "request", noted)
    return sent


def read(store: OssStore, name: str) -> bytes:
    with store.get(name) as incoming:
        body = bytearray(incoming.stop)
        return bytes(body[: incoming.readinto(body)])


@pytest.mark.usefixtures("either_way")
def test_a_copy_keeps_everything(store: OssStore) -> None:
    before = store.put("a", BODY, metadata=METADATA, headers=HEADERS)
    assert store.attributes("a") == HEADERS

    copied = store.copy("a", "b")

    assert store.attributes("b") == HEADERS
    assert (copied.size, copied.crc64, copied.metadata) == (len(BODY), before.crc64, METADATA)
    assert read(store, "b") == BODY


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


def test_what_a_head_tells_and_no_put_takes_is_left_out(store: OssStore) -> None:
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
                monkeypatch.setattr("cipherbucket.stores.oss_copying._ONE_COPY", 1 << 30)
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
    request = store._http.request
    lost: list[str] = []

    def losing(method: str, url: str, *rest: Any, **more: Any) -> Any:
        answer = request(method, url, *rest, **more)
        if method == "POST" and "uploadId" in url and not lost:
            lost.append(url)
            raise cb.TransientStoreError("the answer was lost")
        return answer

    monkeypatch.setattr(store._http, "request", losing)

    replaced = store.replace_metadata("a", metadata={"k": "new"}, headers={})

    assert lost
    assert replaced.metadata == store.head("a").metadata == {"k": "new"}
    assert read(store, "a") == BODY


@pytest.mark.usefixtures("in_parts")
def test_a_damaged_copy_gets_no_name(store: OssStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", BODY)
    copy_part = store._copy_part

    def damaged(*args: Any) -> Any:
        part = copy_part(*args)
        assert part.crc64 is not None
        return replace(part, crc64=part.crc64 ^ 1)

    monkeypatch.setattr(store, "_copy_part", damaged)
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


@pytest.mark.usefixtures("either_way")
def test_the_old_version_stays_and_the_new_one_is_told(versioned: OssStore) -> None:
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
def test_the_version_told_is_ours_though_a_newer_one_lies_over_it(
    versioned: OssStore, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned.put("b", BODY, metadata={"k": "1"})
    with opened(endpoint, "versioned") as other:
        written = versioned._written

        def overtaken(*args: Any) -> StoredObject:
            other.put("b", b"newer")
            return written(*args)

        monkeypatch.setattr(versioned, "_written", overtaken)
        replaced = versioned.replace_metadata("b", metadata={"k": "2"}, headers={})
    assert replaced.metadata == {"k": "2"}
    assert replaced.version_id != versioned.head("b").version_id


@pytest.mark.parametrize(("name", "kind"), [("link", "symlink"), ("log", "appendable")])
def test_links_and_appendable_objects_are_not_rewritten(
    store: OssStore, name: str, kind: str
) -> None:
    store.put("target", b"x")
    leads = {"x-oss-symlink-target": "target"}
    store._send("PutSymlink", "PUT", "link", query={"symlink": ""}, headers=leads)
    store._client.append_object(
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
    for change in (
        lambda: store.copy("cold", "b"),
        lambda: store.replace_metadata("cold", metadata={"k": "v"}, headers={}),
    ):
        with pytest.raises(cb.StoreError, match="must be restored") as caught:
            change()
        assert "restore" in (caught.value.hint or "")
    store.restore("cold")
    replaced = store.replace_metadata("cold", metadata={"k": "v"}, headers={})
    assert replaced.headers["x-oss-storage-class"] == "Archive"


def opened_twin(store: OssStore) -> OssStore:
    """Open the same bucket as somebody else would."""
    twin = OssStore.__new__(OssStore)
    twin.__dict__.update(store.__dict__, _acls={})
    return twin
