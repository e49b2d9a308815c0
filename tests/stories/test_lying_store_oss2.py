"""A store that lies to a program for oss2: each call raises what oss2 raises, or does its work.

The lies are those of `lies_in_http` and `lies_in_xml`; the rule is that of `lied_to`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.honest_store import KEY_ID, SECRET
from tests.support.lied_to import Refused, Verb
from tests.support.lying_ground import PART, Ground, Scene, body
from tests.support.lying_table import Table, lies, wrong_with

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.oss2.crypto import RsaProvider
from cipherbucket.oss2.models import MultipartUploadCryptoContext
from cipherbucket.oss2.resumable import resumable_download, resumable_upload

Call = Callable[[Any, Scene], object]


def oss2_bucket(scene: Scene, name: str = "lied") -> Any:
    """Open a bucket as programs for oss2 do."""
    key = scene.ground.keys[0]
    private = key._private
    assert private is not None
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    provider = RsaProvider(
        {"private_key": pem.decode(), "public_key": public.decode()},
        mat_desc=dict(key.description),
    )
    return oss2.CryptoBucket(
        oss2.Auth(KEY_ID, SECRET),
        scene.url,
        name,
        crypto_provider=provider,
        connect_timeout=(1.0, cb.OssSettings().read_timeout),
        policy=cb.Policy(plaintext=True),
    )


def layer(name: str, call: Call, *unaware: str, at: str = "lied") -> Verb:
    """Return a call of the layer; an exception of oss2's is a refusal."""

    def run(scene: Scene) -> object:
        bucket = oss2_bucket(scene, at)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return call(bucket, scene)
        except oss2.exceptions.OssError as error:
            if type(error) is oss2.exceptions.ClientError:
                raise  # nobody used anything wrongly
            status = error.status if isinstance(error, oss2.exceptions.ServerError) else None
            raise Refused(f"{type(error).__name__}: {error}", status) from error
        finally:
            bucket.close()

    return Verb(name, run, frozenset(unaware))


def done(result: Any) -> object:
    return result.status


def put_again(bucket: Any, scene: Scene) -> object:
    return done(bucket.put_object_from_file("o/new", str(scene.out / "file")))


def to_file(bucket: Any, scene: Scene) -> object:
    return done(bucket.get_object_to_file("o/2", str(scene.out / "file")))


def by_url(bucket: Any, scene: Scene) -> object:
    url = bucket.sign_url("GET", "o/2", 60)
    return bucket.get_object_with_url(url).read()


def by_url_to_file(bucket: Any, scene: Scene) -> object:
    url = bucket.sign_url("GET", "o/2", 60)
    return done(bucket.get_object_with_url_to_file(url, str(scene.out / "file")))


def in_parts(bucket: Any, _: Scene) -> object:
    context = MultipartUploadCryptoContext(data_size=2 * PART, part_size=PART)
    begun = bucket.init_multipart_upload("o/parts", upload_context=context)
    parts = []
    for number in (1, 2):
        result = bucket.upload_part("o/parts", begun.upload_id, number, body(PART))
        parts.append(oss2.models.PartInfo(number, result.etag, size=PART, part_crc=result.crc))
    listed = bucket.list_parts("o/parts", begun.upload_id)
    found = [(part.part_number, part.size) for part in listed.parts], listed.is_truncated
    return found, done(bucket.complete_multipart_upload("o/parts", begun.upload_id, parts))


def completed_elsewhere(bucket: Any, _: Scene) -> object:
    found = list(oss2.MultipartUploadIterator(bucket, prefix="u/"))
    upload = min(found, key=lambda each: each.upload_id or "")
    assert upload.upload_id is not None
    parts = list(oss2.PartIterator(bucket, upload.key, upload.upload_id))
    return done(bucket.complete_multipart_upload(upload.key, upload.upload_id, parts))


def aborted(bucket: Any, _: Scene) -> object:
    uploads = list(oss2.ObjectUploadIterator(bucket, "u/x", max_uploads=1))
    return [done(bucket.abort_multipart_upload(each.key, each.upload_id)) for each in uploads]


def page(result: Any) -> object:
    objects = [(each.key, each.size) for each in result.object_list]
    return objects, result.prefix_list, result.is_truncated


def versions(bucket: Any, _: Scene) -> object:
    result = bucket.list_object_versions(prefix="v/")
    return [(each.key, each.size, each.is_latest) for each in result.versions], result.is_truncated


def version_deleted(bucket: Any, _: Scene) -> object:
    found = bucket.list_object_versions(prefix="v/").versions
    named = oss2.models.BatchDeleteObjectVersionList()
    old = next((each for each in found if each.size == 2), None)
    if old is None:
        return None
    named.append(oss2.models.BatchDeleteObjectVersion(old.key, old.versionid))
    result = bucket.delete_object_versions(named)
    return sorted(each.key for each in result.delete_versions)


