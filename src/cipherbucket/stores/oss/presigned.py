"""One object behind a presigned URL: whoever has the URL can fetch it, whoever has the key read it.

A presigned URL is good for one method, GET, and for just the headers it was signed with: no
``x-oss-`` header may be added. So a range may be ignored by the store; what comes is what the
answer says it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from cipherbucket.errors import (
    ObjectNotFoundError,
    RangeError,
    StoreError,
    TransientStoreError,
    UsageError,
    named,
)
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.oss.headers import range_header, received_range, stored_object
from cipherbucket.stores.oss.http import Http, Response
from cipherbucket.stores.oss.resuming_body import ResumingBody
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import NOTHING, clip

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


def fetch_url(
    url: str,
    settings: OssSettings,
    *,
    start: int = 0,
    length: int | None = None,
    tail: int | None = None,
    headers: Mapping[str, str] = NOTHING,
) -> Incoming:
    """Fetch the object behind a URL, or a range of its stored bytes.

    Args:
        url: ``https://`` or ``http://``, usually presigned.
        settings: Proxy, certificates and timeouts; nothing is signed.
        start: First byte.
        length: How many bytes, 1 or more; None for all to the end.
        tail: The last so many bytes instead, 1 or more.
        headers: Further request headers; ``range`` is ours.

    Raises:
        UsageError: Not such a URL.
        ObjectNotFoundError: There is nothing.
        RangeError: The range begins after the end.
        StoreError: The store refused; an expired URL among the reasons.
    """
    if length == 0 or tail == 0:
        raise UsageError("a URL is asked for 1 byte or more")
    name = name_in_url(url)
    http = Http(
        proxy=settings.proxy,
        ca_file=settings.ca_file,
        verify=settings.verify,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )
    given = {key.lower(): text for key, text in headers.items()}
    given.pop("range", None)
    asked = dict(given)
    if (span := range_header(start, length, tail)) is not None:
        asked["range"] = span
    response = _fetched(http, url, name, asked)
    try:
        first, stop, size = received_range(name, response.status, response.headers)
        stored = stored_object(name, response.headers, size)
        clip(name, size, start, length, tail)
    except BaseException:
        response.close()
        raise

    def reopen(position: int, end: int) -> tuple[Response, int, int, str]:
        rest = {**given, "range": f"bytes={position}-{end - 1}"}
        again = _fetched(http, url, name, rest)
        try:
            begin, behind, _ = received_range(name, again.status, again.headers)
            return again, begin, behind, stored_object(name, again.headers, size).etag
        except BaseException:
            again.close()
            raise

    body = ResumingBody(name, response, first, stop, stored.etag, reopen)
    return Incoming(stored, first, stop, body, named)


def name_in_url(url: str) -> str:
    """Return the name of the object behind a URL: its path, without the slash before it.

    Raises:
        UsageError: Not such a URL.
    """
    parts = _checked(url)
    return unquote(parts.path).removeprefix("/") or parts.netloc


def _checked(url: str) -> SplitResult:
    """Refuse what no request can be made of; no error shows the URL, which may hold a signature."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is parsed here
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or " " in parts.netloc:
        raise UsageError("not an http:// or https:// URL")
    if "@" in parts.netloc:
        raise UsageError("a URL with a user name or a password is not taken")
    return parts


def _fetched(http: Http, url: str, name: str, headers: dict[str, str]) -> Response:
    response = http.request("GET", url, headers)
    if response.status in {200, 206}:
        return response
    with suppress(StoreError):
        response.read()  # what the store says, for whoever looks at answers
    response.close()
    details = f"(HTTP {response.status}, {urlsplit(url).netloc})"
    if response.status == 404:
        raise ObjectNotFoundError(f"no such object {details}", name=name)
    if response.status == 416:
        raise RangeError(f"the range begins after the end of the object {details}", name=name)
    if response.status in _TRANSIENT:
        raise TransientStoreError(f"the store failed {details}", name=name)
    error = StoreError(
        f"the store refused {details}",
        name=name,
        hint="the URL may have expired, or be good for another method",
    )
    error.status = response.status
    raise error
