"""The one identity that an endpoint knows, and how what a request says of itself is compared.

Rule: secrets are compared in constant time, and a clock may be off by `MAX_SKEW`.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

from cipherbucket.credentials import Credentials

DEFAULT_ACCESS_KEY_ID = "cipherbucket-local"
MAX_SKEW = timedelta(minutes=15)


def identity(
    access_key_id: str, access_key_secret: str | None, security_token: str | None
) -> Credentials:
    """Return the identity of an endpoint, with a random secret where none is given.

    Raises:
        UsageError: Something of it cannot be sent in a header.
    """
    secret = (access_key_secret or "").strip() or secrets.token_urlsafe(24)
    return Credentials(access_key_id, secret, security_token)


def same(expected: str, provided: str) -> bool:
    """Compare two texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(expected.encode(), provided.encode())
