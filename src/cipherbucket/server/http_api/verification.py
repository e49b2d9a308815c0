"""Signatures in headers and URLs, verified.

Rule: what was signed is computed anew and compared in constant time. A request without a signature
is anonymous, which is for ACLs to judge; one with a signature that is not right is refused,
whatever the ACLs allow.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from cipherbucket.credentials import Credentials
from cipherbucket.server.errors import OssError, access_denied, invalid_argument
from cipherbucket.server.http_api.string_to_sign import (
    SignedRequest,
    canonical_request_v4,
    sign_v1,
    sign_v4,
    string_to_sign_v1,
)
from cipherbucket.server.identity import MAX_SKEW, same
from cipherbucket.server.numbers import number_given, whole_number

MAX_EXPIRES = 7 * 24 * 3600
"""Longest life of a URL signed with version 4, in seconds."""
V4 = "OSS4-HMAC-SHA256"
_TIME = "%Y-%m-%dT%H:%M:%S.000Z"
_V4_FIELD = re.compile(r"\s*(Credential|AdditionalHeaders|Signature)\s*=\s*([^,\s]+)\s*")


def verify(request: SignedRequest, credentials: Credentials, now: datetime) -> bool:
    """Check the signature of a request.

    Returns:
        Whether it is signed; False for an anonymous one.

    Raises:
        OssError: It is signed, but wrongly, too early or too late, or by somebody else.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        if authorization.startswith(V4):
            _verify_v4_header(request, authorization[len(V4) :], credentials, now)
        elif authorization.startswith("OSS "):
            _verify_v1_header(request, authorization[4:], credentials, now)
        else:
            raise _malformed("The authorization header is of a kind that is not supported.")
    elif request.parameter("x-oss-signature-version") is not None:
        _verify_v4_url(request, credentials, now)
    elif request.parameter("Signature") is not None:
        _verify_v1_url(request, credentials, now)
    elif request.parameter("OSSAccessKeyId") or request.parameter("x-oss-signature"):
        raise access_denied("The signature of this URL is incomplete.")
    else:
        return False
    return True


def _verify_v1_header(
    request: SignedRequest, rest: str, credentials: Credentials, now: datetime
) -> None:
    key_id, colon, signature = rest.strip().partition(":")
    if not colon:
        raise _malformed("The authorization header must be 'OSS id:signature'.")
    date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    _check_key_id(key_id, credentials)
    _check_clock(date, now)
    _check_token(request, credentials)
    text = string_to_sign_v1(request, date)
    _compare(sign_v1(credentials.access_key_secret, text), signature, key_id, text)


def _verify_v1_url(request: SignedRequest, credentials: Credentials, now: datetime) -> None:
    key_id, expires = request.parameter("OSSAccessKeyId"), request.parameter("Expires")
    if not key_id or not expires:
        raise access_denied("A signed URL must include OSSAccessKeyId, Expires and Signature.")
    _check_key_id(key_id, credentials)
    ends = whole_number(expires, most=10**12)
    if ends is None:
        raise access_denied("Expires must be seconds since 1970.", "0002-00000070")
    if now.timestamp() > ends:
        raise _expired(datetime.fromtimestamp(ends, UTC), now)
    _check_token(request, credentials)
    text = string_to_sign_v1(request, expires)
    signature = request.parameter("Signature") or ""
    _compare(sign_v1(credentials.access_key_secret, text), signature, key_id, text)


def _verify_v4_header(
    request: SignedRequest, rest: str, credentials: Credentials, now: datetime
) -> None:
    fields = filter(None, map(_V4_FIELD.fullmatch, rest.split(",")))
    given: dict[str, str] = {match[1]: match[2] for match in fields}
    if not {"Credential", "Signature"} <= given.keys():
        raise _malformed("The authorization header must name a Credential and a Signature.")
    if "x-oss-content-sha256" not in request.headers:
        raise _malformed("The header x-oss-content-sha256 is missing.")
    date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    key_id, scope = _split_credential(given["Credential"])
    _check_key_id(key_id, credentials)
    signed_at = _check_clock(date, now)
    _check_token(request, credentials)
    _check_scope(scope, signed_at)
    # The text of the date is signed as it was sent: Go's first SDK signs an HTTP date.
    additional = given.get("AdditionalHeaders", "")
    _compare_v4(request, additional, key_id, scope, date, given["Signature"], credentials)


