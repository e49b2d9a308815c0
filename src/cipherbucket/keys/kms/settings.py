"""How a KMS is reached. What is not given is taken from the environment.

Rule: a data key crosses this way in the clear, inside TLS. Plain HTTP goes to this very machine
alone, for a local endpoint in development and tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from cipherbucket.credentials import Credentials, CredentialsProvider, state_without_secrets
from cipherbucket.errors import UsageError

CONNECT_TIMEOUT = 5.0
"""Seconds until a connection that does not come about is given up."""
READ_TIMEOUT = 10.0
"""Seconds without a byte until a call is given up; the KMS answers in milliseconds."""
PATIENCE = 60.0
"""Seconds that a call is paused for in all before a busy KMS becomes an error."""
_LONGEST = 24 * 3600
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class KmsSettings:
    """Region, endpoint, credentials and the like.

    Attributes:
        region: Such as ``cn-hangzhou``; leads to the shared gateway there. None: ``OSS_REGION``.
        endpoint: Host or URL, such as that of a dedicated gateway,
            ``<instance id>.cryptoservice.kms.aliyuncs.com``. None: ``KMS_ENDPOINT``, or else
            derived from the region. ``http://`` only on loopback.
        network: ``public`` or ``vpc``; only where the endpoint is derived from the region.
        credentials: Fixed ones, a provider that is asked before each request, or None: the
            environment (``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``, ``OSS_SESSION_TOKEN``),
            then the default chain of ``alibabacloud-credentials``.
        proxy: URL of a proxy, "" for none, or the dictionary of `requests`. None:
            ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY`` and their like, as they are when the key is
            made. Plain HTTP goes through none.
        ca_file: Certificates to trust beside the usual ones; a dedicated gateway has a CA of its
            own, to be had in the KMS console. None: ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``.
        verify: False trusts any certificate; for test endpoints.
        connect_timeout: Seconds until a connection that does not come about is given up.
        read_timeout: Seconds without a byte until a call is given up, and that an answer's body
            may take in all.
        attempts: How often a call that fails on the way is made.
        patience: Seconds that a call is paused for in all, while the KMS throttles.

    Raises:
        UsageError: A value that cannot be used, or plain HTTP to another machine.
    """

    region: str | None = None
    endpoint: str | None = None
    network: str = "public"
    credentials: Credentials | CredentialsProvider | None = None
    proxy: str | Mapping[str, str | None] | None = field(default=None, repr=False)  # its password
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    attempts: int = 4
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        for name, variable in (("region", "OSS_REGION"), ("endpoint", "KMS_ENDPOINT")):
            given = getattr(self, name)  # "" is none, whatever the environment says
            text = os.environ.get(variable, "").strip() or None if given is None else given.strip()
            object.__setattr__(self, name, text)
        if self.network not in {"public", "vpc"}:
            raise UsageError(f"network is one of public, vpc, not {self.network!r}")
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise UsageError(f"{self.region!r} is no region", hint="it is such as cn-hangzhou")
        if self.ca_file is not None:
            from cipherbucket.network import check_certificates  # noqa: PLC0415  as below

            check_certificates(self.ca_file, "ca_file")
        timeouts = (self.connect_timeout, self.read_timeout)
        if self.attempts < 1 or not all(0 < each <= _LONGEST for each in timeouts):
            raise UsageError("a KMS takes at least one attempt, and timeouts above zero")
        if not 0 <= self.patience <= _LONGEST:
            raise UsageError(f"patience is 0 to {_LONGEST} seconds")
        if self.endpoint is not None:
            _check(_split(self.endpoint))
        if self.proxy and self.protocol == "http":
            raise UsageError("plain HTTP goes through no proxy: data keys would pass in the clear")

    __getstate__ = state_without_secrets

    @property
    def protocol(self) -> str:
        """``https``, or ``http`` on loopback."""
        return _split(self.endpoint).scheme if self.endpoint is not None else "https"

    @property
    def host(self) -> str:
        """The host that is called, with its port where that is not the usual one.

        Raises:
            UsageError: Neither region nor endpoint.
        """
        if self.endpoint is not None:
            return _split(self.endpoint).netloc
        if not self.region:
            raise UsageError(
                "a KMS key needs a region or an endpoint",
                hint="set OSS_REGION (such as cn-hangzhou) or KMS_ENDPOINT",
            )
        network = "-vpc" if self.network == "vpc" else ""
        return f"kms{network}.{self.region}.aliyuncs.com"


def _split(endpoint: str) -> SplitResult:
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        _ = parts.port  # a port that is no number
    except ValueError:
        raise UsageError("the endpoint of the KMS is no URL that can be used") from None
    return parts


def _check(parts: SplitResult) -> None:
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(parts.netloc):
        raise UsageError("the endpoint of the KMS is no URL that can be used")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UsageError("the endpoint of the KMS is a host; no path goes with it")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise UsageError(
            "plain HTTP would send data keys over the network in the clear",
            hint="use https://; http:// is for a local endpoint on loopback",
        )


def _is_loopback(host: str) -> bool:
    import ipaddress  # noqa: PLC0415  only here, and not for nothing: it takes a while

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
