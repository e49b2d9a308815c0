"""URLs that let others send one kind of request for some time."""

from __future__ import annotations

from collections.abc import Mapping

from cipherbucket.oss2._arguments import query_of, sorted_headers
from cipherbucket.oss2._connection import Connection
from cipherbucket.oss2._error_translation import oss2_errors
from cipherbucket.oss2.exceptions import ClientError


def sign(
    connection: Connection,
    method: str,
    key: str,
    expires: int,
    headers: Mapping[str, str] | None,
    params: Mapping[str, str] | None,
    *,
    strict: bool,
    slash_safe: bool,
) -> str:
    """Return a URL for one kind of request; ``strict`` refuses names that begin with ``?``."""
    if key is None or not key.strip():
        raise ClientError("key must not be empty")
    if strict and key.startswith("?"):
        raise ClientError("key must not begin with '?' under signature version 1")
    sent = sorted_headers(headers)
    signed = sent.as_sent()
    if sent.md5 is not None:
        signed["content-md5"] = sent.md5
    with oss2_errors():
        client = connection.store().client
        url = client.presign(method, key, int(expires), headers=signed, query=query_of(params))
    return url if slash_safe is True else _slashes_escaped(url, key)


def _slashes_escaped(url: str, key: str) -> str:
    """Write the slashes of an object's name as ``%2F``; what was signed is the name itself."""
    path, mark, query = url.partition("?")
    return "%2F".join(path.rsplit("/", key.count("/"))) + mark + query
