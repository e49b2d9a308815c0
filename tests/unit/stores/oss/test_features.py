"""What OSS offers beyond the common verbs, through a bucket against the local endpoint."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.served_oss import settings_of

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss import copying
from cipherbucket.stores.oss import store as oss_store
from cipherbucket.stores.oss.client import OssClient

PART = 100 << 10
HEADERS = {
    "cache-control": "no-cache",
    "content-disposition": "attachment",
    "content-encoding": "identity",
    "content-language": "en",
    "expires": "Sat, 21 Nov 2026 10:00:00 GMT",
}
AT_REST = {"x-oss-storage-class": "IA", "x-oss-server-side-encryption": "AES256"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["features", "versioned"]) as running:
        plain_client(running).put_bucket_versioning(
            sdk.PutBucketVersioningRequest(
                bucket="versioned",
                versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
            )
        )
        yield running


def plain_client(endpoint: Endpoint) -> sdk.Client:
    config = sdk.config.load_default()
    config.region, config.endpoint = endpoint.region, endpoint.url
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
        endpoint.access_key_id, endpoint.access_key_secret
    )
    return sdk.Client(config)


@pytest.fixture
def bucket(endpoint: Endpoint, key: cb.RsaKey) -> Iterator[cb.Bucket]:
    with cb.open_bucket("oss://features", key, settings=settings_of(endpoint)) as opened:
        yield opened


@pytest.fixture
def versioned(endpoint: Endpoint, key: cb.RsaKey) -> Iterator[cb.Bucket]:
    with cb.open_bucket("oss://versioned", key, settings=settings_of(endpoint)) as opened:
        yield opened


def test_headers_metadata_acl_and_tags_are_written_and_given_to_a_copy(
    bucket: cb.Bucket, endpoint: Endpoint
) -> None:
    more = AT_REST | {"x-oss-object-acl": "private", "x-oss-tagging": "team=a&year=2026"}
    bucket.put("a", b"x", metadata={"owner": "mé"}, content_type="text/x", headers=HEADERS | more)
    bucket.copy("a", "b", headers=more)
    client = plain_client(endpoint)
    for name in ("a", "b"):
        info = bucket.head(name)
        assert info.metadata == {"owner": "mé"}
        assert info.headers == {**HEADERS, "content-type": "text/x"}
        assert info.place_headers == AT_REST
        acl = client.get_object_acl(sdk.GetObjectAclRequest(bucket="features", key=name)).acl
        assert acl == "private"
        tags = client.get_object_tagging(
            sdk.GetObjectTaggingRequest(bucket="features", key=name)
        ).tag_set.tags
        assert {tag.key: tag.value for tag in tags} == {"team": "a", "year": "2026"}
        assert bucket.get(name).read() == b"x"
    assert bucket.head("a").envelope == bucket.head("b").envelope


def test_a_multipart_carries_them_too(bucket: cb.Bucket) -> None:
    plain = random.Random(3).randbytes(2 * PART + 33)
    with bucket.multipart(
        "m",
        data_size=len(plain),
        part_size=PART,
        metadata={"owner": "me"},
        content_type="text/x",
        headers=HEADERS | AT_REST,
    ) as upload:
        with ThreadPoolExecutor(3) as pool:
            list(
                pool.map(
                    lambda n: upload.upload_part(n, plain[(n - 1) * PART : n * PART]), (3, 1, 2)
                )
            )
        assert [part.number for part in upload.list_parts()] == [1, 2, 3]
        info = upload.complete(if_absent=True)
    assert info.metadata == {"owner": "me"}
    assert info.headers == {**HEADERS, "content-type": "text/x"}
    assert info.place_headers == AT_REST
    assert bucket.get("m").read() == plain
    assert bucket.get("m", start=PART - 3, length=7).read() == plain[PART - 3 : PART + 4]


def test_forbid_overwrite_is_if_absent(bucket: cb.Bucket) -> None:
    bucket.put("once", b"1", if_absent=True)
    with pytest.raises(cb.PreconditionFailedError) as caught:
        bucket.put("once", b"2", if_absent=True)
    assert caught.value.code == "FileAlreadyExists"
    with pytest.raises(cb.PreconditionFailedError):
        bucket.copy("once", "once", if_absent=True)
    assert bucket.get("once").read() == b"1"


def test_if_absent_holds_where_a_bucket_keeps_versions(versioned: cb.Bucket) -> None:
    """There OSS itself takes no notice of ``x-oss-forbid-overwrite``."""
    store = versioned.access.store
    versioned.put("once", b"1", if_absent=True)
    versioned.put("source", b"2")
    upload = store.begin_upload("once")
    part = store.upload_part("once", upload, 1, b"3")
    for replace_it in (
        lambda: versioned.put("once", b"2", if_absent=True),
        lambda: versioned.copy("source", "once", if_absent=True),
        lambda: versioned.rename("source", "once", if_absent=True),
        lambda: store.complete_upload("once", upload, [part], if_absent=True),
    ):
        with pytest.raises(cb.PreconditionFailedError) as caught:
            replace_it()
        assert (caught.value.status, caught.value.code) == (409, "FileAlreadyExists")
    assert len(list(versioned.versions("once"))) == 1
    assert versioned.get("source").read() == b"2"
    versioned.delete("once")
    versioned.put("once", b"4", if_absent=True)
    assert versioned.get("once").read() == b"4"


def test_if_absent_is_decided_by_oss_where_no_versions_are_kept(
    bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer comes after the look."""
    store = bucket.access.store
    for module in (oss_store, copying):
        monkeypatch.setattr(module, "refuse_present", lambda *_: None)
    bucket.put("theirs", b"1")
    bucket.put("ours", b"2")
    upload = store.begin_upload("theirs")
    part = store.upload_part("theirs", upload, 1, b"3")
    for replace_it in (
        lambda: bucket.put("theirs", b"2", if_absent=True),
        lambda: bucket.copy("ours", "theirs", if_absent=True),
        lambda: store.complete_upload("theirs", upload, [part], if_absent=True),
    ):
        with pytest.raises(cb.ObjectExistsError):
            replace_it()
    assert bucket.get("theirs").read() == b"1"


