"""Where access keys for the cloud's services come from.

A provider is a callable that returns current `Credentials`; it is asked before every request, so
that temporary ones can be renewed. Secrets are shown in no repr and no error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cipherbucket.errors import MissingExtraError, StoreError


@dataclass(frozen=True)
class Credentials:
    """An access key, with a security token if it is temporary (STS)."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


CredentialsProvider = Callable[[], Credentials]

ANONYMOUS = Credentials("", "")
"""Nobody: requests are not signed. Good for what a bucket's ACL gives to everybody."""


def environment_credentials() -> Credentials | None:
    """Read ``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``, ``OSS_SESSION_TOKEN``.

    Returns:
        The credentials, or None when id or secret is not set.
    """
    key_id = os.environ.get("OSS_ACCESS_KEY_ID")
    secret = os.environ.get("OSS_ACCESS_KEY_SECRET")
    if not key_id or not secret:
        return None
    return Credentials(key_id, secret, os.environ.get("OSS_SESSION_TOKEN") or None)


def provider_of(credentials: Credentials | CredentialsProvider | None) -> CredentialsProvider:
    """Return a provider for what a caller gave.

    Args:
        credentials: Fixed ones, a provider, or None: then the environment, and after it the
            default chain of ``alibabacloud-credentials`` (environment, profile files, OIDC role,
            RAM role of the machine), which renews what expires.

    Raises:
        MissingExtraError: The default chain is needed and not installed.
    """
    if isinstance(credentials, Credentials):
        fixed = credentials
        return lambda: fixed
    if credentials is not None:
        return credentials
    if (found := environment_credentials()) is not None:
        return lambda: found
    return _default_chain()


def _default_chain() -> CredentialsProvider:
    try:
        from alibabacloud_credentials.client import Client  # noqa: PLC0415  the extra
    except ImportError as error:
        raise MissingExtraError(
            "no credentials: OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set, and the"
            " default chain is not installed",
            hint="set them, or: pip install 'cipherbucket[oss]'",
        ) from error
    client: Client | None = None

    def provide() -> Credentials:
        nonlocal client
        try:
            client = client or Client()
            current = client.get_credential()
        except Exception as error:
            raise StoreError(
                f"no credentials in the default chain: {type(error).__name__}",
                hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or configure a role",
            ) from error
        return Credentials(
            current.get_access_key_id(),
            current.get_access_key_secret(),
            current.get_security_token() or None,
        )

    return provide
