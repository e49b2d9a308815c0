"""Signatures of calls, verified: RPC version 1.0 and ACS3, with and without an STS token.

Rule: what was signed is computed anew and compared in constant time; nobody is anonymous. A clock
may be off by 15 minutes, and for that long a nonce passes once. Nonces of requests whose signature
is wrong are not kept: nobody else can use them up.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cipherbucket.credentials import Credentials
from cipherbucket.server.identity import MAX_SKEW, same
from cipherbucket.server.kms.errors import KmsApiError, Refusal
from cipherbucket.server.kms.string_to_sign import (
    ACS3,
    Pairs,
    acs3_string_to_sign,
    rpc_string_to_sign,
    sign_acs3,
    sign_rpc,
)

_FIELD = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KmsRequest:
    """A request as it arrived.

    Attributes:
        method: In capitals.
        path: As it was sent.
        query: Parameters of the URL, decoded.
        form: Parameters of a form in the body, decoded.
        headers: Names in lower case.
        body: All of it.
    """

    method: str
    path: str
    query: Pairs
    form: Pairs
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> Pairs:
        """All parameters: of the URL, then of the form."""
        return (*self.query, *self.form)

    def parameter(self, name: str) -> str:
        """Return a parameter, "" where it is not there."""
        return next((value for key, value in self.parameters if key == name), "")

    @property
    def is_acs3(self) -> bool:
        """Whether the header ``Authorization`` is what signs it."""
        return "authorization" in self.headers

    @property
    def action(self) -> str:
        """What is asked for, "" for nothing."""
        header = self.headers.get("x-acs-action", "") if self.is_acs3 else ""
        return header or self.parameter("Action")

    @property
    def version(self) -> str:
        """Of the API."""
        header = self.headers.get("x-acs-version", "") if self.is_acs3 else ""
        return header or self.parameter("Version")


class Nonces:
    """The nonces of the last half hour: a clock may be behind as far as it may be ahead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._order: deque[tuple[datetime, str]] = deque()

    def use(self, nonce: str, now: datetime) -> None:
        """Take note of a nonce.

        Raises:
            KmsApiError: It was used before.
        """
        with self._lock:
            while self._order and now - self._order[0][0] > 2 * MAX_SKEW:
                self._seen.discard(self._order.popleft()[1])
            if nonce in self._seen:
                raise KmsApiError(Refusal.NONCE_USED)
            self._seen.add(nonce)
            self._order.append((now, nonce))


def verify(request: KmsRequest, credentials: Credentials, nonces: Nonces, now: datetime) -> None:
    """Check the signature of a request.

    Raises:
        KmsApiError: There is none, it is wrong, too early or too late, used before, or somebody
            else's.
    """
    verifying = _verify_acs3 if request.is_acs3 else _verify_rpc
    nonces.use(verifying(request, credentials, now), now)


def _verify_rpc(request: KmsRequest, credentials: Credentials, now: datetime) -> str:
    for name in ("AccessKeyId", "Signature", "SignatureNonce"):
        if not request.parameter(name):
            raise KmsApiError(Refusal.MISSING_PARAMETER, name)
    for name, only in (("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")):
        if request.parameter(name) != only:
            raise KmsApiError(Refusal.INVALID_PARAMETER, name)
    if request.parameter("SignatureType"):  # of other schemes: bearer tokens, RSA keys
        raise KmsApiError(Refusal.INVALID_PARAMETER, "SignatureType")
    _check_key(request.parameter("AccessKeyId"), request.parameter("SecurityToken"), credentials)
    _check_clock(request.parameter("Timestamp"), now)
    text = rpc_string_to_sign(request.method, request.parameters)
    expected = sign_rpc(credentials.access_key_secret, text)
    _compare(expected, request.parameter("Signature"), text)
    return request.parameter("SignatureNonce")


def _verify_acs3(request: KmsRequest, credentials: Credentials, now: datetime) -> str:
    headers = request.headers
    scheme, _, rest = headers["authorization"].partition(" ")
    fields = [_FIELD.fullmatch(part) for part in rest.split(",")]
    given = {field[1]: field[2] for field in fields if field}
    if scheme != ACS3 or len(given) != 3 or len(fields) != 3:
        raise KmsApiError(Refusal.INCOMPLETE_SIGNATURE)
    names = given["SignedHeaders"].lower().split(";")
    # A header that says what is done, for whom or with which body is of no worth unsigned. Without
    # the type of the body, its parameters could be taken away, such as a context.
    needed = {"host", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce"}
    needed |= {name for name in headers if name.startswith("x-acs-") or name == "content-type"}
    if not needed <= set(names) <= set(headers) or len(set(names)) != len(names):
        raise KmsApiError(Refusal.INCOMPLETE_SIGNATURE)
    body_hash = headers["x-acs-content-sha256"]
    if not _HEX.fullmatch(body_hash) or body_hash != hashlib.sha256(request.body).hexdigest():
        raise KmsApiError(Refusal.INCOMPLETE_SIGNATURE)
    _check_key(given["Credential"], headers.get("x-acs-security-token", ""), credentials)
    _check_clock(headers["x-acs-date"], now)
    text = acs3_string_to_sign(
        request.method, request.path, request.query, headers, names, body_hash
    )
    _compare(sign_acs3(credentials.access_key_secret, text), given["Signature"], text)
    return headers["x-acs-signature-nonce"]


def _check_key(key_id: str, token: str, credentials: Credentials) -> None:
    if not same(credentials.access_key_id, key_id):
        raise KmsApiError(Refusal.ACCESS_KEY_NOT_FOUND)
    if credentials.security_token is None:
        return
    if not token:
        raise KmsApiError(Refusal.ACCESS_KEY_NOT_FOUND)
    if not same(credentials.security_token, token):
        raise KmsApiError(Refusal.MALFORMED_TOKEN)


def _check_clock(text: str, now: datetime) -> None:
    if not text:
        raise KmsApiError(Refusal.ILLEGAL_TIMESTAMP)
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise KmsApiError(Refusal.MALFORMED_TIMESTAMP) from error
    if abs(moment - now) > MAX_SKEW:
        raise KmsApiError(Refusal.ILLEGAL_TIMESTAMP)


def _compare(expected: str, provided: str, text: str) -> None:
    if not same(provided, expected):
        raise KmsApiError(Refusal.SIGNATURE_DOES_NOT_MATCH, text)
