"""From the XML of OSS's answers to results, and from arguments to the XML of requests.

Rule: what an answer lacks or has of another type is an `InconsistentError`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cipherbucket.oss2._entries import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionResult,
    DeleteMarkerInfo,
    MultipartUploadInfo,
    ObjectVersionInfo,
    Owner,
    PartInfo,
    RestoreConfiguration,
    SimplifiedObjectInfo,
)
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    GetObjectAclResult,
    GetTaggingResult,
    ListMultipartUploadsResult,
    ListObjectsResult,
    ListObjectsV2Result,
    ListObjectVersionsResult,
    ListPartsResult,
)
from cipherbucket.oss2._tagging import Tagging
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.http import Response
from cipherbucket.stores.oss.xml import Element

V = TypeVar("V", DeleteMarkerInfo, ObjectVersionInfo)


@contextmanager
def _understood(resp: Response) -> Iterator[Element]:
    try:
        yield Element.of(resp.read())
    except ValueError as error:
        raise InconsistentError(
            f"the answer of the service cannot be understood: {error}", resp.request_id
        ) from error


def list_objects(resp: Response) -> ListObjectsResult:
    """Read a page of objects."""
    result = ListObjectsResult(resp)
    with _understood(resp) as root:
        result.next_marker = _read_objects(result, root, "NextMarker")
    return result


def list_objects_v2(resp: Response) -> ListObjectsV2Result:
    """Read a page of objects."""
    result = ListObjectsV2Result(resp)
    with _understood(resp) as root:
        result.next_continuation_token = _read_objects(result, root, "NextContinuationToken")
    return result


def _read_objects(
    result: ListObjectsResult | ListObjectsV2Result, root: Element, next_: str
) -> str:
    """Read what both calls say alike; return where the next page begins, or an empty text."""
    result.is_truncated = root.flag("IsTruncated")
    result.object_list += map(_object, root.all("Contents"))
    result.prefix_list += root.prefixes()
    return root.name(next_) if result.is_truncated else ""


def _object(node: Element) -> SimplifiedObjectInfo:
    return SimplifiedObjectInfo(
        node.name("Key"),
        _seconds(node, "LastModified"),
        node.etag(),
        node.text("Type"),
        node.number("Size"),
        node.text("StorageClass"),
        _owner(node) if node.has("Owner") else None,
        node.text("RestoreInfo") if node.has("RestoreInfo") else None,
    )


def _seconds(node: Element, path: str) -> int:
    return int(node.time(path).timestamp())


def _owner(node: Element) -> Owner:
    return Owner(node.text("Owner/DisplayName"), node.text("Owner/ID"))


def list_uploads(resp: Response) -> ListMultipartUploadsResult:
    """Read a page of unfinished uploads."""
    result = ListMultipartUploadsResult(resp)
    with _understood(resp) as root:
        result.is_truncated = root.flag("IsTruncated")
        result.next_key_marker = root.name("NextKeyMarker")
        result.next_upload_id_marker = root.text("NextUploadIdMarker")
        result.upload_list += (
            MultipartUploadInfo(
                node.name("Key"), node.text("UploadId"), _seconds(node, "Initiated")
            )
            for node in root.all("Upload")
        )
        result.prefix_list += root.prefixes()
    return result


def list_parts(resp: Response) -> ListPartsResult:
    """Read a page of parts."""
    result = ListPartsResult(resp)
    with _understood(resp) as root:
        result.is_truncated = root.flag("IsTruncated")
        result.next_marker = root.text("NextPartNumberMarker")
        result.parts += (
            PartInfo(
                node.number("PartNumber"),
                node.etag(),
                size=node.number("Size"),
                last_modified=_seconds(node, "LastModified"),
                part_crc=node.crc64(),
            )
            for node in root.all("Part")
        )
    return result


def list_versions(resp: Response) -> ListObjectVersionsResult:
    """Read a page of versions."""
    result = ListObjectVersionsResult(resp)
    with _understood(resp) as root:
        result.is_truncated = root.flag("IsTruncated")
        if result.is_truncated:
            result.next_key_marker = root.name("NextKeyMarker")
            result.next_versionid_marker = root.name("NextVersionIdMarker")
        result.name = root.text("Name")
        result.prefix = root.name("Prefix")
        result.key_marker = root.name("KeyMarker")
        result.versionid_marker = root.name("VersionIdMarker")
        result.max_keys = root.number("MaxKeys")
        result.delimiter = root.name("Delimiter")
        for node in root.all("DeleteMarker"):
            result.delete_marker.append(_version(node, DeleteMarkerInfo()))
        for node in root.all("Version"):
            version = _version(node, ObjectVersionInfo())
            version.type = node.text("Type")
            version.storage_class = node.text("StorageClass")
            version.size = node.number("Size")
            version.etag = node.etag()
            version.restore_info = node.text("RestoreInfo") if node.has("RestoreInfo") else None
            result.versions.append(version)
        result.common_prefix += root.prefixes()
    return result


def _version(node: Element, info: V) -> V:
    info.key = node.name("Key")
    info.versionid = node.text("VersionId")
    info.is_latest = node.flag("IsLatest")
    info.last_modified = _seconds(node, "LastModified")
    info.owner = _owner(node)
    return info


def deleted(resp: Response) -> BatchDeleteObjectsResult:
    """Read what was deleted; an empty answer says nothing."""
    result = BatchDeleteObjectsResult(resp)
    if resp.headers.get("content-length") == "0":
        return result
    with _understood(resp) as root:
        for node in root.all("Deleted"):
            gone = BatchDeleteObjectVersionResult(
                node.name("Key"),
                node.text("VersionId", ""),
                node.flag("DeleteMarker", "false"),
                node.text("DeleteMarkerVersionId", ""),
            )
            result.deleted_keys.append(gone.key)
            result.delete_versions.append(gone)
    return result


def acl(resp: Response) -> GetObjectAclResult:
    """Read an ACL."""
    result = GetObjectAclResult(resp)
    with _understood(resp) as root:
        result.acl = root.text("AccessControlList/Grant")
    return result


def tagging(resp: Response) -> GetTaggingResult:
    """Read tags."""
    result = GetTaggingResult(resp)
    with _understood(resp) as root:
        for node in root.all("TagSet/Tag"):
            result.tag_set.add(node.name("Key"), node.name("Value"))
    return result


def complete_request(parts: Iterable[PartInfo]) -> bytes:
    """Write which parts make an object."""
    root = ET.Element("CompleteMultipartUpload")
    for part in parts:
        node = ET.SubElement(root, "Part")
        ET.SubElement(node, "PartNumber").text = str(part.part_number)
        ET.SubElement(node, "ETag").text = f'"{part.etag}"'
    return ET.tostring(root)


def delete_request(objects: Iterable[BatchDeleteObjectVersion]) -> bytes:
    """Write what is to be deleted."""
    root = ET.Element("Delete")
    ET.SubElement(root, "Quiet").text = "false"
    for item in objects:
        node = ET.SubElement(root, "Object")
        ET.SubElement(node, "Key").text = item.key
        if item.versionid:
            ET.SubElement(node, "VersionId").text = item.versionid
    return ET.tostring(root)


def tagging_request(tags: Tagging | str | bytes) -> bytes:
    """Write tags, or return what the program wrote."""
    if not isinstance(tags, Tagging):
        return _as_written(tags)
    root = ET.Element("Tagging")
    tag_set = ET.SubElement(root, "TagSet")
    for key, value in tags.tag_set.tagging_rule.items():
        node = ET.SubElement(tag_set, "Tag")
        ET.SubElement(node, "Key").text = key
        ET.SubElement(node, "Value").text = value
    return ET.tostring(root)


def restore_request(configuration: RestoreConfiguration | str | bytes) -> bytes:
    """Write how an archived object is to be restored, or return what the program wrote."""
    if not isinstance(configuration, RestoreConfiguration):
        return _as_written(configuration)
    root = ET.Element("RestoreRequest")
    ET.SubElement(root, "Days").text = str(configuration.days)
    if configuration.job_parameters is not None and configuration.job_parameters.tier is not None:
        parameters = ET.SubElement(root, "JobParameters")
        ET.SubElement(parameters, "Tier").text = configuration.job_parameters.tier
    return ET.tostring(root)


def _as_written(xml: str | bytes) -> bytes:
    return xml.encode() if isinstance(xml, str) else xml
