"""What can be the endpoint of a store: a host or its URL, and nothing more.

Rule: a user name, a password, a path or a query in it is refused before anything is sent, and no
error shows what was given, as it may hold secrets.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cipherbucket.errors import UsageError

_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


def check_endpoint(endpoint: str, variable: str, bucket: str) -> None:
    """Refuse what is no host, and no URL of one.

    Args:
        endpoint: What was given.
        variable: The environment variable that holds it otherwise, for hints.
        bucket: How a bucket is named, for hints.

    Raises:
        UsageError: It is none; no error shows it.
    """
    scheme, separator, rest = endpoint.rpartition("://")
    host, _, path = rest.partition("/")
    if "@" in endpoint or any(char.isspace() or not char.isprintable() for char in endpoint):
        raise UsageError(
            "the endpoint holds a user name, a password, a blank or what cannot be printed",
            hint=f"check it, or {variable}; it is not shown, as it may hold secrets",
        )
    if separator and scheme.lower() not in {"http", "https"}:
        raise UsageError(
            "the endpoint is no URL that can be used", hint="it begins with https:// or http://"
        )
    if path or any(mark in endpoint for mark in "?#"):
        raise UsageError(
            "the endpoint is a host or its URL, and nothing goes behind it",
            hint=f"the bucket is named in {bucket}, and its objects where they are used",
        )
    try:
        urlsplit(f"//{host}").port  # noqa: B018  a number that is no port is found by looking
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host):
        raise UsageError(
            "the endpoint is no host that can be asked",
            hint=f"check it, or {variable}; an IPv6 address stands in brackets, as in"
            " http://[::1]:9000",
        )
