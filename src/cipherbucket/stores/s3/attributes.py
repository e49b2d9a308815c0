"""What an object in S3 has beside its body and user metadata: headers, rights, tags, locks ...

Rule: what stays in its place keeps all it had. CopyObject drops ACL, locks, storage class and
encryption at rest unless they are named again. Tags are asked for, since a HEAD is silent of them
in many services, and to who may not read them. Another place gets nothing of this
(`cipherbucket.stores.requests.Copy`). Buckets that keep no ACLs, as nearly all do, have none to
keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import quote

from cipherbucket.errors import (
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.stores.checks import check_match
from cipherbucket.stores.http.ranges import content_length
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import OSS_HEADERS, StoredObject
from cipherbucket.stores.requests import Condition
from cipherbucket.stores.s3.answers import stored_object
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.errors import exists

TAGGING = "x-amz-tagging"
_AT_REST = "x-amz-server-side-encryption"
_KEPT = ("x-amz-storage-class", "x-amz-website-redirect-location", _AT_REST)
_OF_KMS = (f"{_AT_REST}-aws-kms-key-id", f"{_AT_REST}-bucket-key-enabled")
_HOLD, _MODE = "x-amz-object-lock-legal-hold", "x-amz-object-lock-mode"
_UNTIL = "x-amz-object-lock-retain-until-date"
_NO_TAGS = {"MethodNotAllowed", "NoSuchTagSet", "NotImplemented"}
"""What services answer that know no tags, or where an object has none."""
_NO_ACLS = {"AccessControlListNotSupported", "MethodNotAllowed", "NotImplemented"}
"""What services answer that know no ACLs."""
_RIGHTS = {
    "FULL_CONTROL": "x-amz-grant-full-control",
    "READ": "x-amz-grant-read",
    "READ_ACP": "x-amz-grant-read-acp",
    "WRITE_ACP": "x-amz-grant-write-acp",
}
_CHECKSUM = {"x-amz-checksum-mode": "ENABLED"}


def look(
    client: S3Client, name: str, version_id: str | None = None
) -> tuple[StoredObject, Mapping[str, str]]:
    """Return what a HEAD says of an object, and all headers of its answer."""
    headers = client.send("HeadObject", name, headers=_CHECKSUM, VersionId=version_id).headers
    return stored_object(name, headers, content_length(name, headers)), headers


def written(client: S3Client, name: str, version_id: str | None) -> StoredObject:
    """Look at what has just been written, also where a newer version lies over it already."""
    stored, _ = look(client, name)
    if version_id in {None, "null", stored.version_id}:  # "null": the bucket keeps none now
        return stored
    return look(client, name, version_id)[0]


def conditions(client: S3Client, name: str, condition: Condition) -> dict[str, str]:
    """Return a condition as headers.

    S3 holds the ETag against what is there at the moment of the write. New metadata keep it: these
    are looked at here, and a change of metadata alone that comes between passes unseen.

    Raises:
        PreconditionFailedError: The condition does not hold now.
    """
    if condition.if_absent:
        return {"if-none-match": "*"}
    if condition.if_match is None:
        return {}
    if isinstance(condition.if_match, str):
        return {"if-match": f'"{condition.if_match}"'}
    try:
        there: StoredObject | None = look(client, name)[0]
    except ObjectNotFoundError:
        there = None
    check_match(there, condition.if_match, name)
    return {"if-match": f'"{condition.if_match.etag}"'}


@contextmanager
def holding(condition: Condition, name: str) -> Iterator[None]:
    """Say of a write that is refused inside what that means where it has a condition."""
    try:
        yield
    except PreconditionFailedError as error:
        if condition.if_absent:
            raise exists(name) from error
        raise
    except ObjectNotFoundError as error:
        if condition.if_match is None or isinstance(error, UploadNotFoundError):
            raise
        raise PreconditionFailedError(
            "the condition was an object that is there, and there is none",
            name=name,
            hint="it was deleted meanwhile; look again before you write",
        ) from error


def all_attributes(client: S3Client, name: str, version_id: str | None) -> dict[str, str]:
    """Return the headers that a PUT must be given to keep what an object has."""
    stored, _ = look(client, name, version_id)
    return {
        **stored.headers,
        **dropped_by_a_copy(client, stored, version_id),
        **tagging(client, name, version_id),
    }


def dropped_by_a_copy(
    client: S3Client, stored: StoredObject, version_id: str | None
) -> dict[str, str]:
    """Return what CopyObject drops unless it is named: ACL, locks, class, encryption at rest."""
    headers = stored.place_headers
    names = _KEPT + (_OF_KMS if headers.get(_AT_REST, "").startswith("aws:") else ())
    kept = {key: headers[key] for key in names if key in headers}
    return {**kept, **_locks(headers), **_acl(client, stored.name, version_id)}


def tagging(client: S3Client, name: str, version_id: str | None) -> dict[str, str]:
    """Return the tags as a PUT takes them; none where there are none.

    Raises:
        StoreError: They cannot be read.
    """
    try:
        with client.reading("GetObjectTagging", name, VersionId=version_id) as root:
            _expect(root, "TagSet")
            tags = [(tag.text("Key"), tag.text("Value", "")) for tag in root.all("TagSet/Tag")]
    except StoreError as error:
        if error.code in _NO_TAGS:
            return {}
        raise
    encoded = "&".join(f"{quote(key, safe='')}={quote(text, safe='')}" for key, text in tags)
    return {TAGGING: encoded} if encoded else {}


def check_place_headers(headers: Mapping[str, str], name: str) -> None:
    """Refuse what only OSS takes.

    Raises:
        UsageError: One of `OSS_HEADERS`.
    """
    for key in headers.keys() & OSS_HEADERS:
        raise UsageError(f"{key!r} is a header of OSS, and this is S3", name=name)


def _locks(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps an object from being deleted; S3 takes no date that has passed."""
    kept = {_HOLD: "ON"} if headers.get(_HOLD) == "ON" else {}
    if _MODE in headers and headers.get(_UNTIL, "") > datetime.now(UTC).isoformat():
        kept |= {_MODE: headers[_MODE], _UNTIL: headers[_UNTIL]}
    return kept


def _acl(client: S3Client, name: str, version_id: str | None) -> dict[str, str]:
    """Return the grants of an ACL to others than the owner, as headers; none where there are none.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with client.reading("GetObjectAcl", name, VersionId=version_id) as root:
            _expect(root, "AccessControlList")
            owner = root.text("Owner/ID", "")
            grants = [_grant(grant) for grant in root.all("AccessControlList/Grant")]
    except StoreError as error:
        if error.code in _NO_ACLS:
            return {}
        raise
    if all(grantee == ("id", owner) for _, grantee in grants):
        return {}
    held: dict[str, list[str]] = {}
    for right, (kind, grantee) in grants:
        if right not in _RIGHTS or '"' in grantee:
            raise StoreError("the store names a right that no object has", name=name)
        held.setdefault(_RIGHTS[right], []).append(f'{kind}="{grantee}"')
    return {header: ", ".join(grantees) for header, grantees in held.items()}


def _expect(root: Element, path: str) -> None:
    """Refuse a document that is cut short: none of something is a list that is empty."""
    if not root.has(path):
        raise ValueError(f"{path} is missing")


def _grant(grant: Element) -> tuple[str, tuple[str, str]]:
    right = grant.text("Permission")
    if grant.has("Grantee/URI"):
        return right, ("uri", grant.text("Grantee/URI"))
    return right, ("id", grant.text("Grantee/ID"))
