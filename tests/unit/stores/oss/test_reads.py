"""The OSS store reads and writes right, or says that it did not, whatever the server sends."""

from pathlib import Path

import pytest
from tests.support.oss_objects import PLAIN, Objects, error_xml, misbehave, store_at
from tests.support.scripted_http import Answer, Request, Scripted
from tests.support.sdk_vectors import PREFIX, Vector, all_vectors

import cipherbucket as cb


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


def test_a_read_that_breaks_after_each_few_bytes_is_given_up(
    bucket: cb.Bucket, served: Scripted, objects: Objects
) -> None:
    bucket.put("a", PLAIN)

    def one_byte(request: Request) -> Answer:
        answer = objects.get(request)
        answer.stop_after = 1
        return answer

    misbehave(served, one_byte)
    with pytest.raises(cb.TransientStoreError):
        bucket.get("a").read()
    assert len(served.requests) < 20


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
    with pytest.raises(cb.StoreError, match="access denied") as caught:
        cb.open_url(url, key)
    assert "S3CRET" not in str(caught.value)
    assert "S3CRET" not in str(caught.value.__cause__)
    for wrong in ("ftp://host/a", "https:///a", "/a", "file:///a"):
        with pytest.raises(cb.UsageError):
            cb.open_url(wrong, key)


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


def test_a_body_of_no_bytes_is_checked_before_it_is_stored(
    bucket: cb.Bucket, served: Scripted
) -> None:
    progress: list[tuple[int, int | None]] = []
    with pytest.raises(cb.SourceError, match="MD5"):
        bucket.put("a", b"", content_md5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert not served.requests
    bucket.put("a", b"", progress=lambda done, total: progress.append((done, total)))
    assert progress == [(0, 0)]


@pytest.mark.parametrize("vector", [vector for vector in all_vectors() if vector.raw], ids=str)
def test_a_description_that_is_not_ascii_comes_as_the_bytes_that_an_sdk_sent(
    vector: Vector, objects: Objects, served: Scripted
) -> None:
    """UTF-8, or Latin-1 where an HTTP library made it so."""
    raw = {name: value.decode("latin-1") for name, value in vector.raw.items()}
    objects.headers = {PREFIX + name: text for name, text in (vector.metadata | raw).items()}
    objects.body = vector.ciphertext
    with store_at(served.url) as store, store.get("name") as incoming:
        assert dict(incoming.stored.metadata) == vector.metadata
