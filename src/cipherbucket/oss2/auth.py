"""Who asks, and how requests are signed: oss2's classes over the credentials of the store.

Rule: nothing is signed here. A class has credentials and a signature version; the store signs.
Version 2 is not spoken by the SDK that signs: who asks for it gets version 1, which every endpoint
knows that knows version 2.
"""

from __future__ import annotations

from typing import Any

from cipherbucket.credentials import ANONYMOUS
from cipherbucket.credentials import Credentials as Known
from cipherbucket.oss2.credentials import StaticCredentialsProvider
from cipherbucket.oss2.exceptions import ClientError

AUTH_VERSION_1 = "v1"
AUTH_VERSION_2 = "v2"
AUTH_VERSION_4 = "v4"
UNSIGNED = ""
"""What `AuthBase.signature` is where nothing is signed."""


class AuthBase:
    """Signs with what a provider gives.

    Args:
        credentials_provider: An object whose ``get_credentials()`` is called before each request;
            see `cipherbucket.oss2.credentials`.

    Attributes:
        signature: What the store signs with, ``v1`` or ``v4``; `UNSIGNED` where it does not.
    """

    signature = "v1"
    _version = ""

    def __init__(self, credentials_provider: Any) -> None:
        self.credentials_provider = credentials_provider

    def auth_version(self) -> str:
        """Return the version that was asked for."""
        return self._version

    def current(self) -> Known:
        """Return the credentials for the next request.

        Raises:
            ClientError: The provider gives none.
        """
        given = self.credentials_provider.get_credentials()
        if given is None:
            raise ClientError("the credentials provider gives no credentials")
        return Known(
            given.get_access_key_id(),
            given.get_access_key_secret(),
            given.get_security_token() or None,
        )


class ProviderAuth(AuthBase):
    """Signature version 1."""

    _version = AUTH_VERSION_1


class ProviderAuthV2(AuthBase):
    """Signed as `ProviderAuth`: version 2 is not spoken here."""

    _version = AUTH_VERSION_2


class ProviderAuthV4(AuthBase):
    """Signature version 4; the bucket needs its region."""

    signature = "v4"
    _version = AUTH_VERSION_4


class Auth(ProviderAuth):
    """An access key; signature version 1."""

    def __init__(self, access_key_id: str, access_key_secret: str) -> None:
        super().__init__(_fixed(access_key_id, access_key_secret))


class AuthV2(ProviderAuthV2):
    """An access key; signed as `Auth`: version 2 is not spoken here."""

    def __init__(self, access_key_id: str, access_key_secret: str) -> None:
        super().__init__(_fixed(access_key_id, access_key_secret))


class AuthV4(ProviderAuthV4):
    """An access key; signature version 4; the bucket needs its region."""

    def __init__(self, access_key_id: str, access_key_secret: str) -> None:
        super().__init__(_fixed(access_key_id, access_key_secret))


class StsAuth(AuthBase):
    """A temporary access key with its token.

    When it ends, give the bucket another: ``bucket.auth = StsAuth(...)``.

    Args:
        access_key_id: Id.
        access_key_secret: Secret.
        security_token: Token.
        auth_version: ``AUTH_VERSION_1``, ``_2`` (signed as 1) or ``_4``.
    """

    def __init__(
        self,
        access_key_id: str,
        access_key_secret: str,
        security_token: str,
        auth_version: str = AUTH_VERSION_1,
    ) -> None:
        super().__init__(
            StaticCredentialsProvider(access_key_id, access_key_secret, security_token)
        )
        known = {AUTH_VERSION_2, AUTH_VERSION_4}
        self._version = auth_version if auth_version in known else AUTH_VERSION_1
        self.signature = "v4" if auth_version == AUTH_VERSION_4 else "v1"


class AnonymousAuth(AuthBase):
    """Nobody: requests are not signed. Good for what a bucket gives to everybody."""

    signature = UNSIGNED

    def __init__(self) -> None:
        super().__init__(None)

    def current(self) -> Known:
        """Return that there are none."""
        return ANONYMOUS


def make_auth(
    access_key_id: str, access_key_secret: str, auth_version: str = AUTH_VERSION_1
) -> Auth | AuthV2 | AuthV4:
    """Return what signs with an access key.

    Args:
        access_key_id: Id.
        access_key_secret: Secret.
        auth_version: ``AUTH_VERSION_1``, ``_2`` (signed as 1) or ``_4``.
    """
    kinds: dict[str, type[AuthV2 | AuthV4]] = {AUTH_VERSION_2: AuthV2, AUTH_VERSION_4: AuthV4}
    return kinds.get(auth_version, Auth)(access_key_id, access_key_secret)


def _fixed(access_key_id: str, access_key_secret: str) -> StaticCredentialsProvider:
    return StaticCredentialsProvider(access_key_id.strip(), access_key_secret.strip())
