"""What OSS's signatures, versions 1 and 4, are computed of, and how: pure functions.

Rule: everything is computed of the request as it arrived, decoded and encoded anew, so that clients
that escape differently sign alike.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

_SIGNED_IN_V4 = frozenset({"content-type", "content-md5"})

# The query parameters that version 1 signs; the others it leaves out.
SIGNED_IN_V1 = frozenset(
    [
        "accessPoint",
        "accessPointPolicy",
        "acl",
        "append",
        "asyncFetch",
        "bucketArchiveDirectRead",
        "bucketInfo",
        "callback",
        "callback-var",
        "cloudboxes",
        "cname",
        "comp",
        "continuation-token",
        "cors",
        "delete",
        "encryption",
        "endTime",
        "group",
        "httpsConfig",
        "inventory",
        "inventoryId",
        "lifecycle",
        "link",
        "live",
        "location",
        "logging",
        "metaQuery",
        "objectInfo",
        "objectMeta",
        "partNumber",
        "policy",
        "position",
        "publicAccessBlock",
        "qos",
        "qosInfo",
        "qosRequester",
        "redundancyTransition",
        "referer",
        "regionList",
        "replication",
        "replicationLocation",
        "replicationProgress",
        "requestPayment",
        "requesterQosInfo",
        "resourceGroup",
        "resourcePool",
        "resourcePoolBuckets",
        "resourcePoolInfo",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "security-token",
        "sequential",
        "startTime",
        "stat",
        "status",
        "style",
        "styleName",
        "symlink",
        "tagging",
        "transferAcceleration",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "vod",
        "website",
        "worm",
        "wormExtend",
        "wormId",
        "x-oss-ac-forward-allow",
        "x-oss-ac-source-ip",
        "x-oss-ac-subnet-mask",
        "x-oss-ac-vpc-id",
        "x-oss-access-point-name",
        "x-oss-async-process",
        "x-oss-process",
        "x-oss-redundancy-transition-taskid",
        "x-oss-request-payer",
        "x-oss-target-redundancy-type",
        "x-oss-traffic-limit",
        "x-oss-write-get-object-response",
    ]
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request can be signed.

    Attributes:
        method: In capitals.
        bucket: Empty for the service itself.
        key: The object's name, decoded; empty for a bucket.
        query: Parameters as they came, decoded, in their order.
        headers: Names in lower case.
    """

    method: str
    bucket: str
    key: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def parameter(self, name: str) -> str | None:
        """Return the first query parameter of this name."""
        return next((value for key, value in self.query if key == name), None)


def parse_query(raw: str) -> tuple[tuple[str, str], ...]:
    """Split and decode a query string. A plus sign is a space: SDKs escape a real one."""
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return tuple((unquote_plus(key), unquote_plus(value)) for key, _, value in pairs)


def string_to_sign_v1(request: SignedRequest, date: str) -> str:
    """Return what version 1 signs; ``date`` is the Date header, or in URLs the expiry."""
    signed = sorted((k, v) for k, v in request.query if k in SIGNED_IN_V1)
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    if signed:
        resource += "?" + "&".join(f"{k}={v}" if v else k for k, v in signed)
    lines = [
        request.method,
        request.headers.get("content-md5", ""),
        request.headers.get("content-type", ""),
        date,
        *(f"{k}:{v}" for k, v in sorted(request.headers.items()) if k.startswith("x-oss-")),
    ]
    return "\n".join([*lines, resource])


def canonical_request_v4(request: SignedRequest, additional: tuple[str, ...]) -> str:
    """Return what version 4 hashes; ``additional`` are the further headers that were signed."""
    path = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    query = sorted(
        (quote(k, safe=""), quote(v, safe="")) for k, v in request.query if k != "x-oss-signature"
    )
    names = [
        name
        for name in sorted(request.headers)
        if name.startswith("x-oss-") or name in _SIGNED_IN_V4 or name in additional
    ]
    return "\n".join(
        [
            request.method,
            quote(path, safe="/"),
            "&".join(f"{k}={v}" if v else k for k, v in query),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in names),
            ";".join(sorted(additional)),
            request.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
        ]
    )


def sign_v1(secret: str, text: str) -> str:
    """Sign with version 1."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def sign_v4(secret: str, scope: str, text: str) -> str:
    """Sign with version 4 under a key derived for ``scope``, date/region/product/request."""
    key = f"aliyun_v4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
