"""Pages of listings: objects, versions, unfinished uploads, parts.

Rule: a page is held against the contract of all stores' listings, and begins after where it was
asked to begin; one that is not the last names where the next one begins, which is further on. What
is not so is an `InconsistentError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from cipherbucket.oss2._entries import (
    DeleteMarkerInfo,
    MultipartUploadInfo,
    ObjectVersionInfo,
    Owner,
    PartInfo,
    SimplifiedObjectInfo,
)
from cipherbucket.oss2._results import (
    ListMultipartUploadsResult,
    ListObjectsResult,
    ListObjectsV2Result,
    ListObjectVersionsResult,
    ListPartsResult,
)
from cipherbucket.oss2._xml import understood
from cipherbucket.oss2.http import Response
from cipherbucket.stores.contract import broken, check_order, check_page, check_parts
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import Entry, Page, Part

V = TypeVar("V", DeleteMarkerInfo, ObjectVersionInfo)
Asked = Mapping[str, str]
"""The parameters of the request."""
_MOST = 1000


def list_objects(resp: Response, asked: Asked) -> ListObjectsResult:
    """Read a page of objects."""
    result = ListObjectsResult(resp)
    with understood(resp) as root:
        root.expect_encoding(asked.get("encoding-type", ""))
        result.next_marker = _read_objects(result, root, "NextMarker")
        names = [each.key for each in result.object_list]
        last = _check_names(names, result.prefix_list, asked, asked["marker"], "max-keys")
        if result.is_truncated and result.next_marker < max(last, asked["marker"]):
            raise broken("it does not advance")
    return result


def list_objects_v2(resp: Response, asked: Asked) -> ListObjectsV2Result:
    """Read a page of objects."""
    result = ListObjectsV2Result(resp)
    with understood(resp) as root:
        root.expect_encoding(asked.get("encoding-type", ""))
        result.next_continuation_token = _read_objects(result, root, "NextContinuationToken")
        names = [each.key for each in result.object_list]
        _check_names(names, result.prefix_list, asked, asked["start-after"], "max-keys")
        if result.is_truncated and result.next_continuation_token == asked["continuation-token"]:
            raise broken("it does not advance")
    return result


def _read_objects(
    result: ListObjectsResult | ListObjectsV2Result, root: Element, next_: str
) -> str:
    """Read what both calls say alike; return where the next page begins, or an empty text."""
    result.is_truncated = root.flag("IsTruncated")
    result.object_list += map(_object, root.all("Contents"))
    result.prefix_list += root.prefixes()
    following = root.name(next_) if result.is_truncated else ""
    if result.is_truncated and not following:
        raise ValueError(f"{next_} is empty")
    return following


def _check_names(
    names: Sequence[str],
    prefixes: Sequence[str],
    asked: Asked,
    after: str,
    limit: str,
    *,
    strict: bool = True,
) -> str:
    """Hold names and common prefixes, two lists in one page, against the contract.

    Args:
        names: As they are listed.
        prefixes: As they are listed.
        asked: The parameters of the request.
        after: The name that they come after.
        limit: The parameter that says how many entries are asked for.
        strict: Whether each name is there once, and ``after`` is not.

    Returns:
        The last of them; empty where there are none.

    Raises:
        StoreError: They are not what was asked for.
    """
    check_order([*names], strict=strict)
    check_order([*prefixes])
    if names and (names[0] < after or (strict and names[0] == after)):
        raise broken(f"{names[0][:100]!r} does not come after {after!r}")
    entries = [Entry(name=name) for name in names]
    entries += [Entry(name=name, is_prefix=True) for name in prefixes]
    entries.sort(key=lambda entry: entry.name)
    page = Page(tuple(entries), None)
    most = int(asked[limit] or _MOST)
    check_page(page, asked["prefix"], asked["delimiter"], None, most, strict=strict)
    return entries[-1].name if entries else ""


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


def list_uploads(resp: Response, asked: Asked) -> ListMultipartUploadsResult:
    """Read a page of unfinished uploads."""
    result = ListMultipartUploadsResult(resp)
    with understood(resp) as root:
        root.expect_encoding(asked.get("encoding-type", ""))
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
        found = [(each.key, str(each.upload_id)) for each in result.upload_list]
        following = result.next_key_marker, result.next_upload_id_marker
        _check_ids(
            found,
            result.prefix_list,
            asked,
            "upload-id-marker",
            "max-uploads",
            following if result.is_truncated else None,
        )
    return result


def list_versions(resp: Response, asked: Asked) -> ListObjectVersionsResult:
    """Read a page of versions."""
    result = ListObjectVersionsResult(resp)
    with understood(resp) as root:
        root.expect_encoding(asked.get("encoding-type", ""))
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
        for listed in (result.versions, result.delete_marker):
            check_order([each.key for each in listed], strict=False)
        found = [(each.key, each.versionid) for each in result.versions]
        found += [(each.key, each.versionid) for each in result.delete_marker]
        following = result.next_key_marker, result.next_versionid_marker
        _check_ids(
            sorted(found),
            result.common_prefix,
            asked,
            "version-id-marker",
            "max-keys",
            following if result.is_truncated else None,
        )
    return result


def _version(node: Element, info: V) -> V:
    info.key = node.name("Key")
    info.versionid = node.text("VersionId")
    info.is_latest = node.flag("IsLatest")
    info.last_modified = _seconds(node, "LastModified")
    info.owner = _owner(node)
    return info


def _check_ids(
    found: Sequence[tuple[str, str]],
    prefixes: Sequence[str],
    asked: Asked,
    id_marker: str,
    limit: str,
    following: tuple[str, str] | None,
) -> None:
    """Hold entries with a name and an id, as `_check_names` does names, and where the next are.

    Raises:
        StoreError: They are not what was asked for.
    """
    after = asked["key-marker"]
    names = [name for name, _ in found]
    last = _check_names(names, prefixes, asked, after, limit, strict=False)
    if len(set(found)) != len(found):
        raise broken("an entry is there twice")
    passed = after, asked[id_marker]
    if following is not None and (following[0] < max(last, after) or following == passed):
        raise broken("it does not advance")
    if passed in found and passed[1]:
        raise broken("an entry is there again")


def list_parts(resp: Response, asked: Asked, name: str) -> ListPartsResult:
    """Read a page of parts of an upload to this name."""
    result = ListPartsResult(resp)
    with understood(resp) as root:
        root.expect_encoding(asked.get("encoding-type", ""))
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
        after = int(asked["part-number-marker"] or 0)
        # The one before the first is no part of the page: it stands for all that come before.
        before = [Part(after, 0, "")] if after else []
        found = [Part(each.part_number, 0, "") for each in result.parts]
        check_parts([*before, *found], name)
        last = found[-1].number if found else after
        if result.is_truncated and root.number("NextPartNumberMarker") < max(last, after + 1):
            raise broken("it does not advance")
    return result
