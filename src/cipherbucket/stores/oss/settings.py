"""How an OSS bucket is reached. What is not given is taken from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cipherbucket.credentials import Credentials, CredentialsProvider, state_without_secrets
from cipherbucket.errors import UsageError
from cipherbucket.stores.http import CONNECT_TIMEOUT, READ_TIMEOUT
from cipherbucket.stores.http.endpoint import check_endpoint

CHOICES = {
    "signature": ("v4", "v1"),
    "addressing": ("virtual", "path", "cname"),
    "network": ("default", "internal", "accelerate", "dualstack"),
}
"""Settings that are one of few, with what they may be."""


@dataclass(frozen=True, kw_only=True)
class OssSettings:
    """Region, endpoint, credentials and the like.

    Attributes:
        region: Such as ``cn-hangzhou``; signature V4 needs it. None: ``OSS_REGION``.
        endpoint: Host or URL, without a path; https where it names no scheme. An IPv6 address
            stands in brackets. None: ``OSS_ENDPOINT``, or else derived from the region.
        credentials: Fixed ones, a provider that is asked before each request, or None: the
            environment (``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``, ``OSS_SESSION_TOKEN``),
            then the default chain of ``alibabacloud-credentials``. `ANONYMOUS`: none.
        signature: ``v4``, or ``v1`` for endpoints that know no other.
        addressing: ``virtual`` (bucket in the host name), ``path``, or ``cname`` (the endpoint is
            a domain of the bucket's own). An endpoint that is an IP address is always ``path``.
        network: ``default``, ``internal`` (inside the cloud), ``accelerate`` or ``dualstack``;
            only where the endpoint is derived from the region.
        proxy: URL of a proxy, "" for none, or the dictionary of `requests`, such as
            ``{"https": "http://proxy:3128"}``. None: ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``
            and their like, as they are when the bucket is opened.
        ca_file: Certificates to trust instead of the system's. None: ``REQUESTS_CA_BUNDLE``,
            ``CURL_CA_BUNDLE`` or ``SSL_CERT_FILE``.
        verify: False trusts any certificate; for test endpoints.
        connect_timeout: Seconds until a connection that does not come about, or takes nothing of
            what is sent, is given up.
        read_timeout: Seconds that a store may be silent, or slower than 1 KiB a second.
        attempts: How often a request without a body is tried.
        app_name: What the program is called in the ``User-Agent`` of requests; ASCII.
        cloudbox_id: The CloudBox that the endpoint belongs to, in the place of a region.

    Raises:
        UsageError: A value that is none of those named, or an endpoint that is none.
    """

    region: str | None = None
    endpoint: str | None = None
    credentials: Credentials | CredentialsProvider | None = None
    signature: str = "v4"
    addressing: str = "virtual"
    network: str = "default"
    proxy: str | Mapping[str, str | None] | None = field(default=None, repr=False)  # its password
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    attempts: int = 4
    app_name: str = ""
    cloudbox_id: str | None = None

    def __post_init__(self) -> None:
        for name, variable in (("region", "OSS_REGION"), ("endpoint", "OSS_ENDPOINT")):
            given = getattr(self, name)  # "" is none, whatever the environment says
            text = os.environ.get(variable, "").strip() or None if given is None else given.strip()
            object.__setattr__(self, name, text)
        for name, values in CHOICES.items():
            if (value := getattr(self, name)) not in values:
                raise UsageError(f"{name} is one of {', '.join(values)}, not {value!r}")
        if self.endpoint:
            check_endpoint(self.endpoint, "OSS_ENDPOINT", "oss://BUCKET")
        if self.ca_file is not None:
            from cipherbucket.network import check_certificates  # noqa: PLC0415  takes a while

            check_certificates(self.ca_file, "ca_file")

    __getstate__ = state_without_secrets

    @property
    def takes_no_bucket(self) -> bool:
        """Whether no bucket's name can stand before the host: ``localhost``, an IPv6 address.

        The SDK sees by itself that none stands before an IPv4 address.
        """
        host = urlsplit(f"//{(self.endpoint or '').rpartition('//')[2]}").netloc
        return host.startswith("[") or host.partition(":")[0].lower() == "localhost"

    def check_reachable(self) -> None:
        """Refuse settings that lead to no endpoint, or that cannot be signed.

        Raises:
            UsageError: Neither region nor endpoint, or V4 without a region.
        """
        if not self.region and not self.endpoint:
            raise UsageError(
                "an OSS bucket needs a region or an endpoint",
                hint="set OSS_REGION (such as cn-hangzhou) or OSS_ENDPOINT",
            )
        if self.signature == "v4" and not (self.region or self.cloudbox_id):
            raise UsageError(
                "signature V4 needs the region",
                hint="set OSS_REGION or give region=; signature='v1' needs none",
            )
