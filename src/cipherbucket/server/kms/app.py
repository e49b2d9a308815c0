"""The HTTP side of the KMS endpoint: from an ASGI request to an action, and its answer back.

Rule: nothing is done for a request whose signature is wrong, and no parameter is logged. Actions
are short, so they run where the sockets are read.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from urllib.parse import parse_qsl

from cipherbucket.credentials import Credentials
from cipherbucket.errors import UsageError
from cipherbucket.server.asgi import SERVER, Receive, Scope, Send, headers_of, transport_of
from cipherbucket.server.errors import BrokenRequestError
from cipherbucket.server.faults import HEADER, Faults
from cipherbucket.server.kms.actions import Parameters, find_action
from cipherbucket.server.kms.answers import XML, content_type, failure, success
from cipherbucket.server.kms.errors import KmsApiError, Refusal
from cipherbucket.server.kms.key_database import Vault
from cipherbucket.server.kms.string_to_sign import Pairs
from cipherbucket.server.kms.verification import KmsRequest, Nonces, verify
from cipherbucket.server.listening import break_connection
from cipherbucket.server.service import Clock

VERSION = "2016-01-20"
_MAX_BODY = 64 << 10
_FORM = "application/x-www-form-urlencoded"
_GARBAGE = b"<html><body>Some other server answers here.</body></html>"

logger = logging.getLogger(__name__)


class KmsApp:
    """The ASGI application of a KMS endpoint.

    Args:
        vault: The keys.
        credentials: Who may call.
        faults: Which requests fail on purpose.
        clock: Tells the time.
    """

    def __init__(
        self, vault: Vault, credentials: Credentials, faults: Faults, clock: Clock
    ) -> None:
        self._vault = vault
        self._credentials = credentials
        self._faults = faults
        self._clock = clock
        self._nonces = Nonces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = _Answer(scope, send)
        try:
            request = await _read(scope, receive)
            answer.host = request.headers.get("host", "")
            answer.kind = content_type(request)
            fault = await self._begin_fault(request)
            if fault == "reset":
                raise BrokenRequestError
            body = self._work(request, answer, lie=fault == "key")
            if fault == "garbage":
                answer.kind, body = "text/html", _GARBAGE
            await answer.send(200, body, whole=fault != "truncate")
        except KmsApiError as error:
            text = failure(answer.kind, error, answer.request_id, answer.host)
            await answer.send(error.status, text)
        except BrokenRequestError:
            answer.break_off()

    async def _begin_fault(self, request: KmsRequest) -> str | None:
        # Keys, blobs and plaintexts are new in each run, so they do not identify a request.
        try:
            fault, delay = self._faults.next(
                request.method, "kms", request.action, {}, request.headers.get(HEADER)
            )
        except UsageError as error:
            raise KmsApiError(Refusal.INVALID_PARAMETER, HEADER) from error
        if fault == "429":
            raise KmsApiError(Refusal.THROTTLED)
        if fault == "500":
            raise KmsApiError(Refusal.INTERNAL_FAILURE)
        if fault == "503":
            raise KmsApiError(Refusal.UNAVAILABLE)
        if fault == "slow":
            await asyncio.sleep(delay)
        return fault

    def _work(self, request: KmsRequest, answer: _Answer, *, lie: bool) -> bytes:
        """Check who asks, do what is asked for and write the answer; with another key for a lie.

        Raises:
            KmsApiError: The answer is an error.
        """
        try:
            if request.method not in {"GET", "POST"}:
                raise KmsApiError(Refusal.UNSUPPORTED_METHOD)
            if not request.action:
                raise KmsApiError(Refusal.MISSING_PARAMETER, "Action")
            action = find_action(request.action if request.path == "/" else "")
            if request.version != VERSION:
                raise KmsApiError(Refusal.INVALID_VERSION)
            verify(request, self._credentials, self._nonces, self._clock())
            elements = action(self._vault, Parameters(request))
        except KmsApiError:
            raise
        except Exception as error:
            logger.exception("request %s", answer.request_id)
            raise KmsApiError(Refusal.INTERNAL_FAILURE) from error
        if lie and "KeyId" in elements:
            elements["KeyId"] = str(uuid.uuid4())
        return success(answer.kind, request.action, elements, answer.request_id)


class _Answer:
    """The sending of one answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._transport = transport_of(scope)
        self.request_id = str(uuid.uuid4()).upper()
        self.kind = XML
        self.host = ""

    async def send(self, status: int, body: bytes, *, whole: bool = True) -> None:
        """Send it, or half of it before the connection closes."""
        headers = [
            (b"Content-Type", self.kind.encode()),
            (b"Content-Length", str(len(body)).encode()),
            SERVER,
            (b"x-acs-request-id", self.request_id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        sent = body if whole else body[: len(body) // 2]
        await self._send({"type": "http.response.body", "body": sent, "more_body": not whole})
        if not whole and self._transport is not None:
            break_connection(self._transport, reset=False)

    def break_off(self) -> None:
        """Reset the connection instead of answering."""
        if self._transport is not None:
            break_connection(self._transport, reset=True)


async def _read(scope: Scope, receive: Receive) -> KmsRequest:
    """Receive a request.

    Raises:
        KmsApiError: It is too long, or not understood.
        BrokenRequestError: The client is gone.
    """
    headers = headers_of(scope, lambda value: value.decode("latin-1"))
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BrokenRequestError
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY:
            raise KmsApiError(Refusal.UNREADABLE_PARAMETERS)
    is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    return KmsRequest(
        method=scope["method"].upper(),
        path=scope["raw_path"].decode("latin-1") or "/",
        query=_pairs(scope["query_string"]),
        form=_pairs(bytes(body)) if is_form else (),
        headers=headers,
        body=bytes(body),
    )


def _pairs(raw: bytes) -> Pairs:
    try:
        return tuple(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict"))
    except ValueError as error:
        raise KmsApiError(Refusal.UNREADABLE_PARAMETERS) from error
