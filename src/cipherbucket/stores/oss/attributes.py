"""What an object in OSS has beside its body and user metadata: headers, ACL, tags, encryption.

Rule: what stays in its place keeps all it had. CopyObject drops ACL, storage class and encryption
at rest unless they are named again; what cannot be kept is refused before anything is sent. Another
place gets nothing of this (`cipherbucket.stores.requests.Copy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from cipherbucket.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    UsageError,
)
from cipherbucket.stores.http.ranges import content_length
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.headers import stored_object
from cipherbucket.stores.records import StoredObject

OBJECT_ACL, TAGGING = "x-oss-object-acl", "x-oss-tagging"
TAGGING_DIRECTIVE = "x-oss-tagging-directive"
SYMLINK = "Symlink"
_DANGLING = "SymlinkTargetNotExist"
_DEFAULT_ACL = "default"
_ACLS = {_DEFAULT_ACL, "private", "public-read", "public-read-write"}
_APPENDABLE = "Appendable"
_STORAGE_CLASS = "x-oss-storage-class"
_AT_REST = "x-oss-server-side-encryption"


def look(
    client: OssClient, name: str, version_id: str | None = None
) -> tuple[StoredObject, Mapping[str, str]]:
    """Return what a HEAD says of an object, and all headers of its answer."""
    query = {} if version_id is None else {"versionId": version_id}
    headers = client.send("HeadObject", "HEAD", name, query=query).headers
    return stored_object(name, headers, content_length(name, headers)), headers


def refuse_present(client: OssClient, name: str) -> None:
    """Refuse a name that an object has already, before a write that is for new names alone.

    OSS takes no notice of ``x-oss-forbid-overwrite`` where a bucket keeps versions, or did. There
    this look is the only guard, and no lock: another writer may come between. Who has no right to
    look has the header alone.

    Raises:
        PreconditionFailedError: There is one.
    """
    try:
        look(client, name)
    except ObjectNotFoundError as error:
        if error.code != _DANGLING:  # which is there itself
            return
    except StoreError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return
        raise
    refusal = ObjectExistsError("there is an object of this name already", name=name)
    refusal.status, refusal.code = HTTPStatus.CONFLICT, "FileAlreadyExists"  # as OSS says it
    raise refusal


def written(client: OssClient, name: str, version_id: str | None) -> StoredObject:
    """Look at what has just been written, also where a newer version lies over it already."""
    stored, _ = look(client, name)
    if version_id is None or stored.version_id == version_id:
        return stored
    return look(client, name, version_id)[0]


def all_attributes(client: OssClient, name: str, version_id: str | None) -> dict[str, str]:
    """Return the headers that a PUT must be given to keep what an object has.

    Raises:
        UsageError: A symlink or an appendable object.
    """
    stored, answer = look(client, name, version_id)
    check_rewritable(name, answer)
    return {
        **stored.headers,
        **dropped_by_a_copy(client, stored, version_id),
        **tagging(client, name, version_id, answer),
    }


def dropped_by_a_copy(
    client: OssClient, stored: StoredObject, version_id: str | None
) -> dict[str, str]:
    """Return what CopyObject drops unless it is named: ACL, storage class, encryption at rest."""
    kept = {
        key: text
        for key, text in stored.place_headers.items()
        if key.startswith((_STORAGE_CLASS, "x-oss-server-side"))
    }
    query = {"acl": "", "versionId": version_id}
    with client.reading("GetObjectAcl", query, stored.name) as root:
        acl = root.text("AccessControlList/Grant")
    if acl not in _ACLS:
        raise StoreError("the store names an ACL that no object has", name=stored.name)
    if acl != _DEFAULT_ACL:
        kept[OBJECT_ACL] = acl
    return accepted(kept)


def tagging(
    client: OssClient, name: str, version_id: str | None, answer: Mapping[str, str]
) -> dict[str, str]:
    """Return the tags as a PUT takes them; nothing is asked where a HEAD says there are none."""
    if answer.get("x-oss-tagging-count", "0") == "0":
        return {}
    query = {"tagging": "", "versionId": version_id}
    with client.reading("GetObjectTagging", query, name) as root:
        tags = [(tag.text("Key"), tag.text("Value", "")) for tag in root.all("TagSet/Tag")]
    return {
        TAGGING: "&".join(f"{quote(key, safe='')}={quote(text, safe='')}" for key, text in tags)
    }


def accepted(headers: dict[str, str]) -> dict[str, str]:
    """Leave out what a HEAD says of encryption at rest and a PUT does not take.

    A key and a data algorithm go with KMS alone, and the only data algorithm to ask for is SM4.
    """
    kms = headers.get(_AT_REST) == "KMS"
    data = "x-oss-server-side-data-encryption"
    return {
        key: text
        for key, text in headers.items()
        if not (
            (key == f"{_AT_REST}-key-id" and not kms)
            or (key == data and not (kms and text == "SM4"))
        )
    }


def check_rewritable(name: str, answer: Mapping[str, str]) -> None:
    """Refuse objects that would become something else.

    Raises:
        UsageError: A symlink or an appendable object.
    """
    kind = answer.get("x-oss-object-type")
    if kind == SYMLINK:
        raise UsageError(
            "the object is a symlink, which a rewritten object would replace",
            name=name,
            hint="name the object that it leads to",
        )
    if kind == _APPENDABLE:
        raise UsageError(
            "the object is appendable, and would not be any more when it is rewritten",
            name=name,
            hint="copy it to another name first; the copy is an ordinary object",
        )
