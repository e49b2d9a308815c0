"""The story of a bucket that begins to keep versions, and stops."""

import pytest
from tests.support.wire_client import Response, WireClient

STATUS = "<VersioningConfiguration><Status>{}</Status></VersioningConfiguration>"


def set_versioning(send: WireClient, status: str) -> None:
    body = STATUS.format(status).encode()
    assert send("PUT", query={"versioning": ""}, body=body).status == 200
    assert send("GET", query={"versioning": ""}).text("Status") == status


def put(send: WireClient, body: bytes, key: str = "k") -> str:
    answer = send("PUT", key, body=body)
    assert answer.status == 200
    return answer.headers.get("x-oss-version-id", "")


def versions(send: WireClient, **query: str) -> Response:
    asked = {"versions": "", **{k.replace("_", "-"): v for k, v in query.items()}}
    answer = send("GET", query=asked)
    assert answer.status == 200
    return answer


def test_a_bucket_without_versions_names_none(send: WireClient) -> None:
    assert put(send, b"1") == ""
    assert send("GET", query={"versioning": ""}).text("Status") is None
    assert "x-oss-version-id" not in send("DELETE", "k").headers
    assert versions(send).texts("Version") == []


def test_the_story(send: WireClient) -> None:
    put(send, b"before")
    set_versioning(send, "Enabled")
    first, second = put(send, b"first"), put(send, b"second")
    assert len({first, second, "null", ""}) == 4

    assert send("GET", "k").body == b"second"
    assert send("GET", "k", {"versionId": first}).body == b"first"
    assert send("GET", "k", {"versionId": "null"}).body == b"before"
    assert send("GET", "k", {"versionId": "other"}).error == (404, "NoSuchVersion")

    gone = send("DELETE", "k")
    marker = gone.headers["x-oss-version-id"]
    assert (gone.status, gone.headers["x-oss-delete-marker"]) == (204, "true")
    missing = send("GET", "k")
    assert missing.error == (404, "NoSuchKey")
    assert missing.headers["x-oss-delete-marker"] == "true"
    assert missing.headers["x-oss-version-id"] == marker
    assert send("GET", "k", {"versionId": marker}).error == (405, "MethodNotAllowed")
    assert send("GET").texts("Contents/Key") == []

    listed = versions(send)
    assert listed.texts("DeleteMarker/VersionId") == [marker]
    assert listed.texts("DeleteMarker/IsLatest") == ["true"]
    assert listed.texts("Version/VersionId") == [second, first, "null"]
    assert listed.texts("Version/IsLatest") == ["false"] * 3
    assert listed.texts("Version/Size") == ["6", "5", "6"]

    back = send("DELETE", "k", {"versionId": marker})
    assert back.headers["x-oss-delete-marker"] == "true"
    assert send("GET", "k").body == b"second"
    send("DELETE", "k", {"versionId": second})
    assert send("GET", "k").body == b"first"

    set_versioning(send, "Suspended")
    assert put(send, b"suspended") == "null"
    assert send("GET", "k", {"versionId": "null"}).body == b"suspended"
    assert versions(send).texts("Version/VersionId") == ["null", first]
    assert send("DELETE", "k").headers["x-oss-version-id"] == "null"
    assert versions(send).texts("Version/VersionId") == [first]
    assert versions(send).texts("DeleteMarker/VersionId") == ["null"]

    assert send("DELETE").error == (409, "BucketNotEmpty")
    for version in (first, "null"):
        send("DELETE", "k", {"versionId": version})
    assert send("DELETE").status == 204


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_versions_come_in_pages(send: WireClient, limit: int, delimiter: str) -> None:
    set_versioning(send, "Enabled")
    expected = []
    for key in ("a", "b/1", "b/2", "c"):
        ids = [put(send, b"x", key) for _ in range(3)]
        send("DELETE", key)
        expected += [(key, version) for version in reversed(ids)]
    if delimiter:
        expected = [(key, version) for key, version in expected if "/" not in key]
    read: list[tuple[str, str]] = []
    markers = prefixes = 0
    asked = {"max_keys": str(limit), "delimiter": delimiter}
    while True:
        answer = versions(send, **asked)
        keys, versioned = answer.texts("Version/Key"), answer.texts("Version/VersionId")
        read += [(key or "", one or "") for key, one in zip(keys, versioned, strict=True)]
        markers += len(answer.texts("DeleteMarker"))
        prefixes += len(answer.texts("CommonPrefixes"))
        if answer.text("IsTruncated") == "false":
            break
        asked["key_marker"] = answer.text("NextKeyMarker") or ""
        asked["version_id_marker"] = answer.text("NextVersionIdMarker") or ""
    assert read == expected
    assert (markers, prefixes) == ((2, 1) if delimiter else (4, 0))


def test_deleting_many_tells_of_the_markers(send: WireClient) -> None:
    set_versioning(send, "Enabled")
    version = put(send, b"1", "a&b")
    named = b"<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>none</Key></Object></Delete>"
    answer = send("POST", query={"delete": "", "encoding-type": "url"}, body=named)
    assert answer.texts("Deleted/Key") == ["a%26b", "none"]
    assert answer.texts("Deleted/DeleteMarker") == ["true", "true"]
    exact = f"<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key><VersionId>{version}</VersionId>"
    quiet = send("POST", query={"delete": ""}, body=f"{exact}</Object></Delete>".encode())
    assert (quiet.status, quiet.body) == (200, b"")
    assert versions(send).texts("Version") == []


def test_tags_and_acl_belong_to_a_version(send: WireClient) -> None:
    set_versioning(send, "Enabled")
    first = send("PUT", "k", x_oss_tagging="a=1").headers["x-oss-version-id"]
    send("PUT", "k", x_oss_tagging="a=2&b=3")
    asked = {"tagging": "", "versionId": first}
    assert send("GET", "k", asked).texts("TagSet/Tag/Value") == ["1"]
    assert send("GET", "k", {"tagging": ""}).texts("TagSet/Tag/Value") == ["2", "3"]
    send("PUT", "k", {"acl": "", "versionId": first}, x_oss_object_acl="public-read")
    assert (
        send("GET", "k", {"acl": "", "versionId": first}).text("AccessControlList/Grant")
        == "public-read"
    )
    assert send("GET", "k", {"acl": ""}).text("AccessControlList/Grant") == "default"


def test_copies_name_the_version_they_were_made_of(send: WireClient) -> None:
    set_versioning(send, "Enabled")
    first = put(send, b"first")
    put(send, b"second")
    source = f"/{send.bucket}/k?versionId={first}"
    answer = send("PUT", "copy", x_oss_copy_source=source)
    assert answer.headers["x-oss-copy-source-version-id"] == first
    assert send("GET", "copy").body == b"first"


def test_the_acl_of_the_newest_version_does_not_open_the_others(send: WireClient) -> None:
    set_versioning(send, "Enabled")
    old = put(send, b"secret")
    new = send("PUT", "k", body=b"public", x_oss_object_acl="public-read")
    asked = {"versionId": new.headers["x-oss-version-id"]}
    assert send("GET", "k", asked, signed=False).body == b"public"
    assert send("GET", "k", {"versionId": old}, signed=False).error == (403, "AccessDenied")
