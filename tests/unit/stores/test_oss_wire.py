"""The OSS store against a server that answers well, badly or not to the end."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.scripted_http import Answer, Request, Scripted, scripted

import cipherbucket as cb
from cipherbucket.checksum import crc64

PLAIN = bytes(i % 251 for i in range(5_000_000))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "cipherbucket.writer",
        "cipherbucket.stores.resuming",
        "alibabacloud_oss_v2._client",
    ):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


def settings(url: str) -> cb.OssSettings:
    return cb.OssSettings(
        region="cn-hangzhou", endpoint=url, credentials=cb.Credentials("id", "secret")
    )


def store_at(url: str) -> object:
    return cb.open_store("oss://bucket", settings(url))


class Objects:
    """Enough of OSS to put and get one object, to be broken by each test."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def put(self, request: Request) -> Answer:
        self.body = request.body
        self.headers = {
            name: text
            for name, text in request.headers.items()
            if name.startswith("x-oss-meta-") or name == "content-type"
        }
        return Answer(headers=self.common())

    def common(self) -> dict[str, str]:
        return {"ETag": '"E1"', "x-oss-hash-crc64ecma": str(crc64(self.body)), **self.headers}

    def get(self, request: Request) -> Answer:
        text = request.headers.get("range")
        if text is None or request.method == "HEAD":
            return Answer(headers=self.common(), body=self.body)
        first, _, last = text.removeprefix("bytes=").partition("-")
        size = len(self.body)
        start = int(first) if first else max(0, size - int(last))
        stop = min(int(last) + 1, size) if first and last else size
        if start >= size:
            return Answer(416, {"x-oss-request-id": "R"}, error_xml("InvalidRange"))
        return self.part(start, stop)

    def part(self, start: int, stop: int) -> Answer:
        span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(self.body)}"}
        return Answer(206, {**self.common(), **span}, self.body[start:stop])

    def __call__(self, request: Request) -> Answer:
        return self.put(request) if request.method == "PUT" else self.get(request)


def error_xml(code: str) -> bytes:
    return (
        f"<Error><Code>{code}</Code><Message>m</Message><RequestId>R1</RequestId>"
        f"<HostId>h</HostId><EC>0003-00000001</EC></Error>"
    ).encode()


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def served(objects: Objects) -> Iterator[Scripted]:
    behave: list[Callable[[Request], Answer]] = [objects]

    def answer(request: Request) -> Answer:
        return behave[0](request)

    with scripted(answer) as server:
        server.behave = behave  # type: ignore[attr-defined]
        yield server


@pytest.fixture
def bucket(served: Scripted, key: cb.RsaKey) -> cb.Bucket:
    return cb.open_bucket("oss://bucket", key, settings=settings(served.url))


def misbehave(served: Scripted, behaviour: Callable[[Request], Answer]) -> None:
    served.behave[0] = behaviour  # type: ignore[attr-defined]


def test_put_and_get_speak_oss(bucket: cb.Bucket, served: Scripted) -> None:
    bucket.put("a/é x", PLAIN, metadata={"owner": "ü"}, content_type="text/plain")
    put = served.requests[0]
    assert put.target == "/bucket/a/%C3%A9%20x"
    assert put.headers["authorization"].startswith("OSS4-HMAC-SHA256 Credential=id/")
    assert put.headers["x-oss-meta-client-side-encryption-cek-alg"] == "AES/CTR/NoPadding"
    assert put.headers["x-oss-meta-owner"].encode("latin-1") == "ü".encode()
    assert "content-md5" not in put.headers
    assert put.body != PLAIN
    with bucket.get("a/é x") as stream:
        assert stream.info.metadata == {"owner": "ü"}
        assert stream.info.content_type == "text/plain"
        assert stream.read() == PLAIN
    assert bucket.get("a/é x", start=3, length=20).read() == PLAIN[3:23]
    assert served.requests[-1].headers["x-oss-range-behavior"] == "standard"


@pytest.mark.parametrize(
    ("start", "length", "tail"),
    [
        (0, 0, None),
        (7, 0, None),
        (0, None, 0),
        (5_000_000, None, None),
        (5_000_000, 5, None),
        (4_999_990, 50, None),
        (17, 1, None),
        (0, None, 33),
        (0, None, 6_000_000),
    ],
)
def test_ranges_that_http_cannot_say_work_too(
    bucket: cb.Bucket, start: int, length: int | None, tail: int | None
) -> None:
    bucket.put("a", PLAIN)
    expected = PLAIN[start:] if length is None else PLAIN[start : start + length]
    if tail is not None:
        expected = PLAIN[len(PLAIN) - min(tail, len(PLAIN)) :]
    assert bucket.get("a", start=start, length=length, tail=tail).read() == expected


