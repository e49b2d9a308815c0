"""The encrypting clients of both Python SDKs, and what OSS's rules let them do."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.peer_sdks import (
    FORGETFUL,
    forgotten_sockets_collected,
    import_oss2,
    import_oss_v2,
    oss2_bucket,
    oss_v2_client,
)
from tests.support.wire_client import WireClient

from cipherbucket.server import Endpoint

pytestmark = FORGETFUL
BUCKET = "examplebucket"
PART = 100 << 10
BODY = bytes(range(256)) * 1000
HEADERS = "x-oss-meta-client-side-encryption-"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with forgotten_sockets_collected(), Endpoint(buckets=[BUCKET]) as running:
        yield running


@pytest.fixture(scope="module")
def pems() -> dict[str, str]:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"private_key": private.decode(), "public_key": public.decode()}


@pytest.fixture(scope="module")
def bucket(endpoint: Endpoint, pems: dict[str, str]) -> Any:
    """Return a CryptoBucket of oss2."""
    oss2 = import_oss2()
    provider = oss2.crypto.RsaProvider(pems, mat_desc={"desc": "tests"})
    return oss2_bucket(endpoint, BUCKET, crypto_provider=provider)


@pytest.fixture(scope="module")
def client(endpoint: Endpoint, pems: dict[str, str]) -> Any:
    """Return an EncryptionClient of alibabacloud-oss-v2."""
    oss = import_oss_v2()
    cipher = oss.crypto.MasterRsaCipher(
        mat_desc={"desc": "tests"},
        public_key=pems["public_key"],
        private_key=pems["private_key"],
    )
    return oss.EncryptionClient(oss_v2_client(endpoint), cipher)


def test_what_oss2_encrypts_both_read(bucket: Any, client: Any) -> None:
    oss = import_oss_v2()
    bucket.put_object("oss2", BODY)
    assert bucket.get_object("oss2").read() == BODY
    assert bucket.get_object("oss2", byte_range=(1001, 2000)).read() == BODY[1001:2001]
    got = client.get_object(oss.GetObjectRequest(bucket=BUCKET, key="oss2"))
    assert got.body.read() == BODY


def test_what_oss_v2_encrypts_both_read(bucket: Any, client: Any) -> None:
    oss = import_oss_v2()
    client.put_object(oss.PutObjectRequest(bucket=BUCKET, key="v2", body=BODY))
    got = client.get_object(
        oss.GetObjectRequest(bucket=BUCKET, key="v2", range_header="bytes=1001-2000")
    )
    assert got.body.read() == BODY[1001:2001]
    assert bucket.get_object("v2").read() == BODY


def test_oss2_uploads_in_parts(endpoint: Endpoint, bucket: Any) -> None:
    oss2 = import_oss2()
    context = oss2.models.MultipartUploadCryptoContext(len(BODY), PART)
    upload = bucket.init_multipart_upload("parts", upload_context=context).upload_id
    parts = []
    for number, start in enumerate(range(0, len(BODY), PART), start=1):
        piece = BODY[start : start + PART]
        sent = bucket.upload_part("parts", upload, number, piece, upload_context=context)
        parts.append(oss2.models.PartInfo(number, sent.etag, size=len(piece)))
    told = WireClient(endpoint, BUCKET)("GET", "parts", {"uploadId": upload})
    assert told.text("ClientEncryptionDataSize") == str(len(BODY))
    assert told.text("ClientEncryptionPartSize") == str(PART)
    assert told.text("ClientEncryptionCekAlg") == "AES/CTR/NoPadding"
    assert told.text("ClientEncryptionWrapAlg") == "RSA/NONE/PKCS1Padding"
    bucket.complete_multipart_upload("parts", upload, parts)
    head = bucket.head_object("parts").headers
    assert told.text("ClientEncryptionKey") == head[HEADERS + "key"]
    assert told.text("ClientEncryptionStart") == head[HEADERS + "start"]
    assert bucket.get_object("parts").read() == BODY


def test_oss_v2_uploads_in_parts(client: Any) -> None:
    oss = import_oss_v2()
    begun = client.initiate_multipart_upload(
        oss.InitiateMultipartUploadRequest(
            bucket=BUCKET, key="v2-parts", cse_part_size=PART, cse_data_size=len(BODY)
        )
    )
    parts = []
    for number, start in enumerate(range(0, len(BODY), PART), start=1):
        sent = client.upload_part(
            oss.UploadPartRequest(
                bucket=BUCKET,
                key="v2-parts",
                upload_id=begun.upload_id,
                part_number=number,
                cse_multipart_context=begun.cse_multipart_context,
                body=BODY[start : start + PART],
            )
        )
        parts.append(oss.UploadPart(part_number=number, etag=sent.etag))
    client.complete_multipart_upload(
        oss.CompleteMultipartUploadRequest(
            bucket=BUCKET,
            key="v2-parts",
            upload_id=begun.upload_id,
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
        )
    )
    got = client.get_object(oss.GetObjectRequest(bucket=BUCKET, key="v2-parts"))
    assert got.body.read() == BODY


def test_a_copy_keeps_the_envelope_or_is_refused(bucket: Any) -> None:
    oss2 = import_oss2()
    bucket.put_object("source", BODY)
    bucket.copy_object(BUCKET, "source", "copy")
    assert bucket.get_object("copy").read() == BODY
    with pytest.raises(oss2.exceptions.InvalidArgument) as caught:
        bucket.update_object_meta("source", {"x-oss-meta-a": "1"})
    assert caught.value.ec == "0005-00000421"
    assert bucket.get_object("source").read() == BODY


def test_an_encrypted_object_is_no_source_of_a_part(endpoint: Endpoint, bucket: Any) -> None:
    bucket.put_object("source", BODY)
    send = WireClient(endpoint, BUCKET)
    upload = send("POST", "target", {"uploads": ""}).text("UploadId") or ""
    refused = send(
        "PUT",
        "target",
        {"partNumber": "1", "uploadId": upload},
        x_oss_copy_source=f"/{BUCKET}/source",
    )
    assert (refused.status, refused.text("EC")) == (400, "0042-00000309")


def test_a_data_size_that_was_not_kept_shows_at_the_end(endpoint: Endpoint) -> None:
    send = WireClient(endpoint, BUCKET)
    envelope = {
        f"{HEADERS}{name}": value
        for name, value in {
            "key": "a2V5",
            "start": "c3RhcnQ=",
            "cek-alg": "AES/CTR/NoPadding",
            "wrap-alg": "RSA/NONE/PKCS1Padding",
            "data-size": "100",
            "part-size": str(PART),
        }.items()
    }
    upload = send("POST", "short", {"uploads": ""}, more=envelope).text("UploadId") or ""
    asked = {"partNumber": "1", "uploadId": upload}
    other = send("PUT", "short", asked, b"x", more={**envelope, f"{HEADERS}start": "b3RoZXI="})
    assert (other.status, other.text("EC")) == (400, "0005-00000413")
    part = send("PUT", "short", asked, b"x" * 99)
    named = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    text = f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()
    refused = send("POST", "short", {"uploadId": upload}, text)
    assert (refused.status, refused.text("EC")) == (400, "0005-00000420")
    missing = send("PUT", "k", body=b"x", more={f"{HEADERS}start": "c3RhcnQ="})
    assert (missing.status, missing.text("EC")) == (400, "0005-00000401")
