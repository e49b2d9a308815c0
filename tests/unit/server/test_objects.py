"""Objects over the wire: what is refused, what comes back, what stays when something breaks."""

import base64
import hashlib
import http.client
import socket
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tests.support.wire_client import WireClient

from cipherbucket.credentials import Credentials
from cipherbucket.format.crc64 import crc64
from cipherbucket.server import Endpoint, service
from cipherbucket.server.operations.object_headers import ARCHIVED, META
from cipherbucket.server.operations.ranges import http_time
from cipherbucket.server.request_body import spooled
from cipherbucket.server.service import Settings


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def test_what_was_given_comes_back(send: WireClient) -> None:
    given = {
        "content-type": "text/css; charset=utf-8",
        "cache-control": "no-cache",
        "content-disposition": "attachment",
        "content-encoding": "br",
        "content-language": "de",
        "expires": "Fri, 28 Feb 2027 05:38:42 GMT",
        "x-oss-meta-colour": "grün",
        "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "KMS",
        "x-oss-server-side-encryption-key-id": "key-1",
    }
    put = send("PUT", "k", body=b"12345", x_oss_tagging="a=1&b=2", **given)  # type: ignore[arg-type]
    assert put.headers["x-oss-hash-crc64ecma"] == str(crc64(b"12345"))
    assert put.headers["x-oss-server-side-encryption"] == "KMS"
    for method in ("GET", "HEAD"):
        answer = send(method, "k")
        told = {k: v.encode("latin-1").decode() for k, v in answer.headers.items()}
        assert {name: told[name] for name in given} == given
        assert told["x-oss-tagging-count"] == "2"
        assert told["x-oss-object-type"] == "Normal"
        assert told["content-length"] == "5"
        assert told["accept-ranges"] == "bytes"
        assert told["x-oss-hash-crc64ecma"] == str(crc64(b"12345"))
        assert told["etag"] == put.headers["etag"]
        assert len(told["x-oss-request-id"]) == 24


def test_errors_are_documents_with_their_number(send: WireClient) -> None:
    answer = send("GET", "missing")
    assert answer.error == (404, "NoSuchKey")
    assert answer.text("EC") == answer.headers["x-oss-ec"] == "0026-00000001"
    assert answer.text("RequestId") == answer.headers["x-oss-request-id"]
    assert answer.text("HostId") == urlsplit(send.endpoint.url).netloc
    assert answer.text("Message")
    assert answer.headers["content-type"] == "application/xml"
    head = send("HEAD", "missing")
    assert (head.status, head.body) == (404, b"")
    assert b"<Code>NoSuchKey</Code>" in base64.b64decode(head.headers["x-oss-err"])
    assert send("GET", "k", bucket="no-such-bucket").error == (404, "NoSuchBucket")


def test_a_body_is_held_to_its_md5(send: WireClient) -> None:
    assert send("PUT", "k", body=b"1", content_md5=md5(b"1")).status == 200
    for wrong in (md5(b"2"), "x", ""):
        assert send("PUT", "k", body=b"3", content_md5=wrong).error == (400, "InvalidDigest")
    assert send("GET", "k").body == b"1"


def test_etags_are_random_or_by_option_the_md5() -> None:
    credentials = Credentials("id", "secret")
    with Endpoint(settings=Settings(credentials=credentials, md5_etags=True)) as endpoint:
        send = WireClient(endpoint, "bucket")
        send("PUT")
        expected = f'"{hashlib.md5(b"1").hexdigest().upper()}"'
        assert send("PUT", "k", body=b"1").headers["etag"] == expected
        assert send("HEAD", "k").headers["content-md5"] == md5(b"1")
    with Endpoint(buckets=["bucket"]) as endpoint:
        send = WireClient(endpoint, "bucket")
        assert send("PUT", "k", body=b"1").headers["etag"] != expected
        assert "content-md5" not in send("HEAD", "k").headers


