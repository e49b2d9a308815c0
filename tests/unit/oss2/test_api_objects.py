"""Objects through the layer: bodies, checks, files, ranges, metadata that cannot hurt."""

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import BUCKET, Scene
from tests.support.envelopes import v1
from tests.support.served_oss import settings_of

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.oss2.exceptions import (
    ClientError,
    InconsistentError,
    NoSuchKey,
    PreconditionFailed,
    RequestError,
    ServerError,
)
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.stores.records import StoredObject

CONTENT = bytes(range(256)) * 5


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.mark.parametrize(
    "body",
    [
        CONTENT,
        bytearray(CONTENT),
        memoryview(CONTENT),
        io.BytesIO(CONTENT),
        [CONTENT[:700], CONTENT[700:]],
        (bytes([byte]) for byte in CONTENT),
    ],
    ids=["bytes", "bytearray", "view", "file", "list", "generator"],
)
def test_bodies_of_every_kind(opened: Any, layer: Scene, body: Any) -> None:
    assert opened.put_object("o", body).status == 200
    assert opened.get_object("o").read() == CONTENT
    assert layer.stored("o") != CONTENT


def test_text_is_stored_as_utf8(opened: Any) -> None:
    opened.put_object("o", "text ä")
    assert opened.get_object("o").read() == "text ä".encode()


def test_what_is_no_body_is_told_and_leaves_what_is_there(opened: Any) -> None:
    opened.put_object("o", CONTENT)
    for body in (17, io.StringIO("text"), None):
        with pytest.raises(ClientError):
            opened.put_object("o", body)
    assert opened.get_object("o").read() == CONTENT


def test_a_file_is_read_from_its_position_on(opened: Any) -> None:
    file = io.BytesIO(CONTENT)
    file.seek(300)
    opened.put_object("o", file)
    assert opened.get_object("o").read() == CONTENT[300:]


def test_the_md5_is_checked_recorded_and_warned_of(opened: Any, layer: Scene) -> None:
    headers = {"Content-MD5": md5_of(CONTENT)}
    with pytest.warns(cb.CipherbucketWarning, match="in the clear") as told:
        opened.put_object("o", CONTENT, headers=headers)
    assert told[0].filename == __file__
    recorded = layer.metadata("o")["client-side-encryption-unencrypted-content-md5"]
    assert recorded == md5_of(CONTENT)
    with pytest.warns(cb.CipherbucketWarning), pytest.raises(ClientError, match="MD5"):
        opened.put_object("wrong", CONTENT + b"!", headers=headers)
    assert not opened.object_exists("wrong")


@pytest.mark.parametrize("length", ["5", "many"])
def test_a_content_length_that_is_not_so_is_told(opened: Any, length: str) -> None:
    with pytest.raises(ClientError):
        opened.put_object("o", CONTENT, headers={"Content-Length": length})
    assert not opened.object_exists("o")


def test_headers_go_where_they_belong(opened: Any, layer: Scene) -> None:
    headers = {"x-oss-meta-Colour": "blue", "Cache-Control": "no-store", "X-Oss-Tagging": "a=b"}
    opened.put_object("page.html", CONTENT, headers=headers)
    head = opened.head_object("page.html")
    assert head.headers["x-oss-meta-colour"] == "blue"
    assert head.headers["CACHE-control"] == "no-store"
    assert head.content_type == "text/html"
    assert opened.get_object_tagging("page.html").tag_set.tagging_rule == {"a": "b"}
    with pytest.raises(ClientError, match="envelope"):
        opened.put_object("o", b"", headers={"x-oss-meta-client-side-encryption-key": "mine"})


def test_an_object_that_is_there_is_not_replaced(opened: Any) -> None:
    opened.put_object("o", CONTENT)
    opened.put_object("other", b"")
    headers = {"x-oss-forbid-overwrite": "true"}
    for replace, source in (
        (opened.put_object, ("o", b"")),
        (opened.copy_object, (opened.bucket_name, "other", "o")),
        (opened.put_symlink, ("other", "o")),
    ):
        with pytest.raises(ServerError) as caught:
            replace(*source, headers=headers)
        assert (caught.value.status, caught.value.code) == (409, "FileAlreadyExists")
    assert opened.get_object("o").read() == CONTENT


