"""The official OSS SDK on our own HTTP: it signs, finds endpoints and retries.

Our HTTP carries its requests, because the SDK's own is built on a library that costs more CPU than
the encryption. Its checksums are off, ours are on; its encryption client is not used. It reads no
answer: those that are no success are errors of ours before it sees them, since it takes an answer
without a date for a fault of its own, and reads XML of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import alibabacloud_oss_v2 as sdk
from alibabacloud_oss_v2 import exceptions, retry
from alibabacloud_oss_v2.types import (
    CaseInsensitiveDict,
    HttpClient,
    HttpRequest,
    HttpResponse,
)

from cipherbucket.credentials import ANONYMOUS, Credentials, CredentialsProvider, provider_of
from cipherbucket.errors import TransientStoreError
from cipherbucket.stores.http.client import Http, Response, empty_answer
from cipherbucket.stores.oss.errors import refusal
from cipherbucket.stores.oss.settings import OssSettings


def new_client(settings: OssSettings, http: Http) -> sdk.Client:
    """Make an SDK client on our transport.

    Raises:
        UsageError: The settings lead nowhere.
        MissingExtraError: The default chain of credentials is needed and not installed.
    """
    settings.check_reachable()
    config = sdk.config.Config(
        region=settings.region,
        endpoint=settings.endpoint,
        signature_version=settings.signature,
        credentials_provider=_sdk_provider(settings.credentials),
        retry_max_attempts=settings.attempts,
        retryer=retry.StandardRetryer(error_retryables=[_MayPass()]),
        http_client=SdkHttpClient(http),
        use_path_style=settings.addressing == "path" or settings.takes_no_bucket,
        use_cname=settings.addressing == "cname" and not settings.takes_no_bucket,
        use_internal_endpoint=settings.network == "internal",
        use_accelerate_endpoint=settings.network == "accelerate",
        use_dualstack_endpoint=settings.network == "dualstack",
        disable_upload_crc64_check=True,
        disable_download_crc64_check=True,
        user_agent=f"cipherbucket/{settings.app_name}" if settings.app_name else "cipherbucket",
        cloud_box_id=settings.cloudbox_id,
    )
    return sdk.Client(config)


def _sdk_provider(
    credentials: Credentials | CredentialsProvider | None,
) -> sdk.credentials.CredentialsProvider:
    if credentials is ANONYMOUS:  # not an empty key, which somebody forgot to set
        return sdk.credentials.AnonymousCredentialsProvider()
    asked = provider_of(credentials)

    def provide() -> sdk.credentials.Credentials:
        current = asked()
        return sdk.credentials.Credentials(
            current.access_key_id, current.access_key_secret, current.security_token
        )

    return sdk.credentials.CredentialsProviderFunc(provide)


class _MayPass(retry.ErrorRetryable):  # type: ignore[misc]
    """What is tried again, unless the request says otherwise."""

    def is_error_retryable(self, error: Exception) -> bool:
        return isinstance(error, TransientStoreError | exceptions.CredentialsFetchError)


class SdkResponse(HttpResponse):  # type: ignore[misc]
    """Our response in the shape that the SDK knows."""

    def __init__(self, request: HttpRequest, response: Response) -> None:
        self.raw = response
        self._request = request
        self._headers = CaseInsensitiveDict(response.headers)
        self._content: bytes | None = None

    @property
    def request(self) -> HttpRequest:
        """The request that was answered."""
        return self._request

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self.raw.status

    @property
    def headers(self) -> Any:
        """The headers, found by names in any case."""
        return self._headers

    @property
    def reason(self) -> str:
        """The status's text."""
        return self.raw.reason

    @property
    def is_closed(self) -> bool:
        """Whether the answer was read whole."""
        return self._content is not None

    @property
    def is_stream_consumed(self) -> bool:
        """As `is_closed`."""
        return self._content is not None

    @property
    def content(self) -> bytes:
        """The body."""
        return self.read()

    def read(self) -> bytes:
        """Read the body whole, once; later calls return the same."""
        if self._content is None:
            self._content = self.raw.read()
        return self._content

    def iter_bytes(self, **_: Any) -> Iterator[bytes]:
        """Yield the body as one block."""
        yield self.read()

    def close(self) -> None:
        """Give the connection back, or close it."""
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SdkHttpClient(HttpClient):  # type: ignore[misc]
    """Our transport in the shape that the SDK knows."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def send(self, request: HttpRequest, **options: Any) -> HttpResponse:
        """Send a request; read the answer whole unless ``stream`` is set.

        Raises:
            CipherbucketError: No answer, or one that is no success.
        """
        body = request.body if request.body is not None else b""
        body = body.encode() if isinstance(body, str) else body
        answer = self._http.request(
            request.method, request.url, request.headers, body, length=len(body)
        )
        response = SdkResponse(request, answer)
        succeeded = answer.status // 100 == 2
        if not (succeeded and options.get("stream")):
            response.read()
        if not succeeded:
            raise refusal(answer)
        return response

    def open(self) -> None:
        """Connections are opened when they are needed."""

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class Unsent(HttpClient):  # type: ignore[misc]
    """A transport that sends nothing and keeps the URL it was to ask: how a URL is presigned.

    Attributes:
        url: The last one, signed.
    """

    url = ""

    def send(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Keep the URL of a request, and answer it with 200 and nothing."""
        self.url = str(request.url)
        return SdkResponse(request, empty_answer(request.method, self.url))

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""