def test_overwriting_can_be_forbidden(send: WireClient) -> None:
    forbid = {"x_oss_forbid_overwrite": "true"}
    assert send("PUT", "k", body=b"1", more=forbid).status == 200
    taken = (409, "FileAlreadyExists")
    assert send("PUT", "k", body=b"2", more=forbid).error == taken
    source = {"x_oss_copy_source": f"/{send.bucket}/k"}
    assert send("PUT", "k", more={**forbid, **source}).error == taken
    assert send("POST", "k", {"uploads": ""}, more=forbid).error == taken
    link = {"x_oss_symlink_target": "other"}
    assert send("PUT", "k", {"symlink": ""}, more={**forbid, **link}).error == taken
    assert send("GET", "k").body == b"1"


@pytest.mark.parametrize(
    ("key", "headers", "error"),
    [
        ("k" * 1024, {}, (400, "InvalidObjectName")),
        ("/k", {}, (400, "InvalidObjectName")),
        ("k", {"x-oss-meta-a": "x" * 8192}, (400, "InvalidArgument")),
        ("k", {"x-oss-meta-a_b": "x"}, (400, "InvalidArgument")),
        ("k", {"x-oss-storage-class": "Gold"}, (400, "InvalidArgument")),
        ("k", {"x-oss-object-acl": "mine"}, (400, "InvalidArgument")),
        ("k", {"x-oss-tagging": "&".join(f"k{n}=1" for n in range(11))}, (400, "InvalidTag")),
        ("k", {"x-oss-tagging": "a=1&a=2"}, (400, "InvalidTag")),
        ("k", {"x-oss-server-side-encryption": "X"}, (400, "InvalidEncryptionAlgorithmError")),
        ("k", {"content-length": str((5 << 30) + 1)}, (400, "EntityTooLarge")),
    ],
)
def test_what_oss_refuses_is_refused(
    send: WireClient, key: str, headers: dict[str, str], error: tuple[int, str]
) -> None:
    # "x-oss-meta-a_b" must keep its underscore
    answer = _put_raw(send, key, headers)
    assert answer == error
    assert send("GET").texts("Contents") == []


def _put_raw(send: WireClient, key: str, headers: dict[str, str]) -> tuple[int, str | None]:
    """Put with headers exactly as they are, and no body whatever they say."""
    sent = {"content-length": "0", **headers, "date": http_time(datetime.now(UTC))}
    sent["authorization"] = send.authorization("PUT", key, sent)
    connection = http.client.HTTPConnection(*send.address)
    connection.putrequest("PUT", f"/{send.bucket}/{quote(key, safe='')}")
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text.partition("<Code>")[2].partition("</Code>")[0]


def test_names_that_are_none_are_told_apart(send: WireClient) -> None:
    assert send("PUT", "k" * 1024).text("EC") == "0016-00000002"
    assert send("PUT", "/k").text("EC") == "0016-00000005"
    assert send("PUT", "\\k").text("EC") == "0016-00000005"


def test_the_longest_name_and_most_metadata_are_taken(send: WireClient) -> None:
    key = "ü" * 511 + "k"
    assert send("PUT", key, more={"x-oss-meta-a": "x" * 8191}).status == 200
    assert send("HEAD", key).headers["x-oss-meta-a"] == "x" * 8191


