"""Uploads in parts that several buckets or processes send: no place sees two plaintexts."""

import copy
import multiprocessing
import pickle
from typing import Any

import pytest
from tests.oss2.scene import Scene

import cipherbucket as cb
from cipherbucket.oss2 import _multipart
from cipherbucket.oss2.exceptions import ClientError, NoSuchUpload, RequestError
from cipherbucket.oss2.models import MultipartUploadCryptoContext, PartInfo
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.writing.multipart import Multipart

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
    with pytest.raises(ClientError, match="cannot be replaced"):
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
    with pytest.raises(ClientError, match="failed before with other bytes"):
        opened.upload_part("o", upload_id, 1, bytes(PART), upload_context=filled)
    assert sent(opened, upload_id, 1, filled).etag


def test_no_key_goes_along_with_a_context(opened: Any) -> None:
    _, filled = begun(opened)
    for passed_on in (pickle.loads(pickle.dumps(filled)), copy.copy(filled)):
        assert passed_on.upload is None
        assert passed_on.shared


def test_nor_by_a_third_that_looked_before(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    second, third = another(layer), another(layer)
    sent(second, upload_id, 1, filled)
    sent(third, upload_id, 2, pickle.loads(pickle.dumps(filled)))
    with pytest.raises(ClientError, match="arrived already"):
        second.upload_part("o", upload_id, 2, bytes(PART), upload_context=filled)


@pytest.mark.parametrize("passed_on", [pickle.dumps, copy.deepcopy])
def test_nor_what_was_sent_from_another_process(opened: Any, layer: Scene, passed_on: Any) -> None:
    upload_id, filled = begun(opened)
    copied = passed_on(filled)
    elsewhere = pickle.loads(copied) if isinstance(copied, bytes) else copied
    sent(another(layer), upload_id, 3, elsewhere)
    with pytest.raises(ClientError, match="arrived already"):
        opened.upload_part("o", upload_id, 3, PIECES[2][::-1], upload_context=filled)


def test_a_context_that_stays_costs_no_question(opened: Any, layer: Scene) -> None:
    upload_id, filled = begun(opened)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 2, 3)]
    opened.complete_multipart_upload("o", upload_id, parts)
    assert not filled.shared
    assert opened.get_object("o").read() == CONTENT


def in_child(pipe: Any, bucket: Any, upload_id: str, filled: Any) -> None:
    try:
        part = sent(bucket, upload_id, 1, filled)
    except ClientError as error:
        pipe.send(str(error))
    else:
        pipe.send((part.part_number, part.etag))


def forked(bucket: Any, upload_id: str, filled: Any) -> Any:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=in_child, args=(theirs, bucket, upload_id, filled))
    child.start()
    try:
        return ours.recv() if ours.poll(30) else "silence"
    finally:
        child.join(30)


def test_a_forked_process_goes_on_with_the_context(opened: Any) -> None:
    upload_id, filled = begun(opened)
    number, etag = forked(opened, upload_id, filled)
    parts = [PartInfo(number, etag)] + [sent(opened, upload_id, n, filled) for n in (2, 3)]
    opened.complete_multipart_upload("o", upload_id, parts)
    assert opened.get_object("o").read() == CONTENT


def test_a_forked_process_without_the_context_is_refused(opened: Any) -> None:
    upload_id, _ = begun(opened)
    assert "belongs to the process" in forked(opened, upload_id, None)
    assert not opened.list_parts("o", upload_id).parts


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


@pytest.mark.parametrize("passed_on", [lambda filled: filled, copy.deepcopy])
def test_the_very_same_part_may_come_again_and_is_not_sent(
    opened: Any, layer: Scene, passed_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, filled = begun(opened)
    parts = [sent(opened, upload_id, number, filled) for number in (1, 2, 3)]
    for bucket in (opened, another(layer)):
        context = passed_on(filled)
        with monkeypatch.context() as patch:
            patch.setattr(OssStore, "upload_part", None)  # nothing leaves
            again = [sent(bucket, upload_id, number, context) for number in (1, 2, 3)]
        assert [(part.etag, part.part_crc) for part in again] == [
            (part.etag, part.part_crc) for part in parts
        ]
        assert bucket.upload_part("o", upload_id, 1, PIECES[0], upload_context=context).request_id
        for other in (PIECES[0][:-1] + b"!", PIECES[0][:-1], [PIECES[0], b"more"]):
            with pytest.raises(ClientError, match="cannot be replaced"):
                bucket.upload_part("o", upload_id, 1, other, upload_context=context)
    assert opened.complete_multipart_upload("o", upload_id, again).status == 200
    assert opened.get_object("o").read() == CONTENT


def test_nor_is_it_taken_for_the_same_where_no_checksum_is_known(
    opened: Any, layer: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, filled = begun(opened)
    sent(opened, upload_id, 1, filled)
    second, copied = another(layer), copy.deepcopy(filled)
    monkeypatch.setattr(Multipart, "arrived", {})
    listed = second.list_parts("o", upload_id)
    listed.parts[0].part_crc = None
    monkeypatch.setattr(_multipart, "list_parts", lambda *_: listed)
    with pytest.raises(ClientError, match="cannot be replaced"):
        sent(second, upload_id, 1, copied)