def test_it_is_not_replaced_in_a_bucket_that_keeps_versions_either(
    layer: Scene, opened: Any
) -> None:
    """The service takes no notice of the header there."""
    store = cb.open_store(f"oss://{opened.bucket_name}", settings_of(layer.oss))
    state = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    store.client.request(  # type: ignore[attr-defined]
        "PutBucketVersioning", "PUT", query={"versioning": ""}, body=state
    )
    opened.put_object("kept", CONTENT)
    with pytest.raises(ServerError) as caught:
        opened.put_object("kept", b"", headers={"x-oss-forbid-overwrite": "true"})
    assert (caught.value.status, caught.value.code) == (409, "FileAlreadyExists")
    assert opened.get_object("kept").read() == CONTENT


@pytest.mark.parametrize("header", ["bytes=5-9", "BYTES=5-9", "bytes=-5", "bytes=1-2,4-5"])
def test_a_range_header_is_a_range(opened: Any, header: str) -> None:
    opened.put_object("o", CONTENT)
    headers = {"Range": header}
    if header == "bytes=5-9":
        assert opened.get_object("o", headers=headers).read() == CONTENT[5:10]
    else:
        with pytest.raises(ClientError):
            opened.get_object("o", headers=headers)


@pytest.mark.parametrize("byte_range", [(1280, None), (5000, 6000), (1280, 1290)])
def test_a_range_beyond_the_end_is_a_416(opened: Any, byte_range: tuple[int, int | None]) -> None:
    opened.put_object("o", CONTENT)
    url = opened.sign_url("GET", "o", 60)
    for read, what in ((opened.get_object, "o"), (opened.get_object_with_url, url)):
        with pytest.raises(ServerError) as caught:
            read(what, byte_range=byte_range)
        assert (caught.value.status, caught.value.code) == (416, "InvalidRange")


@pytest.mark.parametrize("byte_range", [(0, None), (0, 0), (0, 1023)])
def test_the_first_bytes_of_an_empty_object_are_none(
    opened: Any, byte_range: tuple[int, int | None]
) -> None:
    opened.put_object("o", b"")
    url = opened.sign_url("GET", "o", 60)
    for read, what in ((opened.get_object, "o"), (opened.get_object_with_url, url)):
        result = read(what, byte_range=byte_range)
        assert (result.status, result.content_length, result.content_range) == (200, 0, None)
        assert result.read() == b""


def test_what_is_none_is_not_sent(opened: Any) -> None:
    opened.put_object("o", CONTENT, headers={"x-oss-meta-a": None, "Content-Type": None})
    head = opened.head_object("o", headers={"If-Match": None})
    assert "x-oss-meta-a" not in head.headers
    assert head.content_type == "application/octet-stream"
    got = opened.get_object("o", headers={"If-Match": None}, params={"versionId": None})
    assert got.read() == CONTENT


def test_a_folder_is_no_file(opened: Any, tmp_path: Path) -> None:
    opened.put_object("o", CONTENT)
    for write in (
        lambda: opened.get_object_to_file("o", str(tmp_path)),
        lambda: oss2.resumable_download(opened, "o", str(tmp_path)),
        lambda: oss2.resumable_download(opened, "o", str(tmp_path), multiget_threshold=1),
    ):
        with pytest.raises(IsADirectoryError) as caught:
            write()
        assert caught.value.filename == str(tmp_path)


def test_a_policy_is_one(layer: Scene) -> None:
    with pytest.raises(ClientError, match="policy"):
        layer.bucket(policy="plaintext")


def test_conditions_go_along_with_a_url(opened: Any) -> None:
    etag = opened.put_object("o", CONTENT).etag
    url = opened.sign_url("GET", "o", 60)
    got = opened.get_object_with_url(url, byte_range=(5, 9), headers={"If-Match": f'"{etag}"'})
    assert got.read() == CONTENT[5:10]
    with pytest.raises(PreconditionFailed):
        opened.get_object_with_url(url, headers={"If-Match": '"another"'})
    with pytest.raises(NoSuchKey):
        opened.get_object_with_url(opened.sign_url("GET", "nothing", 60))


def test_a_range_tells_what_comes(opened: Any) -> None:
    opened.put_object("o", CONTENT)
    result = opened.get_object("o", byte_range=(1000, 5000))
    assert result.content_length == 280
    assert result.content_range == result.headers["Content-Range"] == "bytes 1000-1279/1280"
    assert b"".join(result) == CONTENT[1000:]
    assert result.read() == b""
    assert result.client_crc != result.server_crc