def tagging() -> Any:
    tags = oss2.models.Tagging()
    tags.tag_set.add("a", "b")
    return tags


def uploads(result: Any) -> object:
    return [each.key for each in result.upload_list], result.is_truncated


def resumed(bucket: Any, scene: Scene) -> object:
    return done(
        resumable_upload(
            bucket, "o/big", str(scene.out / "big"), multipart_threshold=PART, part_size=PART
        )
    )


def fetched(bucket: Any, scene: Scene) -> None:
    resumable_download(
        bucket, "large", str(scene.out / "big"), multiget_threshold=PART, part_size=PART
    )


VERBS = [
    layer("get_object", lambda b, _: b.get_object("o/2").read()),
    layer(
        "get_object, range", lambda b, _: b.get_object("o/2", byte_range=(10, 20)).read(), "bytes"
    ),
    layer("get_object_to_file", to_file),
    layer("get_object_with_url", by_url),
    layer("get_object_with_url_to_file", by_url_to_file),
    layer("head_object", lambda b, _: b.head_object("o/1").content_length, "envelope"),
    layer("get_object_meta", lambda b, _: b.get_object_meta("o/1").content_length, "envelope"),
    layer("object_exists", lambda b, _: b.object_exists("o/1"), "envelope"),
    layer("object_exists not", lambda b, _: b.object_exists("o/none"), "envelope"),
    layer("put_object", lambda b, _: done(b.put_object("o/new", b"new"))),
    layer("put_object over", lambda b, _: done(b.put_object("o/2", b"new"))),
    layer("put_object_from_file", put_again),
    layer("copy_object", lambda b, _: done(b.copy_object("lied", "o/1", "o/copy"))),
    layer(
        "copy_object onto itself",
        lambda b, _: done(b.copy_object("lied", "p/1", "p/1", headers={"x-oss-meta-own": "new"})),
    ),
    layer(
        "update_object_meta",
        lambda b, _: done(b.update_object_meta("p/1", {"x-oss-meta-own": "new"})),
    ),
    layer("delete_object", lambda b, _: done(b.delete_object("o/1"))),
    layer(
        "batch_delete_objects",
        lambda b, _: sorted(b.batch_delete_objects(["o/1", "o/2"]).deleted_keys),
    ),
    layer("delete_object_versions", version_deleted, "pages", at="kept"),
    layer("list_objects", lambda b, _: page(b.list_objects("o/")), "pages"),
    layer(
        "list_objects folded", lambda b, _: page(b.list_objects(delimiter="/")), "pages", "prefix"
    ),
    layer("list_objects_v2", lambda b, _: page(b.list_objects_v2("o/")), "pages"),
    layer("list_object_versions", versions, "pages", "order", at="kept"),
    layer("list_multipart_uploads", lambda b, _: uploads(b.list_multipart_uploads("u/")), "pages"),
    layer("an upload in parts", in_parts, "pages"),
    layer("an upload completed elsewhere", completed_elsewhere),
    layer("abort_multipart_upload", aborted, "pages"),
    layer("put_object_acl", lambda b, _: done(b.put_object_acl("o/1", "private"))),
    layer("get_object_acl", lambda b, _: b.get_object_acl("o/1").acl),
    layer("put_object_tagging", lambda b, _: done(b.put_object_tagging("o/1", tagging()))),
    layer(
        "get_object_tagging",
        lambda b, _: dict(b.get_object_tagging("p/tagged").tag_set.tagging_rule),
    ),
    layer("delete_object_tagging", lambda b, _: done(b.delete_object_tagging("p/tagged"))),
    layer("put_symlink", lambda b, _: done(b.put_symlink("o/1", "o/link"))),
    layer("get_symlink", lambda b, _: b.get_symlink("link").target_key, at="kept"),
    layer("restore_object", lambda b, _: done(b.restore_object("cold")), at="kept"),
    layer("ObjectIterator", lambda b, _: [each.key for each in oss2.ObjectIterator(b, "o/")]),
    layer("ObjectIteratorV2", lambda b, _: [each.key for each in oss2.ObjectIteratorV2(b, "o/")]),
    layer(
        "MultipartUploadIterator",
        lambda b, _: [each.key for each in oss2.MultipartUploadIterator(b, prefix="u/")],
    ),
    layer("resumable_upload", resumed),
    layer("resumable_download", fetched),
]


@pytest.fixture(scope="module")
def table(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(ground, VERBS, tmp_path_factory.mktemp("oss2"))


@pytest.mark.parametrize("lie", lies(2))
def test_a_lie_to_a_program_for_oss2_leads_nowhere(table: Table, lie: int) -> None:
    assert wrong_with(table, lie) == []
