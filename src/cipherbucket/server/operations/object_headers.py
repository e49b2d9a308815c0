"""What headers say of an object on its way in, and on its way out.

Rule: what was given comes back: user metadata, content headers, tags (their number), storage class
and server-side encryption. Only what OSS refuses is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from cipherbucket.server.catalog import DELETE_MARKER, SYMLINK, Attributes, Bucket, Version
from cipherbucket.server.errors import OssError, invalid_argument
from cipherbucket.server.operations.ranges import http_time
from cipherbucket.server.versions import version_headers
from cipherbucket.stores.records import CONTENT_HEADERS, MAX_METADATA, MAX_NAME

META = "x-oss-meta-"
STORAGE_CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")
ARCHIVED = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
_ENCRYPTION = (
    "x-oss-server-side-encryption",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption-key-id",
)
_ALGORITHMS = ("AES256", "KMS", "SM4")
_META_NAME = re.compile(r"[a-z0-9-]+")
_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 10, 128, 256


def check_key(key: str) -> None:
    """Refuse what OSS takes for no object name.

    Raises:
        OssError: InvalidObjectName.
    """
    if len(key.encode()) > MAX_NAME:
        raise _invalid_name("it has more than 1,023 bytes of UTF-8", "0016-00000002")
    if key.startswith(("/", "\\")):
        raise _invalid_name("it begins with a slash or a backslash", "0016-00000005")


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the user metadata of a request.

    Raises:
        OssError: InvalidArgument: a name of other characters, or more than 8 KiB.
    """
    found = {
        name.removeprefix(META): value
        for name, value in headers.items()
        if name.startswith(META) and name != META
    }
    for name in found:
        if not _META_NAME.fullmatch(name):
            raise invalid_argument(
                "Names of user metadata are letters, digits and hyphens.",
                META + name,
                ec="0011-00000004",
            )
    total = sum(len(name) + len(value.encode()) for name, value in found.items())
    if total > MAX_METADATA:
        raise invalid_argument(
            f"The user metadata exceed {MAX_METADATA:,} bytes.", META, str(total), "0011-00000002"
        )
    return found


def content_headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the content headers that a request gives its object."""
    return {name: headers[name] for name in sorted(CONTENT_HEADERS) if headers.get(name)}


def attributes_of(headers: Mapping[str, str], bucket: Bucket) -> Attributes:
    """Return what a request says of its new object.

    Raises:
        OssError: Something of it is not allowed.
    """
    storage_class = headers.get("x-oss-storage-class") or bucket.storage_class
    if storage_class not in STORAGE_CLASSES:
        raise invalid_argument(
            "The storage class is unknown.", "x-oss-storage-class", storage_class
        )
    return Attributes(
        metadata=metadata_of(headers),
        headers=content_headers_of(headers),
        tags=parse_tags(headers.get("x-oss-tagging", "")),
        acl=check_acl(headers.get("x-oss-object-acl") or "default"),
        storage_class=storage_class,
        encryption=_encryption_of(headers, bucket),
    )


def check_acl(acl: str, allowed: tuple[str, ...] = OBJECT_ACLS) -> str:
    """Return an ACL that is one.

    Raises:
        OssError: InvalidArgument.
    """
    if acl not in allowed:
        raise invalid_argument(f"An ACL is one of {', '.join(allowed)}.", "x-oss-acl", acl)
    return acl


def parse_tags(header: str) -> dict[str, str]:
    """Read tags as the header ``x-oss-tagging`` writes them, like a query string.

    Raises:
        OssError: InvalidTag.
    """
    return check_tags(parse_qsl(header, keep_blank_values=True))


def check_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return tags that keep the limits.

    Raises:
        OssError: InvalidTag.
    """
    tags = dict(pairs)
    problem = (
        "an object has at most 10 tags"
        if len(pairs) > _MAX_TAGS
        else "a key stands twice"
        if len(tags) < len(pairs)
        else "a key has 1 to 128 characters, a value at most 256"
        if any(not 1 <= len(k) <= _MAX_TAG_KEY or len(v) > _MAX_TAG_VALUE for k, v in pairs)
        else None
    )
    if problem:
        raise OssError(400, "InvalidTag", f"The tagging is invalid: {problem}.")
    return tags


def object_headers(bucket: Bucket, version: Version, now: int) -> dict[str, str]:
    """Return the headers of an object, as GetObject and HeadObject answer, but for its length.

    Args:
        bucket: Where it is.
        version: The object.
        now: Seconds since 1970: a restored copy expires.
    """
    attributes = version.attributes
    headers = {
        "Content-Type": "application/octet-stream",
        **{name.title(): value for name, value in attributes.headers.items()},
        "Accept-Ranges": "bytes",
        "ETag": f'"{version.etag}"',
        "Last-Modified": http_time(version.modified),
        "x-oss-object-type": version.kind,
        "x-oss-hash-crc64ecma": str(version.crc64),
        "x-oss-storage-class": attributes.storage_class,
        **version_headers(bucket, version),
        **attributes.encryption,
        **{META + name: value for name, value in attributes.metadata.items()},
    }
    if attributes.md5:
        headers["Content-MD5"] = attributes.md5
    if attributes.tags:
        headers["x-oss-tagging-count"] = str(len(attributes.tags))
    if version.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(version.size)
    restored = restore_header(version, now)
    if restored:
        headers["x-oss-restore"] = restored
    return headers


def restore_header(version: Version, now: int) -> str:
    """Return how far restoring an archived object is; empty where it is frozen or not archived."""
    if version.attributes.storage_class not in ARCHIVED or not version.attributes.restored:
        return ""
    done, expires = version.attributes.restored
    if now < done:
        return 'ongoing-request="true"'
    if now >= expires:
        return ""
    return f'ongoing-request="false", expiry-date="{_from_seconds(expires)}"'


def check_readable(version: Version, now: int) -> None:
    """Refuse to read an archived object that is not restored.

    Raises:
        OssError: InvalidObjectState.
    """
    archived = version.attributes.storage_class in ARCHIVED
    if archived and version.kind not in {SYMLINK, DELETE_MARKER}:
        state = restore_header(version, now)
        if not state.startswith('ongoing-request="false"'):
            raise OssError(
                403,
                "InvalidObjectState",
                "The operation is not valid for the object's storage class or restore state.",
                details={"ObjectName": version.name},
            )


def _invalid_name(problem: str, ec: str) -> OssError:
    message = f"The specified object is not valid: {problem}."
    return OssError(400, "InvalidObjectName", message, ec)


def _encryption_of(headers: Mapping[str, str], bucket: Bucket) -> dict[str, str]:
    found = {name: headers[name] for name in _ENCRYPTION if headers.get(name)}
    algorithm = found.get(_ENCRYPTION[0])
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise OssError(
            400,
            "InvalidEncryptionAlgorithmError",
            f"The encryption algorithm is one of {', '.join(_ALGORITHMS)}.",
        )
    if found or not bucket.encryption:
        return found
    elements = ("SSEAlgorithm", "KMSDataEncryption", "KMSMasterKeyID")
    settings = zip(_ENCRYPTION, map(bucket.encryption.get, elements), strict=True)
    return {name: value for name, value in settings if value}


def _from_seconds(seconds: int) -> str:
    return http_time(datetime.fromtimestamp(seconds, UTC))
