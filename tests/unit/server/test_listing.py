"""Listings over the wire: order, prefixes, pages, encodings."""

import random
from urllib.parse import unquote

import pytest
from tests.support.wire_client import WireClient

from cipherbucket.server import Endpoint

NAMES = ["a", "a/1", "a/2", "a/b/3", "a0", "b", "b/", "b/x", "c d+e", "z%41", "ä/ü"]


@pytest.fixture(scope="module")
def shared(endpoint: Endpoint) -> WireClient:
    """Return a client of a filled bucket that nobody changes."""
    send = WireClient(endpoint, "shared-listing")
    send("PUT")
    for name in NAMES:
        send("PUT", name, body=name.encode())
    return send


@pytest.fixture
def filled(send: WireClient) -> WireClient:
    for name in random.Random(1).sample(NAMES, len(NAMES)):
        assert send("PUT", name, body=name.encode()).status == 200
    return send


def folded(names: list[str], prefix: str, delimiter: str) -> list[str]:
    """Say what a listing gives, entries and prefixes in their common order."""
    found = []
    for name in sorted(names, key=str.encode):
        if name.startswith(prefix):
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            found.append(name if cut < 0 else name[: cut + 1])
    return list(dict.fromkeys(found))


def pages(send: WireClient, version: int, **query: str) -> list[list[str]]:
    """Read a whole listing, page by page, decoded."""
    read: list[list[str]] = []
    asked = {"list-type": "2"} if version == 2 else {}
    asked |= {name.replace("_", "-"): value for name, value in query.items()}
    while True:
        answer = send("GET", query=asked)
        assert answer.status == 200
        names = answer.texts("Contents/Key") + answer.texts("CommonPrefixes/Prefix")
        if query.get("encoding_type"):
            names = [unquote(name or "") for name in names]
        read.append(sorted((name or "" for name in names), key=str.encode))
        if version == 2:
            assert answer.text("KeyCount") == str(len(names))
        if answer.text("IsTruncated") == "false":
            assert answer.text("NextMarker") is None
            assert answer.text("NextContinuationToken") is None
            return read
        following = answer.text("NextContinuationToken" if version == 2 else "NextMarker") or ""
        if version == 1 and query.get("encoding_type"):
            following = unquote(following)
        asked["continuation-token" if version == 2 else "marker"] = following


@pytest.mark.each_pair
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/", "ä", "nothing"])
@pytest.mark.parametrize("encoding", ["", "url"])
def test_pages_put_together_are_the_listing(
    shared: WireClient, version: int, limit: int, delimiter: str, prefix: str, encoding: str
) -> None:
    read = pages(
        shared,
        version,
        max_keys=str(limit),
        delimiter=delimiter,
        prefix=prefix,
        encoding_type=encoding,
    )
    expected = folded(NAMES, prefix, delimiter)
    assert [name for page in read for name in page] == expected
    assert all(len(page) == limit for page in read[:-1])


def test_an_entry_says_all_of_its_object(filled: WireClient) -> None:
    put = filled("PUT", "a", body=b"12345", x_oss_storage_class="IA")
    answer = filled("GET", query={"prefix": "a", "max-keys": "1"})
    entry = answer.xml.find("Contents")
    assert entry is not None
    assert entry.findtext("ETag") == put.headers["etag"]
    assert entry.findtext("Size") == "5"
    assert entry.findtext("Type") == "Normal"
    assert entry.findtext("StorageClass") == "IA"
    assert entry.findtext("Owner/ID")
    assert (entry.findtext("LastModified") or "").endswith(".000Z")
    assert answer.text("Name") == filled.bucket
    assert answer.text("MaxKeys") == "1"


def test_owners_are_told_in_version_2_on_request(filled: WireClient) -> None:
    assert filled("GET", query={"list-type": "2"}).texts("Contents/Owner") == []
    told = filled("GET", query={"list-type": "2", "fetch-owner": "true"})
    assert len(told.texts("Contents/Owner/ID")) == len(NAMES)


def test_start_after_and_marker_are_exclusive(filled: WireClient) -> None:
    rest = NAMES[NAMES.index("a/2") + 1 :]
    assert filled("GET", query={"marker": "a/2"}).texts("Contents/Key") == rest
    after = filled("GET", query={"list-type": "2", "start-after": "a/2"})
    assert after.texts("Contents/Key") == rest
    assert after.text("StartAfter") == "a/2"
    # As oss2 asks for it: an empty token is none.
    query = {"list-type": "2", "start-after": "a/2", "continuation-token": ""}
    assert filled("GET", query=query).texts("Contents/Key") == rest


@pytest.mark.parametrize(
    "query",
    [
        {"max-keys": "0"},
        {"max-keys": "1001"},
        {"max-keys": "x"},
        {"encoding-type": "base64"},
        {"list-type": "2", "continuation-token": "%%%"},
        {"list-type": "2", "continuation-token": "/w"},
    ],
)
def test_arguments_that_cannot_be_are_refused(send: WireClient, query: dict[str, str]) -> None:
    assert send("GET", query=query).error == (400, "InvalidArgument")


def test_more_objects_than_a_batch(send: WireClient) -> None:
    for number in range(300):
        send("PUT", f"many/{number:04}")
    assert [len(page) for page in pages(send, 2, max_keys="1000")] == [300]
    assert sum(len(page) for page in pages(send, 1, max_keys="256")) == 300
    assert pages(send, 2, delimiter="/") == [["many/"]]


def test_uploads_are_listed_by_name_and_id(send: WireClient) -> None:
    started = sorted(
        (name, send("POST", name, {"uploads": ""}).text("UploadId") or "")
        for name in ("a/1", "a/1", "a/2", "b")
    )
    read: list[tuple[str, str]] = []
    asked = {"uploads": "", "max-uploads": "1"}
    while True:
        answer = send("GET", query=asked)
        keys, ids = answer.texts("Upload/Key"), answer.texts("Upload/UploadId")
        read += [(key or "", upload or "") for key, upload in zip(keys, ids, strict=True)]
        if answer.text("IsTruncated") == "false":
            break
        asked["key-marker"] = answer.text("NextKeyMarker") or ""
        asked["upload-id-marker"] = answer.text("NextUploadIdMarker") or ""
    assert read == started
    folders = send("GET", query={"uploads": "", "delimiter": "/"})
    assert folders.texts("CommonPrefixes/Prefix") == ["a/"]
    assert folders.texts("Upload/Key") == ["b"]
