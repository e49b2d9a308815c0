"""Objects in a local endpoint that are rewritten: what they have, and who watches."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss.store import OssStore

PART = 100 << 10
BODY = random.Random(1).randbytes(2 * PART + 33)
METADATA = {"owner": "mé", "cipherbucket-note": "x"}
CONTENT = {
    "cache-control": "no-cache",
    "content-disposition": "attachment",
    "content-encoding": "identity",
    "content-language": "en",
    "content-type": "text/x",
    "expires": "Sat, 21 Nov 2026 10:00:00 GMT",
}
OF_THE_PLACE = {
    "x-oss-object-acl": "public-read",
    "x-oss-server-side-encryption": "KMS",
    "x-oss-server-side-encryption-key-id": "key-1",
    "x-oss-storage-class": "IA",
    "x-oss-tagging": "team=a%26b&year%202026=%C3%A9",
}
HEADERS = CONTENT | OF_THE_PLACE
NOTHING_ASKED = CONTENT | {"x-oss-storage-class": "Standard"}
"""What a copy in another place has of these headers."""


Meddle = Callable[[str], None]


def opened(endpoint: Endpoint, bucket: str) -> OssStore:
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    settings = cb.OssSettings(
        region=endpoint.region, endpoint=endpoint.url, credentials=credentials
    )
    return OssStore(bucket, settings)


def opened_twin(store: OssStore) -> OssStore:
    """Open the same bucket as somebody else would."""
    twin = OssStore.__new__(OssStore)
    twin.__dict__.update(store.__dict__, _acls={})
    return twin


def watched(store: OssStore, monkeypatch: pytest.MonkeyPatch, meddle: Meddle | None = None) -> Any:
    """Write down what each request is; ``meddle`` may do something before it is sent."""
    sent: list[str] = []
    request = store.client.http.request

    def noted(method: str, url: str, headers: Any, *rest: Any, **more: Any) -> Any:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True)
        copy = "x-oss-copy-source" in {key.lower() for key in headers}
        asked = sorted(query.keys() & {"acl", "partNumber", "tagging", "uploadId", "uploads"})
        name = " ".join([method, *asked, *(["copy"] if copy else [])])
        sent.append(name)
        if meddle is not None:
            meddle(name)
        return request(method, url, headers, *rest, **more)

    monkeypatch.setattr(store.client.http, "request", noted)
    return sent


def read(store: OssStore, name: str) -> bytes:
    with store.get(name) as incoming:
        body = bytearray(incoming.stop)
        return bytes(body[: incoming.readinto(body)])