@pytest.mark.parametrize("size", [0, 1, 300_000, 3_000_000])
def test_bodies_of_any_size_come_back(send: WireClient, size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert send("PUT", "k", body=body).status == 200
    assert send("GET", "k").body == body
    assert send("PUT", "chunked", body=iter([body] if body else [])).status == 200
    assert send("GET", "chunked").body == body


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(
    send: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless: Any = repeat(bytes(1 << 20))
    with pytest.raises(ValueError, match="more than 3,145,728 bytes"):
        spooled(endless, 3 << 20)
    monkeypatch.setattr(service, "MAX_PUT", 3 << 20)
    assert send("PUT", "k", body=iter([bytes(1 << 20)] * 3)).status == 200
    assert send("PUT", "l", body=iter([bytes(1 << 20)] * 4)).error == (400, "EntityTooLarge")
    assert send("GET", "l").error == (404, "NoSuchKey")


def test_an_upload_that_breaks_midway_stores_nothing(send: WireClient) -> None:
    send("PUT", "k", body=b"before")
    for size in (1000, 5_000_000):
        head = send.head_of("PUT", "k", content_length=str(size))
        with socket.create_connection(send.address) as sock:
            sock.sendall(head + b"x" * (size // 2))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        assert send("GET", "k").body == b"before"


def test_virtual_hosts_name_the_bucket(send: WireClient) -> None:
    port = send.address[1]
    for host in (
        f"{send.bucket}.localhost:{port}",
        f"{send.bucket}.oss-cn-hangzhou.aliyuncs.com",
        f"{send.bucket}.oss-cn-hangzhou.localhost",
    ):
        assert send("PUT", "a/b", body=host.encode(), host=host).status == 200
        assert send("GET", "a/b").body == host.encode()
        assert send("GET", host=host).texts("Contents/Key") == ["a/b"]


def test_anonymous_requests_get_what_acls_give(send: WireClient) -> None:
    send("PUT", "k", body=b"1")
    denied = (403, "AccessDenied")
    assert send("GET", "k", signed=False).error == denied
    assert send("GET", signed=False).error == denied
    assert send("GET", bucket="", signed=False).error == denied
    send("PUT", query={"acl": ""}, x_oss_acl="public-read")
    assert send("GET", "k", signed=False).body == b"1"
    assert send("PUT", "k", body=b"2", signed=False).error == denied
    send("PUT", "k", {"acl": ""}, x_oss_object_acl="private")
    assert send("GET", "k", signed=False).error == denied
    send("PUT", query={"acl": ""}, x_oss_acl="public-read-write")
    assert send("PUT", "new", body=b"2", signed=False).status == 200
    assert send("DELETE", signed=False).error == denied


def test_what_is_not_there_yet_says_so(send: WireClient) -> None:
    for query in ({"lifecycle": ""}, {"cors": ""}, {"policy": ""}, {"acl": "", "cors": ""}):
        assert send("GET", query=query).error == (400, "NotImplemented")
    assert send("PUT", "k", {"x-oss-process": "image/resize"}).error == (400, "NotImplemented")
    assert send("PATCH", "k").error == (405, "MethodNotAllowed")


def test_multipart_rules(send: WireClient) -> None:
    upload = send("POST", "k", {"uploads": ""}).text("UploadId") or ""
    etags = {}
    for number, body in ((1, b"x" * 1000), (2, b"y" * (100 << 10)), (3, b"z")):
        asked = {"partNumber": str(number), "uploadId": upload}
        etags[number] = send("PUT", "k", asked, body).headers["etag"]

    def complete(*numbers: int | str, etag: str = "") -> tuple[int, str | None]:
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{etag or etags[int(n)]}</ETag></Part>"
            for n in numbers
        )
        text = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = send("POST", "k", {"uploadId": upload}, text)
        return answer.error if answer.status != 200 else (200, None)

    assert complete(2, 1) == (400, "InvalidPartOrder")
    assert complete(2, 2) == (400, "InvalidPartOrder")
    assert complete() == (400, "MalformedXML")
    for odd in ("+2", "0_2", "\N{FULLWIDTH DIGIT TWO}"):
        assert complete(odd) == (400, "MalformedXML")
    assert complete(2, 3, etag="other") == (400, "InvalidPart")
    assert complete(1, 2, 3) == (400, "EntityTooSmall")
    for impossible in ("0", "10001", "x"):
        asked = {"partNumber": impossible, "uploadId": upload}
        assert send("PUT", "k", asked, b"x").error == (400, "InvalidArgument")
    assert send("GET", "k").error == (404, "NoSuchKey")
    assert complete(2, 3) == (200, None)
    assert complete(2, 3) == (404, "NoSuchUpload")
    assert send("GET", "k").body == b"y" * (100 << 10) + b"z"
    assert send("GET", "k", range="bytes=102398-102400").body == b"yyz"
    other = {"partNumber": "1", "uploadId": "other"}
    assert send("PUT", "k", other, b"x").error == (404, "NoSuchUpload")


def test_an_archived_object_thaws_and_freezes_again() -> None:
    clock = Clock()
    settings = Settings(credentials=Credentials("id", "secret"), restore_seconds=60, clock=clock)
    with Endpoint(settings=settings) as endpoint:
        send = WireClient(endpoint, "bucket")

        def at(
            method: str, key: str = "", query: dict[str, str] | None = None, **h: str
        ) -> tuple[int, str]:
            answer = send(method, key, query, b"", date=http_time(clock()), **h)  # type: ignore[arg-type]
            return answer.status, answer.headers.get("x-oss-restore", "")

        at("PUT")
        for storage_class in sorted(ARCHIVED):
            assert at("PUT", "k", x_oss_storage_class=storage_class)[0] == 200
            assert at("GET", "k") == (403, "")
            assert at("HEAD", "k") == (200, "")
            assert at("PUT", "copy", x_oss_copy_source="/bucket/k")[0] == 403
            assert at("POST", "k", {"restore": ""})[0] == 202
            assert at("HEAD", "k") == (200, 'ongoing-request="true"')
            assert at("GET", "k")[0] == 403
            assert at("POST", "k", {"restore": ""})[0] == 409
            clock.now += timedelta(seconds=61)
            assert at("GET", "k")[0] == 200
            assert at("HEAD", "k")[1].startswith('ongoing-request="false", expiry-date="')
            assert at("POST", "k", {"restore": ""})[0] == 200
            clock.now += timedelta(days=2)
            assert at("GET", "k") == (403, "")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_link_to_nothing_and_a_link_to_a_link(send: WireClient) -> None:
    def link(key: str, target: str) -> int:
        return send("PUT", key, {"symlink": ""}, x_oss_symlink_target=target).status

    assert link("a", "missing") == 200
    assert send("GET", "a").error == (404, "SymlinkTargetNotExist")
    assert link("b", "a") == 200
    assert send("GET", "b").error == (400, "InvalidTargetType")
    assert link("c", "c") == 400
    send("PUT", "missing", body=b"found")
    assert send("GET", "a").body == b"found"
    assert send("GET", "missing", {"symlink": ""}).error == (400, "NotSymlink")


def test_conditions_on_the_source_of_a_copy(send: WireClient) -> None:
    etag = send("PUT", "k", body=b"1").headers["etag"]
    source = {"x-oss-copy-source": f"/{send.bucket}/k"}
    right = {**source, "x-oss-copy-source-if-match": etag}
    wrong = {**source, "x-oss-copy-source-if-match": '"other"'}
    same = {**source, "x-oss-copy-source-if-none-match": etag}
    assert send("PUT", "copy", more=right).status == 200
    assert send("PUT", "copy", more=wrong).error == (412, "PreconditionFailed")
    assert send("PUT", "copy", more=same).status == 304


def test_a_reader_keeps_the_body_that_is_replaced(send: WireClient) -> None:
    body = b"old" * 8_000_000
    send("PUT", "k", body=body)
    with socket.create_connection(send.address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        sock.sendall(send.head_of("GET", "k"))
        received = sock.recv(1000)
        send("PUT", "k", body=b"new")
        received += b"".join(iter(lambda: sock.recv(1 << 20), b""))
    assert received.endswith(body)
    assert send("GET", "k").body == b"new"


def test_a_query_makes_no_header(send: WireClient) -> None:
    send("PUT", "k", body=b"1")
    asked = {"response-content-type": "a/b\r\nx-made: up"}
    answer = send("GET", "k", asked)
    assert answer.headers["content-type"] == "a/bx-made: up"
    gone = send("DELETE", "k", {"versionId": "v\r\nx-made: up"})
    assert "x-made" not in {**answer.headers, **gone.headers}


def test_a_refusal_reaches_a_client_that_is_still_sending(send: WireClient) -> None:
    body = bytes(20_000_000)
    denied = send("PUT", "k", body=body, signed=False)
    assert denied.error == (403, "AccessDenied")
    wrong = {f"{META}client-side-encryption-key": "a2V5"}
    assert send("PUT", "k", body=body, more=wrong).text("EC") == "0005-00000402"


def test_names_are_taken_as_they_are(send: WireClient) -> None:
    for key in ("a/../b", "a//b", ".", "..", "a\nb", "a\x01b", "%2F", "a?b=c#d", "\U0001f511"):
        assert send("PUT", key, body=key.encode()).status == 200
        assert send("GET", key).body == key.encode()
    listed = send("GET", query={"encoding-type": "url"}).texts("Contents/Key")
    assert len(listed) == 9


@pytest.mark.parametrize("number", ["9" * 5000, "\u0663", "-1", "1e3", "", "0x1", " 1"])
def test_numbers_that_are_none_are_refused(send: WireClient, number: str) -> None:
    send("PUT", "k", body=b"0123456789", x_oss_storage_class="Archive")
    days = f"<RestoreRequest><Days>{number or 'x'}</Days></RestoreRequest>".encode()
    refused = [
        send("POST", "log", {"append": "", "position": number}),
        send("POST", "k", {"restore": ""}, days.replace(b" ", b"-")),
        send("GET", query={"max-keys": number or "x"}),
        send("GET", bucket="", query={"max-keys": number or "x"}),
        send("PUT", "k", {"partNumber": number, "uploadId": "x"}),
    ]
    assert {answer.error for answer in refused} == {(400, "InvalidArgument")}
    send("PUT", "k", body=b"0123456789")
    if number.isascii():
        assert send("GET", "k", range=f"bytes={number}-{number}").body == b"0123456789"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<Delete>",
        b"<Other/>",
        b"<Delete/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        '<!DOCTYPE x [<!ENTITY a "b">]><Delete>&a;</Delete>'.encode("utf-16"),
        b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
        b"<Delete>" + b" " * (6 << 20) + b"</Delete>",
    ],
)
def test_documents_that_are_none_are_refused(send: WireClient, text: bytes) -> None:
    assert send("POST", query={"delete": ""}, body=text).error == (400, "MalformedXML")


def test_a_link_that_all_may_read_does_not_open_its_target(send: WireClient) -> None:
    assert send("PUT", "secret", body=b"1").status == 200
    asked = {"x-oss-symlink-target": "secret", "x-oss-object-acl": "public-read"}
    assert send("PUT", "link", {"symlink": ""}, more=asked).status == 200
    assert send("GET", "link", signed=False).error == (403, "AccessDenied")
    assert send("HEAD", "link", signed=False).status == 403
    assert send("PUT", "secret", {"acl": ""}, x_oss_object_acl="public-read").status == 200
    assert send("GET", "link", signed=False).body == b"1"


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding", "x: 1\r\nset-cookie"])
def test_a_query_overrides_no_headers_but_those_that_objects_keep(
    send: WireClient, name: str
) -> None:
    send("PUT", "k", body=b"0123456789")
    answer = send("GET", "k", {f"response-{name}": "3"})
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert "set-cookie" not in answer.headers


def test_a_document_in_an_encoding_that_nobody_knows_is_malformed(send: WireClient) -> None:
    body = b'<?xml version="1.0" encoding="unheard-of"?><Delete/>'
    assert send("POST", query={"delete": ""}, body=body).error == (400, "MalformedXML")


def test_dates_at_the_end_of_time_are_refused_or_ignored(send: WireClient) -> None:
    late = "Fri, 31 Dec 9999 23:59:59 -0100"  # of the year 10000 in UTC
    send("PUT", "k", body=b"1")
    assert send("GET", "k", date=late).error == (403, "AccessDenied")
    assert send("GET", "k", if_modified_since=late).body == b"1"
    assert send("GET", "k", if_unmodified_since=late).body == b"1"
