"""Buckets: create, delete, list, and their settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cipherbucket.server.catalog import Bucket, find_bucket, list_buckets, save_bucket
from cipherbucket.server.errors import OssError, invalid_argument, malformed_xml
from cipherbucket.server.numbers import number_given
from cipherbucket.server.operations.listing import owner_node
from cipherbucket.server.operations.object_headers import STORAGE_CLASSES, check_acl
from cipherbucket.server.operations.objects import xml_answer
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.xml import Node, document, iso_time, parse, text_of

BUCKET_ACLS = ("private", "public-read", "public-read-write")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_RULE = "ServerSideEncryptionRule"
_BY_DEFAULT = "ApplyServerSideEncryptionByDefault"
_ENCRYPTION = ("SSEAlgorithm", "KMSMasterKeyID", "KMSDataEncryption")


def check_bucket_name(name: str) -> None:
    """Refuse what is no bucket name.

    Raises:
        OssError: InvalidBucketName.
    """
    if not _NAME.fullmatch(name):
        raise OssError(
            400,
            "InvalidBucketName",
            "The specified bucket is not valid: 3 to 63 lower-case letters, digits and hyphens.",
            details={"BucketName": name},
        )


def put_bucket(service: Service, call: Call) -> Answer:
    """PutBucket. Making one's own bucket again changes nothing but its ACL, if one is given."""
    check_bucket_name(call.bucket)
    text = call.read_document()
    acl = call.headers.get("x-oss-acl")
    new = Bucket(call.bucket, service.now())
    if text.strip():
        root = parse(text, "CreateBucketConfiguration")
        new.storage_class = text_of(root, "StorageClass") or new.storage_class
        new.redundancy = text_of(root, "DataRedundancyType") or new.redundancy
    if new.storage_class not in STORAGE_CLASSES:
        raise invalid_argument("The storage class is unknown.", "StorageClass", new.storage_class)
    with service.catalog.writing() as db:
        bucket = find_bucket(db, call.bucket) or new
        if acl is not None:
            bucket.acl = check_acl(acl, BUCKET_ACLS)
        save_bucket(db, bucket)
    return Answer(headers={"Location": f"/{call.bucket}"})


def delete_bucket(service: Service, call: Call) -> Answer:
    """DeleteBucket: it must be empty, of versions and unfinished uploads too."""
    with service.writing(call.bucket) as (db, bucket, _):
        for table in ("versions", "uploads"):
            (any_left,) = db.execute(
                f"SELECT EXISTS (SELECT 1 FROM {table} WHERE bucket = ?)",  # noqa: S608
                (bucket.name,),
            ).fetchone()
            if any_left:
                raise OssError(
                    409,
                    "BucketNotEmpty",
                    f"The bucket has {'objects' if table == 'versions' else 'multipart uploads'}. "
                    "Please delete them first.",
                    details={"BucketName": bucket.name},
                )
        db.execute("DELETE FROM buckets WHERE name = ?", (bucket.name,))
    return Answer(204)


def list_all(service: Service, call: Call) -> Answer:
    """ListBuckets, in pages."""
    prefix, marker = call.query.get("prefix", ""), call.query.get("marker", "")
    limit = number_given("max-keys", call.query.get("max-keys") or "100", 1, 1000)
    with service.catalog.reading() as db:
        found = [
            bucket
            for bucket in list_buckets(db)
            if bucket.name.startswith(prefix) and bucket.name > marker
        ]
    shown = found[:limit]
    truncated = len(found) > len(shown)
    return xml_answer(
        document(
            "ListAllMyBucketsResult",
            [
                ("Prefix", prefix or None),
                ("Marker", marker or None),
                ("MaxKeys", limit if "max-keys" in call.query else None),
                ("IsTruncated", truncated),
                ("NextMarker", shown[-1].name if truncated else None),
                ("Owner", owner_node(service)),
                ("Buckets", [("Bucket", [*_described(service, call, one)]) for one in shown]),
            ],
        )
    )


def get_info(service: Service, call: Call) -> Answer:
    """GetBucketInfo."""
    with service.reading(call.bucket) as (_, bucket):
        pass
    encryption = bucket.encryption or {"SSEAlgorithm": "None"}
    return xml_answer(
        document(
            "BucketInfo",
            [
                (
                    "Bucket",
                    [
                        *_described(service, call, bucket),
                        ("DataRedundancyType", bucket.redundancy),
                        ("AccessMonitor", "Disabled"),
                        ("TransferAcceleration", "Disabled"),
                        ("CrossRegionReplication", "Disabled"),
                        ("Versioning", bucket.versioning or None),
                        ("Comment", ""),
                        ("Owner", owner_node(service)),
                        ("AccessControlList", [("Grant", bucket.acl)]),
                        (_RULE, list(encryption.items())),
                        ("BucketPolicy", [("LogBucket", ""), ("LogPrefix", "")]),
                    ],
                )
            ],
        )
    )


