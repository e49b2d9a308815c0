"""Resumable transfers of the layer: what goes in parts, what is gone on with, what begins anew."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.peer_sdks import OLD_FASHIONED, import_oss2
from tests.unit.oss2.test_crypto import pair

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.format.span import PartPlan
from cipherbucket.oss2 import defaults
from cipherbucket.oss2.resumable import _part_of
from cipherbucket.server import Endpoint
from cipherbucket.stores.oss.store import OssStore
from cipherbucket.transfers.upload_session import Session

PART = 102_400
PLAIN = os.urandom(5 * PART + 7)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["examplebucket"]) as running:
        yield running


@pytest.fixture
def bucket(endpoint: Endpoint) -> Iterator[oss2.CryptoBucket]:
    made = oss2.CryptoBucket(
        oss2.Auth(endpoint.access_key_id, endpoint.access_key_secret),
        endpoint.url,
        "examplebucket",
        crypto_provider=oss2.RsaProvider(pair("key1"), mat_desc={"desc": "1"}),
    )
    yield made
    for upload in oss2.MultipartUploadIterator(made):
        assert upload.upload_id is not None
        made.abort_multipart_upload(upload.key, upload.upload_id)
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(PLAIN)
    return path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tell the numbers of the parts that are sent; -n in it lets part n fail."""
    numbers: list[int] = []
    whole = Session._sent

    def watched(session: Any, number: int, *rest: Any) -> None:
        if -number in numbers:
            raise KeyboardInterrupt
        whole(session, number, *rest)
        if number not in session.there:
            numbers.append(number)

    monkeypatch.setattr(Session, "_sent", watched)
    return numbers


def unfinished(bucket: oss2.CryptoBucket) -> list[str]:
    return [upload.key for upload in oss2.MultipartUploadIterator(bucket)]


def interrupted(bucket: oss2.CryptoBucket, file: Path, sent: list[int], **options: Any) -> None:
    sent.append(-3)
    with pytest.raises(KeyboardInterrupt):
        oss2.resumable_upload(
            bucket, "name", str(file), multipart_threshold=1, part_size=PART, **options
        )
    assert sent == [-3, 1, 2]
    sent.clear()


@pytest.mark.parametrize(
    ("threshold", "kind"), [(len(PLAIN), "Multipart"), (len(PLAIN) + 1, "Normal"), (None, "Normal")]
)
def test_files_go_in_parts_from_the_threshold_on(
    bucket: oss2.CryptoBucket, file: Path, threshold: int | None, kind: str
) -> None:
    told: list[tuple[int, int | None]] = []
    result = oss2.resumable_upload(
        bucket,
        "name",
        str(file),
        headers={"x-oss-meta-colour": "red"},
        multipart_threshold=threshold,
        part_size=PART,
        num_threads=3,
        progress_callback=lambda *seen: told.append(seen),
    )
    head = bucket.head_object("name")
    assert (result.status, result.etag, result.crc) == (200, head.etag, head.server_crc)
    assert result.request_id
    assert head.object_type == kind
    assert head.headers["x-oss-meta-colour"] == "red"
    assert head.content_length == len(PLAIN)
    assert told[-1] == (len(PLAIN), len(PLAIN))
    assert bucket.get_object("name").read() == PLAIN


def test_settings_of_the_process_count(
    bucket: oss2.CryptoBucket, file: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "multipart_threshold", 1)
    monkeypatch.setattr(defaults, "part_size", 2 * PART)
    oss2.resumable_upload(bucket, "a.html", str(file))
    assert sent == [1, 2, 3]
    assert bucket.head_object("a.html").content_type == "text/html"


