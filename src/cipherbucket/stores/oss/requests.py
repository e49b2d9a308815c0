"""OSS in the words of its own HTTP interface: any operation, any header, and what was answered.

For a face that has to offer what the common verbs of a store do not know. Signing, endpoints,
retries and errors are those of `OssStore`; `answers_seen` tells what came back.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

from alibabacloud_oss_v2.types import OperationInput

from cipherbucket.errors import CipherbucketError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.oss.http import Response, answers_seen
from cipherbucket.stores.oss.sdk import Unsent, service_errors
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import NOTHING

__all__ = ["OssRequests", "Response", "answers_seen"]

_log = logging.getLogger("cipherbucket")


class OssRequests(OssStore):
    """An `OssStore` that also sends what its caller puts into words itself."""

    added_query: Mapping[str, str] = NOTHING

    def adding(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Self:
        """Return this store for one call: what it gets, puts and uploads is asked for with these.

        Args:
            headers: Request headers beside those that the verb sends.
            query: Parameters beside those that the verb sends.
        """
        view = copy.copy(self)
        view.added_headers = {key.lower(): text for key, text in headers.items()}
        view.added_query = dict(query)
        return view

    def _send(
        self,
        operation: str,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Outgoing | None = None,
        stream: bool = False,
    ) -> Response:
        if operation != "HeadObject":  # a look before or after; nobody asked for it
            headers = {**self.added_headers, **(headers or {})}
            query = {**self.added_query, **(query or {})}
        send = super()._send
        return _noted(
            method,
            name,
            lambda: send(
                operation, method, name, headers=headers, query=query, body=body, stream=stream
            ),
        )

    def _begin_upload(self, name: str, metadata: dict[str, str], headers: dict[str, str]) -> str:
        return super()._begin_upload(name, metadata, {**self.added_headers, **headers})

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
        """Send one request and read its answer whole.

        Args:
            operation: Its name in the documents, such as ``PutObjectTagging``.
            method: GET, PUT ...
            name: The object; None for a request to the bucket.
            headers: Request headers.
            query: Parameters; one without a value has an empty one.
            body: What is sent.

        Raises:
            StoreError: The store refused or failed.
        """
        request = self._signed_input(operation, method, name, headers, query)
        request.body = body
        attempts = {"retry_max_attempts": 1} if method == "POST" else {}

        def send() -> Response:
            with service_errors(name):
                answer: Response = self._client.invoke_operation(
                    request, **attempts
                ).http_response.raw
            return answer

        return _noted(method, name, send)

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
            self._client.invoke_operation(request, http_client=unsent, auth_method="query")
        return unsent.url

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
            bucket=self._bucket,
            key=name,
            op_metadata={"sub-resource": [key for key in query if key.startswith("x-oss-")]},
        )


def _noted(method: str, name: str | None, send: Callable[[], Response]) -> Response:
    """Send a request; log what it came to, without headers and parameters: they hold secrets."""
    try:
        answer = send()
    except CipherbucketError as error:
        told = getattr(error, "status", None), getattr(error, "request_id", None)
        _log.debug("%s %r: %s, request %s", method, name, *told)
        raise
    request_id = answer.headers.get("x-oss-request-id")
    _log.debug("%s %r: %s, request %s", method, name, answer.status, request_id)
    return answer