def _verify_v4_url(request: SignedRequest, credentials: Credentials, now: datetime) -> None:
    names = ("credential", "date", "expires", "signature")
    given = {name: request.parameter(f"x-oss-{name}") or "" for name in names}
    if request.parameter("x-oss-signature-version") != V4 or not all(given.values()):
        raise access_denied(f"A signed URL must include {V4}, and its {', '.join(names)}.")
    key_id, scope = _split_credential(given["credential"])
    _check_key_id(key_id, credentials)
    signed_at = _parse_time(given["date"])
    seconds = number_given("x-oss-expires", given["expires"], 1, MAX_EXPIRES)
    if signed_at is None or signed_at - now > MAX_SKEW:
        raise _skewed(given["date"], now)
    if now > (ends := signed_at + timedelta(seconds=seconds)):
        raise _expired(ends, now)
    _check_token(request, credentials)
    _check_scope(scope, signed_at)
    additional = request.parameter("x-oss-additional-headers") or ""
    _compare_v4(request, additional, key_id, scope, given["date"], given["signature"], credentials)


def _compare_v4(
    request: SignedRequest,
    additional: str,
    key_id: str,
    scope: str,
    date: str,
    signature: str,
    credentials: Credentials,
) -> None:
    named = tuple(name.lower() for name in additional.split(";") if name)
    missing = [name for name in named if name not in request.headers]
    if missing:
        raise access_denied(f"The signed header {missing[0]!r} is missing.")
    canonical = canonical_request_v4(request, named)
    text = "\n".join([V4, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    expected = sign_v4(credentials.access_key_secret, scope, text)
    _compare(expected, signature, key_id, text, canonical)


def _check_scope(scope: str, signed_at: datetime) -> None:
    if not scope.startswith(f"{signed_at:%Y%m%d}/"):
        raise _malformed("The date of the Credential is not that of the request.")


def _split_credential(credential: str) -> tuple[str, str]:
    key_id, _, scope = credential.partition("/")
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != "aliyun_v4_request" or not all(parts):
        raise _malformed("The Credential must be id/date/region/oss/aliyun_v4_request.")
    return key_id, scope


def _compare(
    expected: str, provided: str, key_id: str, text: str, canonical: str | None = None
) -> None:
    if not same(provided, expected):
        details = {"OSSAccessKeyId": key_id, "SignatureProvided": provided, "StringToSign": text}
        if canonical is not None:
            details["CanonicalRequest"] = canonical
        raise OssError(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            "0002-00000040",
            details=details,
        )


def _check_key_id(key_id: str, credentials: Credentials) -> None:
    if not same(credentials.access_key_id, key_id):
        raise OssError(
            403,
            "InvalidAccessKeyId",
            "The OSS Access Key Id you provided does not exist in our records.",
            "0002-00000902",
            details={"OSSAccessKeyId": key_id},
        )


def _check_token(request: SignedRequest, credentials: Credentials) -> None:
    if credentials.security_token is None:
        return
    token = next(
        filter(
            None,
            (
                request.headers.get("x-oss-security-token"),
                request.headers.get("security-token"),
                request.parameter("x-oss-security-token"),
                request.parameter("security-token"),
            ),
        ),
        "",
    )
    if not same(credentials.security_token, token):
        raise OssError(
            403,
            "InvalidAccessKeyId",
            f"The security token you provided is {'invalid' if token else 'missing'}.",
            "0002-00000006" if token else "0002-00000902",
        )


def _check_clock(date: str, now: datetime) -> datetime:
    if not date:
        raise access_denied("OSS authentication requires a valid Date.")
    moment = _parse_time(date)
    if moment is None:
        raise access_denied("The time of the request cannot be read.", "0002-00000505")
    if abs(moment - now) > MAX_SKEW:
        raise _skewed(date, now)
    return moment


def _parse_time(text: str) -> datetime | None:
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: at the ends of time, in another zone
        return None


def _skewed(date: str, now: datetime) -> OssError:
    return OssError(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        "0002-00000504",
        details={
            "MaxAllowedSkewMilliseconds": str(MAX_SKEW // timedelta(milliseconds=1)),
            "RequestTime": date,
            "ServerTime": f"{now:{_TIME}}",
        },
    )


def _expired(ends: datetime, now: datetime) -> OssError:
    details = {"Expires": f"{ends:{_TIME}}", "ServerTime": f"{now:{_TIME}}"}
    return OssError(403, "AccessDenied", "Request has expired.", "0002-00000069", details=details)


def _malformed(message: str) -> OssError:
    return invalid_argument(message, "Authorization")
