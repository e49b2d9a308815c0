"""What can be changed of an object without a new body: ACL, tags, links, archive state."""

from __future__ import annotations

from urllib.parse import unquote

from cipherbucket.server.catalog import SYMLINK, Version, update_attributes
from cipherbucket.server.errors import OssError, invalid_argument
from cipherbucket.server.numbers import number_given
from cipherbucket.server.operations.buckets import acl_answer
from cipherbucket.server.operations.object_headers import (
    ARCHIVED,
    META,
    attributes_of,
    check_acl,
    check_key,
    check_tags,
    restore_header,
)
from cipherbucket.server.operations.objects import check_overwrite, xml_answer
from cipherbucket.server.operations.ranges import http_time
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.versions import (
    add_version,
    get_version,
    new_version_id,
    version_headers,
)
from cipherbucket.server.xml import document, parse, text_of

_DAY = 24 * 3600


def get_acl(service: Service, call: Call) -> Answer:
    """GetObjectACL."""
    with service.reading(call.bucket) as (db, bucket):
        version = get_version(db, bucket, call.key, call.version_id)
        return acl_answer(service, version.attributes.acl, version_headers(bucket, version))


def put_acl(service: Service, call: Call) -> Answer:
    """PutObjectACL."""
    acl = check_acl(call.headers.get("x-oss-object-acl", ""))
    with service.writing(call.bucket) as (db, bucket, _):
        version = get_version(db, bucket, call.key, call.version_id)
        version.attributes.acl = acl
        update_attributes(db, version)
    return Answer(headers=version_headers(bucket, version))


def get_tagging(service: Service, call: Call) -> Answer:
    """GetObjectTagging."""
    with service.reading(call.bucket) as (db, bucket):
        version = get_version(db, bucket, call.key, call.version_id)
    tags = [("Tag", [("Key", k), ("Value", v)]) for k, v in version.attributes.tags.items()]
    return xml_answer(document("Tagging", [("TagSet", tags)]), version_headers(bucket, version))


def put_tagging(service: Service, call: Call) -> Answer:
    """PutObjectTagging: all tags are replaced."""
    root = parse(call.read_document(), "Tagging")
    pairs = [
        (node.findtext("Key") or "", node.findtext("Value") or "")
        for node in root.findall("TagSet/Tag")
    ]
    return _change_tags(service, call, check_tags(pairs), 200)


def delete_tagging(service: Service, call: Call) -> Answer:
    """DeleteObjectTagging."""
    return _change_tags(service, call, {}, 204)


def put_symlink(service: Service, call: Call) -> Answer:
    """PutSymlink. The target may be missing; it is looked up when the link is read."""
    check_key(call.key)
    target = call.headers.get("x-oss-symlink-target", "")
    if not target or unquote(target) == call.key:
        raise invalid_argument(
            "A symlink needs a target other than itself.", "x-oss-symlink-target", target
        )
    check_key(unquote(target))
    with service.writing(call.bucket) as (db, bucket, freed):
        check_overwrite(db, bucket, call)
        attributes = attributes_of(call.headers, bucket)
        attributes.target = target
        version = Version(
            name=call.key,
            version_id=new_version_id(bucket),
            kind=SYMLINK,
            size=0,
            etag=service.new_etag(),
            crc64=0,
            modified=service.now(),
            attributes=attributes,
        )
        freed.extend(add_version(db, bucket, version))
    return Answer(headers={"ETag": f'"{version.etag}"', **version_headers(bucket, version)})


def get_symlink(service: Service, call: Call) -> Answer:
    """GetSymlink."""
    with service.reading(call.bucket) as (db, bucket):
        version = get_version(db, bucket, call.key, call.version_id)
    if version.kind != SYMLINK:
        raise OssError(400, "NotSymlink", "The specified object is not a symlink.")
    attributes = version.attributes
    return Answer(
        headers={
            "ETag": f'"{version.etag}"',
            "Last-Modified": http_time(version.modified),
            "x-oss-symlink-target": attributes.target,
            **version_headers(bucket, version),
            **{META + name: value for name, value in attributes.metadata.items()},
        }
    )


def restore(service: Service, call: Call) -> Answer:
    """RestoreObject: 202 when restoring begins, 200 when it was done already."""
    text = call.read_document()
    days = text_of(parse(text, "RestoreRequest"), "Days", "1") if text.strip() else "1"
    seconds = number_given("Days", days, 1, 365) * _DAY
    now = int(service.now().timestamp())
    with service.writing(call.bucket) as (db, bucket, _):
        version = get_version(db, bucket, call.key, call.version_id)
        attributes = version.attributes
        if attributes.storage_class not in ARCHIVED:
            raise OssError(
                400,
                "OperationNotSupported",
                "The operation is not supported for this resource: it is not archived.",
            )
        state = restore_header(version, now)
        if state.startswith('ongoing-request="true"'):
            raise OssError(409, "RestoreAlreadyInProgress", "The restore operation is in progress.")
        done = attributes.restored[0] if state else now + service.settings.restore_seconds
        attributes.restored = [done, max(done, now) + seconds]
        update_attributes(db, version)
    headers = version_headers(bucket, version)
    headers["x-oss-object-restore-priority"] = "Standard"
    return Answer(200 if state else 202, headers)


def _change_tags(service: Service, call: Call, tags: dict[str, str], status: int) -> Answer:
    with service.writing(call.bucket) as (db, bucket, _):
        version = get_version(db, bucket, call.key, call.version_id)
        version.attributes.tags = tags
        update_attributes(db, version)
    return Answer(status, version_headers(bucket, version))
