"""Copies that never leave OSS, by one request or by parts; new metadata are a copy to itself.

Rule: what stays in its place keeps all it had (see `attributes`; a copy by parts drops the tags,
too). Another name is another place: there a copy has the source's metadata and content headers, and
ACL, tags, storage class and encryption at rest only as it is given them. CopyObject would take the
tags along and is told not to. What is there afterwards must be the source, by size, CRC-64 and
metadata: a rename deletes the source on the strength of it. A copy by parts takes all its parts of
one body, compares CRC-64 before the object gets its name, too, and leaves nothing behind where it
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from cipherbucket.errors import (
    CipherbucketError,
    IntegrityError,
    ObjectChangedError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.stores.http.understood import document_of
from cipherbucket.stores.oss.attributes import (
    OBJECT_ACL,
    SYMLINK,
    TAGGING,
    TAGGING_DIRECTIVE,
    accepted,
    check_rewritable,
    dropped_by_a_copy,
    look,
    refuse_present,
    tagging,
    written,
)
from cipherbucket.stores.oss.client import OssClient
from cipherbucket.stores.oss.headers import metadata_headers
from cipherbucket.stores.oss.multipart import (
    abort_upload,
    begin_upload,
    complete_upload,
    copy_part,
    copy_source,
)
from cipherbucket.stores.records import MAX_PARTS, Part, StoredObject, crc64_of_parts
from cipherbucket.stores.requests import Copy, MetadataChange, NewObject

_ONE_COPY = 1 << 30
"""What is larger than this is copied by parts of this size, in bytes (OSS, "CopyObject")."""
_WORKERS = 4
POLICED = "client-side-encryption-"
"""OSS lets no CopyObject change metadata of these names (EC 0005-00000421), and takes no part of
an object that has them (EC 0042-00000309)."""


def copy_object(client: OssClient, copy: Copy) -> StoredObject:
    """Copy an object, or a version of it, as `Store.copy` promises it."""
    stored, answer = look(client, copy.source, copy.version_id)
    if copy.if_absent:
        refuse_present(client, copy.target)
    given = copy.headers
    if copy.in_place:
        given = accepted({**dropped_by_a_copy(client, stored, copy.version_id), **given})
    if _is_copied_at_once(stored, answer):
        sent = given | {"x-oss-metadata-directive": "COPY"}
        if TAGGING in given or not copy.in_place:
            sent[TAGGING_DIRECTIVE] = "REPLACE"
        if copy.if_absent:
            sent["x-oss-forbid-overwrite"] = "true"
        return _copy_at_once(client, stored, copy.target, sent, stored.metadata, copy.version_id)
    tags = tagging(client, copy.source, copy.version_id, answer) if copy.in_place else {}
    new = NewObject(copy.target, dict(stored.metadata), {**stored.headers, **tags, **given})

    def check() -> None:  # the parts took their time
        if copy.if_absent:
            refuse_present(client, copy.target)

    return _copy_by_parts(client, stored, new, copy.version_id, copy.if_absent, check)


def replace_metadata(client: OssClient, change: MetadataChange) -> StoredObject:
    """Copy an object to itself with other metadata, as `Store.replace_metadata` promises it."""
    name = change.name
    _refuse_policed(name, change.metadata)
    stored, answer = look(client, name)
    change.check(stored)
    _refuse_policed(name, stored.metadata)
    check_rewritable(name, answer)
    headers = stored.headers if change.headers is None else change.headers
    given = accepted({**dropped_by_a_copy(client, stored, None), **headers})
    if _is_copied_at_once(stored, answer):
        sent = given | metadata_headers(change.metadata) | {"x-oss-metadata-directive": "REPLACE"}
        sent["x-oss-copy-source-if-match"] = f'"{stored.etag}"'
        if TAGGING in sent:
            sent[TAGGING_DIRECTIVE] = "REPLACE"
        return _copy_at_once(client, stored, name, sent, change.metadata, None)
    expected = stored.metadata if change.if_metadata is None else change.if_metadata
    unchanged = MetadataChange(name, {}, None, stored.etag, expected)

    def check() -> None:  # the parts took their time, and new metadata keep the ETag
        unchanged.check(look(client, name)[0])

    new = NewObject(name, change.metadata, {**tagging(client, name, None, answer), **given})
    return _copy_by_parts(client, stored, new, None, if_absent=False, check=check)


def _copy_at_once(
    client: OssClient,
    stored: StoredObject,
    target: str,
    headers: dict[str, str],
    metadata: Mapping[str, str],
    version_id: str | None,
) -> StoredObject:
    headers["x-oss-copy-source"] = copy_source(client.bucket, stored.name, version_id)
    answer = client.send("CopyObject", "PUT", target, headers=headers)
    with document_of(answer, target) as root:
        etag = root.etag()
    done = written(client, target, answer.headers.get("x-oss-version-id"))
    if done.etag == etag:  # otherwise another writer was there, or it is a symlink
        _compare(stored, done.crc64)
    if (done.size, done.metadata) != (stored.size, metadata) or _is_another(stored, done.crc64):
        raise ObjectChangedError(
            f"{target!r} is not the copy of it that the store says it made",
            name=stored.name,
            hint="another writer may have replaced one of them meanwhile; look at both",
        )
    return done


def _copy_by_parts(
    client: OssClient,
    stored: StoredObject,
    new: NewObject,
    version_id: str | None,
    if_absent: bool,
    check: Callable[[], None],
) -> StoredObject:
    """Copy an object by ranges of it; ``check`` is called right before it gets its name."""
    upload_id = begin_upload(client, new)
    try:
        parts = _copied_parts(client, stored, new.name, upload_id, version_id)
        if (whole := crc64_of_parts(parts)) is not None:
            _compare(stored, whole)
        check()
        done = _completed(client, stored, new, upload_id, parts, if_absent)
    except BaseException:
        with suppress(CipherbucketError):
            abort_upload(client, new.name, upload_id)
        raise
    _compare(stored, done.crc64)
    return done


def _copied_parts(
    client: OssClient, stored: StoredObject, target: str, upload_id: str, version_id: str | None
) -> list[Part]:
    step = max(_ONE_COPY, -(-stored.size // MAX_PARTS))

    def copied(start: int) -> Part:
        stop = min(start + step, stored.size)
        number = start // step + 1
        return copy_part(client, stored, version_id, target, upload_id, number, start, stop)

    with ThreadPoolExecutor(_WORKERS) as pool:  # after a failure those not begun are left out
        return list(pool.map(copied, range(0, stored.size, step)))


def _completed(
    client: OssClient,
    stored: StoredObject,
    new: NewObject,
    upload_id: str,
    parts: list[Part],
    if_absent: bool,
) -> StoredObject:
    acl = new.headers.get(OBJECT_ACL)
    try:
        version = complete_upload(client, new.name, upload_id, parts, if_absent=if_absent, acl=acl)
        return written(client, new.name, version)
    except (TransientStoreError, UploadNotFoundError):
        # The answer to the first attempt may have been lost: look at what is there.
        with suppress(StoreError):
            there, _ = look(client, new.name)
            if dict(there.metadata) == new.metadata and there.crc64 == stored.crc64 is not None:
                return there
        raise


def _is_copied_at_once(stored: StoredObject, answer: Mapping[str, str]) -> bool:
    """Return whether CopyObject is the way: the only one for links and objects with an envelope.

    Above 1 GiB OSS takes it inside a bucket, as long as storage class and encryption stay.
    """
    policed = any(key.startswith(POLICED) for key in stored.metadata)
    return stored.size <= _ONE_COPY or policed or answer.get("x-oss-object-type") == SYMLINK


def _refuse_policed(name: str, metadata: Mapping[str, str]) -> None:
    if any(key.startswith(POLICED) for key in metadata):
        raise UsageError(
            "OSS lets nobody change the metadata of an encrypted object (EC 0005-00000421)",
            name=name,
            hint="put the object again with the new metadata",
        )


def _is_another(stored: StoredObject, crc64: int | None) -> bool:
    return stored.crc64 is not None and crc64 != stored.crc64


def _compare(stored: StoredObject, crc64: int | None) -> None:
    if _is_another(stored, crc64):
        raise IntegrityError(
            "the copy that the store made has another CRC-64 than the object",
            name=stored.name,
            hint="read the object to see whether it is sound, then try again",
        )
