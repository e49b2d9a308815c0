"""How an OSS bucket is reached. What is not given is taken from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from cipherbucket.credentials import Credentials, CredentialsProvider
from cipherbucket.errors import UsageError

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection that does not come about is given up."""
READ_TIMEOUT = 60.0
"""Seconds that a store may be silent, or slower than 1 KiB a second."""

_ENDPOINT = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]*")
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
        endpoint: Host or URL. None: ``OSS_ENDPOINT``, or else derived from the region.
        credentials: Fixed ones, a provider that is asked before each request, or None: the
            environment (``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``, ``OSS_SESSION_TOKEN``),
            then the default chain of ``alibabacloud-credentials``. `ANONYMOUS`: none.
        signature: ``v4``, or ``v1`` for endpoints that know no other.
        addressing: ``virtual`` (bucket in the host name), ``path``, or ``cname`` (the endpoint is
            a domain of the bucket's own). An endpoint that is an IP address is always ``path``.
        network: ``default``, ``internal`` (inside the cloud), ``accelerate`` or ``dualstack``;
            only where the endpoint is derived from the region.
        proxy: URL of a proxy. None: ``HTTPS_PROXY`` and ``NO_PROXY``.
        ca_file: Certificates to trust instead of the system's.
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
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    attempts: int = 4
    app_name: str = ""
    cloudbox_id: str | None = None

    def __post_init__(self) -> None:
        if self.region is None:
            object.__setattr__(self, "region", os.environ.get("OSS_REGION") or None)
        if self.endpoint is None:
            object.__setattr__(self, "endpoint", os.environ.get("OSS_ENDPOINT") or None)
        for name, values in CHOICES.items():
            if (value := getattr(self, name)) not in values:
                raise UsageError(f"{name} is one of {', '.join(values)}, not {value!r}")
        if self.endpoint is not None and not _ENDPOINT.fullmatch(self.endpoint):
            raise UsageError(
                "the endpoint is no host or URL without a user name and a password",
                hint="check endpoint= and OSS_ENDPOINT; it is not shown, since it may hold secrets",
            )
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise UsageError(f"ca_file: there is no file {self.ca_file!r}")

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