def test_a_range_after_the_end_is_a_range_error(bucket: cb.Bucket) -> None:
    bucket.put("a", b"abc")
    with pytest.raises(cb.RangeError):
        bucket.get("a", start=4)


def test_a_store_that_ignores_ranges_is_read_right(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)
    misbehave(served, lambda _: Answer(headers=objects.common(), body=objects.body))
    assert bucket.get("a", start=4_000_001, length=17).read() == PLAIN[4_000_001:4_000_018]
    assert bucket.get("a", tail=5).read() == PLAIN[-5:]


def test_a_store_that_sends_more_than_asked_is_read_right(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)
    misbehave(served, lambda _: objects.part(1_000, 2_000))
    assert bucket.get("a", start=1_005, length=17).read() == PLAIN[1_005:1_022]


@pytest.mark.parametrize(("start", "stop"), [(0, 1000), (1_006, 2_000), (1_000, 1_010)])
def test_a_store_that_sends_another_range_is_an_error(
    bucket: cb.Bucket, served: Scripted, objects: Objects, start: int, stop: int
) -> None:
    bucket.put("a", PLAIN)
    misbehave(served, lambda _: objects.part(start, stop))
    with pytest.raises(cb.IntegrityError, match="'a': the store sent bytes"):
        bucket.get("a", start=1_005, length=17)


def test_a_broken_read_goes_on_where_it_broke(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)

    def breaking(request: Request) -> Answer:
        answer = objects.get(request)
        if len(served.requests) < 5:
            answer.stop_after = 1_234_567
        return answer

    misbehave(served, breaking)
    assert bucket.get("a").read() == PLAIN
    again = served.requests[2]
    assert again.headers["range"] == f"bytes=1234567-{len(PLAIN) - 1}"
    assert again.headers["if-match"] == '"E1"'


def test_a_read_that_keeps_breaking_is_an_error_after_bounded_attempts(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)

    def nothing(request: Request) -> Answer:
        answer = objects.get(request)
        answer.stop_after = 0
        return answer

    misbehave(served, nothing)
    with pytest.raises(cb.TransientStoreError):
        bucket.get("a").read()
    assert len(served.requests) < 10


def test_an_object_replaced_while_a_read_goes_on_is_an_error(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)
    for replaced in (
        Answer(412, {}, error_xml("PreconditionFailed")),
        Answer(206, {**objects.part(1000, 5_000_000).headers, "ETag": '"E2"'}, bytes(4_999_000)),
    ):

        def breaking(request: Request, then: Answer = replaced) -> Answer:
            if "if-match" in request.headers:
                return then
            answer = objects.get(request)
            answer.stop_after = 1000
            return answer

        misbehave(served, breaking)
        with pytest.raises(cb.ObjectChangedError):
            bucket.get("a").read()


