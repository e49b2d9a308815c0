"""Results, and what requests are made of; constants beside them."""

from __future__ import annotations

from cipherbucket.oss2._crypto_context import ContentCryptoMaterial, MultipartUploadCryptoContext
from cipherbucket.oss2._entries import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionList,
    BatchDeleteObjectVersionResult,
    DeleteMarkerInfo,
    MultipartUploadInfo,
    ObjectVersionInfo,
    Owner,
    PartInfo,
    RestoreConfiguration,
    RestoreJobParameters,
    SimplifiedObjectInfo,
)
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    GetObjectAclResult,
    GetObjectMetaResult,
    GetObjectResult,
    GetSymlinkResult,
    GetTaggingResult,
    HeadObjectResult,
    InitMultipartUploadResult,
    ListMultipartUploadsResult,
    ListObjectsResult,
    ListObjectsV2Result,
    ListObjectVersionsResult,
    ListPartsResult,
    PutObjectResult,
    RequestResult,
)
from cipherbucket.oss2._tagging import Tagging, TaggingRule
from cipherbucket.oss2.http import CaseInsensitiveDict

__all__ = [
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
    "PAYER_BUCKETOWNER",
    "PAYER_REQUESTER",
    "RESTORE_TIER_BULK",
    "RESTORE_TIER_EXPEDITED",
    "RESTORE_TIER_STANDARD",
    "SERVER_SIDE_ENCRYPTION_AES256",
    "SERVER_SIDE_ENCRYPTION_KMS",
    "SERVER_SIDE_ENCRYPTION_SM4",
    "BatchDeleteObjectVersion",
    "BatchDeleteObjectVersionList",
    "BatchDeleteObjectVersionResult",
    "BatchDeleteObjectsResult",
    "CaseInsensitiveDict",
    "ContentCryptoMaterial",
    "DeleteMarkerInfo",
    "GetObjectAclResult",
    "GetObjectMetaResult",
    "GetObjectResult",
    "GetSymlinkResult",
    "GetTaggingResult",
    "HeadObjectResult",
    "InitMultipartUploadResult",
    "ListMultipartUploadsResult",
    "ListObjectVersionsResult",
    "ListObjectsResult",
    "ListObjectsV2Result",
    "ListPartsResult",
    "MultipartUploadCryptoContext",
    "MultipartUploadInfo",
    "ObjectVersionInfo",
    "Owner",
    "PartInfo",
    "PutObjectResult",
    "RequestResult",
    "RestoreConfiguration",
    "RestoreJobParameters",
    "SimplifiedObjectInfo",
    "Tagging",
    "TaggingRule",
]

OBJECT_ACL_DEFAULT = "default"
OBJECT_ACL_PRIVATE = "private"
OBJECT_ACL_PUBLIC_READ = "public-read"
OBJECT_ACL_PUBLIC_READ_WRITE = "public-read-write"
BUCKET_ACL_PRIVATE = "private"
BUCKET_ACL_PUBLIC_READ = "public-read"
BUCKET_ACL_PUBLIC_READ_WRITE = "public-read-write"
BUCKET_STORAGE_CLASS_STANDARD = "Standard"
BUCKET_STORAGE_CLASS_IA = "IA"
BUCKET_STORAGE_CLASS_ARCHIVE = "Archive"
BUCKET_STORAGE_CLASS_COLD_ARCHIVE = "ColdArchive"
BUCKET_STORAGE_CLASS_DEEP_COLD_ARCHIVE = "DeepColdArchive"
BUCKET_DATA_REDUNDANCY_TYPE_LRS = "LRS"
BUCKET_DATA_REDUNDANCY_TYPE_ZRS = "ZRS"
BUCKET_VERSIONING_ENABLE = "Enabled"
BUCKET_VERSIONING_SUSPEND = "Suspended"
PAYER_BUCKETOWNER = "BucketOwner"
PAYER_REQUESTER = "Requester"
RESTORE_TIER_EXPEDITED = "Expedited"
RESTORE_TIER_STANDARD = "Standard"
RESTORE_TIER_BULK = "Bulk"
SERVER_SIDE_ENCRYPTION_AES256 = "AES256"
SERVER_SIDE_ENCRYPTION_KMS = "KMS"
SERVER_SIDE_ENCRYPTION_SM4 = "SM4"
KMS_DATA_ENCRYPTION_SM4 = "SM4"
