"""From a URL and keys to a bucket; from a presigned URL or a plain file to one object.

Rule: the first key decides the format, where none is named. What comes from a URL or a plain file
is read as strictly as from a bucket.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    BindingError,
    MasterKeyError,
    ObjectChangedError,
    UsageError,
    missing_extra,
)
from cipherbucket.format.footer import Footer
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.format.span import Span, StoredSpan
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading.sealed_file import fetch_from_file
from cipherbucket.reading.stream import ObjectStream, open_stream
from cipherbucket.reading.unlock import Fetch, Reading, fetch_footer
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.stores.urls import Settings, open_store
from cipherbucket.workers.progress import Progress


def open_bucket(
    url: str,
    *keys: MasterKey | KeyRing,
    format: str | None = None,  # noqa: A002  the word of the documents
    policy: Policy | None = None,
    recipients: Sequence[MasterKey] = (),
    settings: Settings | None = None,
    trusted: bool = False,
) -> Bucket:
    """Open a bucket.

    Args:
        url: ``oss://bucket``, ``s3://bucket``, ``file:///folder`` (made if it is not there),
            ``memory://name``.
        keys: Master keys: the first writes, all read. Or one `KeyRing`. None at all is enough
            to list, look at and delete objects.
        format: The format new objects get, ``oss`` or ``sealed``, and the one that is read. None
            takes ``oss``, or ``sealed`` where the first key serves only that: an AES key, or an RSA
            key for sealed objects only.
        policy: What is accepted on reading; see `Bucket`.
        recipients: Further master keys that every new sealed object is wrapped for.
        settings: How OSS or S3 is reached; None takes all of it from the environment.
        trusted: Write a folder even if others than this user and root can write there, or own it;
            without it such a store is only read.

    Raises:
        UsageError: The URL or format is unknown, or the store cannot be opened.
        MissingExtraError: ``oss://`` needs the extra ``oss``, ``s3://`` the extra ``s3``.
        MasterKeyError: The keys make no ring.
    """
    ring = _ring_of(keys)
    return Bucket(
        open_store(url, settings, trusted=trusted),
        ring,
        format=_format_of(ring) if format is None else format,
        policy=policy,
        recipients=recipients,
    )


def open_url(
    url: str,
    *keys: MasterKey | KeyRing,
    start: int = 0,
    length: int | None = None,
    tail: int | None = None,
    key: MasterKey | None = None,
    format: str | None = None,  # noqa: A002  the word of the documents
    policy: Policy | None = None,
    context: Mapping[str, str] = NOTHING,
    as_name: str | None = None,
    settings: Settings | None = None,
    headers: Mapping[str, str] = NOTHING,
    progress: Progress | None = None,
) -> ObjectStream:
    """Fetch and decrypt the one object behind a presigned URL, without any access key.

    Args:
        url: ``https://...``, as a presigner made it for GET.
        keys: Master keys, or one `KeyRing`.
        start: First byte of the plaintext.
        length: How many bytes, 1 or more; None for all to the end.
        tail: The last so many bytes instead.
        key: Use this key, whatever the object's description says or lacks.
        format: The format that is expected; None as in `open_bucket`.
        policy: What is accepted; by default what a bucket of this format accepts.
        context: The user's own context of a sealed object.
        as_name: The name the object was sealed under, where the URL's path is another.
        settings: Proxy, certificates and timeouts.
        headers: Request headers that the URL was signed with, or conditions such as ``if-match``.
        progress: Called with (bytes done, bytes in all).

    Raises:
        MissingExtraError: Neither the extra ``oss`` nor ``s3`` is installed.
        StoreError: The store refused; the URL may have expired.
        And the errors of `Bucket.get`.
    """
    span = Span(start, length, tail)
    name, fetch = _behind(url, settings or OssSettings(), headers)
    ring = _ring_of(keys)
    expected = _format_of(ring) if format is None else format
    reading = Reading(
        name=name,
        ring=ring,
        policy=(policy or Policy()).in_bucket(expected),
        format=expected,
        key=key,
        context=context,
        as_name=as_name,
    )
    return open_stream(fetch, span, reading, progress=progress)


def _behind(url: str, settings: Settings, headers: Mapping[str, str]) -> tuple[str, Fetch]:
    """Return the name in a URL's path, and what fetches the object."""
    try:
        from cipherbucket.stores.presigned import fetch_url, name_in_url  # noqa: PLC0415  the extra
    except ImportError as error:
        raise missing_extra("urllib3 is not installed", "s3") from error

    def fetch(asked: StoredSpan, bound_to: StoredObject | None) -> Incoming:
        incoming = fetch_url(
            url,
            settings,
            start=asked.start,
            length=asked.length,
            tail=asked.tail,
            headers=headers,
        )
        if bound_to is not None and incoming.stored.etag != bound_to.etag:
            incoming.close()
            raise ObjectChangedError("the object was replaced while it was being read")
        return incoming

    return name_in_url(url), fetch


