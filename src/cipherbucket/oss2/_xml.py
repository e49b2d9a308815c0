"""From the XML of OSS's answers to results, and from arguments to the XML of requests.

Rule: what an answer lacks or has of another type is an `InconsistentError`. Listings are read in
`_listings`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from cipherbucket.errors import StoreError
from cipherbucket.oss2._entries import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionResult,
    PartInfo,
    RestoreConfiguration,
)
from cipherbucket.oss2._messages import message_of
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    GetObjectAclResult,
    GetTaggingResult,
)
from cipherbucket.oss2._tagging import Tagging
from cipherbucket.oss2.exceptions import InconsistentError
from cipherbucket.oss2.http import Response
from cipherbucket.stores.http.xml import Element


@contextmanager
def understood(resp: Response) -> Iterator[Element]:
    """Read the document of an answer.

    Raises:
        InconsistentError: Something in it cannot be understood, or is not what was asked for.
    """
    text = resp.read()
    try:
        yield Element.of(text) if resp.document is None else resp.document
    except ValueError as error:
        raise InconsistentError(
            f"the answer of the service cannot be understood: {error}", resp.request_id
        ) from error
    except StoreError as error:
        raise InconsistentError(message_of(error), resp.request_id) from error


def deleted(resp: Response, asked: Collection[str]) -> BatchDeleteObjectsResult:
    """Read what of the names that were asked for was deleted."""
    result = BatchDeleteObjectsResult(resp)
    with understood(resp) as root:
        for node in root.all("Deleted"):
            gone = BatchDeleteObjectVersionResult(
                node.name("Key"),
                node.text("VersionId", ""),
                node.flag("DeleteMarker", "false"),
                node.text("DeleteMarkerVersionId", ""),
            )
            if gone.key not in asked:
                raise ValueError(f"{gone.key!r} is deleted, which nobody asked for")
            result.deleted_keys.append(gone.key)
            result.delete_versions.append(gone)
    return result


def acl(resp: Response) -> GetObjectAclResult:
    """Read an ACL."""
    result = GetObjectAclResult(resp)
    with understood(resp) as root:
        result.acl = root.text("AccessControlList/Grant")
    return result


def tagging(resp: Response) -> GetTaggingResult:
    """Read tags."""
    result = GetTaggingResult(resp)
    with understood(resp) as root:
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
