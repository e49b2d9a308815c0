"""From oss2's arguments to the store that a bucket talks to, and the requests that need no key.

The store is made at the first request, as oss2 finds out then what cannot be done, and anew when
the bucket is given an `Auth` of another signature version, another timeout or other proxies.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cipherbucket.credentials import ANONYMOUS, Credentials, CredentialsProvider
from cipherbucket.errors import missing_extra
from cipherbucket.oss2._answers import response_of
from cipherbucket.oss2._arguments import object_name, query_of, sorted_headers
from cipherbucket.oss2._error_translation import oss2_errors, provider_errors
from cipherbucket.oss2.auth import UNSIGNED, AuthBase
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.oss2.http import Response
from cipherbucket.stores.oss.settings import OssSettings

if TYPE_CHECKING:
    from cipherbucket.stores.oss.store import OssStore

_ENDPOINT = re.compile(r"([a-zA-Z]+://)?([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def checked_endpoint(endpoint: str) -> str:
    """Return an endpoint as URL; without a scheme it is ``http``, as in oss2.

    Raises:
        ClientError: It is none.
    """
    given = endpoint.strip()
    url = given if given.startswith(("http://", "https://")) else f"http://{given}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    shown = f"[{host}]" if _is_ipv6(host) else host  # which oss2 does not take
    bare = f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}") if host else ""
    if not _ENDPOINT.fullmatch(bare):
        # A part before "@" may hold a password.
        raise ClientError(f"the endpoint {endpoint.rpartition('@')[2]!r} is no host or URL")
    return bare


def checked_bucket_name(name: str) -> str:
    """Return a bucket's name without blanks around it.

    Raises:
        ClientError: It is none: 3 to 63 of a-z, 0-9 and hyphen, which neither begins nor ends it.
    """
    bare = name.strip()
    if not _BUCKET.fullmatch(bare):
        raise ClientError(f"the bucket name {name!r} is not 3 to 63 of a-z, 0-9 and hyphen")
    return bare


@dataclass(frozen=True)
class Place:
    """Where a bucket is and how it is reached; the arguments of `CryptoBucket`."""

    endpoint: str
    bucket_name: str
    is_cname: bool
    timeout: float | tuple[float, float]
    app_name: str
    proxies: Mapping[str, str | None] | None
    region: str | None
    cloudbox_id: str | None
    is_path_style: bool

    def settings(
        self, credentials: Credentials | CredentialsProvider, signature: str
    ) -> OssSettings:
        """Return what the store needs to know.

        Args:
            credentials: Whose requests they are.
            signature: ``v1`` or ``v4``.

        Raises:
            UsageError: Something that cannot be.
        """
        parts = urlsplit(self.endpoint)
        connect, read = (
            self.timeout if isinstance(self.timeout, tuple) else (self.timeout, self.timeout)
        )
        return OssSettings(
            endpoint=self.endpoint,
            region=self.region,
            credentials=credentials,
            signature=signature,
            addressing=self._addressing(parts.hostname or ""),
            proxy=self.proxies,
            connect_timeout=connect,
            read_timeout=read,
            app_name=self.app_name,
            cloudbox_id=self.cloudbox_id,
        )

    def _addressing(self, host: str) -> str:
        if host == "localhost" or _is_address(host):
            return "path"
        if self.is_cname:
            return "cname"
        return "path" if self.is_path_style else "virtual"


class Connection:
    """The store of a bucket, for whoever asks at the moment.

    Attributes:
        auth: Who asks; another may be put in its place at any time, and so for ``place``.
        place: Where the bucket is.
    """

    def __init__(self, auth: AuthBase, place: Place) -> None:
        self.auth = auth
        self.place = place
        self._lock = threading.Lock()
        self._made_for: tuple[str, Place] | None = None
        self._store: OssStore | None = None

    def store(self) -> OssStore:
        """Return the store.

        Raises:
            UsageError: The arguments lead nowhere.
            ClientError: Signature version 4 without a region.
            MissingExtraError: The extra ``oss`` is not installed.
        """
        proxies = None if self.place.proxies is None else dict(self.place.proxies)
        wanted = self.auth.signature, replace(self.place, proxies=proxies)  # it may be changed
        with self._lock:
            if self._store is None or wanted != self._made_for:
                self._store, self._made_for = self._new_store(*wanted), wanted
            return self._store

    def ask_bucket(
        self,
        operation: str,
        method: str,
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, Any] | None,
        body: bytes = b"",
    ) -> Response:
        """Send a request to the bucket and return the answer; arguments as in `ask_object`."""
        return self._ask(operation, method, None, query_of(params), headers, body)

    def ask_object(
        self,
        operation: str,
        method: str,
        key: str | bytes,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        body: bytes = b"",
        subresource: str | None = None,
    ) -> Response:
        """Send a request to an object and return the answer.

        Args:
            operation: Its name in the documents, such as ``PutObjectTagging``.
            method: GET, PUT ...
            key: The object's name.
            params: Parameters.
            headers: Request headers.
            body: What is sent.
            subresource: A parameter without a value, such as ``tagging``.

        Raises:
            ClientError: No name.
            ServerError: The service refused or failed.
            RequestError: No answer came.
        """
        name, query = object_name(key), query_of(params)
        if subresource is not None:
            query.setdefault(subresource, "")
        return self._ask(operation, method, name, query, headers, body)

    def _ask(
        self,
        operation: str,
        method: str,
        name: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, Any] | None,
        body: bytes,
    ) -> Response:
        with oss2_errors():
            sent = sorted_headers(headers)
            texts = sent.as_sent()
            if body and sent.md5 is not None:
                texts["content-md5"] = sent.md5
            answer = self.store().client.request(
                operation, method, name, headers=texts, query=query, body=body
            )
            return response_of(answer)

    def _new_store(self, signature: str, place: Place) -> OssStore:
        try:
            from cipherbucket.stores.oss.store import OssStore  # noqa: PLC0415  the extra
        except ImportError as error:
            raise missing_extra("the OSS SDK is not installed", "oss") from error
        if signature == "v4" and not (place.region or place.cloudbox_id):
            raise ClientError("signature version 4 needs the region: give region=")
        who = ANONYMOUS if signature == UNSIGNED else self._credentials
        settings = place.settings(who, "v1" if signature == UNSIGNED else signature)
        return OssStore(place.bucket_name, settings)

    def settings(self) -> OssSettings:
        """Return how the store is reached, without anybody's credentials.

        Raises:
            UsageError: The arguments lead nowhere.
        """
        return self.place.settings(ANONYMOUS, "v1")

    def _credentials(self) -> Credentials:
        with provider_errors():
            return self.auth.current()

    def close(self) -> None:
        """Close connections; the next request opens new ones."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_ipv6(host: str) -> bool:
    return ":" in host and _is_address(host)