def test_damage_on_the_way_is_noticed_at_the_end(
    bucket: cb.Bucket, served: Scripted, objects: Objects, tmp_path: Path
) -> None:
    bucket.put("a", PLAIN)
    damaged = bytearray(objects.body)
    damaged[4_000_000] ^= 1
    misbehave(served, lambda _: Answer(headers=objects.common(), body=bytes(damaged)))
    with pytest.raises(cb.IntegrityError, match="CRC-64"):
        bucket.get("a").read()
    with pytest.raises(cb.IntegrityError, match="CRC-64"):
        bucket.download("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_crc_of_a_put_that_differs_is_an_error(bucket: cb.Bucket, served: Scripted) -> None:
    misbehave(served, lambda _: Answer(headers={"x-oss-hash-crc64ecma": "1", "ETag": '"E"'}))
    with pytest.raises(cb.IntegrityError, match="differs from that of what was sent"):
        bucket.put("a", PLAIN)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_put_is_sealed_anew_after_a_failure_that_may_pass(
    bucket: cb.Bucket, served: Scripted, objects: Objects, status: int, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_bytes(PLAIN)

    def failing(request: Request) -> Answer:
        return Answer(status) if len(served.requests) < 3 else objects(request)

    misbehave(served, failing)
    bucket.put("a", tmp_path / "plain")
    bodies = [request.body for request in served.requests]
    assert [len(body) for body in bodies] == [len(PLAIN)] * 3
    assert len(set(bodies)) == 3
    assert bucket.get("a").read() == PLAIN


def test_reads_are_tried_again_after_server_errors(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)
    misbehave(served, lambda r: Answer(503) if len(served.requests) < 4 else objects(r))
    assert bucket.get("a", start=5, length=3).read() == PLAIN[5:8]
    misbehave(served, lambda _: Answer(500))
    with pytest.raises(cb.TransientStoreError):
        bucket.head("a")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", cb.ObjectNotFoundError),
        (404, "NoSuchVersion", cb.ObjectNotFoundError),
        (404, "NoSuchBucket", cb.StoreError),
        (409, "FileAlreadyExists", cb.PreconditionFailedError),
        (412, "PreconditionFailed", cb.PreconditionFailedError),
        (403, "AccessDenied", cb.StoreError),
        (403, "SignatureDoesNotMatch", cb.StoreError),
        (403, "InvalidObjectState", cb.StoreError),
        (400, "SomethingNew", cb.StoreError),
        (503, "SlowDown", cb.TransientStoreError),
    ],
)
def test_the_services_errors_are_ours_with_its_details(
    bucket: cb.Bucket, served: Scripted, status: int, code: str, kind: type[cb.StoreError]
) -> None:
    misbehave(served, lambda _: Answer(status, {"x-oss-request-id": "R1"}, error_xml(code)))
    with pytest.raises(kind) as caught:
        bucket.get("a")
    error = caught.value
    assert (error.status, error.code, error.ec, error.request_id) == (
        status,
        code,
        "0003-00000001",
        "R1",
    )
    assert error.host == served.url.removeprefix("http://")
    assert error.name == "a"
    for detail in (str(status), code, "0003-00000001", "R1"):
        assert detail in str(error)


def test_an_archived_object_says_what_to_do(bucket: cb.Bucket, served: Scripted) -> None:
    misbehave(served, lambda _: Answer(403, {}, error_xml("InvalidObjectState")))
    with pytest.raises(cb.StoreError, match="must be restored") as caught:
        bucket.get("a")
    assert "restore" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"x-oss-hash-crc64ecma": "minus one"}),
        Answer(206, {"content-range": "bytes 0-1/"}, b"ab"),
        Answer(404, {}, b"<html>not xml</p>"),
        Answer(404, {}, b"\xff\xfe"),
        Answer(302, {"location": "http://127.0.0.1:1/"}),
    ],
)
def test_nonsense_is_an_error_of_ours(bucket: cb.Bucket, served: Scripted, answer: Answer) -> None:
    misbehave(served, lambda _: answer)
    with pytest.raises(cb.CipherbucketError):
        bucket.get("a", start=0, length=2)


@pytest.mark.parametrize("body", [b"", b"<", b"<a/>", b"\xff", b"<ListBucketResult><Contents/>"])
def test_a_listing_that_is_none_is_an_error_or_empty(
    bucket: cb.Bucket, served: Scripted, body: bytes
) -> None:
    misbehave(served, lambda _: Answer(200, {"content-type": "application/xml"}, body))
    with suppress(cb.CipherbucketError):
        assert [entry.name for entry in bucket.list() if entry.name] == []


def test_nobody_listening_is_a_transient_error(key: cb.RsaKey) -> None:
    bucket = cb.open_bucket("oss://bucket", key, settings=settings("http://127.0.0.1:1"))
    with pytest.raises(cb.TransientStoreError):
        bucket.get("a")
    with pytest.raises(cb.TransientStoreError):
        bucket.put("a", b"x")


