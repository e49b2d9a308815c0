"""Uploads in parts through the layer: contexts kept, handed on, or of another upload."""

from typing import Any

import pytest
from tests.oss2.scene import Scene

import cipherbucket as cb
from cipherbucket.oss2.exceptions import (
    ClientError,
    InconsistentError,
    NoSuchUpload,
    ServerError,
)
from cipherbucket.oss2.models import MultipartUploadCryptoContext, PartInfo

PART = 102_400
CONTENT = bytes(range(256)) * 1000  # two parts and a half
PIECES = [CONTENT[start : start + PART] for start in range(0, len(CONTENT), PART)]


def context() -> MultipartUploadCryptoContext:
    return MultipartUploadCryptoContext(len(CONTENT), PART)


def begun(bucket: Any) -> tuple[str, MultipartUploadCryptoContext]:
    filled = context()
    return bucket.init_multipart_upload("o", upload_context=filled).upload_id, filled


def sent(bucket: Any, upload_id: str, numbers: Any = (1, 2, 3), **options: Any) -> list[PartInfo]:
    parts = []
    for number in numbers:
        piece = PIECES[number - 1]
        result = bucket.upload_part("o", upload_id, number, piece, **options)
        parts.append(PartInfo(number, result.etag, size=len(piece), part_crc=result.crc))
    return parts


def test_the_bucket_keeps_what_it_began(opened: Any) -> None:
    upload_id, _ = begun(opened)
    parts = sent(opened, upload_id, (3, 1, 2))
    assert opened.complete_multipart_upload("o", upload_id, parts).status == 200
    assert opened.get_object("o").read() == CONTENT
    assert not opened.upload_contexts


def test_another_bucket_goes_on_with_the_context(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    parts = sent(opened, upload_id, (1,))
    other = layer.bucket(layer.rsa(mat_desc={"desc": "tests"}))
    with pytest.raises(ClientError, match="upload_context"):
        sent(other, upload_id, (2,))
    with pytest.raises(ClientError, match="sent before with other bytes"):
        other.upload_part("o", upload_id, 1, bytes(PART), upload_context=filled)
    parts += sent(other, upload_id, (2, 3), upload_context=filled)
    other.complete_multipart_upload("o", upload_id, parts)
    assert opened.get_object("o").read() == CONTENT


def test_what_the_store_listed_completes(opened: Any, layer: Scene) -> None:
    upload_id, _ = begun(opened)
    sent(opened, upload_id)
    listed = opened.list_parts("o", upload_id).parts
    assert [part.size for part in listed] == [len(piece) for piece in PIECES]
    third = layer.bucket(layer.rsa(mat_desc={"desc": "tests"}))
    third.complete_multipart_upload("o", upload_id, listed)
    assert opened.get_object("o").read() == CONTENT


def test_a_context_of_another_upload_is_refused(opened: Any) -> None:
    upload_id, _ = begun(opened)
    _, other = begun(opened)
    with pytest.raises(InconsistentError, match="another upload"):
        sent(opened, upload_id, (1,), upload_context=other)
    with pytest.raises(ClientError, match="not filled"):
        sent(opened, upload_id, (1,), upload_context=context())
    assert not opened.list_parts("o", upload_id).parts


def test_a_context_of_another_kind_of_key_is_refused(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    with layer_kms(layer) as bucket, pytest.raises(InconsistentError, match="algorithms"):
        sent(bucket, upload_id, (1,), upload_context=filled)


def layer_kms(layer: Scene) -> Any:
    import contextlib

    return contextlib.closing(layer.bucket(layer.ali_kms(mat_desc={"desc": "kms"})))


def test_a_part_is_never_replaced(opened: Any) -> None:
    upload_id, filled = begun(opened)
    sent(opened, upload_id, (1,), upload_context=filled)
    with pytest.raises(ClientError, match=r"sent before with other bytes.*begin a new one"):
        opened.upload_part("o", upload_id, 1, bytes(PART), upload_context=filled)


@pytest.mark.parametrize(
    ("number", "piece"), [(0, b""), (4, b"x"), (1, b"short"), (1, bytes(PART + 1))]
)
def test_parts_that_cannot_be(opened: Any, number: int, piece: bytes) -> None:
    upload_id, _ = begun(opened)
    with pytest.raises(ClientError):
        opened.upload_part("o", upload_id, number, piece)
    with pytest.raises(ClientError):
        opened.upload_part("another name", upload_id, 1, PIECES[0])
    assert not opened.list_parts("o", upload_id).parts


def test_the_md5_of_a_part_is_checked(opened: Any) -> None:
    upload_id, _ = begun(opened)
    with pytest.raises(ClientError, match="MD5"):
        sent(opened, upload_id, (1,), headers={"Content-MD5": "AAAA"})
    with pytest.warns(cb.CipherbucketWarning, match="neither checked"):
        opened.upload_part("o", upload_id, 1, [PIECES[0]], headers={"Content-MD5": "AAAA"})


def test_the_service_says_which_parts_it_takes(opened: Any) -> None:
    upload_id, _ = begun(opened)
    parts = sent(opened, upload_id)
    wrong = [PartInfo(part.part_number, "0" * 32) for part in parts]
    for named in (parts[:2], wrong):
        with pytest.raises(ServerError) as caught:
            opened.complete_multipart_upload("o", upload_id, named)
        assert caught.value.status == 400
    opened.complete_multipart_upload("o", upload_id, parts)
    assert opened.get_object("o").read() == CONTENT


def test_a_crc_that_the_caller_names_is_compared(opened: Any, layer: Scene) -> None:
    upload_id, _ = begun(opened)
    parts = sent(opened, upload_id)
    parts[1].part_crc = 17
    other = layer.bucket(layer.rsa(mat_desc={"desc": "tests"}))
    with pytest.raises(InconsistentError, match="CRC"):
        other.complete_multipart_upload("o", upload_id, parts)


def test_aborting_what_is_gone_is_told(opened: Any) -> None:
    upload_id, _ = begun(opened)
    assert opened.abort_multipart_upload("o", upload_id).status == 204
    with pytest.raises(NoSuchUpload):
        opened.abort_multipart_upload("o", upload_id)
    with pytest.raises(ClientError, match="upload_context"):
        sent(opened, upload_id, (1,))


def test_an_object_that_is_there_is_not_replaced(opened: Any) -> None:
    upload_id, _ = begun(opened)
    parts = sent(opened, upload_id)
    opened.put_object("o", b"first")
    headers = {"x-oss-forbid-overwrite": "true"}
    with pytest.raises(ServerError) as caught:
        opened.complete_multipart_upload("o", upload_id, parts, headers=headers)
    assert caught.value.code == "FileAlreadyExists"
    assert opened.get_object("o").read() == b"first"


def test_progress_of_a_part(opened: Any) -> None:
    told: list[tuple[int, int]] = []
    upload_id, _ = begun(opened)
    sent(opened, upload_id, (3,), progress_callback=lambda *done: told.append(done))
    assert told == [(0, len(PIECES[2])), (len(PIECES[2]), len(PIECES[2]))]
