"""What the maintainers of oss2 check of parts and of iterators, checked with tests of our own.

Their `tests/test_crypto_multipart.py` looks at: contexts without sizes or with wrong ones; a part
size that is determined; an abort; parts with and without Content-MD5; two uploads at a time; the
refused part copy. Their `tests/test_iterator.py` looks at: objects, uploads and parts over several
pages, folders among them, names that are no ASCII, uploads of one name among names that begin
with it. Live channels and buckets of an account are not part of the layer.

The interop tests run this class on oss2 itself, too.
"""

from __future__ import annotations

import base64
import hashlib
import random
from typing import Any

import pytest
from tests.oss2.scene import BUCKET, Scene

PART = 102_400
CONTENT = random.Random(12).randbytes(5 * PART - 100)


def context_of(layer: Scene, *sizes: int | None, **more: int) -> Any:
    return layer.part("models").MultipartUploadCryptoContext(*sizes, **more)


class TestParts:
    @pytest.fixture(params=["rsa", "kms"])
    def bucket(self, request: pytest.FixtureRequest, layer: Scene) -> Any:
        return layer.bucket(layer.ali_kms() if request.param == "kms" else layer.rsa())

    def test_contexts_that_cannot_be(self, bucket: Any, layer: Scene) -> None:
        for context in (
            None,
            context_of(layer, part_size=PART),
            context_of(layer, PART, PART + 7),
            context_of(layer, PART, 1000),
            context_of(layer, PART * 10_001, PART),
        ):
            with pytest.raises(layer.part("exceptions").ClientError):
                bucket.init_multipart_upload("o", upload_context=context)
        assert not list(layer.module.MultipartUploadIterator(bucket))

    def test_a_part_size_is_determined(self, bucket: Any, layer: Scene) -> None:
        context = context_of(layer, PART)
        result = bucket.init_multipart_upload("o", upload_context=context)
        assert result.status == 200
        assert context.part_size >= PART
        assert context.part_size % 16 == 0
        assert bucket.abort_multipart_upload("o", result.upload_id).status == 204

    def test_an_abort(self, bucket: Any, layer: Scene) -> None:
        context = context_of(layer, PART, PART)
        upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
        part = bucket.upload_part("o", upload_id, 1, CONTENT[:PART], upload_context=context)
        assert part.status == 200
        assert part.crc is not None
        assert bucket.abort_multipart_upload("o", upload_id).status == 204
        assert not bucket.object_exists("o")

    @pytest.mark.parametrize("with_md5", [False, True])
    def test_parts(self, bucket: Any, layer: Scene, with_md5: bool) -> None:
        size = 2 * PART
        pieces = [CONTENT[start : start + size] for start in range(0, len(CONTENT), size)]
        context = context_of(layer, len(CONTENT), size)
        upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
        parts = []
        for number, piece in enumerate(pieces, 1):
            headers = {"Content-MD5": base64.b64encode(hashlib.md5(piece).digest()).decode()}
            part = bucket.upload_part(
                "o",
                upload_id,
                number,
                piece,
                headers=headers if with_md5 else None,
                upload_context=context,
            )
            assert part.status == 200
            info = layer.part("models").PartInfo
            parts.append(info(number, part.etag, size=len(piece), part_crc=part.crc))
        assert bucket.complete_multipart_upload("o", upload_id, parts).status == 200
        for number, piece in enumerate(pieces):
            start = number * size
            got = bucket.get_object("o", byte_range=(start, start + len(piece) - 1))
            assert got.status == 206
            assert got.read() == piece
        got = bucket.get_object("o")
        assert got.status == 200
        assert got.read() == CONTENT
        assert bucket.head_object("o").object_type == "Multipart"

    def test_two_uploads_at_a_time(self, bucket: Any, layer: Scene) -> None:
        info = layer.part("models").PartInfo
        uploads: dict[str, tuple[str, Any, int, list[Any]]] = {}
        for name, size in (("a", PART), ("b", 2 * PART)):
            context = context_of(layer, 3 * size - 10, size)
            result = bucket.init_multipart_upload(name, upload_context=context)
            uploads[name] = (result.upload_id, context, size, [])
        for number in (1, 2, 3):
            for name, (upload_id, context, size, parts) in uploads.items():
                piece = (name * (size if number < 3 else size - 10)).encode()
                part = bucket.upload_part(name, upload_id, number, piece, upload_context=context)
                parts.append(info(number, part.etag, size=len(piece), part_crc=part.crc))
        for name, (upload_id, _, size, parts) in uploads.items():
            bucket.complete_multipart_upload(name, upload_id, parts)
            assert bucket.get_object(name).read() == (name * (3 * size - 10)).encode()

    def test_parts_are_not_copied(self, bucket: Any, layer: Scene) -> None:
        bucket.put_object("o", CONTENT)
        context = context_of(layer, len(CONTENT), PART)
        upload_id = bucket.init_multipart_upload("copy", upload_context=context).upload_id
        with pytest.raises(layer.part("exceptions").ClientError):
            bucket.upload_part_copy(BUCKET, "o", (0, PART - 1), "copy", upload_id, 1)

    def test_objects_over_several_pages(self, bucket: Any, layer: Scene) -> None:
        names = [f"p/{number:02d}" for number in range(9)]
        folders = [f"p/{number:02d}d/" for number in range(3)]
        for name in (*names, *(f"{folder}x" for folder in folders)):
            bucket.put_object(name, b"content")
        for iterator in (layer.module.ObjectIterator, layer.module.ObjectIteratorV2):
            entries = list(iterator(bucket, "p/", delimiter="/", max_keys=4))
            assert [entry.key for entry in entries if not entry.is_prefix()] == names
            assert [entry.key for entry in entries if entry.is_prefix()] == folders
            one = next(entry for entry in entries if entry.key == names[3])
            head = bucket.head_object(names[3])
            assert (one.last_modified, one.etag, one.size) == (head.last_modified, head.etag, 7)

    @pytest.mark.parametrize("name", ["中+文", "中文-四/十*大%盗", "a b&c<d>"])
    def test_names_that_are_no_ascii(self, bucket: Any, layer: Scene, name: str) -> None:
        bucket.put_object(name, b"content")
        context = context_of(layer, PART, PART)
        upload_id = bucket.init_multipart_upload(name, upload_context=context).upload_id
        module = layer.module
        assert [each.key for each in module.ObjectIterator(bucket, name, max_keys=1)] == [name]
        uploads = list(module.MultipartUploadIterator(bucket, name, max_uploads=1))
        assert [(each.key, each.upload_id) for each in uploads] == [(name, upload_id)]

    @pytest.mark.parametrize("page", [2, 3])
    def test_uploads_over_several_pages(self, bucket: Any, layer: Scene, page: int) -> None:
        def begin(name: str) -> str:
            context = context_of(layer, PART, PART)
            begun: str = bucket.init_multipart_upload(name, upload_context=context).upload_id
            return begun

        wanted = sorted(begin("u/one") for _ in range(6))
        for name in ("u/one-more", "u/d/1", "u/e/1"):
            begin(name)
        iterator = layer.module.ObjectUploadIterator(bucket, "u/one", max_uploads=page)
        assert [each.upload_id for each in iterator] == wanted
        entries = list(
            layer.module.MultipartUploadIterator(bucket, "u/", delimiter="/", max_uploads=page)
        )
        assert [each.key for each in entries if each.is_prefix()] == ["u/d/", "u/e/"]
        assert [each.upload_id for each in entries if each.key == "u/one"] == wanted

    def test_parts_with_holes_over_several_pages(self, bucket: Any, layer: Scene) -> None:
        context = context_of(layer, 10 * PART, PART)
        upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
        sent = {}
        for number in (1, 3, 6, 7, 10):
            part = bucket.upload_part(
                "o", upload_id, number, CONTENT[:PART], upload_context=context
            )
            sent[number] = (part.etag, PART)
        listed = layer.module.PartIterator(bucket, "o", upload_id, max_parts=2)
        assert {part.part_number: (part.etag, part.size) for part in listed} == sent