def test_what_oss_refuses_is_refused_first(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", b"secret")
    with pytest.raises(cb.UsageError, match="0005-00000421"):
        bucket.update_metadata("a", metadata={"owner": "me"})
    with pytest.raises(cb.UsageError, match="depends on an ETag"):
        bucket.put("a", b"x", if_match="E1")
    assert {request.method for request in served.requests} == {"PUT", "HEAD"}
    assert len([r for r in served.requests if r.method == "PUT"]) == 1


def test_a_presigned_url_is_read_without_extra_headers(
    bucket: cb.Bucket, served: Scripted, key: cb.RsaKey
) -> None:
    bucket.put("a", PLAIN)
    url = f"{served.url}/bucket/a?x-oss-signature=S3CRET"
    assert cb.open_url(url, key).read() == PLAIN
    assert cb.open_url(url, key, start=5, length=9).read() == PLAIN[5:14]
    assert cb.open_url(url, key, tail=9).read() == PLAIN[-9:]
    sent = served.requests[-1].headers
    assert not [name for name in sent if name.startswith("x-oss-")]
    misbehave(served, lambda _: Answer(403, {}, error_xml("AccessDenied")))
    with pytest.raises(cb.StoreError, match="refused") as caught:
        cb.open_url(url, key)
    assert "S3CRET" not in str(caught.value)
    assert "S3CRET" not in str(caught.value.__cause__)
    for wrong in ("ftp://host/a", "https:///a", "/a", "file:///a"):
        with pytest.raises(cb.UsageError):
            cb.open_url(wrong, key)


def test_a_bucket_works_in_a_forked_child(bucket: cb.Bucket) -> None:
    bucket.put("a", PLAIN)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            good = bucket.get("a").read() == PLAIN
            os.write(writing, b"good" if good else b"bad")
        finally:
            os._exit(0)
    assert bucket.get("a").read() == PLAIN
    os.close(writing)
    assert os.read(reading, 10) == b"good"
    os.close(reading)
    os.waitpid(child, 0)


def test_settings_that_lead_nowhere_are_refused() -> None:
    for wrong in (
        {"signature": "v3"},
        {"addressing": "somehow"},
        {"network": "fast"},
    ):
        with pytest.raises(cb.UsageError, match="is one of"):
            cb.OssSettings(region="cn-hangzhou", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "host", "path"),
    [
        ({}, "bucket.oss-cn-hangzhou.aliyuncs.com", "/a"),
        ({"network": "internal"}, "bucket.oss-cn-hangzhou-internal.aliyuncs.com", "/a"),
        ({"network": "accelerate"}, "bucket.oss-accelerate.aliyuncs.com", "/a"),
        ({"network": "dualstack"}, "bucket.cn-hangzhou.oss.aliyuncs.com", "/a"),
        ({"addressing": "path"}, "oss-cn-hangzhou.aliyuncs.com", "/bucket/a"),
        ({"endpoint": "data.example", "addressing": "cname"}, "data.example", "/a"),
        ({"endpoint": "https://data.example"}, "bucket.data.example", "/a"),
    ],
)
def test_the_address_of_a_request(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], host: str, path: str
) -> None:
    asked: list[str] = []

    def request(self: object, method: str, url: str, *_: object, **__: object) -> object:
        asked.append(url)
        raise cb.TransientStoreError("no network in this test")

    monkeypatch.setattr("cipherbucket.stores._http.Http.request", request)
    chosen = cb.OssSettings(
        region="cn-hangzhou",
        credentials=cb.Credentials("i", "s"),
        **given,  # type: ignore[arg-type]
    )
    with pytest.raises(cb.TransientStoreError):
        cb.open_store("oss://bucket", chosen).head("a")
    assert asked[0] == f"https://{host}{path}"


@pytest.mark.parametrize("plain", [b"", b"x", PLAIN])
def test_reading_to_the_end_gives_the_connection_back(
    served: Scripted, bucket: cb.Bucket, plain: bytes
) -> None:
    bucket.put("a", plain)
    for _ in range(3):
        assert bucket.get("a").read() == plain
    assert bucket.get("a", start=len(plain)).read() == b""
    assert len({request.peer for request in served.requests}) == 1


def test_a_closed_stream_is_not_read_on_over_a_new_connection(
    bucket: cb.Bucket, served: Scripted
) -> None:
    bucket.put("a", PLAIN)
    stream = bucket.get("a")
    stream.read(100)
    stream.close()
    before = len(served.requests)
    with pytest.raises(cb.UsageError, match="closed"):
        stream.read(100)
    assert len(served.requests) == before


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999/a?Signature=SECRET",
        "http://exa mple/a?Signature=SECRET",
        "http://[::1/a?Signature=SECRET",
        "http://user:SECRET@127.0.0.1:1/a",
        "http://h\u2100/a?Signature=SECRET",
    ],
)
def test_no_error_tells_the_secret_of_a_url(url: str, key: cb.RsaKey) -> None:
    with pytest.raises(cb.UsageError) as caught:
        cb.open_url(url, key)
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in f"{error}{error!r}"
        error = error.__cause__


