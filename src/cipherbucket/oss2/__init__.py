"""oss2's encrypting bucket, its keys and its helpers, over this library.

A program that was written for oss2 says ``from cipherbucket import oss2`` instead of ``import
oss2``, and ``from cipherbucket.oss2.crypto import RsaProvider`` instead of ``from oss2.crypto``.
What is the same, what is better and what is not offered is listed in ``docs/oss2.md``.

Rule: a compatibility layer. Names, arguments, results and exceptions are oss2's; encryption,
checks and transfers are those of `cipherbucket.Bucket`. It may import every package but ``server``
and ``cli``; SDKs are imported when a bucket or a KMS key is made. A further verb of oss2 goes into
`api`, what its answer holds into `_xml` and `_results`, and its row into ``docs/oss2.md``. Modules
without an underscore are oss2's own names.
"""

from __future__ import annotations

import logging
from typing import NoReturn

from cipherbucket.oss2 import api, defaults, exceptions, models
from cipherbucket.oss2 import crypto_bucket as crypto_bucket
from cipherbucket.oss2._logging import set_file_logger, set_stream_logger
from cipherbucket.oss2.api import CryptoBucket
from cipherbucket.oss2.auth import (
    AUTH_VERSION_1,
    AUTH_VERSION_2,
    AUTH_VERSION_4,
    AnonymousAuth,
    Auth,
    AuthV2,
    AuthV4,
    ProviderAuth,
    ProviderAuthV2,
    ProviderAuthV4,
    StsAuth,
    make_auth,
)
from cipherbucket.oss2.compat import (
    to_bytes,
    to_string,
    to_unicode,
    urlparse,
    urlquote,
    urlunquote,
)
from cipherbucket.oss2.credentials import (
    CredentialsProvider,
    EcsRamRoleCredential,
    EcsRamRoleCredentialsProvider,
    StaticCredentialsProvider,
)
from cipherbucket.oss2.crypto import (
    AliKMSProvider,
    EncryptionMaterials,
    LocalRsaProvider,
    RsaProvider,
)
from cipherbucket.oss2.http import (
    CaseInsensitiveDict,
    Session,
)
from cipherbucket.oss2.iterators import (
    MultipartUploadIterator,
    ObjectIterator,
    ObjectIteratorV2,
    ObjectUploadIterator,
    PartIterator,
)
from cipherbucket.oss2.models import (
    BUCKET_ACL_PRIVATE,
    BUCKET_ACL_PUBLIC_READ,
    BUCKET_ACL_PUBLIC_READ_WRITE,
    BUCKET_DATA_REDUNDANCY_TYPE_LRS,
    BUCKET_DATA_REDUNDANCY_TYPE_ZRS,
    BUCKET_STORAGE_CLASS_ARCHIVE,
    BUCKET_STORAGE_CLASS_COLD_ARCHIVE,
    BUCKET_STORAGE_CLASS_DEEP_COLD_ARCHIVE,
    BUCKET_STORAGE_CLASS_IA,
    BUCKET_STORAGE_CLASS_STANDARD,
    BUCKET_VERSIONING_ENABLE,
    BUCKET_VERSIONING_SUSPEND,
    KMS_DATA_ENCRYPTION_SM4,
    OBJECT_ACL_DEFAULT,
    OBJECT_ACL_PRIVATE,
    OBJECT_ACL_PUBLIC_READ,
    OBJECT_ACL_PUBLIC_READ_WRITE,
    SERVER_SIDE_ENCRYPTION_AES256,
    SERVER_SIDE_ENCRYPTION_KMS,
    SERVER_SIDE_ENCRYPTION_SM4,
)
from cipherbucket.oss2.resumable import (
    ResumableDownloadStore,
    ResumableStore,
    determine_part_size,
    make_download_store,
    make_upload_store,
    resumable_download,
    resumable_upload,
)
from cipherbucket.oss2.utils import (
    SizedFileAdapter,
    content_type_by_name,
    date_to_iso8601,
    http_date,
    http_to_unixtime,
    is_valid_bucket_name,
    is_valid_endpoint,
    iso8601_to_date,
    iso8601_to_unixtime,
    make_progress_adapter,
)

__version__ = "2.19.1"
"""The oss2 whose names these are; this library's own is ``cipherbucket.__version__``."""

logger = logging.getLogger("cipherbucket")
"""Where this library says what it does."""

__all__ = [
    "AUTH_VERSION_1",
    "AUTH_VERSION_2",
    "AUTH_VERSION_4",
    "BUCKET_ACL_PRIVATE",
    "BUCKET_ACL_PUBLIC_READ",
    "BUCKET_ACL_PUBLIC_READ_WRITE",
    "BUCKET_DATA_REDUNDANCY_TYPE_LRS",
    "BUCKET_DATA_REDUNDANCY_TYPE_ZRS",
    "BUCKET_STORAGE_CLASS_ARCHIVE",
    "BUCKET_STORAGE_CLASS_COLD_ARCHIVE",
    "BUCKET_STORAGE_CLASS_DEEP_COLD_ARCHIVE",
    "BUCKET_STORAGE_CLASS_IA",
    "BUCKET_STORAGE_CLASS_STANDARD",
    "BUCKET_VERSIONING_ENABLE",
    "BUCKET_VERSIONING_SUSPEND",
    "KMS_DATA_ENCRYPTION_SM4",
    "OBJECT_ACL_DEFAULT",
    "OBJECT_ACL_PRIVATE",
    "OBJECT_ACL_PUBLIC_READ",
    "OBJECT_ACL_PUBLIC_READ_WRITE",
    "SERVER_SIDE_ENCRYPTION_AES256",
    "SERVER_SIDE_ENCRYPTION_KMS",
    "SERVER_SIDE_ENCRYPTION_SM4",
    "AliKMSProvider",
    "AnonymousAuth",
    "Auth",
    "AuthV2",
    "AuthV4",
    "CaseInsensitiveDict",
    "CredentialsProvider",
    "CryptoBucket",
    "EcsRamRoleCredential",
    "EcsRamRoleCredentialsProvider",
    "EncryptionMaterials",
    "LocalRsaProvider",
    "MultipartUploadIterator",
    "ObjectIterator",
    "ObjectIteratorV2",
    "ObjectUploadIterator",
    "PartIterator",
    "ProviderAuth",
    "ProviderAuthV2",
    "ProviderAuthV4",
    "ResumableDownloadStore",
    "ResumableStore",
    "RsaProvider",
    "Session",
    "SizedFileAdapter",
    "StaticCredentialsProvider",
    "StsAuth",
    "content_type_by_name",
    "date_to_iso8601",
    "defaults",
    "determine_part_size",
    "exceptions",
    "http_date",
    "http_to_unixtime",
    "is_valid_bucket_name",
    "is_valid_endpoint",
    "iso8601_to_date",
    "iso8601_to_unixtime",
    "make_auth",
    "make_download_store",
    "make_progress_adapter",
    "make_upload_store",
    "models",
    "resumable_download",
    "resumable_upload",
    "set_file_logger",
    "set_stream_logger",
    "to_bytes",
    "to_string",
    "to_unicode",
    "urlparse",
    "urlquote",
    "urlunquote",
]


def __getattr__(name: str) -> NoReturn:
    if name in {"Bucket", "Service"}:
        getattr(api, name)  # says what to use
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
