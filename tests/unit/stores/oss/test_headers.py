"""Headers of an answer are input: what they claim is checked before it is believed."""

import pytest

from cipherbucket.errors import IntegrityError
from cipherbucket.stores.http.ranges import content_length, received_range
from cipherbucket.stores.oss.headers import stored_object


def test_an_answer_becomes_an_object() -> None:
    headers = {
        "etag": '"ABC"',
        "last-modified": "Sat, 21 Nov 2026 10:00:00 GMT",
        "x-oss-hash-crc64ecma": "18446744073709551615",
        "x-oss-meta-owner": "me",
        "x-oss-storage-class": "IA",
        "content-type": "text/plain",
        "server": "x",
        "x-oss-version-id": "V1",
    }
    stored = stored_object("a", headers, 5)
    assert (stored.etag, stored.crc64, stored.version_id) == ("ABC", (1 << 64) - 1, "V1")
    assert stored.metadata == {"owner": "me"}
    assert stored.headers == {"content-type": "text/plain"}
    assert stored.place_headers == {"x-oss-storage-class": "IA"}
    assert stored.modified.isoformat() == "2026-11-21T10:00:00+00:00"


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 10:00:00 GMT", "0"])
def test_a_date_that_is_none_is_the_epoch(date: str) -> None:
    assert stored_object("a", {"last-modified": date}, 0).modified.timestamp() == 0


@pytest.mark.parametrize("crc", ["", "-1", "x", "18446744073709551616", "1" * 5000, "٣"])
def test_a_crc_that_is_none_is_an_error(crc: str) -> None:
    with pytest.raises(IntegrityError):
        stored_object("a", {"x-oss-hash-crc64ecma": crc}, 0)


@pytest.mark.parametrize("length", [None, "", "-1", "x", "1.0", "1" * 5000, "٣"])
def test_a_length_that_is_none_is_an_error(length: str | None) -> None:
    with pytest.raises(IntegrityError):
        content_length("a", {} if length is None else {"content-length": length})


def test_a_200_is_the_whole_object_whatever_was_asked() -> None:
    assert received_range("a", 200, {"content-length": "7", "content-range": "x"}) == (0, 7, 7)


def test_a_206_is_what_its_content_range_says() -> None:
    headers = {"content-length": "3", "content-range": "bytes 2-4/10"}
    assert received_range("a", 206, headers) == (2, 5, 10)


@pytest.mark.parametrize(
    ("content_range", "length"),
    [
        (None, "3"),
        ("", "3"),
        ("bytes 2-4/*", "3"),
        ("bytes 2-4", "3"),
        ("bytes 4-2/10", "3"),
        ("bytes 2-4/4", "3"),
        ("bytes 2-4/10", "4"),
        ("bytes -3/10", "3"),
        ("items 2-4/10", "3"),
        ("bytes 2-4/10, bytes 6-7/10", "3"),
        ("bytes 2-4/" + "9" * 5000, "3"),
    ],
)
def test_a_206_that_makes_no_sense_is_an_error(content_range: str | None, length: str) -> None:
    headers = {"content-length": length}
    if content_range is not None:
        headers["content-range"] = content_range
    with pytest.raises(IntegrityError):
        received_range("a", 206, headers)


@pytest.mark.parametrize(
    "date",
    [
        "1 Jan 2020 00:00:00 +9999999999999",
        "1 Jan 99999999999999999999 00:00:00 GMT",
        "1 Jan 2020 99999999999999999999:00:00 GMT",
    ],
)
def test_a_date_of_absurd_numbers_is_the_epoch(date: str) -> None:
    assert stored_object("a", {"last-modified": date}, 0).modified.timestamp() == 0


def test_a_size_that_no_file_can_have_is_an_error() -> None:
    with pytest.raises(IntegrityError):
        content_length("a", {"content-length": "9" * 19})
    assert content_length("a", {"content-length": "9" * 18}) == 10**18 - 1
    span = {"content-length": "1", "content-range": "bytes 0-0/" + "9" * 19}
    with pytest.raises(IntegrityError):
        received_range("a", 206, span)
