"""What the calls of a `CryptoBucket` stand on: its arguments, its store, its keys.

Law: nothing is encrypted, decrypted or checked here. Each call makes a `cipherbucket.Bucket` over
the same connections, with the headers and parameters that the program adds, and shows its answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.oss2 import defaults
from cipherbucket.oss2._arguments import in_headers, query_of, sorted_headers
from cipherbucket.oss2._connection import (
    Connection,
    Place,
    checked_bucket_name,
    checked_endpoint,
)
from cipherbucket.oss2._error_translation import Exchange, exchange, shown
from cipherbucket.oss2._provider import BaseCryptoProvider
from cipherbucket.oss2.auth import AuthBase
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.oss2.headers import OSS_ENCRYPTION_CLIENT
from cipherbucket.oss2.http import USER_AGENT, Response, Session
from cipherbucket.stores.records import NOTHING
from cipherbucket.writing.multipart import Multipart


class Face:
    """The arguments of `cipherbucket.oss2.CryptoBucket`, which documents them."""

    ACL = "acl"
    OBJECTMETA = "objectMeta"
    PROCESS = "x-oss-process"
    RESTORE = "restore"
    SYMLINK = "symlink"
    TAGGING = "tagging"
    VERSIONID = "versionId"
    VERSIONS = "versions"

    def __init__(
        self,
        auth: AuthBase,
        endpoint: str,
        bucket_name: str,
        crypto_provider: BaseCryptoProvider,
        is_cname: bool = False,
        session: Session | None = None,
        connect_timeout: float | tuple[float, float] | None = None,
        app_name: str = "",
        enable_crc: bool = True,
        proxies: Mapping[str, str] | None = None,
        region: str | None = None,
        cloudbox_id: str | None = None,
        is_path_style: bool = False,
        *,
        policy: Policy | None = None,
    ) -> None:
        if not isinstance(crypto_provider, BaseCryptoProvider):
            raise ClientError("crypto_provider must be an instance of BaseCryptoProvider")
        if not isinstance(policy, Policy | None):
            raise ClientError("policy must be a cipherbucket.Policy")
        if not isinstance(auth, AuthBase):
            raise ClientError("auth must be one of cipherbucket.oss2's: Auth, ProviderAuth ...")
        self.endpoint = checked_endpoint(endpoint)
        self.bucket_name = checked_bucket_name(bucket_name)
        self.crypto_provider = crypto_provider
        self.session = session or Session()
        self.app_name = app_name
        self.enable_crc = enable_crc
        self.region = region
        self.cloudbox_id = cloudbox_id
        self.product = "oss" if cloudbox_id is None else "oss-cloudbox"
        self.policy = policy
        self.user_agent = "/".join(filter(None, (USER_AGENT, app_name, OSS_ENCRYPTION_CLIENT)))
        self.is_verify_object_strict = auth.auth_version() == "v1"
        self.upload_contexts: dict[str, Multipart] = {}
        self.upload_contexts_lock = threading.Lock()
        self._connection = Connection(
            auth,
            Place(
                endpoint=self.endpoint,
                bucket_name=self.bucket_name,
                is_cname=is_cname,
                timeout=defaults.connect_timeout if connect_timeout is None else connect_timeout,
                app_name=app_name,
                proxies=proxies,
                region=region,
                cloudbox_id=cloudbox_id,
                is_path_style=is_path_style,
            ),
        )

    @property
    def auth(self) -> AuthBase:
        """Who asks; another may be put in its place at any time."""
        return self._connection.auth

    @auth.setter
    def auth(self, auth: AuthBase) -> None:
        if not isinstance(auth, AuthBase):
            raise ClientError("auth must be one of cipherbucket.oss2's: Auth, ProviderAuth ...")
        self._connection.auth = auth

    @property
    def timeout(self) -> float | tuple[float, float]:
        """Seconds, see ``connect_timeout``; set, it counts from the next call on."""
        return self._connection.place.timeout

    @timeout.setter
    def timeout(self, seconds: float | tuple[float, float]) -> None:
        self._connection.place = replace(self._connection.place, timeout=seconds)

    @property
    def proxies(self) -> Mapping[str, str] | None:
        """Proxies by scheme; set, they count from the next call on."""
        return self._connection.place.proxies

    @proxies.setter
    def proxies(self, proxies: Mapping[str, str] | None) -> None:
        self._connection.place = replace(self._connection.place, proxies=proxies)

    def _init_user_agent(self, headers: MutableMapping[str, str]) -> None:
        """Name what encrypts in headers, as subclasses of oss2's bucket may expect."""
        if "User-Agent" in headers:
            headers["User-Agent"] += "/" + OSS_ENCRYPTION_CLIENT
        else:
            headers["User-Agent"] = self.user_agent

    def close(self) -> None:
        """Close connections; the next call opens new ones. oss2 has no such call."""
        self._connection.close()

    def as_cipherbucket(
        self, headers: Mapping[str, str] = NOTHING, query: Mapping[str, str] = NOTHING
    ) -> Bucket:
        """Return this bucket as the library's own.

        Args:
            headers: Request headers that its next request is to bring.
            query: Parameters for the same.
        """
        store = self._connection.store()
        if headers or query:
            store = store.adding(headers, query)
        return Bucket(store, self.crypto_provider.ring, policy=self.policy)

    @contextmanager
    def _call(self, key: str | bytes | None) -> Iterator[tuple[str, Exchange]]:
        """Check the name of an object, and watch what comes back."""
        name = key.decode() if isinstance(key, bytes) else key
        if not name:
            raise ClientError("key should not be null or empty.")
        with exchange() as call:
            yield name, call

    def _ask(
        self,
        operation: str,
        method: str,
        key: str | bytes | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        body: bytes = b"",
        subresource: str | None = None,
    ) -> Response:
        """Send a request that needs no key, to an object or the bucket, and return its answer."""
        sent = sorted_headers(headers)
        told = in_headers(sent.metadata) | sent.kept | sent.added
        query = query_of(params)
        if subresource is not None:
            query.setdefault(subresource, "")
        if body and sent.md5 is not None:
            told["content-md5"] = sent.md5
        with exchange():
            name = key.decode() if isinstance(key, bytes) else key
            answer = self._connection.store().request(
                operation, method, name, headers=told, query=query, body=body
            )
            return shown(answer)

    def _ask_object(
        self, operation: str, method: str, key: str | bytes, **options: Any
    ) -> Response:
        if not key:
            raise ClientError("key should not be null or empty.")
        return self._ask(operation, method, key, **options)

    def __repr__(self) -> str:
        """Show no credentials."""
        return f"<{type(self).__name__} {self.bucket_name!r} at {self.endpoint!r}>"
