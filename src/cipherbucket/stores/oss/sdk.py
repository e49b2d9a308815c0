"""The official OSS SDK as transport: it signs, finds endpoints, reads XML and retries.

Our own HTTP client carries its requests: the SDK's is built on a library that costs more CPU than
the encryption. Its checksums are off, ours are on; its encryption client is not used.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import alibabacloud_oss_v2 as sdk
from alibabacloud_oss_v2 import exceptions
from alibabacloud_oss_v2.types import (
    CaseInsensitiveDict,
    HttpClient,
    HttpRequest,
    HttpResponse,
)

from cipherbucket.credentials import ANONYMOUS, Credentials, CredentialsProvider, provider_of
from cipherbucket.errors import (
    CipherbucketError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
)
from cipherbucket.stores.oss.http import Http, Response, empty_answer
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
        http_client=SdkHttpClient(http),
        use_path_style=settings.addressing == "path",
        use_cname=settings.addressing == "cname",
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


class SdkResponse(HttpResponse):  # type: ignore[misc]
    """Our response in the shape that the SDK knows."""

    def __init__(self, request: HttpRequest, response: Response) -> None:
        self.raw = response
        self._request = request
        self._headers = CaseInsensitiveDict(response.headers)
        self._content: bytes | None = None

    @property
    def request(self) -> HttpRequest:
        return self._request

    @property
    def status_code(self) -> int:
        return self.raw.status

    @property
    def headers(self) -> Any:
        return self._headers

    @property
    def reason(self) -> str:
        return self.raw.reason

    @property
    def is_closed(self) -> bool:
        return self._content is not None

    @property
    def is_stream_consumed(self) -> bool:
        return self._content is not None

    @property
    def content(self) -> bytes:
        return self.read()

    def read(self) -> bytes:
        if self._content is None:
            self._content = self.raw.read()
        return self._content

    def iter_bytes(self, **_: Any) -> Iterator[bytes]:
        yield self.read()

    def close(self) -> None:
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
        body = request.body if request.body is not None else b""
        body = body.encode() if isinstance(body, str) else body
        try:
            answer = self._http.request(
                request.method, request.url, request.headers, body, length=len(body)
            )
            response = SdkResponse(request, answer)
            if not options.get("stream"):
                response.read()
        except TransientStoreError as error:
            raise exceptions.RequestError(error=error) from error
        return response

    def open(self) -> None:
        """Connections are opened when they are needed."""

    def close(self) -> None:
        self._http.close()


class Unsent(HttpClient):  # type: ignore[misc]
    """A transport that sends nothing and keeps the URL it was to ask: how a URL is presigned.

    Attributes:
        url: The last one, signed.
    """

    url = ""

    def send(self, request: HttpRequest, **_: Any) -> HttpResponse:
        self.url = str(request.url)
        return SdkResponse(request, empty_answer(request.method, self.url))

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""


@contextmanager
def service_errors(name: str | None = None) -> Iterator[None]:
    """Turn the SDK's exceptions into ours, with status, code, EC, request id and host."""
    try:
        yield
    except (
        ET.ParseError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, CipherbucketError):
            raise
        raise StoreError(
            f"the store's answer cannot be understood ({type(error).__name__})", name=name
        ) from error
    except exceptions.BaseError as error:
        cause: Exception = error
        while isinstance(cause, exceptions.OperationError) and cause.unwrap() is not None:
            cause = cause.unwrap()
        ours = _translated(cause, name)
        # One that our transport raised keeps its own cause; it is the SDK's error's cause itself.
        raise ours from (cause if ours.__traceback__ is None else ours.__cause__)


def _translated(error: Exception, name: str | None) -> CipherbucketError:
    if isinstance(error, CipherbucketError):
        return error
    if isinstance(error, exceptions.ServiceError):
        return _service_error(error, name)
    if isinstance(error, exceptions.RequestError | exceptions.ResponseError):
        inner = error.unwrap()
        if isinstance(inner, CipherbucketError):
            return inner
        return TransientStoreError(f"the request failed: {type(inner).__name__}", name=name)
    if isinstance(error, exceptions.CredentialsBaseError):
        return StoreError(
            "there are no usable credentials",
            name=name,
            hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        )
    return StoreError(f"the SDK refused the request: {error}", name=name)


_BY_CODE: Mapping[str, tuple[type[CipherbucketError], str, str | None]] = {
    "NoSuchKey": (ObjectNotFoundError, "no such object", None),
    "NoSuchVersion": (ObjectNotFoundError, "no such version", None),
    "SymlinkTargetNotExist": (ObjectNotFoundError, "the symlink leads nowhere", None),
    "NoSuchUpload": (UploadNotFoundError, "no such unfinished upload", "begin the upload anew"),
    "FileAlreadyExists": (PreconditionFailedError, "there is an object of this name", None),
    "PreconditionFailed": (PreconditionFailedError, "the object is not the one expected", None),
    "InvalidPart": (PreconditionFailedError, "a part named is not there", "upload it again"),
    "InvalidRange": (RangeError, "the range begins after the end of the object", None),
    "InvalidObjectState": (
        StoreError,
        "the object is archived and must be restored before it is read",
        "restore it: bucket.restore(name), then wait until it is ready",
    ),
    "NoSuchBucket": (StoreError, "no such bucket", "check the bucket's name, region and endpoint"),
    "AccessDenied": (StoreError, "access denied", "check the bucket's policy and the access key"),
    "InvalidAccessKeyId": (StoreError, "the access key is unknown", "check OSS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (
        StoreError,
        "the signature does not match",
        "check OSS_ACCESS_KEY_SECRET, and the region",
    ),
    "RequestTimeTooSkewed": (StoreError, "this machine's clock is wrong", "set the clock"),
}
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


def _words(text: object) -> str:
    """Return the store's words, cut and printable: they go to logs and terminals."""
    return "".join(char if char.isprintable() else "?" for char in str(text or "")[:200])


def _service_error(error: Any, name: str | None) -> CipherbucketError:
    status, code = int(error.status_code), _words(error.code)
    if status == 404 and str(error.request_target).startswith("HEAD "):
        code = "NoSuchKey"  # the answer to a HEAD has no body to say it
    if status == 412:
        code = "PreconditionFailed"
    host = urlsplit(str(error.request_target).partition(" ")[2]).netloc
    details = (
        f"(HTTP {status}, {code}, EC {_words(error.ec) or '-'},"
        f" request {_words(error.request_id) or '-'}, {host})"
    )
    if status in _TRANSIENT:
        ours: CipherbucketError = TransientStoreError(f"the store failed {details}", name=name)
    elif code in _BY_CODE:
        kind, text, hint = _BY_CODE[code]
        ours = kind(f"{text} {details}", name=name, hint=hint)
    else:
        ours = StoreError(f"the store refused: {_words(error.message)} {details}", name=name)
    if isinstance(ours, StoreError):
        ours.status, ours.code, ours.ec = status, code, error.ec or None
        ours.request_id, ours.host = error.request_id or None, host
    return ours
