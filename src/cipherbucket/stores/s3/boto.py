"""botocore on our own HTTP: it finds credentials, region and endpoint, writes, signs and repeats.

Rule: botocore reads no body of a success, since it takes XML of any size and any kind; it sees
refusals, to follow a bucket into its region and to try again. A request whose body cannot be sent
again, or which must not be done twice, is sent once. Its checksums are off, ours are on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    ReadOnlyCredentials,
)
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.loaders import Loader, create_loader

from cipherbucket.credentials import ANONYMOUS, CredentialsProvider, provider_of
from cipherbucket.errors import StoreError, TransientStoreError, UsageError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.http.client import Http, Response, answers_seen
from cipherbucket.stores.records import NOTHING
from cipherbucket.stores.s3.errors import code_and_region, is_elsewhere, refusal
from cipherbucket.stores.s3.settings import S3Settings

_DEFAULT_REGION = "us-east-1"
_LOOK = "check the settings, the AWS_ variables and ~/.aws/config"
_IN_REGION = "x-amz-bucket-region"


class SentBody:
    """A body in the shape that botocore and its library in C know; they read it only to sign it."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self._blocks: Iterator[bytes | bytearray | memoryview] | None = None
        self._rest = memoryview(b"")

    def __len__(self) -> int:
        return len(self.outgoing)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, ``size`` at most; nothing at the end, or where the body fails.

        What it fails with is its ``failure``: the library in C would print it and raise another.
        """
        if self._blocks is None:
            self._blocks = iter(self.outgoing)
        while not self._rest:
            try:
                block = next(self._blocks, None)
            except Exception:  # noqa: BLE001  raised before anything is sent, see `_sender`
                block = None
            if block is None:
                return b""
            self._rest = memoryview(block).cast("B")
        taken = self._rest[: size if size >= 0 else None]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)

    def seek(self, _: int, whence: int = 0) -> None:  # noqa: ARG002
        """Begin again."""
        self._blocks, self._rest = None, memoryview(b"")

    def tell(self) -> int:
        """Return where a body is when it is signed."""
        return 0


class Request(NamedTuple):
    """What botocore is not asked about: headers beside those of its parameters, and retries.

    Attributes:
        headers: Sent as they are, and signed.
        once: Whether the request is not repeated.
        operation: Its name in the documents of S3. botocore may ask of itself in between, such as
            by HeadBucket for a bucket's region.
    """

    headers: Mapping[str, str] = NOTHING
    once: bool = False
    operation: str = ""

    def made(self, event_name: str) -> bool:
        """Return whether an event of botocore is of this request, rather than of its own."""
        return event_name.endswith(f".{self.operation}")


_PLAIN = Request()
_request: ContextVar[Request] = ContextVar("request", default=_PLAIN)


@contextmanager
def sending(request: Request) -> Iterator[None]:
    """Say of the requests inside, of this thread, what botocore is not asked about."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


class UnansweredError(HTTPClientError):  # type: ignore[misc]
    """No answer came, which botocore may try again.

    Attributes:
        ours: The error that it is if no attempt is left.
    """

    fmt = "no answer"

    def __init__(self, ours: TransientStoreError) -> None:
        super().__init__()
        self.ours = ours


class _Answer:
    """An answer in the shape that botocore knows.

    Of a success it has the region alone, which HeadBucket is asked for, and of a refusal's document
    the code and the region: what botocore reads of the rest it may fail over.
    """

    def __init__(self, answer: Response) -> None:
        succeeded = answer.status // 100 == 2
        self.status_code = answer.status
        region = {key: answer.headers[key] for key in {_IN_REGION} & answer.headers.keys()}
        self.headers = HeadersDict(region if succeeded else answer.headers)
        self.content = b"" if succeeded else code_and_region(answer)
        self.raw = io.BytesIO()


