"""OSS without a server: what an honest store answers to each request, and what it holds then.

It is the local endpoint's own service. Listings come in pages of two, so that small buckets have
several. Signatures are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from tests.support.scripted_http import Answer, Request

import cipherbucket as cb
from cipherbucket.errors import CipherbucketError
from cipherbucket.server.bodies import BodyReader
from cipherbucket.server.catalog import (
    DELETE_MARKER,
    VERSION_COLUMNS,
    Version,
    find_bucket,
    list_parts,
    save_bucket,
    version_of,
)
from cipherbucket.server.errors import OssError
from cipherbucket.server.http_api.routes import find_verb
from cipherbucket.server.identity import identity
from cipherbucket.server.service import Call, Service, Settings
from cipherbucket.server.versions import get_pieces
from cipherbucket.server.xml import error_document

KEY_ID, SECRET = "id", "the-secret-access-key"
PAGE = 2
_LIMITS = ("max-keys", "max-uploads", "max-parts")
_LISTINGS = {
    "list_objects",
    "list_objects_v2",
    "list_object_versions",
    "list_uploads",
    "list_uploaded_parts",
}


class _Body:
    """The body of a request that has arrived."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._data] if self._data else [])

    def read(self, limit: int) -> bytes:
        if len(self._data) > limit:
            raise ValueError(f"the body has more than {limit:,} bytes")
        return self._data


@dataclass(frozen=True)
class Asked:
    """A request, understood.

    Attributes:
        operation: The name of the function that answers it, such as ``put_object``; in front of
            it, and a dot, the bucket's, unless that is the first one.
        call: What it gets.
        request: As it arrived.
    """

    operation: str
    call: Call
    request: Request
    answer: Callable[[Service, Call], Any]


class Honest:
    """A store that tells the truth.

    Args:
        buckets: The buckets it has; the second keeps versions.
    """

    def __init__(self, first: str, *others: str, versioned: str) -> None:
        self.first = first
        self.service = Service(Settings(credentials=identity(KEY_ID, SECRET, None)))
        for name in (first, *others, versioned):
            self.service.create_bucket(name)
        with self.service.catalog.writing() as db:
            bucket = find_bucket(db, versioned)
            assert bucket is not None
            bucket.versioning = "Enabled"
            save_bucket(db, bucket)

    def understand(self, request: Request) -> Asked:
        """Find out what a request asks for.

        Raises:
            OssError: There is no such thing.
        """
        path, _, text = request.target.partition("?")
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        query = dict(parse_qsl(text, keep_blank_values=True))
        headers = {
            name: text.encode("latin-1").decode("utf-8", "replace")
            for name, text in request.headers.items()
        }
        body = cast("Any", _Body(request.body))
        call = Call(request.method, bucket, key, query, headers, body, "REQUEST-1", "localhost")
        verb = find_verb(call)
        name = getattr(verb, "__name__", "")
        if name in _LISTINGS:
            call.query = query | {at: str(min(int(query.get(at) or PAGE), PAGE)) for at in _LIMITS}
        where = "" if bucket == self.first else f"{bucket}."
        return Asked(f"{where}{name}", call, request, verb)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            return self.answer(self.understand(request))
        except OssError as error:
            return _refusal(error, request)

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked, and answer."""
        try:
            answer = asked.answer(self.service, asked.call)
        except OssError as error:
            return _refusal(error, asked.request)
        except CipherbucketError as error:
            return _refusal(OssError(400, "InvalidRequest", str(error)), asked.request)
        body = answer.body
        if isinstance(body, BodyReader):
            reader, body = body, b"".join(body.blocks())
            reader.close()
        headers = {name.lower(): text for name, text in answer.headers.items()}
        headers.setdefault("content-length", str(len(body)))
        if answer.status in {204, 304}:
            headers["content-length"] = "0"
        return Answer(answer.status, headers | {"x-oss-request-id": "REQUEST-1"}, body)

    def objects(self) -> dict[tuple[str, str, str], tuple[Version, bytes]]:
        """Return all objects and versions with their bodies, by bucket, name and version."""
        found = {}
        with self.service.catalog.reading() as db:
            rows = db.execute(
                f"SELECT bucket, {VERSION_COLUMNS} FROM versions WHERE kind != ?",
                (DELETE_MARKER,),
            ).fetchall()
            for bucket, *row in rows:
                version = version_of(row)
                reader = self.service.bodies.open(get_pieces(db, version), 0, version.size)
                body = b"".join(reader.blocks())
                reader.close()
                found[bucket, version.name, version.version_id] = version, body
        return found

    def uploads(self) -> dict[tuple[str, str, str], tuple[int, ...]]:
        """Return the unfinished uploads with the numbers of their parts."""
        with self.service.catalog.reading() as db:
            rows = db.execute("SELECT bucket, name, id FROM uploads").fetchall()
            return {
                (bucket, name.decode(), id_): tuple(part.number for part in list_parts(db, id_))
                for bucket, name, id_ in rows
            }


def _refusal(error: OssError, request: Request) -> Answer:
    text = b"" if error.status == 304 else error_document(error, "REQUEST-1", "localhost")
    if request.method == "HEAD":
        text = b""
    headers = {name.lower(): value for name, value in error.headers.items()}
    headers |= {"content-type": "application/xml", "x-oss-request-id": "REQUEST-1"}
    return Answer(error.status, headers | {"content-length": str(len(text))}, text)


def oss_settings(url: str) -> cb.OssSettings:
    """Return settings that lead to a store at ``url``."""
    return cb.OssSettings(
        endpoint=url, region="cn-hangzhou", credentials=cb.Credentials(KEY_ID, SECRET)
    )
