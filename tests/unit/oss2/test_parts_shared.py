"""Uploads in parts that several buckets send: no place sees two plaintexts."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from tests.oss2.scene import Scene
from tests.support.forked import in_child

import cipherbucket as cb
from cipherbucket.oss2._crypto_context import ContentCryptoMaterial
from cipherbucket.oss2.exceptions import ClientError, NoSuchUpload, RequestError
from cipherbucket.oss2.models import MultipartUploadCryptoContext, PartInfo
from cipherbucket.oss2.utils import AESCTRCipher
from cipherbucket.stores.oss.store import OssStore

PART = 102_400
CONTENT = bytes(range(256)) * 1000
PIECES = [CONTENT[start : start + PART] for start in range(0, len(CONTENT), PART)]


def begun(bucket: Any) -> tuple[str, MultipartUploadCryptoContext]:
    filled = MultipartUploadCryptoContext(len(CONTENT), PART)
    return bucket.init_multipart_upload("o", upload_context=filled).upload_id, filled


def sent(bucket: Any, upload_id: str, number: int, filled: Any = None) -> PartInfo:
    piece = PIECES[number - 1]
    result = bucket.upload_part("o", upload_id, number, piece, upload_context=filled)
    return PartInfo(number, result.etag, size=len(piece), part_crc=result.crc)


def another(layer: Scene) -> Any:
    return layer.bucket(layer.rsa(mat_desc={"desc": "tests"}))


def test_what_another_bucket_sent_is_not_replaced_by_the_first(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    sent(another(layer), upload_id, 2, filled)
    with pytest.raises(ClientError, match="sent before with other bytes"):
        opened.upload_part("o", upload_id, 2, bytes(PART), upload_context=filled)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 3)]
    parts.append(PartInfo(2, opened.list_parts("o", upload_id).parts[1].etag))
    assert another(layer).complete_multipart_upload("o", upload_id, parts).status == 200
    assert opened.get_object("o").read() == CONTENT


def test_nor_is_what_failed_there_sent_otherwise(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    second = another(layer)
    second.proxies = {"http": "http://127.0.0.1:1"}
    with pytest.raises(RequestError):
        sent(second, upload_id, 1, filled)
    with pytest.raises(ClientError, match="sent before with other bytes"):
        opened.upload_part("o", upload_id, 1, bytes(PART), upload_context=filled)
    assert sent(opened, upload_id, 1, filled).etag


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_context_stays_in_its_process(opened: Any, copied: Callable[[Any], object]) -> None:
    _, filled = begun(opened)
    with pytest.raises(ClientError, match=r"be pickled or copied \(.*threads.*resumable_upload"):
        copied(filled)
    with pytest.raises(ClientError, match="cannot be pickled or copied"):
        copied(opened)


def test_nor_is_the_upload_taken_up_with_what_an_object_tells(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    material = filled.content_crypto_material
    assert material is not None
    told = ContentCryptoMaterial(AESCTRCipher(), material.wrap_alg)
    told.from_object_meta(material.to_object_meta())
    made = MultipartUploadCryptoContext(len(CONTENT), PART, told)
    for bucket in (opened, another(layer)):
        with pytest.raises(ClientError, match=r"in this process: begin a new upload"):
            sent(bucket, upload_id, 1, made)


def test_nor_does_a_forked_process_go_on(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)

    def other() -> None:
        for bucket in (opened, another(layer)):
            with pytest.raises(ClientError, match="belongs to the process"):
                sent(bucket, upload_id, 1, filled)

    assert in_child(other) == 0
    assert not opened.list_parts("o", upload_id).parts


def test_a_forked_process_may_complete(opened: Any) -> None:
    upload_id, filled = begun(opened)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 2, 3)]
    assert in_child(lambda: opened.complete_multipart_upload("o", upload_id, parts)) == 0
    assert opened.get_object("o").read() == CONTENT


def test_all_that_is_there_is_completed(opened: Any, layer: Scene) -> None:
    every = {"x-oss-complete-all": "yes"}
    for bucket in (opened, another(layer)):
        upload_id, _ = begun(opened)
        for number in (1, 2, 3):
            sent(opened, upload_id, number)
        assert bucket.complete_multipart_upload("o", upload_id, None, every).status == 200
        assert opened.get_object("o").read() == CONTENT


def test_an_md5_of_the_whole_is_left_out_and_said(opened: Any) -> None:
    headers = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    filled = MultipartUploadCryptoContext(len(CONTENT), PART)
    with pytest.warns(cb.CipherbucketWarning, match="neither checked nor recorded") as told:
        opened.init_multipart_upload("o", headers, upload_context=filled)
    assert told[0].filename == __file__


def test_what_is_completed_is_no_upload_any_more(opened: Any) -> None:
    upload_id, filled = begun(opened)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 2, 3)]
    opened.complete_multipart_upload("o", upload_id, parts)
    with pytest.raises(NoSuchUpload):
        sent(opened, upload_id, 1, filled)


def test_the_very_same_part_may_come_again_and_is_not_sent(
    opened: Any, layer: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, filled = begun(opened)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 2, 3)]
    for bucket in (opened, another(layer)):
        with monkeypatch.context() as patch:
            patch.setattr(OssStore, "upload_part", None)  # nothing leaves
            again = [sent(bucket, upload_id, number, filled) for number in (1, 2, 3)]
        assert [(part.etag, part.part_crc) for part in again] == [
            (part.etag, part.part_crc) for part in parts
        ]
        for other in (PIECES[0][:-1] + b"!", PIECES[0][:-1], [PIECES[0], b"more"]):
            with pytest.raises(ClientError, match=r"sent before with other|have 102,400 bytes"):
                bucket.upload_part("o", upload_id, 1, other, upload_context=filled)
    assert opened.complete_multipart_upload("o", upload_id, again).status == 200
    assert opened.get_object("o").read() == CONTENT
