"""The ordinary, not encrypting clients of both Python SDKs do their round at the endpoint."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from tests.support.peer_sdks import (
    FORGETFUL,
    forgotten_sockets_collected,
    import_oss2,
    import_oss_v2,
    oss2_bucket,
    oss_v2_client,
)

from cipherbucket.server import Endpoint

pytestmark = FORGETFUL
PART = 100 << 10
ODD = "folder/ä b+c%41&~(1)'.txt"
_numbers = count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with forgotten_sockets_collected(), Endpoint() as running:
        yield running


class TestOss2:
    @pytest.fixture(params=["v4", "v1"])
    def bucket(self, endpoint: Endpoint, request: pytest.FixtureRequest) -> Any:
        name = f"oss2-{next(_numbers)}"
        bucket = oss2_bucket(endpoint, name, v1=request.param == "v1")
        bucket.create_bucket()
        return bucket

    def test_put_get_head_delete(self, bucket: Any) -> None:
        oss2 = import_oss2()
        headers = {
            "Content-Type": "text/css",
            "Content-Disposition": 'attachment; filename="a"',
            "Expires": "Fri, 28 Feb 2027 05:38:42 GMT",
            "x-oss-meta-colour": "red",
            "x-oss-storage-class": "IA",
            "x-oss-server-side-encryption": "AES256",
        }
        put = bucket.put_object(ODD, b"Hello OSS!", headers=headers)
        got = bucket.get_object(ODD)
        assert got.read() == b"Hello OSS!"
        assert got.client_crc == got.server_crc == put.crc
        head = bucket.head_object(ODD)
        assert {name: head.headers[name] for name in headers} == headers
        assert (head.etag, head.content_length) == (put.etag, 10)
        assert (head.object_type, head.content_type) == ("Normal", "text/css")
        assert bucket.get_object_meta(ODD).content_length == 10
        assert bucket.object_exists(ODD)
        bucket.delete_object(ODD)
        assert not bucket.object_exists(ODD)
        with pytest.raises(oss2.exceptions.NoSuchKey) as caught:
            bucket.get_object(ODD)
        assert caught.value.ec == "0026-00000001"
        assert caught.value.request_id
        with pytest.raises(oss2.exceptions.NotFound):
            bucket.head_object(ODD)

    def test_ranges_and_conditions(self, bucket: Any) -> None:
        oss2 = import_oss2()
        etag = bucket.put_object("k", b"0123456789").etag
        assert bucket.get_object("k", byte_range=(2, 4)).read() == b"234"
        assert bucket.get_object("k", byte_range=(7, None)).read() == b"789"
        assert bucket.get_object("k", byte_range=(None, 2)).read() == b"89"
        assert bucket.get_object("k", byte_range=(5, 99)).read() == b"0123456789"
        standard = {"x-oss-range-behavior": "standard"}
        clipped = bucket.get_object("k", byte_range=(5, 99), headers=standard)
        assert (clipped.read(), clipped.content_range) == (b"56789", "bytes 5-9/10")
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket.get_object("k", byte_range=(10, 99), headers=standard)
        assert caught.value.status == 416
        assert bucket.get_object("k", headers={"If-Match": etag}).read() == b"0123456789"
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            bucket.get_object("k", headers={"If-Match": "other"})
        with pytest.raises(oss2.exceptions.NotModified):
            bucket.get_object("k", headers={"If-None-Match": etag})
        changed = bucket.get_object("k", params={"response-content-type": "a/b"})
        assert changed.content_type == "a/b"
        assert bucket.get_object_with_url(bucket.sign_url("GET", "k", 60)).read() == b"0123456789"

    def test_listings(self, bucket: Any) -> None:
        oss2 = import_oss2()
        names = ["a", "b/1", "b/2", "c d", "ä"]
        for name in names:
            bucket.put_object(name, b"x")
        for iterator in (oss2.ObjectIterator, oss2.ObjectIteratorV2):
            assert [one.key for one in iterator(bucket, max_keys=2)] == names
            folded = [(one.key, one.is_prefix()) for one in iterator(bucket, delimiter="/")]
            assert folded == [("a", False), ("b/", True), ("c d", False), ("ä", False)]
        bucket.batch_delete_objects(["a", "b/1", "missing"])
        assert [one.key for one in oss2.ObjectIterator(bucket)] == ["b/2", "c d", "ä"]

    def test_copy_append_symlink(self, bucket: Any) -> None:
        oss2 = import_oss2()
        bucket.put_object("k", b"body", headers={"x-oss-meta-a": "1"})
        bucket.copy_object(bucket.bucket_name, "k", ODD)
        copied = bucket.get_object(ODD)
        assert (copied.read(), copied.headers["x-oss-meta-a"]) == (b"body", "1")
        bucket.update_object_meta("k", {"x-oss-meta-b": "2"})
        updated = bucket.head_object("k").headers
        assert updated["x-oss-meta-b"] == "2"
        assert "x-oss-meta-a" not in updated

        first = bucket.append_object("log", 0, b"12345")
        second = bucket.append_object("log", first.next_position, b"678", init_crc=first.crc)
        assert second.next_position == 8
        assert bucket.get_object("log").read() == b"12345678"
        with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as caught:
            bucket.append_object("log", 3, b"x")
        assert caught.value.next_position == 8
        with pytest.raises(oss2.exceptions.ObjectNotAppendable):
            bucket.append_object("k", 4, b"x")

        bucket.put_symlink(ODD, "link")
        assert bucket.get_symlink("link").target_key == ODD
        assert bucket.get_object("link").read() == b"body"
        assert bucket.head_object("link").object_type == "Symlink"

    def test_tagging_acl_restore(self, bucket: Any) -> None:
        oss2 = import_oss2()
        bucket.put_object("k", b"x", headers={"x-oss-tagging": "a=1&b=%20"})
        tags = bucket.get_object_tagging("k").tag_set.tagging_rule
        assert tags == {"a": "1", "b": " "}
        assert bucket.head_object("k").headers["x-oss-tagging-count"] == "2"
        rule = oss2.models.TaggingRule()
        rule.add("c", "3")
        bucket.put_object_tagging("k", oss2.models.Tagging(rule))
        assert bucket.get_object_tagging("k").tag_set.tagging_rule == {"c": "3"}
        bucket.delete_object_tagging("k")
        assert bucket.get_object_tagging("k").tag_set.tagging_rule == {}

        assert bucket.get_object_acl("k").acl == "default"
        bucket.put_object_acl("k", oss2.OBJECT_ACL_PUBLIC_READ)
        assert bucket.get_object_acl("k").acl == "public-read"
        anonymous = oss2.Bucket(oss2.AnonymousAuth(), bucket.endpoint, bucket.bucket_name)
        assert anonymous.get_object("k").read() == b"x"
        with pytest.raises(oss2.exceptions.AccessDenied):
            anonymous.put_object("k", b"y")

        bucket.put_object("cold", b"x", headers={"x-oss-storage-class": "Archive"})
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket.get_object("cold")
        assert caught.value.code == "InvalidObjectState"
        assert bucket.restore_object("cold").status == 202
        assert bucket.restore_object("cold").status == 200
        assert bucket.get_object("cold").read() == b"x"
        with pytest.raises(oss2.exceptions.OperationNotSupported):
            bucket.restore_object("k")

    def test_multipart(self, bucket: Any) -> None:
        oss2 = import_oss2()
        headers = {"x-oss-meta-a": "1", "Content-Type": "a/b"}
        upload = bucket.init_multipart_upload(ODD, headers=headers).upload_id
        bodies = [b"1" * PART, b"2" * PART, b"3"]
        parts = []
        for number, body in enumerate(bodies, start=1):
            sent = bucket.upload_part(ODD, upload, number, body)
            parts.append(oss2.models.PartInfo(number, sent.etag, size=len(body), part_crc=sent.crc))
        listed = [(one.part_number, one.size) for one in oss2.PartIterator(bucket, ODD, upload)]
        assert listed == [(1, PART), (2, PART), (3, 1)]
        pending = [one.upload_id for one in oss2.MultipartUploadIterator(bucket)]
        assert pending == [upload]
        bucket.complete_multipart_upload(ODD, upload, parts)
        got = bucket.get_object(ODD)
        assert got.read() == b"".join(bodies)
        assert got.client_crc == got.server_crc
        assert (got.object_type, got.content_type) == ("Multipart", "a/b")

        second = bucket.init_multipart_upload("copy").upload_id
        copied = bucket.upload_part_copy(
            bucket.bucket_name, ODD, (PART - 1, PART), "copy", second, 1
        )
        bucket.complete_multipart_upload("copy", second, [oss2.models.PartInfo(1, copied.etag)])
        assert bucket.get_object("copy").read() == b"12"
        third = bucket.init_multipart_upload("none").upload_id
        bucket.abort_multipart_upload("none", third)
        with pytest.raises(oss2.exceptions.NoSuchUpload):
            bucket.list_parts("none", third)

    def test_bodies_without_a_length(self, bucket: Any) -> None:
        bucket.put_object("k", iter([b"x" * 70_000] * 30))
        assert bucket.head_object("k").content_length == 30 * 70_000

    def test_buckets(self, endpoint: Endpoint, bucket: Any) -> None:
        oss2 = import_oss2()
        service = oss2.Service(bucket.auth, endpoint.url, region="cn-hangzhou")
        assert bucket.bucket_name in [one.name for one in oss2.BucketIterator(service, max_keys=3)]
        info = bucket.get_bucket_info()
        assert (info.name, info.acl.grant) == (bucket.bucket_name, "private")
        assert bucket.get_bucket_location().location == "oss-cn-hangzhou"
        bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
        assert bucket.get_bucket_acl().acl == "public-read"
        bucket.put_bucket_encryption(oss2.models.ServerSideEncryptionRule("KMS", "key-1"))
        assert bucket.get_bucket_encryption().kms_master_keyid == "key-1"
        bucket.put_object("k", b"x")
        assert bucket.head_object("k").headers["x-oss-server-side-encryption"] == "KMS"
        bucket.delete_bucket_encryption()
        with pytest.raises(oss2.exceptions.NoSuchServerSideEncryptionRule):
            bucket.get_bucket_encryption()
        assert bucket.get_bucket_stat().object_count == 1
        with pytest.raises(oss2.exceptions.BucketNotEmpty):
            bucket.delete_bucket()
        bucket.delete_object("k")
        bucket.delete_bucket()
        with pytest.raises(oss2.exceptions.NoSuchBucket):
            bucket.get_bucket_info()

    def test_versions(self, bucket: Any) -> None:
        oss2 = import_oss2()
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
        assert bucket.get_bucket_versioning().status == "Enabled"
        first = bucket.put_object("k", b"1").versionid
        bucket.put_object("k", b"2")
        assert bucket.get_object("k", params={"versionId": first}).read() == b"1"
        assert bucket.delete_object("k").delete_marker
        listed = bucket.list_object_versions()
        assert len(listed.versions) == 2
        assert [one.is_latest for one in listed.delete_marker] == [True]


class TestOssV2:
    @pytest.fixture(params=["v4", "v1"])
    def client(self, endpoint: Endpoint, request: pytest.FixtureRequest) -> Any:
        return oss_v2_client(endpoint, v1=request.param == "v1")

    @pytest.fixture
    def bucket(self, client: Any) -> str:
        oss = import_oss_v2()
        name = f"oss-v2-{next(_numbers)}"
        client.put_bucket(oss.PutBucketRequest(bucket=name, acl="private"))
        return name

    def test_put_get_head_delete(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        put = client.put_object(
            oss.PutObjectRequest(
                bucket=bucket,
                key=ODD,
                body=b"Hello OSS!",
                metadata={"colour": "red"},
                content_type="text/css",
                cache_control="no-cache",
                storage_class="IA",
                tagging="a=1",
            )
        )
        head = client.head_object(oss.HeadObjectRequest(bucket=bucket, key=ODD))
        assert (head.etag, head.hash_crc64) == (put.etag, put.hash_crc64)
        assert (head.content_type, head.cache_control) == ("text/css", "no-cache")
        assert (head.storage_class, head.tagging_count) == ("IA", 1)
        assert dict(head.metadata) == {"colour": "red"}
        got = client.get_object(oss.GetObjectRequest(bucket=bucket, key=ODD))
        assert got.body.read() == b"Hello OSS!"
        meta = client.get_object_meta(oss.GetObjectMetaRequest(bucket=bucket, key=ODD))
        assert meta.content_length == 10
        assert client.is_object_exist(bucket, ODD)
        client.delete_object(oss.DeleteObjectRequest(bucket=bucket, key=ODD))
        assert not client.is_object_exist(bucket, ODD)
        with pytest.raises(oss.exceptions.OperationError) as caught:
            client.get_object(oss.GetObjectRequest(bucket=bucket, key=ODD))
        inner = caught.value.unwrap()
        assert (inner.status_code, inner.code, inner.ec) == (404, "NoSuchKey", "0026-00000001")

    def test_overwriting_can_be_forbidden(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        request = oss.PutObjectRequest(bucket=bucket, key="k", body=b"1", forbid_overwrite=True)
        client.put_object(request)
        with pytest.raises(oss.exceptions.OperationError) as caught:
            client.put_object(request)
        assert caught.value.unwrap().code == "FileAlreadyExists"

    def test_ranges(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        client.put_object(oss.PutObjectRequest(bucket=bucket, key="k", body=b"0123456789"))

        def get(header: str, behaviour: str | None = None) -> Any:
            return client.get_object(
                oss.GetObjectRequest(
                    bucket=bucket, key="k", range_header=header, range_behavior=behaviour
                )
            )

        assert get("bytes=2-4").body.read() == b"234"
        assert get("bytes=5-99").body.read() == b"0123456789"
        clipped = get("bytes=5-99", "standard")
        assert (clipped.body.read(), clipped.content_range) == (b"56789", "bytes 5-9/10")
        with pytest.raises(oss.exceptions.OperationError) as caught:
            get("bytes=10-", "standard")
        assert caught.value.unwrap().code == "InvalidRange"

    def test_listings(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        names = ["a", "b/1", "b/2", "c d", "ä"]
        for name in names:
            client.put_object(oss.PutObjectRequest(bucket=bucket, key=name, body=b"x"))
        requests = (
            (client.list_objects_paginator, oss.ListObjectsRequest),
            (client.list_objects_v2_paginator, oss.ListObjectsV2Request),
        )
        for paginator, request in requests:
            pages = paginator(limit=2).iter_page(request(bucket=bucket))
            assert [one.key for page in pages for one in page.contents or []] == names
            pages = paginator(limit=1).iter_page(request(bucket=bucket, delimiter="/"))
            assert [one.prefix for page in pages for one in page.common_prefixes or []] == ["b/"]
        gone = client.delete_multiple_objects(
            oss.DeleteMultipleObjectsRequest(
                bucket=bucket, objects=[oss.DeleteObject("a"), oss.DeleteObject("ä")]
            )
        )
        assert [one.key for one in gone.deleted_objects] == ["a", "ä"]

    def test_copy_append_symlink(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        client.put_object(
            oss.PutObjectRequest(bucket=bucket, key=ODD, body=b"body", metadata={"a": "1"})
        )
        client.copy_object(oss.CopyObjectRequest(bucket=bucket, key="k", source_key=ODD))
        client.copy_object(
            oss.CopyObjectRequest(
                bucket=bucket,
                key="replaced",
                source_key=ODD,
                metadata_directive="REPLACE",
                metadata={"b": "2"},
            )
        )

        def metadata(key: str) -> dict[str, str]:
            head = client.head_object(oss.HeadObjectRequest(bucket=bucket, key=key))
            return dict(head.metadata)

        assert (metadata("k"), metadata("replaced")) == ({"a": "1"}, {"b": "2"})

        first = client.append_object(
            oss.AppendObjectRequest(bucket=bucket, key="log", position=0, body=b"123")
        )
        second = client.append_object(
            oss.AppendObjectRequest(
                bucket=bucket,
                key="log",
                position=first.next_position,
                body=b"45",
                init_hash_crc64=first.hash_crc64,
            )
        )
        assert second.next_position == 5

        client.put_symlink(oss.PutSymlinkRequest(bucket=bucket, key="link", target="k"))
        link = client.get_symlink(oss.GetSymlinkRequest(bucket=bucket, key="link"))
        assert link.target == "k"
        got = client.get_object(oss.GetObjectRequest(bucket=bucket, key="link"))
        assert got.body.read() == b"body"

    def test_multipart(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        upload = client.initiate_multipart_upload(
            oss.InitiateMultipartUploadRequest(bucket=bucket, key=ODD)
        ).upload_id
        parts = []
        for number, body in ((1, b"1" * PART), (2, b"2")):
            sent = client.upload_part(
                oss.UploadPartRequest(
                    bucket=bucket, key=ODD, upload_id=upload, part_number=number, body=body
                )
            )
            parts.append(oss.UploadPart(part_number=number, etag=sent.etag))
        listed = client.list_parts(
            oss.ListPartsRequest(bucket=bucket, key=ODD, upload_id=upload, encoding_type="url")
        )
        assert [one.size for one in listed.parts] == [PART, 1]
        assert listed.key == ODD
        uploads = client.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket=bucket))
        assert [one.upload_id for one in uploads.uploads] == [upload]
        done = client.complete_multipart_upload(
            oss.CompleteMultipartUploadRequest(
                bucket=bucket,
                key=ODD,
                upload_id=upload,
                complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
            )
        )
        assert done.etag.strip('"').endswith("-2")
        again = client.initiate_multipart_upload(
            oss.InitiateMultipartUploadRequest(bucket=bucket, key="c")
        ).upload_id
        client.upload_part_copy(
            oss.UploadPartCopyRequest(
                bucket=bucket, key="c", upload_id=again, part_number=1, source_key=ODD
            )
        )
        client.complete_multipart_upload(
            oss.CompleteMultipartUploadRequest(
                bucket=bucket, key="c", upload_id=again, complete_all="yes"
            )
        )
        got = client.get_object(oss.GetObjectRequest(bucket=bucket, key="c"))
        assert got.body.read() == b"1" * PART + b"2"

    def test_managers(self, client: Any, bucket: str, tmp_path: Any) -> None:
        oss = import_oss_v2()
        path = tmp_path / "source"
        path.write_bytes(bytes(range(256)) * 4096)
        client.uploader(part_size=PART, parallel_num=2).upload_file(
            oss.PutObjectRequest(bucket=bucket, key="k"), str(path)
        )
        target = tmp_path / "target"
        client.downloader(part_size=PART, parallel_num=2).download_file(
            oss.GetObjectRequest(bucket=bucket, key="k"), str(target)
        )
        assert target.read_bytes() == path.read_bytes()

    def test_tagging_acl_restore(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        where = {"bucket": bucket, "key": "k"}
        client.put_object(oss.PutObjectRequest(**where, body=b"x", storage_class="ColdArchive"))
        tags = oss.Tagging(tag_set=oss.TagSet(tags=[oss.Tag(key="a", value="1")]))
        client.put_object_tagging(oss.PutObjectTaggingRequest(**where, tagging=tags))
        told = client.get_object_tagging(oss.GetObjectTaggingRequest(**where)).tag_set.tags
        assert [(tag.key, tag.value) for tag in told] == [("a", "1")]
        client.delete_object_tagging(oss.DeleteObjectTaggingRequest(**where))
        client.put_object_acl(oss.PutObjectAclRequest(**where, acl="public-read"))
        assert client.get_object_acl(oss.GetObjectAclRequest(**where)).acl == "public-read"
        with pytest.raises(oss.exceptions.OperationError) as caught:
            client.get_object(oss.GetObjectRequest(**where))
        assert caught.value.unwrap().code == "InvalidObjectState"
        restore = oss.RestoreRequest(days=2)
        client.restore_object(oss.RestoreObjectRequest(**where, restore_request=restore))
        head = client.head_object(oss.HeadObjectRequest(**where))
        assert head.restore.startswith('ongoing-request="false", expiry-date="')

    def test_buckets_and_versions(self, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        pages = client.list_buckets_paginator(limit=3).iter_page(oss.ListBucketsRequest())
        assert bucket in [one.name for page in pages for one in page.buckets or []]
        info = client.get_bucket_info(oss.GetBucketInfoRequest(bucket=bucket)).bucket_info
        assert (info.name, info.acl, info.versioning) == (bucket, "private", None)
        location = client.get_bucket_location(oss.GetBucketLocationRequest(bucket=bucket))
        assert location.location == "oss-cn-hangzhou"
        assert client.is_bucket_exist(bucket)
        assert not client.is_bucket_exist("no-such-bucket")
        client.put_bucket_acl(oss.PutBucketAclRequest(bucket=bucket, acl="public-read"))
        assert client.get_bucket_acl(oss.GetBucketAclRequest(bucket=bucket)).acl == "public-read"
        client.put_bucket_versioning(
            oss.PutBucketVersioningRequest(
                bucket=bucket,
                versioning_configuration=oss.VersioningConfiguration(status="Enabled"),
            )
        )
        put = client.put_object(oss.PutObjectRequest(bucket=bucket, key="k", body=b"1"))
        gone = client.delete_object(oss.DeleteObjectRequest(bucket=bucket, key="k"))
        assert gone.delete_marker
        versions = client.list_object_versions(oss.ListObjectVersionsRequest(bucket=bucket))
        assert [one.version_id for one in versions.version] == [put.version_id]
        assert [one.version_id for one in versions.delete_marker] == [gone.version_id]

    def test_presigned_urls(self, endpoint: Endpoint, client: Any, bucket: str) -> None:
        oss = import_oss_v2()
        request = oss.PutObjectRequest(bucket=bucket, key=ODD, content_type="a/b")
        signed = client.presign(request)
        import requests

        with requests.Session() as session:
            put = session.put(signed.url, data=b"body", headers=dict(signed.signed_headers))
            assert put.status_code == 200
            got = client.presign(oss.GetObjectRequest(bucket=bucket, key=ODD))
            assert session.get(got.url).content == b"body"
