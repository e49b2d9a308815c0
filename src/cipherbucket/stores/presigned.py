"""One object behind a presigned URL: whoever has the URL can fetch it, whoever has the key read it.

A presigned URL is good for one method, GET, and for just the headers it was signed with: no
``x-oss-`` or ``x-amz-`` header may be added. So a range may be ignored by the store; what comes is
what the answer says it is. Which service answered is seen by its headers, and one of them alone is
read. No SDK is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from cipherbucket.errors import (
    CipherbucketError,
    StoreError,
    UsageError,
    named,
)
from cipherbucket.format.span import Span
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.http.client import Http, Response
from cipherbucket.stores.http.resuming_body import open_body
from cipherbucket.stores.http.understood import understood
from cipherbucket.stores.oss import answers as oss_answers
from cipherbucket.stores.oss import errors as oss_errors
from cipherbucket.stores.oss import headers as oss_headers
from cipherbucket.stores.oss.errors import ELSEWHERE
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import NOTHING, StoredObject
from cipherbucket.stores.s3 import answers as s3_answers
from cipherbucket.stores.s3 import errors as s3_errors
from cipherbucket.stores.s3.settings import S3Settings

_FORBIDDEN = 403
_OF_AWS = re.compile(
    r"s3(-fips)?(\.dualstack)?([.-][a-z]{2,}(-[a-z]+)+-[0-9])?\.amazonaws\.com(\.cn)?"
)
_HAS_EXPIRED = "0002-00000069"


def fetch_url(
    url: str,
    settings: OssSettings | S3Settings,
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
    http = Http.for_settings(settings)
    given = {key.lower(): text for key, text in headers.items()}
    given.pop("range", None)

    def fetch(wanted: str | None, _: str | None) -> Response:
        return _fetched(http, url, name, given if wanted is None else {**given, "range": wanted})

    return Incoming(*open_body(name, Span(start, length, tail), None, fetch, _stored_object), named)


def name_in_url(url: str) -> str:
    """Return the name of the object behind a URL: its path, without the slash before it.

    Where S3 signed it for a host that has no room for the bucket's name, that is no part of it.

    Raises:
        UsageError: Not such a URL.
    """
    parts = _checked(url)
    path = unquote(parts.path).removeprefix("/")
    name = path.partition("/")[2]
    if name and "X-Amz-Signature=" in parts.query and _serves_all_buckets(parts.hostname or ""):
        return name
    return path or parts.netloc


def _serves_all_buckets(host: str) -> bool:
    """Return whether a host is surely none of one bucket: AWS's own, or no name at all."""
    if host == "localhost" or _OF_AWS.fullmatch(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
        try:
            with understood(name):
                if _is_s3(response.headers):
                    s3_answers.check_proof("GetObject", response)
                else:
                    oss_answers.check_proof("GetObject", response, headers)
        except CipherbucketError:
            response.close()
            raise
        return response
    with suppress(StoreError):
        response.read()  # what the store says, for whoever looks at answers
    response.close()
    of = s3_errors if _is_s3(response.headers) else oss_errors
    error = of.refusal(response)
    error.name = name
    if isinstance(error, StoreError) and error.status == _FORBIDDEN:
        _explain(error, url)
    raise error


def _is_s3(headers: Mapping[str, str]) -> bool:
    """Return whether S3 answered, and not OSS, whose endpoint for S3 has headers of both."""
    names = tuple(headers)
    return any(name.startswith("x-amz-") for name in names) and not any(
        name.startswith(oss_headers.META) for name in names
    )


def _stored_object(name: str, headers: Mapping[str, str], size: int) -> StoredObject:
    read = s3_answers.stored_object if _is_s3(headers) else oss_headers.stored_object
    return read(name, headers, size)


def _explain(error: StoreError, url: str) -> None:
    """Say of a refused URL what its holder can do, who has no access key."""
    ended = _end_of(url)
    words, _, _ = error.message.partition(" (HTTP ")  # behind it is the host, and so the bucket
    if error.ec == _HAS_EXPIRED or "expired" in words:
        when = "" if ended is None else f" at {ended:%Y-%m-%d %H:%M:%S} UTC"
        error.message = error.message.replace("access denied: ", f"the URL expired{when}: ", 1)
        error.hint = "ask for a new one from whoever signed it"
    elif error.code == "SignatureDoesNotMatch":
        error.hint = (
            "the URL may be incomplete, or signed for another method than GET, or for headers"
            " that were not sent"
        )
    elif error.code == "InvalidAccessKeyId":
        error.hint = "the access key that signed the URL is gone: ask for a new one"
    elif (error.hint or "").startswith(ELSEWHERE):
        error.hint = f"{error.hint}, and have the URL signed anew"
    else:
        error.hint = "the URL may be good for another method, or its signer may not read the object"


def _end_of(url: str) -> datetime | None:
    """Return when a URL expires, as it says itself."""
    query = {key.lower(): text for key, text in parse_qsl(urlsplit(url).query)}
    try:
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
        service = "x-amz" if "x-amz-date" in query else "x-oss"
        signed = datetime.strptime(query[f"{service}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return signed + timedelta(seconds=int(query[f"{service}-expires"]))
    except (KeyError, ValueError, OverflowError, OSError):
        return None
