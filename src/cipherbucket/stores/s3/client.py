"""Requests to one S3 bucket: written and signed by botocore, sent by our HTTP, read by us.

Rule: a request counts as done where its answer proves it (`answers`). One with a body is sent once:
whether the same bytes can be sent again is not for a transport to decide
(`cipherbucket.writing.one_request`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from cipherbucket.errors import CipherbucketError, StoreError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.http.client import Response, answers_seen
from cipherbucket.stores.http.understood import document_of, understood
from cipherbucket.stores.http.xml import Element
from cipherbucket.stores.records import NOTHING
from cipherbucket.stores.s3.answers import check_proof
from cipherbucket.stores.s3.boto import Request, SentBody, UnansweredError, new_client, sending
from cipherbucket.stores.s3.errors import no_credentials, not_sent, refusal
from cipherbucket.stores.s3.settings import S3Settings

_log = logging.getLogger("cipherbucket")


class S3Client:
    """Sends requests to a bucket.

    Args:
        bucket: Its name; empty for requests to the service.
        settings: Region, endpoint, credentials and the like.

    Raises:
        UsageError: The settings lead to no endpoint.
    """

    def __init__(self, bucket: str, settings: S3Settings) -> None:
        self.bucket = bucket
        self._boto, self._http = new_client(settings)
        self._payer = {"x-amz-request-payer": "requester"} if settings.requester_pays else {}
        self._payer_parameter = {"RequestPayer": "requester"} if settings.requester_pays else {}

    def send(
        self,
        operation: str,
        name: str | None = None,
        *,
        headers: Mapping[str, str] = NOTHING,
        body: Outgoing | bytes | None = None,
        once: bool = False,
        **parameters: Any,
    ) -> Response:
        """Send one request, and read its answer unless it is an object.

        Args:
            operation: Its name in the documents of S3, such as ``PutObject``.
            name: The object; None for a request to the bucket.
            headers: Request headers beside those of the parameters, names in lower case.
            body: What is sent; an object's or a part's body once.
            once: Whether it must not be tried again.
            parameters: As botocore names them; those that are None are left out.

        Raises:
            StoreError: The store refused or failed, or its answer proves nothing (see `answers`);
                or one of the errors in `errors`.
        """
        given = {key: value for key, value in parameters.items() if value is not None}
        if self.bucket:
            given["Bucket"] = self.bucket
        if name is not None:
            given["Key"] = name
        if isinstance(body, Outgoing):
            once = True
            given["Body"] = SentBody(body)
            if len(body) == 0:
                for _ in body:  # nothing is sent, but at its end a body checks itself
                    pass
        answer = self._invoke(
            operation, name, given, Request({**self._payer, **headers}, once, operation)
        )
        try:
            with understood(name):
                check_proof(operation, answer)
        except CipherbucketError as error:
            answer.close()
            if isinstance(error, StoreError) and error.status is None:
                error.status, error.host = answer.status, urlsplit(answer.url).netloc
            raise
        return answer

    @contextmanager
    def reading(
        self, operation: str, name: str | None = None, **parameters: Any
    ) -> Iterator[Element]:
        """Ask for what is answered in XML, and read it; arguments as in `send`.

        Raises:
            StoreError: As in `send`, or something in the answer cannot be understood.
        """
        answer = self.send(operation, name, **parameters)
        with document_of(answer, name) as document:
            yield document

    def presign(self, name: str, seconds: int, version_id: str | None) -> str:
        """Return a URL that is good for one GET; nothing is sent."""
        version = {} if version_id is None else {"VersionId": version_id}
        with self._botocore_errors(name):
            return str(
                self._boto.generate_presigned_url(
                    "get_object",
                    Params={"Bucket": self.bucket, "Key": name, **version, **self._payer_parameter},
                    ExpiresIn=seconds,
                )
            )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        self._boto.close()

    def _invoke(
        self, operation: str, name: str | None, given: dict[str, Any], request: Request
    ) -> Response:
        body = given.get("Body")
        outgoing = body.outgoing if isinstance(body, SentBody) else None
        with answers_seen() as seen:
            try:
                with self._botocore_errors(name), sending(request):
                    try:
                        getattr(self._boto, xform_name(operation))(**given)
                    except (BotoCoreError, ClientError) as error:
                        answered = bool(seen) and not isinstance(error, UnansweredError)
                        if answered and seen[-1].status // 100 != 2:
                            raise refusal(seen[-1]) from error
                        raise
            except CipherbucketError as error:
                if outgoing is not None and outgoing.failure is not None:
                    raise outgoing.failure from None  # the caller's body broke, not the store
                self._note(operation, name, getattr(error, "status", None), seen)
                raise
            self._note(operation, name, seen[-1].status, seen)
            return seen[-1]

    @contextmanager
    def _botocore_errors(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except UnansweredError as error:
            raise error.ours from error.ours.__cause__
        except NoCredentialsError as error:
            raise no_credentials(name) from error
        except (BotoCoreError, ClientError) as error:
            raise not_sent(error, name) from error

    def _note(
        self, operation: str, name: str | None, status: int | None, seen: list[Response]
    ) -> None:
        """Log what a request came to, without headers and parameters: they hold secrets."""
        place = repr(name) if name is not None else f"the bucket {self.bucket!r}"
        request_id = seen[-1].headers.get("x-amz-request-id") if seen else None
        _log.debug("%s %s: %s, request %s", operation, place, status, request_id)