def new_client(settings: S3Settings) -> tuple[Any, Http]:
    """Make a client of botocore on our transport.

    Raises:
        UsageError: The settings, or what environment and profile say, lead nowhere.
    """
    session = botocore.session.Session(profile=settings.profile)
    if settings.credentials not in {None, ANONYMOUS}:
        provider = _Given(provider_of(settings.credentials))
        session.register_component("credential_provider", CredentialResolver([provider]))
    try:
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        region = settings.region or os.environ.get("AWS_REGION")
        client = session.create_client(
            "s3",
            region_name=region or session.get_config_variable("region") or _DEFAULT_REGION,
            endpoint_url=settings.endpoint_url,
            config=_config(settings),
        )
        ca_file = settings.ca_file or session.get_config_variable("ca_bundle")
    except BotoCoreError as error:
        raise UsageError(
            f"S3 cannot be reached as it is configured: {error}", hint=_LOOK
        ) from error
    except ValueError:
        raise _no_endpoint() from None
    if "@" in client.meta.endpoint_url:  # of the environment or a profile
        raise _no_endpoint()
    http = Http(
        proxy=settings.proxy,
        ca_file=ca_file,
        verify=settings.verify,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        endpoint_in="AWS_ENDPOINT_URL",
    )
    client.meta.events.register("before-call.s3", _add_headers)
    client.meta.events.register("before-send.s3", _sender(http))
    return client, http


@cache
def _loader(data_path: str | None) -> Loader:
    """Return what reads botocore's description of S3, which takes longer than all the rest."""
    return create_loader(data_path)


def _no_endpoint() -> UsageError:
    return UsageError(
        "the endpoint of S3 is not https://HOST or http://HOST, with :PORT or without",
        hint="check AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and endpoint_url in ~/.aws/config; it is"
        " not shown, as it may hold a password",
    )


def _config(settings: S3Settings) -> Config:
    s3: dict[str, Any] = {"payload_signing_enabled": settings.sign_payload}
    if settings.addressing != "auto":
        s3["addressing_style"] = settings.addressing
    if settings.network == "accelerate":
        s3["use_accelerate_endpoint"] = True
    return Config(
        s3=s3,
        signature_version=UNSIGNED if settings.credentials is ANONYMOUS else "s3v4",
        use_dualstack_endpoint=True if settings.network == "dualstack" else None,
        use_fips_endpoint=True if settings.network == "fips" else None,
        retries={"mode": "standard", "total_max_attempts": settings.attempts},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        parameter_validation=False,
        ignore_configured_endpoint_urls=True if settings.endpoint == "" else None,
        user_agent_extra=f"cipherbucket/{settings.app_name}".removesuffix("/"),
    )


def _add_headers(params: dict[str, Any], event_name: str, **_: Any) -> None:
    if (request := _request.get()).made(event_name):
        params["headers"].update(request.headers)


def _sender(http: Http) -> Callable[..., _Answer]:
    """Return what botocore calls in the place of its own HTTP."""

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> _Answer:
        ours = _request.get()
        made = ours.made(event_name)
        once = ours.once and made
        headers = {
            name.lower(): text.decode() if isinstance(text, bytes) else text
            for name, text in request.headers.items()
            if name.lower() != "expect"  # our HTTP does not wait
        }
        body: Any = request.body
        if isinstance(body, SentBody):
            body = body.outgoing
            if body.failure is not None:  # while it was signed
                raise body.failure
        elif body is None:
            body = b""
        try:
            with nullcontext() if made else answers_seen():
                answer = http.request(request.method, request.url, headers, body, length=len(body))
            succeeded = answer.status // 100 == 2
            if not (succeeded and event_name.endswith(".GetObject")):
                answer.read()
        except TransientStoreError as error:
            if once:
                raise
            raise UnansweredError(error) from error
        if once and not succeeded and not is_elsewhere(answer):
            raise refusal(answer)
        shown = _Answer(answer)
        if not made and is_elsewhere(answer) and _IN_REGION not in answer.headers:
            shown.status_code = 404  # HeadBucket: botocore would ask where its bucket is for ever
        return shown

    return send


class _Asked(BotoCredentials):  # type: ignore[misc]
    """Credentials of ours: the provider is asked whenever something is signed."""

    def __init__(self, provider: CredentialsProvider) -> None:
        super().__init__("", "", method=_Given.METHOD)
        self._provider = provider

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the current ones.

        Raises:
            StoreError: They are empty.
        """
        current = self._provider()
        if not (current.access_key_id and current.access_key_secret):
            raise StoreError(
                "there are no usable credentials: they are empty",
                hint="look at what credentials= was given",
            )
        return ReadOnlyCredentials(
            current.access_key_id, current.access_key_secret, current.security_token
        )


class _Given(CredentialProvider):  # type: ignore[misc]
    """The provider of the settings, in the place of botocore's chain."""

    METHOD = "cipherbucket"

    def __init__(self, provider: CredentialsProvider) -> None:
        super().__init__()
        self._provider = provider

    def load(self) -> _Asked:
        """Return credentials that ask it."""
        return _Asked(self._provider)
