"""Each verb of the bucket, over the memory store."""

import base64
import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.plaintexts import pattern

import cipherbucket as cb
from cipherbucket.stores.records import Page

PREFIX = "client-side-encryption-"


def test_what_was_put_is_got_and_the_store_sees_ciphertext(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    info = bucket.put("exampleobject.txt", b"Hello OSS!")
    assert bucket.get("exampleobject.txt").read() == b"Hello OSS!"
    with store.get("exampleobject.txt") as stored:
        ciphertext = bytearray(10)
        assert stored.readinto(ciphertext) == 10
    assert bytes(ciphertext) != b"Hello OSS!"
    assert (info.size, info.stored_size, info.format) == (10, 10, "oss")


def test_the_same_plaintext_is_never_the_same_ciphertext(bucket: cb.Bucket) -> None:
    first = bucket.put("a", bytes(1000))
    second = bucket.put("b", bytes(1000))
    assert first.crc64 != second.crc64
    assert first.envelope != second.envelope


def test_the_envelope_says_what_the_documents_say(bucket: cb.Bucket, store: cb.MemoryStore) -> None:
    bucket.put("a", b"12345")
    metadata = dict(store.head("a").metadata)
    assert len(base64.b64decode(metadata.pop(PREFIX + "key"))) == 256
    assert len(base64.b64decode(metadata.pop(PREFIX + "start"))) == 256
    assert metadata == {
        PREFIX + "cek-alg": "AES/CTR/NoPadding",
        PREFIX + "wrap-alg": "RSA/NONE/PKCS1Padding",
        PREFIX + "matdesc": '{"desc":"tests"}',
        PREFIX + "unencrypted-content-length": "5",
    }


@pytest.mark.parametrize(
    ("start", "length", "tail"),
    [
        (0, None, None),
        (0, 0, None),
        (5, 3, None),
        (5, None, None),
        (99, 1, None),
        (99, 500, None),
        (100, None, None),
        (0, None, 0),
        (0, None, 1),
        (0, None, 17),
        (0, None, 100),
        (0, None, 1000),
    ],
)
def test_a_range_is_the_slice(
    bucket: cb.Bucket, start: int, length: int | None, tail: int | None
) -> None:
    plain = bytes(range(100))
    bucket.put("a", plain)
    if tail is not None:
        expected = plain[len(plain) - min(tail, 100) :]
    else:
        expected = plain[start:] if length is None else plain[start : start + length]
    with bucket.get("a", start=start, length=length, tail=tail) as stream:
        assert stream.length == len(expected)
        assert stream.read() == expected


@pytest.mark.parametrize(
    "arguments", [{"start": -1}, {"length": -1}, {"tail": -1}, {"start": 1, "tail": 1}]
)
def test_an_impossible_range_is_refused(bucket: cb.Bucket, arguments: dict[str, int]) -> None:
    bucket.put("a", b"abc")
    with pytest.raises(cb.UsageError):
        bucket.get("a", **arguments)  # type: ignore[arg-type]


def test_a_range_after_the_end_is_an_error_that_names_the_object(bucket: cb.Bucket) -> None:
    bucket.put("a", b"abc")
    with pytest.raises(cb.RangeError, match="'a': the range begins at byte 4"):
        bucket.get("a", start=4)


def test_reading_in_pieces_and_by_blocks_gives_the_whole(bucket: cb.Bucket) -> None:
    plain = pattern(3_000_000)
    bucket.put("a", plain)
    with bucket.get("a") as stream:
        pieces = [stream.read(7), stream.read(0), stream.read(1_500_000)]
        pieces.extend(stream)
        assert stream.read() == b""
    assert b"".join(pieces) == plain
    assert max(map(len, bucket.get("a"))) <= 1 << 20


def test_a_missing_object_is_a_file_not_found_error(bucket: cb.Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.get("nothing")
    with pytest.raises(cb.ObjectNotFoundError):
        bucket.head("nothing")
    with pytest.raises(cb.ObjectNotFoundError):
        bucket.open("nothing").read(1)
    with pytest.raises(cb.ObjectNotFoundError):
        bucket.open("nothing").seek(0, io.SEEK_END)
    with pytest.raises(cb.ObjectNotFoundError):
        _ = bucket.open("nothing").info
    assert not bucket.exists("nothing")
    bucket.delete("nothing")


def test_zipfile_parquet_and_json_work_on_an_open_object(bucket: cb.Bucket) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writing:
        for number in range(50):
            writing.writestr(f"member-{number}", bytes([number]) * 10_000)
    bucket.put("a.zip", archive.getvalue())
    with bucket.open("a.zip") as file, zipfile.ZipFile(file) as reading:
        assert reading.testzip() is None
        assert reading.read("member-7") == bytes([7]) * 10_000

    table = pa.table({"n": list(range(10_000)), "s": [str(n) for n in range(10_000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1000)
    bucket.put("t.parquet", sink.getvalue())
    with bucket.open("t.parquet") as file:
        assert pq.read_table(file, columns=["n"]).column("n").to_pylist() == list(range(10_000))

    bucket.put("j.json", json.dumps({"a": [1, 2, 3]}).encode())
    with bucket.open("j.json") as file:
        assert json.load(file) == {"a": [1, 2, 3]}


def test_an_open_object_that_is_replaced_fails_instead_of_mixing(bucket: cb.Bucket) -> None:
    bucket.put("a", bytes(1_000_000))
    with bucket.open("a") as file:
        assert file.read(10) == bytes(10)
        bucket.put("a", b"\xff" * 1_000_000)
        file.seek(900_000)
        with pytest.raises(cb.ObjectChangedError, match="replaced"):
            file.read(10)


def test_an_open_object_whose_metadata_changes_goes_on(bucket: cb.Bucket) -> None:
    bucket.put("a", bytes(1_000_000))
    with bucket.open("a") as file:
        bucket.update_metadata("a", metadata={"owner": "me"})
        file.seek(900_000)
        assert file.read() == bytes(100_000)


def test_seeking_in_an_open_object_follows_the_rules_of_files(bucket: cb.Bucket) -> None:
    bucket.put("a", b"0123456789")
    with bucket.open("a") as file:
        assert file.seek(-3, io.SEEK_END) == 7
        assert file.read() == b"789"
        assert file.seek(50) == 50
        assert file.read() == b""
        with pytest.raises(cb.UsageError):
            file.seek(-1)
        assert file.name == "a"
        assert not file.writable()


def test_user_metadata_and_content_headers_are_carried_through(bucket: cb.Bucket) -> None:
    bucket.put("a", b"x", metadata={"owner": "me"}, content_type="text/plain")
    info = bucket.head("a")
    assert info.metadata == {"owner": "me"}
    assert info.content_type == "text/plain"
    assert bucket.get("a").info.metadata == {"owner": "me"}


@pytest.mark.parametrize(
    "name", [PREFIX + "key", "Client-Side-Encryption-Anything", "oss-crypto-key", "cipherbucket-x"]
)
def test_metadata_names_of_envelopes_are_refused(bucket: cb.Bucket, name: str) -> None:
    with pytest.raises(cb.UsageError, match="belongs to the envelope"):
        bucket.put("a", b"x", metadata={name: "v"})
    bucket.put("a", b"x")
    with pytest.raises(cb.UsageError, match="belongs to the envelope"):
        bucket.update_metadata("a", metadata={name: "v"})


def test_update_metadata_keeps_the_envelope_and_what_it_is_not_told(bucket: cb.Bucket) -> None:
    bucket.put("a", b"secret", metadata={"owner": "me"}, content_type="text/plain")
    before = bucket.head("a")
    after = bucket.update_metadata("a", metadata={"reviewed": "yes"})
    assert after.envelope == before.envelope
    assert after.metadata == {"reviewed": "yes"}
    assert after.content_type == "text/plain"
    assert bucket.update_metadata("a", content_type="text/css").metadata == {"reviewed": "yes"}
    assert bucket.get("a").read() == b"secret"


def test_copy_and_rename_keep_the_envelope(bucket: cb.Bucket) -> None:
    original = bucket.put("a", b"secret", metadata={"owner": "me"})
    copy = bucket.copy("a", "b")
    assert copy.envelope == original.envelope
    renamed = bucket.rename("b", "c")
    assert renamed.metadata == {"owner": "me"}
    assert bucket.get("c").read() == b"secret"
    assert not bucket.exists("b")
    assert bucket.exists("a")
    with pytest.raises(cb.UsageError, match="same name"):
        bucket.rename("a", "a")
    with pytest.raises(cb.PreconditionFailedError):
        bucket.rename("a", "c", if_absent=True)
    assert bucket.exists("a")


def test_put_conditions(bucket: cb.Bucket) -> None:
    first = bucket.put("a", b"1", if_absent=True)
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", b"2", if_absent=True)
    bucket.put("a", b"2", if_match=first.etag)
    with pytest.raises(cb.PreconditionFailedError):
        bucket.put("a", b"3", if_match=first.etag)
    assert bucket.get("a").read() == b"2"
    with pytest.raises(cb.PreconditionFailedError):
        bucket.get("a", if_match=first.etag)


def test_list_and_delete_many(bucket: cb.Bucket) -> None:
    for name in ("a/1", "a/2", "b", "ä"):
        bucket.put(name, b"x")
    assert [entry.name for entry in bucket.list()] == ["a/1", "a/2", "b", "ä"]
    assert next((e.name, e.is_prefix) for e in bucket.list(delimiter="/")) == ("a/", True)
    failures = bucket.delete_many(["a/1", "", "b", "nothing"])
    assert list(failures) == [""]
    assert [entry.name for entry in bucket.list()] == ["a/2", "ä"]


def test_listing_goes_over_many_pages(bucket: cb.Bucket, store: cb.MemoryStore) -> None:
    names = sorted(f"{n}" for n in range(2500))
    for name in names:
        store.put(name, b"")
    assert [entry.name for entry in bucket.list()] == names


def test_plaintext_is_refused_unless_the_policy_names_it(
    bucket: cb.Bucket, store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    store.put("plain", b"not encrypted")
    for read in (bucket.get, lambda name: bucket.open(name).info):
        with pytest.raises(cb.PolicyError, match="'plain': the object is not encrypted"):
            read("plain")
    assert bucket.head("plain").format == "plaintext"
    lenient = cb.Bucket(store, cb.KeyRing(key), policy=cb.Policy(plaintext=True))
    assert lenient.get("plain").read() == b"not encrypted"
    with lenient.open("plain") as file:
        assert file.read() == b"not encrypted"


def test_a_key_that_does_not_match_is_named_and_key_overrides(
    store: cb.MemoryStore, bucket: cb.Bucket, key: cb.RsaKey
) -> None:
    bucket.put("a", b"secret")
    elsewhere = cb.Bucket(store, cb.KeyRing(key.described({"desc": "another"})))
    with pytest.raises(cb.NoMatchingKeyError) as caught:
        elsewhere.get("a")
    assert '{"desc":"tests"}' in str(caught.value)
    assert '{"desc":"another"}' in str(caught.value)
    assert elsewhere.get("a", key=key).read() == b"secret"
    with elsewhere.open("a", key=key) as file:
        assert file.read() == b"secret"


def test_a_wrong_key_of_the_right_description_is_an_error_everywhere(
    store: cb.MemoryStore, bucket: cb.Bucket, other_key: cb.RsaKey, tmp_path: Path
) -> None:
    bucket.put("a", b"secret")
    wrong = cb.Bucket(store, cb.KeyRing(other_key))
    for read in (
        wrong.get,
        lambda n: wrong.open(n).info,
        lambda n: wrong.download(n, tmp_path / "a"),
    ):
        with pytest.raises(cb.WrongKeyError):
            read("a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["unencrypted-content-length", "data-size"])
@pytest.mark.parametrize("recorded", ["9", "11"])
def test_a_length_that_differs_from_the_record_is_an_error(
    bucket: cb.Bucket, store: cb.MemoryStore, field: str, recorded: str
) -> None:
    bucket.put("a", b"0123456789")
    metadata = {**store.head("a").metadata, PREFIX + field: recorded}
    store.replace_metadata("a", metadata=metadata, headers={})
    for read in (bucket.get, lambda name: bucket.open(name).info):
        with pytest.raises(cb.IntegrityError, match=f"10 bytes are stored of {recorded}"):
            read("a")


def test_the_recorded_md5_is_checked_on_whole_reads(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    plain = bytes(range(250)) * 10_000
    md5 = base64.b64encode(hashlib.md5(plain).digest()).decode()
    bucket.put("a", plain, content_md5=md5)
    assert store.head("a").metadata[PREFIX + "unencrypted-content-md5"] == md5
    assert bucket.get("a").read() == plain
    wrong = base64.b64encode(bytes(16)).decode()
    metadata = {**store.head("a").metadata, PREFIX + "unencrypted-content-md5": wrong}
    store.replace_metadata("a", metadata=metadata, headers={})
    with pytest.raises(cb.IntegrityError, match="MD5"):
        bucket.get("a").read()
    assert bucket.get("a", start=5, length=3).read() == plain[5:8]


def test_no_md5_of_the_plaintext_is_written_unasked(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    bucket.put("a", b"x")
    assert not [name for name in store.head("a").metadata if "md5" in name]


def test_progress_ends_at_the_whole(bucket: cb.Bucket) -> None:
    seen: list[tuple[int, int | None]] = []
    bucket.put("a", bytes(3 << 20), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3 << 20, 3 << 20)
    seen.clear()
    bucket.get("a", progress=lambda done, total: seen.append((done, total))).read()
    assert seen[-1] == (3 << 20, 3 << 20)


def test_a_public_half_writes_and_cannot_read(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    numbers = key._public.public_numbers()
    public = cb.RsaKey(RSAPublicNumbers(numbers.e, numbers.n).public_key(), description={"d": "1"})
    cb.Bucket(store, cb.KeyRing(public)).put("a", b"secret")
    with pytest.raises(cb.MasterKeyError, match=r"'a': key SHA256:.* is a public half"):
        cb.Bucket(store, cb.KeyRing(public)).get("a")
    reader = cb.Bucket(store, cb.KeyRing(key.described({"d": "1"})))
    assert reader.get("a").read() == b"secret"


def test_without_a_key_objects_are_listed_but_not_written(store: cb.MemoryStore) -> None:
    keyless = cb.Bucket(store, cb.KeyRing())
    assert list(keyless.list()) == []
    with pytest.raises(cb.MasterKeyError, match="this ring has none"):
        keyless.put("a", b"x")


def test_a_bucket_is_not_pickled_and_shows_no_secret(bucket: cb.Bucket) -> None:
    with pytest.raises(cb.UsageError, match="cannot be pickled"):
        pickle.dumps(bucket)
    assert "SHA256:" in repr(bucket)


def test_an_unknown_format_is_refused(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    for unknown in ("oss-v1", "zip"):
        with pytest.raises(cb.UsageError, match="format"):
            cb.Bucket(store, cb.KeyRing(key), format=unknown)


def test_open_bucket_takes_keys_or_one_ring(key: cb.RsaKey) -> None:
    shared = cb.open_bucket("memory://shared-by-url", key)
    shared.put("a", b"1")
    again = cb.open_bucket("memory://shared-by-url", cb.KeyRing(key))
    assert again.get("a").read() == b"1"
    with pytest.raises(cb.UsageError, match="give keys, or one ring"):
        cb.open_bucket("memory://x", cb.KeyRing(key), key)


def test_an_iterable_is_put_without_knowing_its_length(bucket: cb.Bucket) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one "
        yield b""
        yield b"two"

    assert bucket.put("a", pieces()).size == 7
    assert bucket.get("a").read() == b"one two"
    assert bucket.head("a").envelope is not None
    assert bucket.head("a").envelope.content_length == 7  # type: ignore[union-attr]


def test_an_open_file_reads_all_that_is_left_in_one_fetch(key: cb.RsaKey) -> None:
    class Counting(cb.MemoryStore):
        gets = 0

        def _get(self, *arguments: Any) -> Any:
            self.gets += 1
            return super()._get(*arguments)

    store = Counting()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    plain = bytes(range(250)) * 4000
    bucket.put("a", plain)
    with bucket.open("a") as file:
        assert file.read() == plain
        assert store.gets == 1
        file.seek(500_000)
        assert file.read(3) == plain[500_000:500_003]
        assert file.read() == plain[500_003:]
        assert file.read() == b""


def test_new_metadata_never_becomes_a_part_of_the_envelope(
    bucket: cb.Bucket, store: cb.MemoryStore
) -> None:
    fields = {"oss-crypto-key": "YQ==", "oss-crypto-start": "YQ=="}
    fields |= {"oss-cek-alg": "AES/GCM/NoPadding", "oss-wrap-alg": "rsa"}
    store.put("a", b"ciphertext", metadata=fields)
    with pytest.raises(cb.UsageError, match="envelope"):
        bucket.update_metadata("a", metadata={"unencrypted-content-length": "5"})
    assert store.head("a").metadata == fields
    assert bucket.update_metadata("a", metadata={"owner": "me"}).metadata == {"owner": "me"}


def test_what_cannot_be_a_body_or_a_path_is_an_error_of_ours(
    bucket: cb.Bucket, tmp_path: Path
) -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(cb.UsageError, match="closed"):
        bucket.put("a", closed)
    with pytest.raises(cb.UsageError, match="zero byte"):
        bucket.put("a", Path("a\0b"))
    with pytest.raises(cb.UsageError, match="MD5"):
        bucket.put("a", b"x", content_md5="not base64")
    bucket.put("a", b"x")
    with pytest.raises(cb.UsageError):
        bucket.download("a", tmp_path / "a\0b")


def test_a_view_with_gaps_is_put_as_the_bytes_it_shows(bucket: cb.Bucket) -> None:
    view = memoryview(b"abcdef")[::2]
    bucket.put("a", view)
    bucket.put("b", iter([view, view]))  # type: ignore[arg-type]
    assert (bucket.get("a").read(), bucket.get("b").read()) == (b"ace", b"aceace")


def test_a_listing_of_nothing_without_end_is_an_error(key: cb.RsaKey) -> None:
    class Endless(cb.MemoryStore):
        pages = 0

        def _list(
            self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
        ) -> Page:
            self.pages += 1
            return Page((), str(self.pages))

    store = Endless()
    with pytest.raises(cb.StoreError, match="pages in a row were empty"):
        list(cb.Bucket(store, cb.KeyRing(key)).list())
    assert store.pages == 100