def open_sealed_file(
    path: str | os.PathLike[str] | BinaryIO,
    *keys: MasterKey | KeyRing,
    start: int = 0,
    length: int | None = None,
    tail: int | None = None,
    key: MasterKey | None = None,
    context: Mapping[str, str] = NOTHING,
    as_name: str | None = None,
    progress: Progress | None = None,
) -> ObjectStream:
    """Decrypt the body of a sealed object that another tool put into a plain file.

    It is opened through its footer: by the recipients of the day it was sealed, and, unless
    ``as_name`` demands one, under the name in the footer (``info.name`` of what
    is returned). That name is authentic, but whether it is the object you meant is yours to judge.

    Args:
        path: A file, or a binary file object that can seek, which is the caller's to close.
        keys: Master keys, or one `KeyRing`.
        start: First byte of the plaintext.
        length: How many bytes; None for all to the end.
        tail: The last so many bytes instead.
        key: Use this key, whatever the footer's descriptions say.
        context: The pairs that the object was written with.
        as_name: The name it must have been sealed under.
        progress: Called with (bytes done, bytes in all).

    Raises:
        UsageError: Neither a path nor a binary file.
        SourceError: The file cannot be read.
        EnvelopeError: It is not the body of a sealed object.
        BindingError: ``as_name`` demands a name, and the object is bound to none.
        And the errors of `Bucket.get`.
    """
    fetch, stored = fetch_from_file(path)
    footer = Footer.parse(fetch_footer(stored, fetch))
    if as_name is not None and footer.name is None:
        raise BindingError(
            "the object is bound to no name, so it proves none",
            name=stored.name,
            hint="leave out as_name=, if it is the object you meant",
        )
    reading = Reading(
        name=(footer.name or "") if as_name is None else as_name,
        ring=_ring_of(keys),
        # The file is what the caller chose: it stands in for no other.
        policy=Policy([SEALED], unbound_names=as_name is None),
        format=SEALED,
        key=key,
        context=context,
        footer_recipients=True,
    )
    stream = open_stream(fetch, Span(start, length, tail), reading, progress=progress)
    stream.info = replace(stream.info, name=footer.name or stored.name)
    return stream


def _format_of(ring: KeyRing) -> str:
    """Return the format that the first key writes."""
    for format in (OSS, SEALED) if ring.keys else ():  # noqa: A001  the word of the documents
        with suppress(MasterKeyError):
            ring.keys[0].algorithm_for(format)
            return format
    return OSS


def _ring_of(keys: tuple[MasterKey | KeyRing, ...]) -> KeyRing:
    if len(keys) == 1 and isinstance(keys[0], KeyRing):
        return keys[0]
    masters = [key for key in keys if not isinstance(key, KeyRing)]
    if len(masters) != len(keys):
        raise UsageError("give keys, or one ring")
    return KeyRing(*masters)
