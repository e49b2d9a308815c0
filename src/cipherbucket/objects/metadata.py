"""An object's metadata replaced around its body, which is not touched.

Rule: no envelope is dropped or altered: the user's metadata are put beside it, and only on the
object that was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from cipherbucket.errors import ObjectChangedError, PreconditionFailedError, UsageError
from cipherbucket.format.envelope import Envelope
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import NOTHING, StoredObject, same_crc64
from cipherbucket.writing.destination import content_headers, refuse_reserved


def update_metadata(
    store: Store,
    name: str,
    metadata: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
    content_type: str | None,
) -> ObjectInfo:
    """Replace an object's own metadata; see `Bucket.update_metadata`."""
    refuse_reserved(metadata or NOTHING, name)
    info = ObjectInfo.head(store, name)
    own = info.metadata if metadata is None else metadata
    stored = replace_metadata_around(
        store,
        info,
        with_envelope(info.envelope, own, name),
        content_headers(info.headers if headers is None else headers, content_type),
    )
    return ObjectInfo.of(stored)


def replace_metadata_around(
    store: Store,
    info: ObjectInfo,
    metadata: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> StoredObject:
    """Replace the metadata of an object that is still as ``info`` says, and see that it has them.

    New metadata leave an ETag as it is, so a condition on it is blind to whoever changes
    recipients at the same time: the condition is the metadata themselves. A store that cannot hold
    it at the very moment of the write returns what it found afterwards, which shows a change in
    between.

    Args:
        store: Where it lies.
        info: What was seen.
        metadata: All its metadata from now on.
        headers: All its headers from now on; None keeps those that it has then.

    Raises:
        PreconditionFailedError: The body was replaced meanwhile; nothing was changed.
        ObjectChangedError: Somebody else changed the metadata at the same time.
    """
    try:
        there = store.replace_metadata(
            info.name,
            metadata=metadata,
            headers=headers,
            if_match=info.etag,
            if_metadata=info.stored_metadata(),
        )
    except PreconditionFailedError as error:
        # If the request was repeated, the first one may have made this change.
        there = store.head(info.name)
        if there.metadata != metadata or same_crc64(there, info) is False:
            if there.etag != info.etag:
                raise
            raise _changed(info.name) from error
    if Envelope.parse(there.metadata) != Envelope.parse(metadata):
        raise _changed(info.name)
    return there


def _changed(name: str) -> ObjectChangedError:
    return ObjectChangedError(
        "somebody else changed the object's metadata at the same time",
        name=name,
        hint="look at bucket.head(name) and do again what is missing",
    )


def with_envelope(envelope: Envelope | None, own: Mapping[str, str], name: str) -> dict[str, str]:
    """Return a user's metadata with an object's envelope, unchanged, beside them.

    Raises:
        UsageError: They would become a part of it.
    """
    texts = envelope.to_metadata() if envelope is not None else {}
    if Envelope.parse({**own, **texts}) != envelope:  # V1 gives plain names a meaning
        raise UsageError(
            "the new metadata would become a part of the envelope",
            name=name,
            hint="choose other names than unencrypted-content-length and -md5",
        )
    return {**own, **texts}
