"""Which verb a request means: by method, by what it addresses, by its subresource.

Rule: a subresource that OSS knows and this endpoint does not is answered so, never taken for
something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cipherbucket.server.catalog import find_acl
from cipherbucket.server.errors import OssError, access_denied, not_implemented
from cipherbucket.server.http_api.string_to_sign import SIGNED_IN_V1
from cipherbucket.server.operations import (
    buckets,
    copying,
    listing,
    multipart,
    objects,
    subresources,
    version_listing,
)
from cipherbucket.server.service import Answer, Call, Service

Verb = Callable[[Service, Call], Answer]

_BUCKET: dict[tuple[str, str], Verb] = {
    ("GET", ""): listing.list_objects,
    ("GET", "list-type"): listing.list_objects_v2,
    ("GET", "versions"): version_listing.list_object_versions,
    ("GET", "uploads"): version_listing.list_uploads,
    ("GET", "bucketInfo"): buckets.get_info,
    ("GET", "stat"): buckets.get_stat,
    ("GET", "location"): buckets.get_location,
    ("GET", "acl"): buckets.get_acl,
    ("PUT", "acl"): buckets.put_acl,
    ("GET", "versioning"): buckets.get_versioning,
    ("PUT", "versioning"): buckets.put_versioning,
    ("GET", "encryption"): buckets.get_encryption,
    ("PUT", "encryption"): buckets.put_encryption,
    ("DELETE", "encryption"): buckets.delete_encryption,
    ("POST", "delete"): objects.delete_multiple,
    ("PUT", ""): buckets.put_bucket,
    ("DELETE", ""): buckets.delete_bucket,
    ("HEAD", ""): buckets.get_location,
}
_OBJECT: dict[tuple[str, str], Verb] = {
    ("GET", ""): objects.get_object,
    ("HEAD", ""): objects.head_object,
    ("HEAD", "objectMeta"): objects.get_object_meta,
    ("GET", "objectMeta"): objects.get_object_meta,
    ("PUT", ""): objects.put_object,
    ("PUT", "x-oss-copy-source"): copying.copy_object,
    ("DELETE", ""): objects.delete,
    ("POST", "append"): objects.append_object,
    ("GET", "acl"): subresources.get_acl,
    ("PUT", "acl"): subresources.put_acl,
    ("GET", "tagging"): subresources.get_tagging,
    ("PUT", "tagging"): subresources.put_tagging,
    ("DELETE", "tagging"): subresources.delete_tagging,
    ("GET", "symlink"): subresources.get_symlink,
    ("PUT", "symlink"): subresources.put_symlink,
    ("POST", "restore"): subresources.restore,
    ("POST", "uploads"): multipart.initiate,
    ("PUT", "uploadId"): multipart.upload_part,
    ("PUT", "uploadId+copy"): multipart.upload_part_copy,
    ("POST", "uploadId"): multipart.complete,
    ("DELETE", "uploadId"): multipart.abort,
    ("GET", "uploadId"): multipart.list_uploaded_parts,
}
# Parameters that OSS signs as subresources and that change what is done only beside another.
_BESIDE = frozenset(
    {
        "continuation-token",
        "partNumber",
        "position",
        "security-token",
        "sequential",
        "versionId",
        "x-oss-request-payer",
        "x-oss-traffic-limit",
        "x-oss-ac-source-ip",
        "x-oss-ac-subnet-mask",
        "x-oss-ac-vpc-id",
        "x-oss-ac-forward-allow",
    }
)
_READS = frozenset({objects.get_object, objects.head_object, objects.get_object_meta})
_WRITES = frozenset(
    {
        objects.put_object,
        objects.append_object,
        objects.delete,
        multipart.initiate,
        multipart.upload_part,
        multipart.complete,
        multipart.abort,
    }
)
_LISTS = frozenset({listing.list_objects, listing.list_objects_v2})


def find_verb(call: Call) -> Verb:
    """Return what a call means.

    Raises:
        OssError: NotImplemented, or MethodNotAllowed.
    """
    if not call.bucket:
        if call.method == "GET" and not _subresources(call.query):
            return buckets.list_all
        raise not_implemented("this request to the service itself")
    if "x-oss-callback" in call.headers:
        raise not_implemented("callbacks")
    named = _subresources(call.query)
    if not call.key:
        if call.query.get("list-type") == "2":
            named.append("list-type")
        table = _BUCKET
    else:
        if call.method == "PUT" and "x-oss-copy-source" in call.headers:
            named = ["uploadId+copy"] if "uploadId" in named else [*named, "x-oss-copy-source"]
        table = _OBJECT
    subresource = named[0] if named else ""
    verb = table.get((call.method, subresource))
    if verb is not None and len(named) <= 1:
        return verb
    if any(method == call.method for method, name in table if name == ""):
        raise not_implemented(f"{call.method} with {' and '.join(named) or 'this'}")
    raise OssError(
        405,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        details={"Method": call.method, "ResourceType": subresource or "Object"},
    )


def authorize(service: Service, call: Call, verb: Verb) -> None:
    """Let an anonymous call do only what the ACLs give to everybody.

    Raises:
        OssError: AccessDenied, or NoSuchBucket.
    """
    if not call.anonymous:
        return
    if not call.bucket:
        raise access_denied("Anonymous access is forbidden for this operation.")
    with service.reading(call.bucket) as (db, bucket):
        acl = bucket.acl
        if call.key:
            own = find_acl(db, call.bucket, call.key, call.version_id)
            acl = own if own != "default" else acl
    allowed: frozenset[Verb] = frozenset()
    if acl.startswith("public-read"):
        allowed |= _READS | _LISTS
    if acl == "public-read-write":
        allowed |= _WRITES
    if verb not in allowed:
        raise access_denied("You have no right to access this object because of bucket acl.")


def _subresources(query: Mapping[str, str]) -> list[str]:
    return [
        name
        for name in query
        if name in SIGNED_IN_V1 and name not in _BESIDE and not name.startswith("response-")
    ]