def test_damage_is_an_error_and_leaves_the_file_alone(
    opened: Any, layer: Scene, tmp_path: Path
) -> None:
    opened.put_object("o", CONTENT)
    target = tmp_path / "target"
    target.write_bytes(b"before")
    head = layer.store().head("o")
    stored = bytearray(layer.stored("o"))
    metadata = {**head.metadata, "client-side-encryption-unencrypted-content-md5": md5_of(b"x")}
    layer.store().put("o", stored, metadata=metadata)
    with pytest.raises(InconsistentError):
        opened.get_object("o").read()
    with pytest.raises(InconsistentError):
        opened.get_object_to_file("o", str(target))
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_object_leaves_the_file_alone(opened: Any, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"before")
    with pytest.raises(NoSuchKey):
        opened.get_object_to_file("nothing", str(target))
    assert target.read_bytes() == b"before"


def test_files_fail_with_their_own_errors(opened: Any, tmp_path: Path) -> None:
    opened.put_object("o", CONTENT)
    with pytest.raises(FileNotFoundError):
        opened.put_object_from_file("o", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):
        opened.get_object_to_file("o", str(tmp_path / "no" / "folder"))
    opened.get_object_to_file("o", "/dev/null")
    assert not Path("/dev/null").is_file()


def test_plaintext_is_refused_unless_the_policy_says_otherwise(layer: Scene) -> None:
    layer.store().put("plain", CONTENT)
    with pytest.raises(InconsistentError, match="not encrypted"):
        layer.bucket().get_object("plain")
    lenient = layer.bucket(policy=cb.Policy(plaintext=True))
    assert lenient.get_object("plain").read() == CONTENT


def test_new_metadata_never_cost_an_envelope(opened: Any, layer: Scene) -> None:
    opened.put_object("new", CONTENT)
    before = layer.metadata("new")
    with pytest.raises(ClientError, match=r"put .* again"):
        opened.update_object_meta("new", {"x-oss-meta-a": "b"})
    for target, headers in (("other", {"x-oss-metadata-directive": "REPLACE"}), ("new", None)):
        with pytest.raises(ClientError, match=r"put .* again"):
            opened.copy_object(BUCKET, "new", target, headers)
    assert layer.metadata("new") == before
    # The service lets the metadata of V1 objects be replaced, and oss2 with it.
    layer.store().put("old", CONTENT, metadata=v1())
    assert opened.update_object_meta("old", {"x-oss-meta-a": "b"}).status == 200
    assert layer.metadata("old") == {**v1(), "a": "b"}
    headers = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-c": "d"}
    opened.copy_object(BUCKET, "old", "copy", headers)
    assert layer.metadata("copy") == {**v1(), "c": "d"}


def test_a_copy_has_the_acl_and_tags_that_the_service_and_its_headers_give_it(
    opened: Any, layer: Scene
) -> None:
    tags = {"x-oss-tagging": "a=1"}
    opened.put_object("o", CONTENT, {"x-oss-object-acl": "public-read", **tags})
    opened.copy_object(BUCKET, "o", "as by oss2")  # the service copies tags unless it is told
    asked = {"x-oss-object-acl": "private", "x-oss-tagging": "b=2"}
    opened.copy_object(BUCKET, "o", "asked", {"x-oss-tagging-directive": "REPLACE", **asked})

    for name, expected in (("as by oss2", tags), ("asked", asked)):
        attributes = layer.store().attributes(name)
        assert {key: attributes[key] for key in asked if key in attributes} == expected


def test_new_metadata_are_for_the_object_that_was_looked_at(
    opened: Any, layer: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer.store().put("o", b"plaintext")
    head = OssStore.head

    def looked_too_early(store: OssStore, name: str, **options: Any) -> StoredObject:
        told = head(store, name, **options)
        layer.store().put("o", CONTENT, metadata=v1())
        return told

    monkeypatch.setattr(OssStore, "head", looked_too_early)
    with pytest.raises(PreconditionFailed):
        opened.copy_object(BUCKET, "o", "o", {"x-oss-meta-a": "b"})
    assert layer.metadata("o") == v1()


def test_new_metadata_of_plaintext(opened: Any, layer: Scene) -> None:
    layer.store().put("plain", CONTENT, metadata={"a": "b"})
    opened.update_object_meta("plain", {"x-oss-meta-c": "d", "Content-Type": "text/x"})
    assert layer.metadata("plain") == {"c": "d"}
    assert opened.head_object("plain").content_type == "text/x"
    opened.update_object_meta("plain", None)
    assert layer.metadata("plain") == {"c": "d"}


def test_a_service_that_is_gone_is_a_request_error(layer: Scene) -> None:
    bucket = layer.bucket()
    layer.oss.stop()
    with pytest.raises(RequestError) as caught:
        bucket.head_object("o")
    assert caught.value.status == -2
    assert caught.value.__suppress_context__
    assert isinstance(caught.value.__context__, cb.StoreError)