def test_an_empty_file_is_stored_at_once(bucket: oss2.CryptoBucket, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    oss2.resumable_upload(bucket, "name", str(tmp_path / "empty"), multipart_threshold=0)
    oss2.resumable_download(bucket, "name", str(tmp_path / "back"), multiget_threshold=0)
    assert (tmp_path / "back").read_bytes() == b""


@pytest.mark.parametrize("size", [PART + 5, 1, 16, 10 * PART])
def test_parts_of_any_size_are_rounded(bucket: oss2.CryptoBucket, file: Path, size: int) -> None:
    options: dict[str, Any] = {"multipart_threshold": 1, "part_size": size}
    oss2.resumable_upload(bucket, "name", str(file), **options)
    assert bucket.get_object("name").read() == PLAIN


@given(st.integers(1, 10**13), st.integers(1, 10**10))
def test_every_size_of_parts_is_one_that_can_be(total: int, preferred: int) -> None:
    plan = PartPlan(total, _part_of(total, preferred))
    assert plan.part_size >= min(preferred, total, 5 << 30)


def test_an_interrupted_upload_goes_on(
    bucket: oss2.CryptoBucket, file: Path, sent: list[int]
) -> None:
    interrupted(bucket, file, sent)
    assert unfinished(bucket) == ["name"]
    told: list[tuple[int, int | None]] = []
    options: dict[str, Any] = {"multipart_threshold": 1, "part_size": PART}
    result = oss2.resumable_upload(
        bucket, "name", str(file), progress_callback=lambda *seen: told.append(seen), **options
    )
    assert told[0] == (2 * PART, len(PLAIN))
    assert told[-1] == (len(PLAIN), len(PLAIN))
    assert told == sorted(told)
    assert sent == [3, 4, 5, 6]
    assert result.etag == bucket.head_object("name").etag
    assert bucket.get_object("name").read() == PLAIN
    assert unfinished(bucket) == []


def test_a_changed_file_of_the_same_time_and_size_begins_anew(
    bucket: oss2.CryptoBucket, file: Path, sent: list[int]
) -> None:
    times = file.stat()
    interrupted(bucket, file, sent)
    changed = bytes([PLAIN[0] ^ 1]) + PLAIN[1:]
    file.write_bytes(changed)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    oss2.resumable_upload(bucket, "name", str(file), multipart_threshold=1, part_size=PART)
    assert sent[-6:] == [1, 2, 3, 4, 5, 6]
    assert bucket.get_object("name").read() == changed
    assert unfinished(bucket) == []


def test_another_key_begins_anew(
    bucket: oss2.CryptoBucket, endpoint: Endpoint, file: Path, sent: list[int]
) -> None:
    interrupted(bucket, file, sent)
    other = oss2.CryptoBucket(
        bucket.auth,
        endpoint.url,
        "examplebucket",
        crypto_provider=oss2.RsaProvider(pair("key2"), mat_desc={"desc": "2"}),
    )
    oss2.resumable_upload(other, "name", str(file), multipart_threshold=1, part_size=PART)
    assert sent == [1, 2, 3, 4, 5, 6]
    assert other.get_object("name").read() == PLAIN
    assert unfinished(bucket) == []
    other.close()


def test_the_journal_lies_where_the_store_says(
    bucket: oss2.CryptoBucket, file: Path, sent: list[int], tmp_path: Path
) -> None:
    store = oss2.make_upload_store(str(tmp_path), "records")
    interrupted(bucket, file, sent, store=store)
    (journal,) = (tmp_path / "records").iterdir()
    assert journal.stat().st_mode & 0o077 == 0
    oss2.resumable_upload(
        bucket, "name", str(file), store=store, multipart_threshold=1, part_size=PART
    )
    assert sent == [3, 4, 5, 6]
    assert list((tmp_path / "records").iterdir()) == []


def test_what_cannot_keep_a_journal_is_refused(bucket: oss2.CryptoBucket, file: Path) -> None:
    with pytest.raises(oss2.exceptions.ClientError, match="make_upload_store"):
        oss2.resumable_upload(bucket, "name", str(file), store=object())  # type: ignore[arg-type]
    with pytest.raises(oss2.exceptions.ClientError, match="no CryptoBucket"):
        oss2.resumable_upload(object(), "name", str(file))
    with pytest.raises(FileNotFoundError):
        oss2.resumable_upload(bucket, "name", str(file) + ".missing")


def test_an_md5_of_a_file_in_parts_is_told_not_to_count(
    bucket: oss2.CryptoBucket, file: Path
) -> None:
    headers = {"Content-MD5": oss2.utils.content_md5(PLAIN)}
    with pytest.warns(cb.CipherbucketWarning, match="neither checked nor recorded"):
        oss2.resumable_upload(bucket, "name", str(file), headers=headers, multipart_threshold=1)
    assert not any("md5" in name for name in bucket.head_object("name").headers if "meta" in name)


@pytest.mark.parametrize("size", [None, PART, 33_333, 1])
def test_an_object_comes_in_ranges(
    bucket: oss2.CryptoBucket, tmp_path: Path, size: int | None
) -> None:
    bucket.put_object("name", PLAIN)
    back = tmp_path / "back"
    back.write_bytes(b"what was there")
    told: list[tuple[int, int | None]] = []
    oss2.resumable_download(
        bucket,
        "name",
        str(back),
        multiget_threshold=1,
        part_size=size,
        num_threads=3,
        progress_callback=lambda *seen: told.append(seen),
    )
    assert back.read_bytes() == PLAIN
    assert told[-1] == (len(PLAIN), len(PLAIN))
    assert [path.name for path in tmp_path.iterdir()] == ["back"]


def test_an_interrupted_download_goes_on(
    bucket: oss2.CryptoBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_object("name", PLAIN)
    back = tmp_path / "back"
    store = oss2.make_download_store(str(tmp_path), "records")
    options: dict[str, Any] = {"multiget_threshold": 1, "part_size": PART, "num_threads": 1}

    def done(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cipherbucket.transfers.download.Target.finish", done)
        with pytest.raises(KeyboardInterrupt):
            oss2.resumable_download(bucket, "name", str(back), store=store, **options)
    assert not back.exists()
    assert len(list((tmp_path / "records").iterdir())) == 1
    fetched: list[str] = []
    requests = OssStore._get

    def watched(self: Any, name: str, *rest: Any) -> Any:
        fetched.append(name)
        return requests(self, name, *rest)

    monkeypatch.setattr(OssStore, "_get", watched)
    oss2.resumable_download(bucket, "name", str(back), store=store, **options)
    assert back.read_bytes() == PLAIN
    assert fetched == ["name"]  # the answer that it was unlocked with
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "records"]


def test_an_object_that_is_replaced_meanwhile_is_told_as_by_oss2(
    bucket: oss2.CryptoBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_object("name", PLAIN)
    fetch = OssStore._get
    calls: list[str] = []

    def replaced(self: Any, name: str, *rest: Any) -> Any:
        calls.append(name)
        if len(calls) == 3:
            bucket.put_object("name", PLAIN[::-1])
        return fetch(self, name, *rest)

    monkeypatch.setattr(OssStore, "_get", replaced)
    options: dict[str, Any] = {"multiget_threshold": 1, "part_size": PART, "num_threads": 1}
    with pytest.raises(oss2.exceptions.PreconditionFailed, match="replaced"):
        oss2.resumable_download(bucket, "name", str(tmp_path / "back"), **options)
    assert list(tmp_path.iterdir()) == []
    oss2.resumable_download(bucket, "name", str(tmp_path / "back"), **options)
    assert (tmp_path / "back").read_bytes() == PLAIN[::-1]


def test_what_cannot_be_fetched_or_written_is_told(
    bucket: oss2.CryptoBucket, tmp_path: Path
) -> None:
    with pytest.raises(oss2.exceptions.NoSuchKey):
        oss2.resumable_download(bucket, "missing", str(tmp_path / "back"))
    bucket.put_object("name", PLAIN)
    with pytest.raises(FileNotFoundError):
        oss2.resumable_download(
            bucket, "name", str(tmp_path / "no" / "folder"), multiget_threshold=1
        )
    assert list(tmp_path.iterdir()) == []


def test_an_object_of_another_key_is_not_written(bucket: oss2.CryptoBucket, tmp_path: Path) -> None:
    bucket.put_object("name", PLAIN)
    bucket.crypto_provider = oss2.RsaProvider(pair("key2"), mat_desc={"desc": "2"})
    for threshold in (1, None):
        with pytest.raises(oss2.exceptions.ClientError, match="desc"):
            oss2.resumable_download(
                bucket, "name", str(tmp_path / "back"), multiget_threshold=threshold
            )
    assert list(tmp_path.iterdir()) == []


@OLD_FASHIONED
@settings(deadline=None)  # the first call imports oss2
@given(st.integers(0, 10**13), st.none() | st.integers(0, 10**10))
def test_part_sizes_are_determined_as_by_oss2(total: int, preferred: int | None) -> None:
    theirs = import_oss2().determine_part_size(total, preferred)
    assert oss2.determine_part_size(total, preferred) == theirs


@OLD_FASHIONED
def test_records_of_a_program_are_kept_as_by_oss2(tmp_path: Path) -> None:
    theirs = import_oss2()
    for kind, arguments in {
        "make_upload_store": ("bucket", "key", "/a/../b"),
        "make_download_store": ("bucket", "key", "/a/b", "version"),
    }.items():
        store = getattr(oss2, kind)(str(tmp_path), "records")
        name = store.make_store_key(*arguments)
        assert name == getattr(theirs, kind)(str(tmp_path), "records").make_store_key(*arguments)
        assert store.get(name) is None
        store.put(name, {"a": 1})
        assert store.get(name) == {"a": 1}
        assert (tmp_path / "records" / name).stat().st_mode & 0o077 == 0
        store.delete(name)
        assert store.get(name) is None
        with pytest.raises(FileNotFoundError):
            store.delete(name)


def test_the_usual_folders_are_those_of_oss2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert oss2.ResumableStore().dir == str(tmp_path / ".py-oss-upload")
    assert oss2.ResumableDownloadStore().dir == str(tmp_path / ".py-oss-download")


def test_a_record_is_neither_read_nor_written_through_a_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text('{"a": 1}')
    store = oss2.ResumableStore(str(tmp_path), "records")
    (tmp_path / "records" / "key").symlink_to(mine)
    assert store.get("key") is None
    with pytest.raises(oss2.exceptions.ClientError, match="no regular file"):
        store.put("key", {"b": 2})
    assert mine.read_text() == '{"a": 1}'
