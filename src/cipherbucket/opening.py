"""From a URL and keys to something that can be read."""

from __future__ import annotations

from cipherbucket.bucket import Bucket
from cipherbucket.errors import MissingExtraError, UsageError
from cipherbucket.format.envelope import OSS
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.policy import Policy
from cipherbucket.progress import Progress
from cipherbucket.reader import ObjectStream, open_stream
from cipherbucket.stores.address import open_store
from cipherbucket.stores.oss_settings import OssSettings


def open_bucket(
    url: str,
    *keys: MasterKey | KeyRing,
    format: str = OSS,  # noqa: A002  the word of the documents
    policy: Policy | None = None,
    settings: OssSettings | None = None,
) -> Bucket:
    """Open a bucket.

    Args:
        url: ``oss://bucket``, ``file:///folder`` (made if it is not there), ``memory://name``.
        keys: Master keys: the first writes, all read. Or one `KeyRing`. None at all is enough
            to list, look at and delete objects.
        format: The format new objects get: ``oss``.
        policy: What is accepted on reading; see `Bucket`.
        settings: How OSS is reached; None takes all of it from the environment.

    Raises:
        UsageError: The URL or format is unknown, or the store cannot be opened.
        MissingExtraError: ``oss://`` needs the extra ``oss``.
        MasterKeyError: The keys make no ring.
    """
    return Bucket(open_store(url, settings), _ring_of(keys), format=format, policy=policy)


def open_url(
    url: str,
    *keys: MasterKey | KeyRing,
    start: int = 0,
    length: int | None = None,
    tail: int | None = None,
    key: MasterKey | None = None,
    policy: Policy | None = None,
    settings: OssSettings | None = None,
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
        policy: What is accepted; formats ``oss`` and ``oss-v1`` by default.
        settings: Proxy, certificates and timeouts.
        progress: Called with (bytes done, bytes in all).

    Raises:
        MissingExtraError: The extra ``oss`` is not installed.
        StoreError: The store refused; the URL may have expired.
        And the errors of `Bucket.get`.
    """
    span = Span(start, length, tail)
    try:
        from cipherbucket.stores.url import fetch_url  # noqa: PLC0415  the extra
    except ImportError as error:
        raise MissingExtraError(
            "urllib3 is not installed", hint="pip install 'cipherbucket[oss]'"
        ) from error
    incoming = fetch_url(url, settings or OssSettings(), start=start, length=length, tail=tail)
    return open_stream(
        incoming, span, _ring_of(keys), policy or Policy.of_format(OSS), key=key, progress=progress
    )


def _ring_of(keys: tuple[MasterKey | KeyRing, ...]) -> KeyRing:
    if len(keys) == 1 and isinstance(keys[0], KeyRing):
        return keys[0]
    masters = [key for key in keys if not isinstance(key, KeyRing)]
    if len(masters) != len(keys):
        raise UsageError("give keys, or one ring")
    return KeyRing(*masters)
