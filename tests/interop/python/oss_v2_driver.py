"""Driver of alibabacloud-oss-v2."""

from __future__ import annotations

from pathlib import Path

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.crypto import MasterRsaCipher
from alibabacloud_oss_v2.encryption_client import EncryptionClient
from tests.interop.python.lines import Request, serve


def _client(request: Request) -> EncryptionClient:
    settings = request["client"]
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        settings["access_key_id"], settings["access_key_secret"]
    )
    config.region = settings["region"]
    config.endpoint = settings["endpoint"]
    config.signature_version = settings["signature"]
    ciphers = [
        MasterRsaCipher(key["description"], key["public"], key["private"])
        for key in settings["keys"]
    ]
    return EncryptionClient(oss.Client(config), ciphers[0], ciphers)


def put(request: Request) -> None:
    _client(request).put_object(
        oss.PutObjectRequest(
            bucket=request["client"]["bucket"],
            key=request["name"],
            body=Path(request["file"]).read_bytes(),
        )
    )


def multipart(request: Request) -> None:
    client = _client(request)
    bucket, name, size = request["client"]["bucket"], request["name"], request["part_size"]
    data = Path(request["file"]).read_bytes()
    upload = client.initiate_multipart_upload(
        oss.InitiateMultipartUploadRequest(
            bucket=bucket, key=name, cse_part_size=size, cse_data_size=len(data)
        )
    )
    parts = []
    for number, start in enumerate(range(0, len(data), size), 1):
        result = client.upload_part(
            oss.UploadPartRequest(
                bucket=bucket,
                key=name,
                upload_id=upload.upload_id,
                part_number=number,
                cse_multipart_context=upload.cse_multipart_context,
                body=data[start : start + size],
            )
        )
        parts.append(oss.UploadPart(part_number=number, etag=result.etag))
    client.complete_multipart_upload(
        oss.CompleteMultipartUploadRequest(
            bucket=bucket,
            key=name,
            upload_id=upload.upload_id,
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
        )
    )


def get(request: Request) -> bytes:
    result = _client(request).get_object(
        oss.GetObjectRequest(
            bucket=request["client"]["bucket"],
            key=request["name"],
            range_header=f"bytes={request['range']}" if request["range"] else None,
            version_id=request["version"] or None,
        )
    )
    body = result.body
    if body is None:
        raise ValueError("no body")
    with body:
        return b"".join(body.iter_bytes())


def keep_versions(request: Request) -> None:
    _client(request).unwrap().put_bucket_versioning(
        oss.PutBucketVersioningRequest(
            bucket=request["client"]["bucket"],
            versioning_configuration=oss.VersioningConfiguration(status="Enabled"),
        )
    )


if __name__ == "__main__":
    serve({"put": put, "multipart": multipart, "get": get, "keep_versions": keep_versions})