def get_stat(service: Service, call: Call) -> Answer:
    """GetBucketStat."""
    with service.reading(call.bucket) as (db, _):
        rows = db.execute(
            "SELECT json_extract(attributes, '$.storage_class'), COUNT(*), SUM(size) FROM versions"
            " WHERE bucket = ? AND kind != 'DeleteMarker' GROUP BY 1",
            (call.bucket,),
        ).fetchall()
        (uploads,) = db.execute(
            "SELECT COUNT(*) FROM uploads WHERE bucket = ?", (call.bucket,)
        ).fetchone()
        (markers,) = db.execute(
            "SELECT COUNT(*) FROM versions WHERE bucket = ? AND kind = 'DeleteMarker'",
            (call.bucket,),
        ).fetchone()
    counted = {name: (count, size) for name, count, size in rows}
    tags = {
        "Standard": "Standard",
        "InfrequentAccess": "IA",
        "Archive": "Archive",
        "ColdArchive": "ColdArchive",
        "DeepColdArchive": "DeepColdArchive",
    }
    by_class: list[Node] = []
    for tag, name in tags.items():
        count, size = counted.get(name, (0, 0))
        by_class += [(f"{tag}Storage", size), (f"{tag}ObjectCount", count)]
    return xml_answer(
        document(
            "BucketStat",
            [
                ("Storage", sum(size for _, size in counted.values())),
                ("ObjectCount", sum(count for count, _ in counted.values())),
                ("MultipartUploadCount", uploads),
                ("LiveChannelCount", 0),
                ("LastModifiedTime", int(service.now().timestamp())),
                *by_class,
                ("DeleteMarkerCount", markers),
            ],
        )
    )


def get_location(service: Service, call: Call) -> Answer:
    """GetBucketLocation."""
    with service.reading(call.bucket):
        text = f"oss-{service.settings.region}"
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    body = f"{declaration}<LocationConstraint>{text}</LocationConstraint>"
    return xml_answer(body.encode())


def get_acl(service: Service, call: Call) -> Answer:
    """GetBucketAcl."""
    with service.reading(call.bucket) as (_, bucket):
        return acl_answer(service, bucket.acl)


def put_acl(service: Service, call: Call) -> Answer:
    """PutBucketAcl."""
    acl = check_acl(call.headers.get("x-oss-acl", ""), BUCKET_ACLS)
    with service.writing(call.bucket) as (db, bucket, _):
        bucket.acl = acl
        save_bucket(db, bucket)
    return Answer()


def acl_answer(service: Service, acl: str, headers: dict[str, str] | None = None) -> Answer:
    """Answer with the ACL of a bucket or an object."""
    elements: list[Node] = [
        ("Owner", owner_node(service)),
        ("AccessControlList", [("Grant", acl)]),
    ]
    return xml_answer(document("AccessControlPolicy", elements), headers)


def get_versioning(service: Service, call: Call) -> Answer:
    """GetBucketVersioning."""
    with service.reading(call.bucket) as (_, bucket):
        status = bucket.versioning or None
    return xml_answer(document("VersioningConfiguration", [("Status", status)]))


def put_versioning(service: Service, call: Call) -> Answer:
    """PutBucketVersioning."""
    status = text_of(parse(call.read_document(), "VersioningConfiguration"), "Status")
    if status not in {"Enabled", "Suspended"}:
        raise malformed_xml("The status is Enabled or Suspended.")
    with service.writing(call.bucket) as (db, bucket, _):
        bucket.versioning = status
        save_bucket(db, bucket)
    return Answer()


def get_encryption(service: Service, call: Call) -> Answer:
    """GetBucketEncryption."""
    with service.reading(call.bucket) as (_, bucket):
        settings = bucket.encryption
    if not settings:
        raise OssError(
            404,
            "NoSuchServerSideEncryptionRule",
            "The server side encryption configuration does not exist.",
            details={"BucketName": call.bucket},
        )
    return xml_answer(document(_RULE, [(_BY_DEFAULT, list(settings.items()))]))


def put_encryption(service: Service, call: Call) -> Answer:
    """PutBucketEncryption: kept, reported, echoed on new objects; nothing is encrypted."""
    root = parse(call.read_document(), _RULE)
    settings = {
        name: text_of(root, f"{_BY_DEFAULT}/{name}")
        for name in _ENCRYPTION
        if text_of(root, f"{_BY_DEFAULT}/{name}")
    }
    if settings.get("SSEAlgorithm") not in {"AES256", "KMS", "SM4"}:
        raise OssError(
            400, "InvalidEncryptionAlgorithmError", "The algorithm is AES256, KMS or SM4."
        )
    with service.writing(call.bucket) as (db, bucket, _):
        bucket.encryption = settings
        save_bucket(db, bucket)
    return Answer()


def delete_encryption(service: Service, call: Call) -> Answer:
    """DeleteBucketEncryption."""
    with service.writing(call.bucket) as (db, bucket, _):
        bucket.encryption = {}
        save_bucket(db, bucket)
    return Answer(204)


def _described(service: Service, call: Call, bucket: Bucket) -> Iterator[Node]:
    region = service.settings.region
    yield "Name", bucket.name
    yield "Location", f"oss-{region}"
    yield "Region", region
    yield "CreationDate", iso_time(bucket.created)
    yield "StorageClass", bucket.storage_class
    yield "ExtranetEndpoint", call.host
    yield "IntranetEndpoint", call.host
    yield "ResourceGroupId", ""