def test_settings_do_not_show_the_password_of_a_proxy() -> None:
    assert "SECRET" not in repr(cb.OssSettings(proxy="http://user:SECRET@proxy:3128"))


def test_a_range_after_the_end_is_refused_where_the_store_ignores_ranges(
    bucket: cb.Bucket, served: Scripted, objects: Objects, key: cb.RsaKey
) -> None:
    bucket.put("a", PLAIN[:100])
    misbehave(served, lambda _: Answer(headers=objects.common(), body=objects.body))
    with pytest.raises(cb.RangeError):
        bucket.get("a", start=101)
    with pytest.raises(cb.RangeError):
        cb.open_url(served.url + "/bucket/a", key, start=101)
    assert bucket.get("a", start=100).read() == b""


def test_a_range_of_no_bytes_holds_to_its_condition(bucket: cb.Bucket) -> None:
    bucket.put("a", PLAIN[:100])
    assert bucket.get("a", length=0, if_match="E1").read() == b""
    with pytest.raises(cb.PreconditionFailedError):
        bucket.get("a", length=0, if_match="OTHER")


@pytest.mark.parametrize("status", [200, 403])
def test_an_endless_answer_is_not_read_into_memory(
    bucket: cb.Bucket, served: Scripted, status: int
) -> None:
    huge = Answer(status, body=b"<R>" + b"x" * (17 << 20))
    misbehave(served, lambda _: huge)
    with pytest.raises(cb.StoreError, match="16 MiB"):
        list(bucket.list())
    if status == 403:
        with pytest.raises(cb.StoreError, match="16 MiB"):
            bucket.get("a")


def test_causes_lead_to_what_broke_and_not_in_a_circle() -> None:
    with pytest.raises(cb.TransientStoreError) as caught:
        store_at("http://127.0.0.1:1").head("a")  # type: ignore[attr-defined]
    chain: list[BaseException] = [caught.value]
    while (cause := chain[-1].__cause__) is not None:
        assert cause not in chain
        chain.append(cause)
    assert [type(error).__module__.partition(".")[0] for error in chain[:2]] == [
        "cipherbucket",
        "urllib3",
    ]


_READS: dict[str, Callable[[Any], object]] = {
    "ListBucketResult": lambda store: store.list(),
    "ListVersionsResult": lambda store: list(store.list_versions()),
    "ListMultipartUploadsResult": lambda store: store.list_uploads(),
    "ListPartsResult": lambda store: store.list_parts("a", "upload"),
}


@pytest.mark.parametrize(
    ("root", "content"),
    [
        ("ListBucketResult", "<Contents><Size>1</Size></Contents>"),
        ("ListBucketResult", "<Contents><Key>a</Key></Contents>"),
        ("ListBucketResult", "<CommonPrefixes/>"),
        ("ListBucketResult", "<Contents><LastModified>x</LastModified></Contents>"),
        ("ListVersionsResult", "<Version><VersionId>1</VersionId></Version>"),
        ("ListVersionsResult", "<Version><Key>a</Key><Size>1</Size></Version>"),
        ("ListMultipartUploadsResult", "<Upload/>"),
        ("ListPartsResult", "<Part><PartNumber>1</PartNumber></Part>"),
    ],
)
def test_a_listing_that_lacks_what_it_must_hold_is_a_store_error(
    served: Scripted, root: str, content: str
) -> None:
    misbehave(served, lambda _: Answer(body=f"<{root}>{content}</{root}>".encode()))
    with pytest.raises(cb.StoreError, match="cannot be understood"):
        _READS[root](store_at(served.url))


def test_xml_in_an_encoding_that_nobody_knows_is_a_store_error(served: Scripted) -> None:
    misbehave(served, lambda _: Answer(body=b'<?xml version="1.0" encoding="foo"?><R/>'))
    with pytest.raises(cb.StoreError, match="cannot be understood"):
        _READS["ListBucketResult"](store_at(served.url))


