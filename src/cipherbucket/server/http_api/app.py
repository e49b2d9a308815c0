"""The HTTP side: from an ASGI request to a verb, and from its answer back.

Strategy: the event loop reads and writes sockets, checks signatures and nothing else; the verbs run
in threads. Small bodies are received before the thread begins, large ones while it works. Answers
are read from the store block by block, each when the one before has gone out.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from concurrent.futures import Executor
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from cipherbucket.errors import CipherbucketError, SourceError, UsageError
from cipherbucket.server.asgi import SERVER, Receive, Scope, Send, headers_of, transport_of
from cipherbucket.server.bodies import BodyReader
from cipherbucket.server.errors import (
    BrokenRequestError,
    OssError,
    internal_error,
    invalid_argument,
)
from cipherbucket.server.faults import HEADER, Faults
from cipherbucket.server.http_api.addressing import Address, address_of
from cipherbucket.server.http_api.routes import Verb, authorize, find_verb
from cipherbucket.server.http_api.string_to_sign import SignedRequest, parse_query
from cipherbucket.server.http_api.verification import verify
from cipherbucket.server.listening import break_connection
from cipherbucket.server.numbers import number_given
from cipherbucket.server.request_body import RequestBody
from cipherbucket.server.service import Answer, Call, Service
from cipherbucket.server.xml import error_document

_SMALL_BODY = 256 << 10
_UNSENT = dict.fromkeys([*range(32), 127])

logger = logging.getLogger(__name__)


class OssApp:
    """The ASGI application of an OSS endpoint.

    Args:
        service: What is served.
        faults: Which requests fail on purpose.
        threads: Where operations run.
    """

    def __init__(self, service: Service, faults: Faults, threads: Executor) -> None:
        self._service = service
        self._faults = faults
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = _Exchange(scope, receive, send)
        feeding: asyncio.Task[None] | None = None
        answer: Answer | None = None
        try:
            verb = self._understand(exchange)
            await self._begin_fault(exchange)
            body = exchange.call.body
            if body.length is not None and body.length <= _SMALL_BODY:
                await body.feed(receive)
            else:
                feeding = asyncio.create_task(body.feed(receive))
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._work, verb, exchange.call)
            await self._answer(exchange, answer)
        except OssError as error:
            await exchange.send_error(error)
        except BrokenRequestError:
            await exchange.break_off(reset=exchange.fault == "reset")
        finally:
            if exchange.body is not None:
                exchange.body.abort()
            if feeding is not None:
                feeding.cancel()
                with suppress(asyncio.CancelledError):
                    await feeding
            if answer is not None and isinstance(answer.body, BodyReader):
                answer.body.close()

    def _understand(self, exchange: _Exchange) -> Verb:
        """Read what is asked for and check who asks.

        Raises:
            OssError: It cannot be understood, or must not be.
        """
        try:
            signed = exchange.read()
            exchange.call.anonymous = not verify(
                signed, self._service.settings.credentials, self._service.now()
            )
            return find_verb(exchange.call)
        except OssError:
            raise
        except Exception as error:
            logger.exception("request %s", exchange.request_id)
            raise internal_error() from error

    async def _begin_fault(self, exchange: _Exchange) -> None:
        call = exchange.call
        try:
            exchange.fault, delay = self._faults.next(
                call.method, call.bucket, call.key, call.query, call.headers.get(HEADER)
            )
        except UsageError as error:
            raise invalid_argument(error.message, HEADER) from error
        if exchange.fault == "500":
            raise internal_error()
        if exchange.fault == "503":
            raise OssError(503, "ServiceUnavailable", "Please reduce your request rate.")
        if exchange.fault == "slow":
            await asyncio.sleep(delay)
        if exchange.fault == "reset" and call.method in {"PUT", "POST", "DELETE"}:
            if not call.body.length:
                raise BrokenRequestError
            call.body.cut = call.body.length // 2

    def _work(self, verb: Verb, call: Call) -> Answer:
        """Do what is asked for; in a thread.

        Raises:
            OssError: The answer is an error.
            BrokenRequestError: The client is gone.
        """
        try:
            authorize(self._service, call, verb)
            return verb(self._service, call)
        except (OssError, BrokenRequestError):
            raise
        except SourceError as error:
            raise OssError(400, "IncompleteBody", error.message) from error
        except CipherbucketError as error:
            logger.exception("request %s", call.request_id)
            raise internal_error(str(error)) from error
        except Exception as error:
            logger.exception("request %s", call.request_id)
            raise internal_error() from error

    async def _answer(self, exchange: _Exchange, answer: Answer) -> None:
        if exchange.fault == "crc":
            crc = answer.headers.get("x-oss-hash-crc64ecma")
            if crc is not None:
                answer.headers["x-oss-hash-crc64ecma"] = str(int(crc) ^ 1)
        length = answer.body.length if isinstance(answer.body, BodyReader) else len(answer.body)
        if exchange.fault in {"reset", "truncate"}:
            exchange.stop_after = length // 2
            if length == 0 or exchange.method == "HEAD":
                raise BrokenRequestError
        if answer.status not in {204, 304}:
            answer.headers.setdefault("Content-Length", str(length))
        await exchange.send_start(answer.status, answer.headers)
        if isinstance(answer.body, bytes):
            await exchange.send_body(answer.body, last=True)
            return
        loop = asyncio.get_running_loop()
        left = length
        while left:
            try:
                block = await loop.run_in_executor(self._threads, answer.body.read)
            except CipherbucketError:
                logger.exception("request %s", exchange.request_id)
                raise BrokenRequestError from None
            left -= len(block)
            await exchange.send_body(block, last=left == 0)
        if length == 0:
            await exchange.send_body(b"", last=True)


class _Exchange:
    """One request and the sending of its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._transport = transport_of(scope)
        self._sent = 0
        self.request_id = secrets.token_hex(12).upper()
        self.method: str = scope["method"].upper()
        self.host = "localhost"
        self.body: RequestBody | None = None
        self.fault: str | None = None
        self.stop_after: int | None = None
        self._call: Call | None = None

    @property
    def call(self) -> Call:
        """The call, after `read`."""
        assert self._call is not None
        return self._call

    def read(self) -> SignedRequest:
        """Read the head of the request.

        Raises:
            OssError: It cannot be understood.
        """
        headers = headers_of(self._scope, _decoded)
        self.host = headers.get("host", self.host)
        raw_path: bytes = self._scope["raw_path"]
        try:
            path = unquote_to_bytes(raw_path).decode()
        except UnicodeDecodeError as error:
            raise OssError(
                400, "InvalidObjectName", "The object name is not UTF-8.", "0016-00000002"
            ) from error
        where: Address = address_of(self.host, path)
        query = parse_query(self._scope["query_string"].decode("latin-1"))
        self.body = RequestBody(_length_of(headers))
        self._call = Call(
            method=self.method,
            bucket=where.bucket,
            key=where.key,
            query=dict(reversed(query)),
            headers=headers,
            body=self.body,
            request_id=self.request_id,
            host=where.endpoint,
        )
        return SignedRequest(self.method, where.bucket, where.key, query, headers)

    async def send_start(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of the answer."""
        # What a request names may come back in a header; it must not make a second one.
        raw = [
            (name.encode(), value.translate(_UNSENT).encode()) for name, value in headers.items()
        ]
        raw += [SERVER, (b"x-oss-request-id", self.request_id.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send_body(self, block: bytes, *, last: bool) -> None:
        """Send a block of the answer's body, or as far as a fault lets it.

        Raises:
            BrokenRequestError: The client is gone, or a fault says so.
        """
        if self._transport is not None and self._transport.is_closing():
            raise BrokenRequestError
        if self.stop_after is not None and self._sent + len(block) > self.stop_after:
            block = block[: self.stop_after - self._sent]
            await self._send({"type": "http.response.body", "body": block, "more_body": True})
            raise BrokenRequestError
        self._sent += len(block)
        await self._send({"type": "http.response.body", "body": block, "more_body": not last})

    async def send_error(self, error: OssError) -> None:
        """Answer with an error."""
        headers = dict(error.headers)
        text = b""
        if error.status != 304:
            text = error_document(error, self.request_id, self.host)
            headers |= {"Content-Type": "application/xml", "x-oss-ec": error.ec}
        if self.method == "HEAD" and text:
            headers["x-oss-err"] = base64.b64encode(text).decode()
            headers["Content-Length"] = "0"
            text = b""
        elif error.status != 304:
            headers["Content-Length"] = str(len(text))
        await self.send_start(error.status, headers)
        await self.send_body(text, last=True)

    async def break_off(self, *, reset: bool) -> None:
        """Close the connection without an answer, or with half of one."""
        if self.body is not None:
            self.body.abort()
        if self._transport is not None:
            break_connection(self._transport, reset=reset)


def _length_of(headers: dict[str, str]) -> int | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return None
    return number_given("Content-Length", headers.get("content-length", "0"))


def _decoded(value: bytes) -> str:
    """Decode a header as most clients send it; those that send Latin-1 sign it as UTF-8 too."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
