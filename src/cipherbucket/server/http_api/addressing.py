"""Which bucket and object a request addresses, by host name and path.

Rule: a host name below the endpoint's own leads with the bucket (``bucket.localhost``, or a name as
OSS has them: ``bucket.oss-cn-hangzhou.aliyuncs.com``); any other host, and every IP address, has
the bucket first in the path. Nothing in a name is normalised.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_LOCAL = ".localhost"
_OSS = re.compile(r"(?:(?P<bucket>[^.]+)\.)?oss-[a-z0-9-]+\..+")


@dataclass(frozen=True, slots=True)
class Address:
    """What a request addresses.

    Attributes:
        bucket: Empty for the service itself.
        key: Empty for a bucket.
        endpoint: The host without the bucket, with the port.
    """

    bucket: str
    key: str
    endpoint: str


def address_of(host: str, path: str) -> Address:
    """Split host and decoded path into bucket and object."""
    name = re.sub(r":\d+$", "", host)
    bucket = _bucket_in(name.lower().rstrip("."))
    if not bucket:
        bucket, _, key = path.removeprefix("/").partition("/")
        return Address(bucket, key, host)
    return Address(bucket, path.removeprefix("/"), host[len(bucket) + 1 :])


def _bucket_in(name: str) -> str:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        return ""
    if name.endswith(_LOCAL):
        bucket, _, rest = name.removesuffix(_LOCAL).partition(".")
        return "" if bucket.startswith("oss-") and not rest else bucket
    match = _OSS.fullmatch(name)
    return (match["bucket"] or "") if match else ""