@pytest.mark.parametrize(
    "root", ["ListVersionsResult", "ListMultipartUploadsResult", "ListPartsResult"]
)
def test_a_listing_that_goes_in_a_circle_is_a_store_error(served: Scripted, root: str) -> None:
    def circling(_: Request) -> Answer:
        assert len(served.requests) < 20
        turn = len(served.requests) % 2
        tags = ("NextKeyMarker", "NextUploadIdMarker", "NextVersionIdMarker")
        markers = "".join(f"<{tag}>{turn}</{tag}>" for tag in tags)
        number = f"<NextPartNumberMarker>{10_000 + len(served.requests)}</NextPartNumberMarker>"
        content = f"<IsTruncated>true</IsTruncated>{markers}{number}"
        return Answer(body=f"<{root}>{content}</{root}>".encode())

    misbehave(served, circling)
    with pytest.raises(cb.StoreError, match="does not advance"):
        _READS[root](store_at(served.url))
    assert len(served.requests) < 5


def test_a_body_of_no_bytes_is_checked_before_it_is_stored(
    bucket: cb.Bucket, served: Scripted
) -> None:
    told: list[tuple[int, int | None]] = []
    with pytest.raises(cb.SourceError, match="MD5"):
        bucket.put("a", b"", content_md5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert not served.requests
    bucket.put("a", b"", progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 0)]


def test_the_words_of_a_store_in_an_error_are_cut_and_harmless(
    bucket: cb.Bucket, served: Scripted
) -> None:
    words = "<Error><Code>Odd&#155;</Code><Message>" + "m&#155;31m" * 5000 + "</Message></Error>"
    misbehave(served, lambda _: Answer(403, {}, words.encode()))
    with pytest.raises(cb.StoreError) as caught:
        bucket.get("a")
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_proxy_that_is_no_url_is_refused_without_showing_its_password() -> None:
    told = cb.OssSettings(
        region="cn-hangzhou",
        endpoint="http://127.0.0.1:1",
        credentials=cb.Credentials("id", "secret"),
        proxy="http://user:SECRET@127.0.0.1:99999",
    )
    with pytest.raises(cb.UsageError) as caught:
        cb.open_store("oss://bucket", told).head("a")
    assert caught.value.__cause__ is None
    assert "SECRET" not in str(caught.value)


def test_an_answer_that_breaks_off_is_asked_for_again(bucket: cb.Bucket, served: Scripted) -> None:
    listing = (
        b"<ListBucketResult><Name>bucket</Name><Contents><Key>a</Key><Size>1</Size>"
        b"<LastModified>2026-11-21T10:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )

    def breaking(_: Request) -> Answer:
        answer = Answer(200, {"content-type": "application/xml"}, listing)
        answer.stop_after = 30 if len(served.requests) < 3 else None
        return answer

    misbehave(served, breaking)
    assert [entry.name for entry in bucket.list()] == ["a"]
    assert len(served.requests) == 3


def test_a_child_gets_connections_and_a_lock_of_its_own(
    bucket: cb.Bucket, served: Scripted
) -> None:
    bucket.put("a", b"1")
    http = bucket._store._http  # type: ignore[attr-defined]
    http._lock.acquire()
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if bucket.get("a").read() == b"1" else 1)
        finally:
            os._exit(2)
    http._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert served.requests[-1].peer != served.requests[0].peer


def test_a_proxy_is_told_its_password(served: Scripted, key: cb.RsaKey) -> None:
    proxy = served.url.replace("http://", "http://me:s%40crets@")
    far = cb.OssSettings(
        region="r",
        endpoint="http://oss.example",
        credentials=cb.Credentials("id", "secret"),
        proxy=proxy,
    )
    with cb.open_bucket("oss://bucket", key, settings=far) as bucket:
        bucket.put("a", b"1")
    request = served.requests[-1]
    assert request.target == "http://bucket.oss.example/a"
    assert request.headers["proxy-authorization"] == "Basic bWU6c0BjcmV0cw=="


def test_certificates_that_are_not_there_are_refused_at_once() -> None:
    with pytest.raises(cb.UsageError, match="there is no file"):
        cb.OssSettings(region="r", ca_file="/nowhere/ca.pem")


def test_a_copy_with_a_condition_is_sent_once(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", b"1")

    def failing(request: Request) -> Answer:
        if "?acl" in request.target:
            return Answer(200, {}, b"<AccessControlPolicy></AccessControlPolicy>")
        return Answer(503) if request.method == "PUT" else objects.get(request)

    misbehave(served, failing)
    with pytest.raises(cb.TransientStoreError):
        bucket.copy("a", "b", if_absent=True)
    assert len([r for r in served.requests if "x-oss-copy-source" in r.headers]) == 1
