"""How an S3 bucket is reached. What is not given is what boto3 finds: environment and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cipherbucket.credentials import Credentials, CredentialsProvider, state_without_secrets
from cipherbucket.errors import UsageError
from cipherbucket.stores.http import CONNECT_TIMEOUT, READ_TIMEOUT
from cipherbucket.stores.http.endpoint import check_endpoint

CHOICES = {
    "addressing": ("auto", "virtual", "path"),
    "network": ("default", "dualstack", "accelerate", "fips"),
}
"""Settings that are one of few, with what they may be."""


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """Region, endpoint, credentials and the like.

    Attributes:
        region: Such as ``eu-central-1``. None: ``AWS_REGION``, ``AWS_DEFAULT_REGION`` or the
            profile's; else ``us-east-1``.
        endpoint: URL or host of another service than AWS, without a path; https where it names no
            scheme. None: ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL`` or the profile's; else AWS.
            "": AWS, whatever these say.
        profile: A profile of ``~/.aws/config``. None: ``AWS_PROFILE``.
        credentials: Fixed ones, a provider that is asked before each request, or None: boto3's
            chain (environment, profile, SSO, container, machine). `ANONYMOUS`: none.
        addressing: ``virtual`` (bucket in the host name), ``path``, or ``auto``: as boto3 does.
        network: ``default``, ``dualstack``, ``accelerate`` or ``fips``; of AWS alone.
        requester_pays: Whether requests say that their sender pays.
        sign_payload: Whether bodies are read once more beforehand, and signed. Over TLS that adds
            nothing; over plain HTTP whoever is on the way can change a body that is not signed.
        proxy: As in `OssSettings`.
        ca_file: Certificates to trust instead of the system's. None: ``AWS_CA_BUNDLE`` or the
            profile's ``ca_bundle``, else as in `OssSettings`.
        verify: False trusts any certificate; for test endpoints.
        connect_timeout: Seconds until a connection that does not come about, or takes nothing of
            what is sent, is given up.
        read_timeout: Seconds that a store may be silent, or slower than 1 KiB a second.
        attempts: How often a request without a body is tried.
        app_name: What the program is called in the ``User-Agent`` of requests; ASCII.

    Raises:
        UsageError: A value that is none of those named, or an endpoint that is none.
    """

    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    credentials: Credentials | CredentialsProvider | None = None
    addressing: str = "auto"
    network: str = "default"
    requester_pays: bool = False
    sign_payload: bool = False
    proxy: str | Mapping[str, str | None] | None = field(default=None, repr=False)  # its password
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    attempts: int = 4
    app_name: str = ""

    def __post_init__(self) -> None:
        for name in ("region", "profile"):
            object.__setattr__(self, name, (getattr(self, name) or "").strip() or None)
        if self.endpoint is not None:  # "" is none, whatever environment and profile say
            object.__setattr__(self, "endpoint", self.endpoint.strip())
        for name, values in CHOICES.items():
            if (value := getattr(self, name)) not in values:
                raise UsageError(f"{name} is one of {', '.join(values)}, not {value!r}")
        if self.endpoint:
            check_endpoint(self.endpoint, "AWS_ENDPOINT_URL", "s3://BUCKET")
        if self.ca_file is not None:
            from cipherbucket.network import check_certificates  # noqa: PLC0415  takes a while

            check_certificates(self.ca_file, "ca_file")

    __getstate__ = state_without_secrets

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint with its scheme; None where none is given."""
        if not self.endpoint:
            return None
        if "://" in self.endpoint:
            return self.endpoint
        return f"https://{self.endpoint}"

    @property
    def is_r2(self) -> bool:
        """Whether the endpoint is Cloudflare's, which wants equal parts."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        return host.endswith(".r2.cloudflarestorage.com")
