"""Bugs of oss2 2.19.1, each as a function that tells whether it is there.

On oss2 itself every one must be (``tests/interop/test_oss2_bugs.py``), on the layer none
(``test_bugs.py``). A function returns True where it sees the bug, and asserts what is right where
it does not.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.programs import kms_key, ours, rsa_key
from tests.oss2.scene import BUCKET, Scene, key_pair, program_environment
from tests.oss2.script_objects import DATA, LARGE

from cipherbucket.server.operations import client_encryption

PART = 102_400
ROOT = Path(__file__).parent.parent.parent
Bug = Callable[[Scene], bool]
BUGS: dict[str, Bug] = {}


def bug(told: str) -> Callable[[Bug], Bug]:
    """Note a bug under what it does."""

    def note(function: Bug) -> Bug:
        BUGS[told] = function
        return function

    return note


def raised(deed: Callable[[], Any]) -> str:
    """Return the name of what was raised, "" for nothing."""
    try:
        deed()
    except Exception as error:  # noqa: BLE001  which it is, is the question
        return type(error).__name__
    return ""


def with_data(there: Scene, provider: Any = None) -> Any:
    """Return a bucket that holds `DATA` under "o"."""
    bucket = there.bucket(provider)
    bucket.put_object("o", DATA)
    return bucket


@bug("an unaligned range to a file is refused as incomplete")
def unaligned_range_to_a_file(there: Scene) -> bool:
    bucket, path = with_data(there), there.folder / "back"
    error = raised(lambda: bucket.get_object_to_file("o", str(path), byte_range=(5, 100)))
    if error == "InconsistentError":
        return True
    assert not error
    assert path.read_bytes() == DATA[5:101]
    return False


@bug("a range tells the length of what was fetched, not of what comes")
def length_of_a_range(there: Scene) -> bool:
    result = with_data(there).get_object("o", byte_range=(5, 100))
    told, body = result.content_length, result.read()
    assert body == DATA[5:101]
    if told != len(body):
        return True
    assert result.content_range == "bytes 5-100/1024"
    return False


@bug("of a range that the server ignored the first bytes are lost")
def ignored_range(there: Scene) -> bool:
    bucket = with_data(there)
    got: list[bytes] = []
    error = raised(lambda: got.append(bucket.get_object("o", byte_range=(2001, 3000)).read()))
    if got == [DATA[1:]]:
        return True
    assert error or got == [DATA]
    return False


@bug("a Range header given by hand yields garbage")
def range_by_hand(there: Scene) -> bool:
    bucket = with_data(there)
    got: list[bytes] = []
    headers = {"Range": "bytes=5-9"}
    error = raised(lambda: got.append(bucket.get_object("o", headers=headers).read()))
    if got and got != [DATA[5:10]]:
        return True
    assert got or error == "ClientError"
    return False


@bug("a range of a signed URL cannot begin at 0")
def range_of_a_url(there: Scene) -> bool:
    bucket = with_data(there)
    url = bucket.sign_url("GET", "o", 60)
    got: list[bytes] = []
    error = raised(lambda: got.append(bucket.get_object_with_url(url, byte_range=(0, 9)).read()))
    if error == "ClientError":
        return True
    assert got == [DATA[:10]]
    return False


@bug("a file that fails to come takes the one that was there with it")
def failed_download_empties(there: Scene) -> bool:
    bucket, path = there.bucket(), there.folder / "precious"
    path.write_bytes(b"precious")
    assert raised(lambda: bucket.get_object_to_file("none", str(path))) == "NoSuchKey"
    return path.read_bytes() != b"precious"


def _killed(there: Scene, path: Path) -> None:
    command = [sys.executable, "-m", "tests.oss2.killed_upload"]
    result = subprocess.run(
        [*command, there.name, "big", str(path), str(PART), str(PART)],
        cwd=ROOT,
        env={**os.environ, **program_environment(there)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 9, result.stderr


@bug("an upload goes on although the file changed: parts of two files, one keystream")
def resume_after_a_change(there: Scene) -> bool:
    path = there.folder / "file"
    path.write_bytes(LARGE)
    times = path.stat()
    _killed(there, path)
    changed = bytes(byte ^ 1 for byte in LARGE)
    path.write_bytes(changed)  # the same size and, as after `cp -p` or `rsync -t`, the same time
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    there.module.resumable_upload(
        there.bucket(), "big", str(path), multipart_threshold=1, part_size=PART
    )
    with ours(there, rsa_key()).get("big") as answer:
        body = answer.read()
    if body not in {LARGE, changed}:
        return True
    assert body == changed
    return False


@bug("the record of an upload can be read by everybody")
def record_for_everybody(there: Scene) -> bool:
    path = there.folder / "file"
    path.write_bytes(LARGE)
    _killed(there, path)
    folders = [there.folder, Path(os.environ["CIPHERBUCKET_STATE"])]
    records = [
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and b"example" + b"bucket" in file.read_bytes()
    ]
    assert records
    return any(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH) for file in records)


@bug("a part size that is no multiple of 16 fails instead of being rounded")
def odd_part_size(there: Scene) -> bool:
    path = there.folder / "file"
    path.write_bytes(LARGE)
    options = {"multipart_threshold": 1, "part_size": PART + 5}
    bucket = there.bucket()
    error = raised(lambda: there.module.resumable_upload(bucket, "big", str(path), **options))
    if error == "ClientError":
        return True
    assert not error
    assert bucket.get_object("big").read() == LARGE
    return False


@bug("a file over the threshold that fits into one part fails if its size is odd")
def one_odd_part(there: Scene) -> bool:
    path = there.folder / "file"
    path.write_bytes(LARGE[:-3])
    bucket = there.bucket()
    error = raised(
        lambda: there.module.resumable_upload(bucket, "big", str(path), multipart_threshold=1)
    )
    if error == "ClientError":
        return True
    assert not error
    assert bucket.get_object("big").read() == LARGE[:-3]
    return False


@bug("every part unwraps the key again: who has only the public key cannot send any")
def parts_with_a_public_key(there: Scene) -> bool:
    provider = there.part("crypto").RsaProvider({"public_key": key_pair(1)["public_key"]})
    bucket = there.bucket(provider)
    context = there.part("models").MultipartUploadCryptoContext(PART, PART)
    upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
    parts: list[Any] = []
    error = raised(
        lambda: parts.append(
            bucket.upload_part("o", upload_id, 1, LARGE[:PART], upload_context=context)
        )
    )
    if error == "AttributeError":
        return True
    assert not error
    info = there.part("models").PartInfo(1, parts[0].etag, size=PART, part_crc=parts[0].crc)
    bucket.complete_multipart_upload("o", upload_id, [info])
    assert there.bucket().get_object("o").read() == LARGE[:PART]
    return False


@bug("every part asks the KMS twice")
def parts_ask_the_kms(there: Scene) -> bool:
    bucket = there.bucket(there.ali_kms())
    context = there.part("models").MultipartUploadCryptoContext(PART, PART)
    upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
    there.kms.stop()
    try:
        return bool(
            raised(
                lambda: bucket.upload_part("o", upload_id, 1, LARGE[:PART], upload_context=context)
            )
        )
    finally:
        there.kms.start()


def _destroys(there: Scene, deed: Callable[[Any], Any]) -> bool:
    bucket = with_data(there)
    with pytest.MonkeyPatch.context() as patch:
        # OSS refuses to take the headers away; a store that does not know them obeys.
        patch.setattr(client_encryption, "check_copy", lambda *_, **__: None)
        error = raised(lambda: deed(bucket))
    if "client-side-encryption-key" not in there.metadata("o"):
        return True
    assert bucket.get_object("o").read() == DATA
    assert error or there.metadata("o")["colour"] == "red"
    return False


@bug("update_object_meta takes the envelope away")
def update_destroys(there: Scene) -> bool:
    return _destroys(
        there, lambda bucket: bucket.update_object_meta("o", {"x-oss-meta-colour": "red"})
    )


@bug("copy_object with new metadata takes the envelope away")
def copy_destroys(there: Scene) -> bool:
    headers = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-colour": "red"}
    return _destroys(there, lambda bucket: bucket.copy_object(BUCKET, "o", "o", headers=headers))


@bug("an abort that the server refuses raises TypeError")
def abort_raises(there: Scene) -> bool:
    bucket = there.bucket()
    error = raised(lambda: bucket.abort_multipart_upload("o", "0" * 32))
    if error == "TypeError":
        return True
    assert error == "NoSuchUpload"
    return False


@bug("a completion that the server refuses raises TypeError")
def completion_raises(there: Scene) -> bool:
    bucket = there.bucket()
    part = there.part("models").PartInfo(1, "0" * 32)
    error = raised(lambda: bucket.complete_multipart_upload("o", "0" * 32, [part]))
    if error == "TypeError":
        return True
    assert error == "NoSuchUpload"
    return False


def _local_rsa(there: Scene) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return there.part("crypto").LocalRsaProvider(dir=str(there.folder / "keys"))


@bug("LocalRsaProvider overwrites one key file when the other is missing")
def key_file_overwritten(there: Scene) -> bool:
    _local_rsa(there)
    public, private = (
        there.folder / "keys" / name for name in (".public_key.pem", ".private_key.pem")
    )
    before = private.read_bytes()
    public.unlink()
    error = raised(lambda: _local_rsa(there))
    if private.read_bytes() != before:
        return True
    assert error
    assert not public.exists()
    return False


@bug("LocalRsaProvider makes a private key that everybody can read")
def key_file_for_everybody(there: Scene) -> bool:
    _local_rsa(there)
    mode = (there.folder / "keys" / ".private_key.pem").stat().st_mode
    return bool(mode & (stat.S_IRGRP | stat.S_IROTH))


@bug("an object whose envelope was taken away is handed out as plaintext")
def stripped(there: Scene) -> bool:
    bucket = with_data(there)
    there.store().put("o", b"whatever somebody put there")
    got: list[bytes] = []
    error = raised(lambda: got.append(bucket.get_object("o").read()))
    if got == [b"whatever somebody put there"]:
        return True
    assert error
    return False


@bug("an object whose description is an empty object cannot be read")
def empty_description(there: Scene) -> bool:
    bucket = with_data(there)
    metadata = {**there.metadata("o"), "client-side-encryption-matdesc": "{}"}
    there.store().put("o", there.stored("o"), metadata=metadata)
    got: list[bytes] = []
    error = raised(lambda: got.append(bucket.get_object("o").read()))
    if error == "ClientError":
        return True
    assert got == [DATA]
    return False


@bug("the empty name gets the list of the bucket")
def empty_name(there: Scene) -> bool:
    return not raised(lambda: there.bucket().get_object(""))


@bug("an object of the Go and Java SDKs with a key in the KMS cannot be read")
def single_base64(there: Scene) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the missing description
        ours(there, kms_key(there)).put("o", DATA)
    got: list[bytes] = []
    error = raised(lambda: got.append(there.bucket(there.ali_kms()).get_object("o").read()))
    if error == "OpenApiServerError":
        return True
    assert got == [DATA]
    return False


@bug("a wrong CRC-64 is not noticed by who reads")
def unchecked_read(there: Scene) -> bool:
    bucket = with_data(there)
    headers = {"x-cipherbucket-fault": "crc"}
    error = raised(lambda: bucket.get_object("o", headers=headers).read())
    if not error:
        return True
    assert error == "InconsistentError"
    return False


@bug("a part without its context is refused")
def part_without_context(there: Scene) -> bool:
    bucket = there.bucket()
    models = there.part("models")
    context = models.MultipartUploadCryptoContext(PART, PART)
    upload_id = bucket.init_multipart_upload("o", upload_context=context).upload_id
    parts: list[Any] = []
    error = raised(lambda: parts.append(bucket.upload_part("o", upload_id, 1, LARGE[:PART])))
    if error == "ClientError":
        return True
    info = models.PartInfo(1, parts[0].etag, size=PART, part_crc=parts[0].crc)
    bucket.complete_multipart_upload("o", upload_id, [info])
    assert bucket.get_object("o").read() == LARGE[:PART]
    return False
