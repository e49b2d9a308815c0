"""Copies that never leave S3, by one request or by parts; new metadata are a copy to itself.

Rule: what stays in its place keeps all it had (see `attributes`). Another name is another place:
there a copy has the source's metadata and content headers, and the rest only as it is given them.
What is there afterwards must be the source, by size, CRC and metadata: a rename deletes the source
on the strength of it. Every request names the source's ETag, so that all bytes are of one body; a
copy by parts leaves nothing behind where it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from cipherbucket.errors import (
    CipherbucketError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    StoreError,
)
from cipherbucket.stores.http.understood import document_of
from cipherbucket.stores.records import MAX_PARTS, NOTHING, StoredObject, same_crc64
from cipherbucket.stores.requests import Condition, Copy, MetadataChange, NewObject
from cipherbucket.stores.s3.attributes import (
    TAGGING,
    check_place_headers,
    dropped_by_a_copy,
    holding,
    look,
    tagging,
    written,
)
from cipherbucket.stores.s3.client import S3Client
from cipherbucket.stores.s3.errors import exists
from cipherbucket.stores.s3.header_text import metadata_headers
from cipherbucket.stores.s3.multipart import (
    abort_upload,
    begin_upload,
    complete_upload,
    copy_part,
    copy_source,
)

_LARGEST = 5 << 30
"""What is larger than this is copied by parts, in bytes (S3, "CopyObject")."""
_PART = 1 << 30
_WORKERS = 4


def copy_object(client: S3Client, copy: Copy) -> StoredObject:
    """Copy an object, or a version of it, as `Store.copy` promises it."""
    check_place_headers(copy.headers, copy.target)
    stored, _ = look(client, copy.source, copy.version_id)
    absent = Condition(if_absent=copy.if_absent)
    sent = {"if-none-match": "*"} if copy.if_absent else NOTHING
    if copy.if_absent:  # services that do not know the condition ignore it
        _refuse_present(client, copy.target)
    given = dict(copy.headers)
    if copy.in_place:
        given = {**dropped_by_a_copy(client, stored, copy.version_id), **given}
    new = NewObject(copy.target, dict(stored.metadata), {**stored.headers, **given})
    with holding(absent, copy.target):
        return _copied(client, stored, new, copy.version_id, sent)


def replace_metadata(client: S3Client, change: MetadataChange) -> StoredObject:
    """Copy an object to itself with other metadata, as `Store.replace_metadata` promises it."""
    name = change.name
    check_place_headers(change.headers or NOTHING, name)
    stored, _ = look(client, name)
    change.check(stored)
    headers = stored.headers if change.headers is None else change.headers
    kept = dropped_by_a_copy(client, stored, None)
    new = NewObject(name, change.metadata, {**kept, **headers})
    expected = stored.metadata if change.if_metadata is None else change.if_metadata
    unchanged = MetadataChange(name, {}, None, stored.etag, expected)

    def check() -> None:  # the parts took their time, and new metadata keep the ETag
        unchanged.check(look(client, name)[0])

    return _copied(client, stored, new, None, NOTHING, check)


def _copied(
    client: S3Client,
    stored: StoredObject,
    new: NewObject,
    version_id: str | None,
    conditions: Mapping[str, str],
    check: Callable[[], None] = lambda: None,
) -> StoredObject:
    """Make a copy, and see that it is the source with the metadata asked for."""
    if stored.size <= _LARGEST:
        done = _copy_at_once(client, stored, new, version_id, conditions)
    else:
        done = _copy_by_parts(client, stored, new, version_id, conditions, check)
    if same_crc64(stored, done) is False:
        raise IntegrityError(
            "the copy that the store made has another checksum than the object",
            name=stored.name,
            hint="read the object to see whether it is sound, then try again",
        )
    if (done.size, dict(done.metadata)) != (stored.size, new.metadata):
        raise ObjectChangedError(
            f"{new.name!r} is not the copy of it that the store says it made",
            name=stored.name,
            hint="another writer may have replaced one of them meanwhile; look at both",
        )
    return done


def _copy_at_once(
    client: S3Client,
    stored: StoredObject,
    new: NewObject,
    version_id: str | None,
    conditions: Mapping[str, str],
) -> StoredObject:
    headers = {
        **new.headers,
        **metadata_headers(new.metadata),
        **conditions,
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-copy-source": copy_source(client.bucket, stored.name, version_id),
        "x-amz-copy-source-if-match": f'"{stored.etag}"',
    }
    if TAGGING in headers or new.name != stored.name:
        headers["x-amz-tagging-directive"] = "REPLACE"
    answer = client.send("CopyObject", new.name, headers=headers, once=bool(conditions))
    with document_of(answer, new.name) as root:
        root.etag()
    return written(client, new.name, answer.headers.get("x-amz-version-id"))


def _copy_by_parts(
    client: S3Client,
    stored: StoredObject,
    new: NewObject,
    version_id: str | None,
    conditions: Mapping[str, str],
    check: Callable[[], None],
) -> StoredObject:
    """Copy an object by ranges of it; ``check`` is called right before it gets its name."""
    if new.name == stored.name and TAGGING not in new.headers:  # one request keeps them by itself
        tags = tagging(client, stored.name, version_id)
        new = NewObject(new.name, new.metadata, {**new.headers, **tags})
    upload_id = begin_upload(client, new)
    step = max(_PART, -(-stored.size // MAX_PARTS))
    try:
        with ThreadPoolExecutor(_WORKERS) as pool:  # after a failure those not begun are left out
            parts = list(
                pool.map(
                    lambda start: copy_part(
                        client,
                        stored,
                        version_id,
                        new.name,
                        upload_id,
                        start // step + 1,
                        start,
                        min(start + step, stored.size),
                    ),
                    range(0, stored.size, step),
                )
            )
        check()
        version = complete_upload(client, new.name, upload_id, parts, conditions)
        return written(client, new.name, version)
    except BaseException:
        with suppress(CipherbucketError):
            abort_upload(client, new.name, upload_id)
        raise


def _refuse_present(client: S3Client, name: str) -> None:
    """Refuse a name that an object has already; who has no right to look has the header alone."""
    try:
        look(client, name)
    except ObjectNotFoundError:
        return
    except StoreError as error:
        if error.status == 403:
            return
        raise
    raise exists(name)
