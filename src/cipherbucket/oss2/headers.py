"""Names of headers, and algorithms, that programs import."""

from __future__ import annotations

from cipherbucket.keys.kms.wrap_names import KMS
from cipherbucket.keys.rsa import OAEP_SHA1, PKCS1

OSS_USER_METADATA_PREFIX = "x-oss-meta-"
OSS_CANNED_ACL = "x-oss-acl"
IF_UNMODIFIED_SINCE = "If-Unmodified-Since"
IF_MATCH = "If-Match"
OSS_COPY_OBJECT_SOURCE = "x-oss-copy-source"
OSS_COPY_OBJECT_SOURCE_RANGE = "x-oss-copy-source-range"
OSS_REQUEST_ID = "x-oss-request-id"
OSS_SECURITY_TOKEN = "x-oss-security-token"  # noqa: S105  a header's name
OSS_NEXT_APPEND_POSITION = "x-oss-next-append-position"
OSS_HASH_CRC64_ECMA = "x-oss-hash-crc64ecma"
OSS_OBJECT_TYPE = "x-oss-object-type"
OSS_OBJECT_ACL = "x-oss-object-acl"
OSS_SYMLINK_TARGET = "x-oss-symlink-target"
OSS_SERVER_SIDE_ENCRYPTION = "x-oss-server-side-encryption"
OSS_SERVER_SIDE_ENCRYPTION_KEY_ID = "x-oss-server-side-encryption-key-id"
OSS_SERVER_SIDE_DATA_ENCRYPTION = "x-oss-server-side-data-encryption"
OSS_OBJECT_TAGGING = "x-oss-tagging"
OSS_OBJECT_TAGGING_COPY_DIRECTIVE = "x-oss-tagging-directive"
OSS_REQUEST_PAYER = "x-oss-request-payer"
OSS_TRAFFIC_LIMIT = "x-oss-traffic-limit"
OSS_TASK_ID = "x-oss-task-id"
OSS_METADATA_DIRECTIVE = "x-oss-metadata-directive"
OSS_ALLOW_ACTION_OVERLAP = "x-oss-allow-same-action-overlap"

_ENVELOPE = OSS_USER_METADATA_PREFIX + "client-side-encryption-"
OSS_CLIENT_SIDE_ENCRYPTION_KEY = _ENVELOPE + "key"
OSS_CLIENT_SIDE_ENCRYPTION_START = _ENVELOPE + "start"
OSS_CLIENT_SIDE_ENCRYPTION_CEK_ALG = _ENVELOPE + "cek-alg"
OSS_CLIENT_SIDE_ENCRYPTION_WRAP_ALG = _ENVELOPE + "wrap-alg"
OSS_CLIENT_SIDE_ENCRYTPION_MATDESC = _ENVELOPE + "matdesc"
"""Spelt as in oss2."""
OSS_CLIENT_SIDE_ENCRYPTION_UNENCRYPTED_CONTENT_LENGTH = _ENVELOPE + "unencrypted-content-length"
OSS_CLIENT_SIDE_ENCRYPTION_UNENCRYPTED_CONTENT_MD5 = _ENVELOPE + "unencrypted-content-md5"
OSS_CLIENT_SIDE_ENCRYPTION_DATA_SIZE = _ENVELOPE + "data-size"
OSS_CLIENT_SIDE_ENCRYPTION_PART_SIZE = _ENVELOPE + "part-size"

_V1 = OSS_USER_METADATA_PREFIX + "oss-"
DEPRECATED_CLIENT_SIDE_ENCRYPTION_KEY = _V1 + "crypto-key"
DEPRECATED_CLIENT_SIDE_ENCRYPTION_START = _V1 + "crypto-start"
DEPRECATED_CLIENT_SIDE_ENCRYPTION_CEK_ALG = _V1 + "cek-alg"
DEPRECATED_CLIENT_SIDE_ENCRYPTION_WRAP_ALG = _V1 + "wrap-alg"
DEPRECATED_CLIENT_SIDE_ENCRYTPION_MATDESC = _V1 + "crypto-matdesc"
DEPRECATED_CLIENT_SIDE_ENCRYPTION_UNENCRYPTED_CONTENT_LENGTH = (
    _V1 + "crypto-unencrypted-content-length"
)
DEPRECATED_CLIENT_SIDE_ENCRYPTION_UNENCRYPTED_CONTENT_MD5 = _V1 + "crypto-unencrypted-content-md5"

RSA_NONE_PKCS1Padding_WRAP_ALGORITHM = PKCS1
RSA_NONE_OAEPWithSHA1AndMGF1Padding = OAEP_SHA1
KMS_ALI_WRAP_ALGORITHM = KMS
OSS_ENCRYPTION_CLIENT = "OssEncryptionClient"


class RequestHeader(dict[str, str]):
    """Headers that can ask for encryption at rest, beside our own."""

    def set_server_side_encryption(
        self, algorithm: str | None = None, cmk_id: str | None = None
    ) -> None:
        """Ask for it, or for none.

        Args:
            algorithm: ``AES256``, ``KMS``, or None.
            cmk_id: The KMS key; None takes the service's own.
        """
        self.pop(OSS_SERVER_SIDE_ENCRYPTION, None)
        self.pop(OSS_SERVER_SIDE_ENCRYPTION_KEY_ID, None)
        if algorithm in {"AES256", "KMS"}:
            self[OSS_SERVER_SIDE_ENCRYPTION] = algorithm
        if algorithm == "KMS" and cmk_id is not None:
            self[OSS_SERVER_SIDE_ENCRYPTION_KEY_ID] = cmk_id
