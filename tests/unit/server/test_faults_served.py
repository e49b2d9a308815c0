"""Each fault as a client meets it, and what is stored afterwards."""

import http.client

import pytest
from tests.support.wire_client import WireClient

from cipherbucket.format.crc64 import crc64
from cipherbucket.server import Endpoint
from cipherbucket.server.faults import HEADER

BODY = b"0123456789" * 100_000
SMALL = b"0123456789"


def asking(fault: str) -> dict[str, str]:
    return {HEADER: fault}


@pytest.mark.parametrize(
    ("fault", "code"), [("500", "InternalError"), ("503", "ServiceUnavailable")]
)
def test_an_answer_that_is_an_error_did_nothing(send: WireClient, fault: str, code: str) -> None:
    assert send("PUT", "k", body=BODY, more=asking(fault)).error == (int(fault), code)
    assert send("HEAD", "k").status == 404


@pytest.mark.parametrize("body", [SMALL, BODY])
def test_a_reset_upload_stores_nothing(send: WireClient, body: bytes) -> None:
    send("PUT", "k", body=b"before")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send("PUT", "k", body=body, more=asking("reset"))
    assert send("GET", "k").body == b"before"


@pytest.mark.parametrize("body", [SMALL, BODY])
def test_a_reset_download_breaks_midway(send: WireClient, body: bytes) -> None:
    send("PUT", "k", body=body)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send("GET", "k", more=asking("reset"))
    assert send("GET", "k").body == body


@pytest.mark.parametrize("body", [SMALL, BODY])
def test_a_truncated_download_gives_half(send: WireClient, body: bytes) -> None:
    send("PUT", "k", body=body)
    with pytest.raises(http.client.IncompleteRead) as caught:
        send("GET", "k", more=asking("truncate"))
    assert caught.value.partial == body[: len(body) // 2]


def test_a_truncated_upload_is_stored_though_the_client_cannot_know(send: WireClient) -> None:
    with pytest.raises(http.client.HTTPException):
        send("PUT", "k", body=BODY, more=asking("truncate"))
    assert send("GET", "k").body == BODY


def test_a_wrong_crc_is_told_both_ways(send: WireClient) -> None:
    wrong = str(crc64(SMALL) ^ 1)
    put = send("PUT", "k", body=SMALL, more=asking("crc"))
    assert (put.status, put.headers["x-oss-hash-crc64ecma"]) == (200, wrong)
    got = send("GET", "k", more=asking("crc"))
    assert (got.body, got.headers["x-oss-hash-crc64ecma"]) == (SMALL, wrong)
    assert send("GET", "k").headers["x-oss-hash-crc64ecma"] == str(crc64(SMALL))


def test_a_slow_answer_is_the_right_one(send: WireClient) -> None:
    send("PUT", "k", body=SMALL)
    assert send("GET", "k", more=asking("slow,delay=0.01")).body == SMALL


def test_a_fault_that_is_none_is_refused(send: WireClient) -> None:
    assert send("GET", "k", more=asking("fire")).error == (400, "InvalidArgument")


def test_the_same_program_meets_the_same_faults() -> None:
    def run() -> list[int]:
        with Endpoint(buckets=["bucket"], faults="500=0.3,503=0.3,seed=11") as endpoint:
            send = WireClient(endpoint, "bucket")
            return [send("PUT", f"k{n % 5}", body=SMALL).status for n in range(40)]

    first = run()
    assert first == run()
    assert {200, 500, 503} == set(first)