def test_if_absent_looks_again_when_the_parts_of_a_copy_are_there(
    versioned: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_is_copied_at_once", lambda *_: False)
    copied_parts = copying._copied_parts

    def overtaken(*args: Any) -> Any:
        versioned.put("overtaken", b"theirs")
        return copied_parts(*args)

    monkeypatch.setattr(copying, "_copied_parts", overtaken)
    store = versioned.access.store
    store.put("ours", b"2")
    with pytest.raises(cb.ObjectExistsError):
        store.copy("ours", "overtaken", if_absent=True)
    assert len(list(versioned.versions("overtaken"))) == 1
    assert not [each for each in versioned.uploads() if each.name == "overtaken"]


def test_if_absent_takes_a_symlink_that_leads_nowhere_for_what_it_is(
    endpoint: Endpoint, versioned: cb.Bucket
) -> None:
    link = sdk.PutSymlinkRequest(bucket="versioned", key="link", symlink_target="nowhere")
    plain_client(endpoint).put_symlink(link)
    with pytest.raises(cb.ObjectExistsError):
        versioned.put("link", b"1", if_absent=True)
    assert len(list(versioned.versions("link"))) == 1


@pytest.mark.parametrize(("status", "is_written"), [(403, True), (500, False), (404, True)])
def test_a_look_that_fails_is_no_proof_that_a_name_is_free(
    bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch, status: int, is_written: bool
) -> None:
    """Only who may not look has the header alone."""
    client = bucket.access.store.client  # type: ignore[attr-defined]
    send, name = client.send, f"looked-at-{status}"

    def refused(operation: str, *args: object, **kwargs: object) -> object:
        if operation == "HeadObject" and status != 404:
            error = cb.StoreError("no", name=name)
            error.status = status
            raise error
        return send(operation, *args, **kwargs)

    monkeypatch.setattr(client, "send", refused)
    with nullcontext() if is_written else pytest.raises(cb.StoreError):
        bucket.put(name, b"1", if_absent=True)
    monkeypatch.undo()
    assert bucket.exists(name) == is_written


def test_a_copy_of_an_old_version_brings_back_what_was_deleted_and_its_acl(
    endpoint: Endpoint, versioned: cb.Bucket
) -> None:
    first = versioned.put("back", b"first", headers={"x-oss-object-acl": "private"})
    versioned.put("back", b"second", headers={"x-oss-object-acl": "public-read"})

    def acl(name: str) -> str:
        request = sdk.GetObjectAclRequest(bucket="versioned", key=name)
        return str(plain_client(endpoint).get_object_acl(request).acl)

    versioned.copy("back", "back", version_id=first.version_id)
    assert acl("back") == "private"
    versioned.delete("back")
    versioned.copy("back", "back", version_id=first.version_id)
    assert versioned.get("back").read() == b"first"
    assert acl("back") == "private"
    versioned.copy("back", "elsewhere", version_id=first.version_id)
    assert acl("elsewhere") == "default"


def test_versions_are_read_copied_listed_and_deleted(versioned: cb.Bucket) -> None:
    first = versioned.put("v", b"first")
    second = versioned.put("v", b"second")
    assert first.version_id
    assert first.version_id != second.version_id
    assert versioned.get("v").read() == b"second"
    assert versioned.get("v", version_id=first.version_id).read() == b"first"
    assert versioned.get("v", version_id=first.version_id, start=1, length=2).read() == b"ir"
    with versioned.open("v", version_id=first.version_id) as file:
        assert file.read() == b"first"
    assert versioned.head("v", version_id=first.version_id).envelope == first.envelope
    versioned.copy("v", "w", version_id=first.version_id)
    assert versioned.get("w").read() == b"first"
    versioned.delete("v")
    assert not versioned.exists("v")
    listed = list(versioned.versions("v"))
    assert [(v.version_id, v.is_latest, v.is_delete_marker) for v in listed[1:]] == [
        (second.version_id, False, False),
        (first.version_id, False, False),
    ]
    assert (listed[0].is_delete_marker, listed[0].is_latest) == (True, True)
    versioned.delete("v", version_id=listed[0].version_id)
    assert versioned.get("v").read() == b"second"
    versioned.delete("v", version_id=second.version_id)
    assert versioned.get("v").read() == b"first"


def test_an_archived_object_is_restored_and_read(bucket: cb.Bucket) -> None:
    bucket.put("old", b"cold", headers={"x-oss-storage-class": "Archive"})
    with pytest.raises(cb.StoreError, match="must be restored") as caught:
        bucket.get("old")
    assert "bucket.restore(name)" in (caught.value.hint or "")
    assert bucket.restore("old", days=2)
    assert not bucket.restore("old", days=2)  # readable already
    assert 'ongoing-request="false"' in (bucket.head("old").restore or "")
    assert bucket.get("old").read() == b"cold"


def test_a_presigned_url_gives_ciphertext_and_the_key_reads_it(
    versioned: cb.Bucket, key: cb.RsaKey, caplog: pytest.LogCaptureFixture
) -> None:
    first = versioned.put("signed/é +%", b"first")
    versioned.put("signed/é +%", b"second")
    with caplog.at_level("DEBUG"):
        url = versioned.presign("signed/é +%", expires=60)
    assert "ignature" not in caplog.text
    assert cb.open_url(url, key).read() == b"second"
    with urlopen(url) as answer:  # any client
        assert answer.read() not in {b"first", b"second"}
    old = versioned.presign("signed/é +%", version_id=first.version_id)
    assert cb.open_url(old, key).read() == b"first"


@pytest.mark.parametrize("expires", [0, -1, 7 * 24 * 3600 + 1])
def test_a_url_is_good_for_a_second_to_seven_days(bucket: cb.Bucket, expires: int) -> None:
    bucket.presign("a", expires=1)
    bucket.presign("a", expires=7 * 24 * 3600)
    with pytest.raises(cb.UsageError, match="1 second to 7 days"):
        bucket.presign("a", expires=expires)


def test_a_large_object_with_an_envelope_is_copied_at_once_as_no_part_may_be_made_of_it(
    bucket: cb.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = random.Random(4).randbytes(PART + 5)
    bucket.put("large", plain)
    monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)
    copied = bucket.copy("large", "copy")
    assert copied.envelope == bucket.head("large").envelope
    assert bucket.get("copy").read() == plain
    with pytest.raises(cb.UsageError, match="0005-00000421"):
        bucket.update_metadata("large", metadata={"k": "v"})


def test_the_buckets_of_an_account_are_listed_in_pages(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list(cb.list_buckets(settings_of(endpoint)))
    assert [(each.name, each.region) for each in listed] == [
        ("features", endpoint.region),
        ("versioned", endpoint.region),
    ]
    assert all(each.created.tzinfo is not None for each in listed)
    request = OssClient.request

    def one_a_page(self: OssClient, *args: Any, query: dict[str, str], **more: Any) -> Any:
        return request(self, *args, query={**query, "max-keys": "1"}, **more)

    monkeypatch.setattr(OssClient, "request", one_a_page)
    assert list(cb.list_buckets(settings_of(endpoint))) == listed


def test_buckets_without_credentials_are_an_error(endpoint: Endpoint) -> None:
    with pytest.raises(cb.StoreError):
        list(cb.list_buckets(replace(settings_of(endpoint), credentials=cb.Credentials("", ""))))


def test_one_bucket_serves_32_threads(bucket: cb.Bucket) -> None:
    barrier = threading.Barrier(32)

    def work(number: int) -> bool:
        plain = random.Random(number).randbytes(10_000 + number)
        barrier.wait()
        for round_ in range(3):
            bucket.put(f"thread/{number}/{round_}", plain)
            if bucket.get(f"thread/{number}/{round_}").read() != plain:
                return False
            if bucket.get(f"thread/{number}/{round_}", tail=5).read() != plain[-5:]:
                return False
        return True

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(work, range(32)))
    assert len(list(bucket.list("thread/"))) == 96


def test_credentials_are_asked_for_before_each_request(endpoint: Endpoint, key: cb.RsaKey) -> None:
    good = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    given = [good, replace(good, access_key_secret="expired"), good]
    settings = replace(settings_of(endpoint), credentials=lambda: given.pop(0))
    with cb.open_bucket("oss://features", key, settings=settings) as bucket:
        bucket.put("renewed", b"1")
        with pytest.raises(cb.StoreError, match="signature does not match"):
            bucket.head("renewed")
        assert bucket.head("renewed").size == 1


def test_a_tls_certificate_is_checked_unless_verify_is_off(endpoint: Endpoint) -> None:
    # The endpoint speaks plain HTTP: a TLS handshake with it fails, and says so as ours.
    settings = replace(settings_of(endpoint), endpoint=endpoint.url.replace("http:", "https:"))
    with (
        cb.open_store("oss://features", settings) as store,
        pytest.raises(cb.StoreError, match="it speaks http, and https was asked"),
    ):
        store.head("a")
