"""OSS in its own words: any operation, any header, and what was answered."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

import cipherbucket as cb
from cipherbucket.credentials import ANONYMOUS
from cipherbucket.server import Endpoint
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.http.client import answers_seen
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.presigned import fetch_url

NAME = "folder/a name?"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["requests"]) as running:
        yield running


def settings(endpoint: Endpoint, signature: str, **options: object) -> cb.OssSettings:
    given: dict[str, object] = {
        "region": endpoint.region,
        "endpoint": endpoint.url,
        "credentials": cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        "signature": signature,
    }
    return cb.OssSettings(**{**given, **options})  # type: ignore[arg-type]


@pytest.fixture(params=["v1", "v4"])
def store(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[OssStore]:
    with OssStore("requests", settings(endpoint, request.param)) as opened:
        yield opened


def drained(incoming: Incoming) -> bytes:
    with incoming:
        data = bytearray(incoming.stop - incoming.start)
        incoming.readinto(data)
        return bytes(data)


def test_any_operation_can_be_asked_for(store: OssStore) -> None:
    store.put(NAME, b"body")
    answer = store.client.request("GetObjectAcl", "GET", NAME, query={"acl": ""})
    assert (answer.status, answer.method) == (200, "GET")
    assert b"<Grant>default</Grant>" in answer.data
    listed = store.client.request("ListObjects", "GET", query={"prefix": "folder/"})
    assert NAME.encode() in listed.data


def test_an_error_keeps_the_answer(store: OssStore) -> None:
    with answers_seen() as seen, pytest.raises(cb.ObjectNotFoundError):
        store.get("nothing")
    assert seen[-1].status == 404
    assert b"<Code>NoSuchKey</Code>" in seen[-1].data


def test_answers_are_seen_where_one_looks_and_only_there(store: OssStore) -> None:
    with answers_seen() as outer:
        store.put(NAME, b"body")
        with answers_seen() as inner:
            store.head(NAME)
    store.head(NAME)
    assert [answer.method for answer in outer] == ["PUT"]
    assert [answer.method for answer in inner] == ["HEAD"]


def test_headers_are_added_to_what_was_asked_for(store: OssStore) -> None:
    put = store.put(NAME, b"body")
    with pytest.raises(cb.PreconditionFailedError):
        store.adding({"If-Match": '"another"'}, {}).get(NAME)
    assert drained(store.adding({"If-Match": f'"{put.etag}"'}, {}).get(NAME)) == b"body"
    assert drained(store.get(NAME)) == b"body", "the store itself is as it was"


def test_parameters_are_added_and_signed(store: OssStore) -> None:
    store.put(NAME, b"body")
    with answers_seen() as seen:
        drained(store.adding({}, {"response-content-type": "text/x"}).get(NAME))
    assert seen[-1].headers["content-type"] == "text/x"


def test_headers_are_added_to_an_upload_from_end_to_end(store: OssStore) -> None:
    view = store.adding({"x-oss-forbid-overwrite": "true"}, {})
    store.put("there", b"first")
    with pytest.raises(cb.PreconditionFailedError):
        view.begin_upload("there")
    upload_id = store.begin_upload("there")
    part = store.upload_part("there", upload_id, 1, b"second")
    with pytest.raises(cb.PreconditionFailedError):
        view.complete_upload("there", upload_id, [part])


@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_a_presigned_url_is_good_for_what_it_was_signed(store: OssStore, seconds: int) -> None:
    store.put(NAME, b"body")
    query = {"response-content-type": "text/x"}
    url = store.client.presign("GET", NAME, seconds, query=query)
    fetched = fetch_url(url, cb.OssSettings())
    assert drained(fetched) == b"body"
    assert fetched.stored.headers["content-type"] == "text/x"
    expires = parse_qs(urlsplit(url).query).get("x-oss-expires", [str(seconds)])
    assert expires == [str(seconds)]
    with pytest.raises(cb.StoreError, match="signature does not match"):
        fetch_url(url.replace("text%2Fx", "text%2Fy"), cb.OssSettings())


def test_nobody_signs_nothing(endpoint: Endpoint, store: OssStore) -> None:
    store.put(NAME, b"body")
    with OssStore("requests", settings(endpoint, "v4", credentials=ANONYMOUS)) as anonymous:
        with pytest.raises(cb.StoreError, match="denied"):
            anonymous.get(NAME)
        store.client.request(
            "PutObjectAcl",
            "PUT",
            NAME,
            query={"acl": ""},
            headers={"x-oss-object-acl": "public-read"},
        )
        assert drained(anonymous.get(NAME)) == b"body"
        assert "ignature" not in anonymous.client.presign("GET", NAME, 60)


def test_an_empty_key_is_not_nobody(endpoint: Endpoint, store: OssStore) -> None:
    store.put(NAME, b"body", headers={"x-oss-object-acl": "public-read"})
    forgotten = settings(endpoint, "v4", credentials=cb.Credentials("", ""))
    with (
        OssStore("requests", forgotten) as unsigned,
        pytest.raises(cb.StoreError, match="no usable credentials"),
    ):
        unsigned.get(NAME)
