"""Where access keys come from, under oss2's names.

A provider is asked before every request, so that what expires can be renewed. Secrets are shown in
no repr and no error.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from cipherbucket.credentials import OWN_ENVIRONMENT
from cipherbucket.errors import CipherbucketError, not_copied
from cipherbucket.oss2._client_errors import hinted
from cipherbucket.oss2._times import iso8601_to_unixtime
from cipherbucket.oss2.exceptions import ClientError

DEFAULT_ECS_SESSION_TOKEN_DURATION_SECONDS = 3600 * 6
"""How long a role's credentials are good, where the service does not say since when."""
DEFAULT_ECS_SESSION_EXPIRED_FACTOR = 0.85
"""The share of their life after which credentials are renewed."""


class Credentials:
    """An access key, with a security token if it is temporary."""

    def __init__(
        self, access_key_id: str = "", access_key_secret: str = "", security_token: str = ""
    ) -> None:
        self.access_key_id = access_key_id
        self.access_key_secret = access_key_secret
        self.security_token = security_token

    __reduce__ = not_copied("an access key", OWN_ENVIRONMENT, hinted)

    def get_access_key_id(self) -> str:
        """Return the id."""
        return self.access_key_id

    def get_access_key_secret(self) -> str:
        """Return the secret."""
        return self.access_key_secret

    def get_security_token(self) -> str:
        """Return the token, empty for none."""
        return self.security_token


class EcsRamRoleCredential(Credentials):
    """The credentials of a machine's role.

    Args:
        access_key_id: Id.
        access_key_secret: Secret.
        security_token: Token.
        expiration: When they end, in seconds since 1970.
        duration: How long they are good in all, in seconds.
        expired_factor: The share of that after which they are renewed.
    """

    def __init__(
        self,
        access_key_id: str,
        access_key_secret: str,
        security_token: str,
        expiration: float,
        duration: float,
        expired_factor: float | None = None,
    ) -> None:
        super().__init__(access_key_id, access_key_secret, security_token)
        self.expiration = expiration
        self.duration = duration
        self.expired_factor = expired_factor or DEFAULT_ECS_SESSION_EXPIRED_FACTOR

    def will_soon_expire(self) -> bool:
        """Tell whether it is time to renew them."""
        left = self.expiration - int(time.time())
        return self.duration * (1.0 - self.expired_factor) > left


class CredentialsProvider:
    """Base of providers; one of your own has this one method."""

    def get_credentials(self) -> Any:
        """Return current credentials: an object with the methods of `Credentials`."""


class StaticCredentialsProvider(CredentialsProvider):
    """Always the same credentials."""

    def __init__(
        self, access_key_id: str = "", access_key_secret: str = "", security_token: str = ""
    ) -> None:
        self.credentials = Credentials(access_key_id, access_key_secret, security_token)

    def get_credentials(self) -> Credentials:
        """Return them."""
        return self.credentials


class EnvironmentVariableCredentialsProvider(CredentialsProvider):
    """``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET`` and ``OSS_SESSION_TOKEN``."""

    def get_credentials(self) -> Credentials:
        """Read them.

        Raises:
            ClientError: Id or secret is not set.
        """
        key_id, secret = os.getenv("OSS_ACCESS_KEY_ID"), os.getenv("OSS_ACCESS_KEY_SECRET")
        if not key_id:
            raise ClientError("OSS_ACCESS_KEY_ID is not set")
        if not secret:
            raise ClientError("OSS_ACCESS_KEY_SECRET is not set")
        return Credentials(key_id, secret, os.getenv("OSS_SESSION_TOKEN") or "")


class EcsRamRoleCredentialsProvider(CredentialsProvider):
    """The role of the machine that this runs on, renewed before it ends.

    Args:
        auth_host: The URL where the machine's metadata has the role's credentials.
        max_retries: How often it is asked.
        timeout: Seconds for one answer.
    """

    def __init__(self, auth_host: str, max_retries: int = 3, timeout: float = 10) -> None:
        self.fetcher = EcsRamRoleCredentialsFetcher(auth_host)
        self.max_retries = max_retries
        self.timeout = timeout
        self.credentials: EcsRamRoleCredential | None = None
        self._lock = threading.Lock()

    def get_credentials(self) -> EcsRamRoleCredential:
        """Return the current ones.

        Raises:
            ClientError: There are none; ones that still hold are kept when no new ones come.
        """
        with self._lock:
            if self.credentials is None or self.credentials.will_soon_expire():
                try:
                    self.credentials = self.fetcher.fetch(self.max_retries, self.timeout)
                except ClientError:
                    if self.credentials is None:
                        raise
            return self.credentials


class EcsRamRoleCredentialsFetcher:
    """Asks a machine's metadata for the credentials of its role."""

    def __init__(self, auth_host: str) -> None:
        self.auth_host = auth_host

    def fetch(self, retry_times: int = 3, timeout: float = 10) -> EcsRamRoleCredential:
        """Ask.

        Raises:
            ClientError: None came.
        """
        from cipherbucket.stores.http.client import Http  # noqa: PLC0415  the extra

        http = Http(connect_timeout=timeout, read_timeout=timeout)
        reason = "it was never asked"
        for _ in range(retry_times):
            try:
                answer = http.request("GET", self.auth_host, {})
                if answer.status == 200:
                    return _read(answer.read())
                answer.close()
                reason = f"HTTP {answer.status}"
            except (CipherbucketError, AttributeError, KeyError, TypeError, ValueError) as error:
                reason = type(error).__name__  # its words may hold what it could not read
        raise ClientError(f"the ECS metadata service gives no credentials: {reason}")


def _read(text: bytes) -> EcsRamRoleCredential:
    known = json.loads(text)
    if known.get("Code") != "Success":
        raise ValueError("no success")
    expiration = iso8601_to_unixtime(known["Expiration"])
    updated = known.get("LastUpdated")
    duration = (
        DEFAULT_ECS_SESSION_TOKEN_DURATION_SECONDS
        if updated is None
        else expiration - iso8601_to_unixtime(updated)
    )
    return EcsRamRoleCredential(
        known["AccessKeyId"],
        known["AccessKeySecret"],
        known["SecurityToken"],
        expiration,
        duration,
    )
