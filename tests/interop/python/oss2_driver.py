"""Driver of oss2."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from oss2.crypto import AliKMSProvider, EncryptionMaterials, RsaProvider
from oss2.models import MultipartUploadCryptoContext
from tests.interop.python.lines import Request, serve

import oss2


def _bucket(request: Request) -> Any:
    settings = request["client"]
    sign = oss2.AuthV4 if settings["signature"] == "v4" else oss2.Auth
    auth = sign(settings["access_key_id"], settings["access_key_secret"])
    provider = _kms(settings) if settings["keys"][0]["kms"] else _rsa(settings)
    return oss2.CryptoBucket(
        auth, settings["endpoint"], settings["bucket"], provider, region=settings["region"]
    )


def _rsa(settings: dict[str, Any]) -> RsaProvider:
    first, *others = settings["keys"]
    provider = RsaProvider(_pair(first), mat_desc=first["description"])
    for key in others:
        provider.add_encryption_materials(
            EncryptionMaterials(key["description"], key_pair=_pair(key))
        )
    return provider


def _kms(settings: dict[str, Any]) -> AliKMSProvider:
    (key,) = settings["keys"]
    provider = AliKMSProvider(
        settings["access_key_id"],
        settings["access_key_secret"],
        settings["region"],
        key["kms"],
        mat_desc=key["description"],
    )
    provider.kms_client.add_endpoint(settings["region"], "Kms", settings["kms"])
    return provider


def _pair(key: dict[str, Any]) -> dict[str, str]:
    return {"public_key": key["public"], "private_key": key["private"]}


def put(request: Request) -> None:
    _bucket(request).put_object(request["name"], Path(request["file"]).read_bytes())


def multipart(request: Request) -> None:
    bucket = _bucket(request)
    data = Path(request["file"]).read_bytes()
    size, name = request["part_size"], request["name"]
    context = MultipartUploadCryptoContext(len(data), size)
    upload = bucket.init_multipart_upload(name, upload_context=context).upload_id
    parts = []
    for number, start in enumerate(range(0, len(data), size), 1):
        part = io.BytesIO(data[start : start + size])
        result = bucket.upload_part(name, upload, number, part, upload_context=context)
        parts.append(oss2.models.PartInfo(number, result.etag))
    bucket.complete_multipart_upload(name, upload, parts)


def get(request: Request) -> bytes:
    options: dict[str, Any] = {}
    if request["range"]:
        first, last = request["range"].split("-")
        options["byte_range"] = (int(first), int(last) if last else None)
    if request["version"]:
        options["params"] = {"versionId": request["version"]}
    data: bytes = _bucket(request).get_object(request["name"], **options).read()
    return data


if __name__ == "__main__":
    serve({"put": put, "multipart": multipart, "get": get})
