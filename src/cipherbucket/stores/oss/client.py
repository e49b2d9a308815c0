"""Requests to one OSS bucket: signed, sent, and answered or turned into an error of ours.

The SDK signs and finds the endpoint. A request with a body is sent once: whether the same bytes can
be sent again is not for a transport to decide (`cipherbucket.writing.one_request`). Beside what the
verbs of a store need, `OssClient.request` sends any operation of OSS, for a layer that offers what
those verbs do not know; `answers_seen` (in `http`) shows what came back. A request counts as done
where the answer proves it (`answers`).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from alibabacloud_oss_v2.types import OperationInput

from cipherbucket.errors import CipherbucketError, StoreError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.http.client import Http, Response
from cipherbucket.stores.http.understood import document_of
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.oss.answers import check_proof
from cipherbucket.stores.oss.sdk import Unsent, new_client
from cipherbucket.stores.oss.sdk_errors import service_errors
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import NOTHING

_log = logging.getLogger("cipherbucket")
_ONCE = {"retry_max_attempts": 1}


class OssClient:
    """Sends requests to a bucket.

    Args:
        bucket: Its name; empty for requests to the service, which `request` and `reading` send.
        settings: Region, endpoint, credentials and the like.

    Attributes:
        sdk: The SDK's client, for operations whose requests it writes itself.
        added_headers: See `adding`.

    Raises:
        UsageError: The settings lead to no endpoint.
        MissingExtraError: The default chain of credentials is needed and not installed.
    """

    def __init__(self, bucket: str, settings: OssSettings) -> None:
        self.bucket = bucket
        self.http = Http.for_settings(settings)
        self.sdk = new_client(settings, self.http)
        self.added_headers: Mapping[str, str] = NOTHING
        self._added_query: Mapping[str, str] = NOTHING

    def adding(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Self:
        """Return a client on the same connections that adds these to what `send` sends.

        Args:
            headers: Request headers beside those that a verb sends.
            query: Parameters beside those that a verb sends.
        """
        view = copy.copy(self)
        view.added_headers = {key.lower(): text for key, text in headers.items()}
        view._added_query = dict(query)  # noqa: SLF001  of the same class
        return view

    def send(
        self,
        operation: str,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
        body: Outgoing | bytes | None = None,
        stream: bool = False,
        once: bool = False,
    ) -> Response:
        """Send one request of a verb, and read its answer unless it is a stream.

        Args:
            operation: Its name in the documents, such as ``PutObject``.
            method: GET, PUT ...
            name: The object.
            headers: Request headers.
            query: Parameters.
            body: What is sent; an object's or a part's body once.
            stream: Leave the answer's body to be read.
            once: Whether it must not be tried again where no answer came.

        Raises:
            StoreError: The store refused or failed, or its answer proves nothing (see `answers`);
                or one of the errors in `errors`.
        """
        if operation != "HeadObject":  # a look before or after; nobody asked for it
            headers = {**self.added_headers, **headers}
            query = {**self._added_query, **query}
        request = OperationInput(
            op_name=operation,
            method=method,
            headers=dict(headers),
            parameters=dict(query),
            body=body,
            bucket=self.bucket,
            key=name,
            op_metadata={"response-stream": stream},
        )
        outgoing = body if isinstance(body, Outgoing) else None
        once = once or outgoing is not None or _is_conditional(headers)
        if outgoing is not None and len(outgoing) == 0:
            for _ in outgoing:  # nothing is sent, but at its end a body checks itself
                pass
        try:
            return self._invoke(request, name, _ONCE if once else {})
        except CipherbucketError:
            if outgoing is not None and outgoing.failure is not None:
                raise outgoing.failure from None  # the caller's body broke, not the store
            raise

    def request(
        self,
        operation: str,
        method: str,
        name: str | None = None,
        *,
        headers: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
        body: bytes = b"",
    ) -> Response:
        """Send one request in the caller's words and read its answer whole.

        Args:
            operation: Its name in the documents, such as ``PutObjectTagging``.
            method: GET, PUT ...
            name: The object; None for a request to the bucket.
            headers: Request headers.
            query: Parameters; one without a value has an empty one.
            body: What is sent.

        Raises:
            StoreError: The store refused or failed, or its answer proves nothing (see `answers`).
        """
        request = self._signed_input(operation, method, name, headers, query)
        request.body = body
        once = method == "POST" or _is_conditional(headers)
        return self._invoke(request, name, _ONCE if once else {})

    @contextmanager
    def reading(
        self, operation: str, query: Mapping[str, Any], name: str | None = None
    ) -> Iterator[Element]:
        """Ask for what is answered in XML, and read it.

        Args:
            operation: Its name in the documents, such as ``ListParts``.
            query: Parameters; one that is None is left out.
            name: The object; None for a request to the bucket.

        Raises:
            StoreError: The store refused or failed, or its answer cannot be understood.
        """
        given = {key: str(value) for key, value in query.items() if value is not None}
        with document_of(self.request(operation, "GET", name, query=given), name) as root:
            root.expect_encoding(given.get("encoding-type", ""))
            yield root

    def presign(
        self,
        method: str,
        name: str,
        seconds: int,
        *,
        headers: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> str:
        """Return a URL that is good for one kind of request to one object; nothing is sent.

        Args:
            method: GET, PUT ...
            name: The object.
            seconds: How long it is good.
            headers: What the request will have to bring, as far as it is signed.
            query: Parameters, signed.

        Raises:
            StoreError: There are no credentials to sign with.
        """
        request = self._signed_input("Presign", method, name, headers, query)
        # Signing takes a moment, and what is left is cut to whole seconds.
        until = datetime.now(UTC) + timedelta(seconds=seconds, milliseconds=50)
        request.op_metadata["expiration_time"] = until
        unsent = Unsent()
        with service_errors(name):
            self.sdk.invoke_operation(request, http_client=unsent, auth_method="query")
        return unsent.url

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    def _signed_input(
        self,
        operation: str,
        method: str,
        name: str | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> OperationInput:
        return OperationInput(
            op_name=operation,
            method=method,
            headers=dict(headers),
            parameters=dict(query),
            bucket=self.bucket or None,
            key=name,
            op_metadata={"sub-resource": [key for key in query if key.startswith("x-oss-")]},
        )

    def _invoke(
        self, request: OperationInput, name: str | None, options: Mapping[str, Any]
    ) -> Response:
        try:
            with service_errors(name):
                output = self.sdk.invoke_operation(request, **options)
        except CipherbucketError as error:
            status, request_id = getattr(error, "status", None), getattr(error, "request_id", None)
            self._note(request.method, name, status, request_id)
            raise
        answer: Response = output.http_response.raw
        self._note(request.method, name, answer.status, answer.headers.get("x-oss-request-id"))
        try:
            with service_errors(name):
                check_proof(request.op_name, answer, request.headers)
        except CipherbucketError as error:
            answer.close()
            if isinstance(error, StoreError) and error.status is None:
                error.status, error.host = answer.status, urlsplit(answer.url).netloc
            raise
        return answer

    def _note(
        self, method: str, name: str | None, status: int | None, request_id: str | None
    ) -> None:
        """Log what a request came to, without headers and parameters: they hold secrets."""
        place = repr(name) if name is not None else f"the bucket {self.bucket!r}"
        _log.debug("%s %s: %s, request %s", method, place, status, request_id)


def _is_conditional(headers: Mapping[str, str]) -> bool:
    """Return whether a condition that held at the first request would not hold at the second."""
    return any(name.lower() == "x-oss-forbid-overwrite" for name in headers)
