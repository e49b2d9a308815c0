"""Objects that the official SDKs wrote, read by this library."""

import hashlib
import random
import re
from collections import Counter

import pytest
from tests.support.counts import count, share
from tests.support.sdk_vectors import (
    Vector,
    all_vectors,
    kms_vectors,
    ring_for,
    rsa_key,
    rsa_vectors,
)

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import open_oss
from cipherbucket.errors import IntegrityError, NoMatchingKeyError, RangeError, WrongKeyError
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import OSS, OSS_V1
from cipherbucket.format.span import Span
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import RsaKey
from cipherbucket.stores.bodies import Opened, RawBody
from cipherbucket.stores.memory import MemoryStore

RANGES = count(30, 14)
FEEDS = (1, 15, 16, 17, 4096)

VECTORS = all_vectors()
RSA = rsa_vectors()
INTACT = [vector for vector in RSA if not vector.damaged]
DAMAGED = [vector for vector in RSA if vector.damaged]
V1_RSA = [vector for vector in RSA if vector.v1]


class DrippingBody:
    """A body of which no more than so many bytes come at a time."""

    def __init__(self, body: RawBody, feed: int) -> None:
        self._body = body
        self._feed = feed

    def readinto(self, buffer: memoryview, /) -> int:
        return self._body.readinto(buffer[: self._feed])

    def close(self) -> None:
        self._body.close()


class DrippingStore(MemoryStore):
    """A store whose bodies come in small pieces, as from a network.

    Attributes:
        feed: Most bytes that come at a time.
        mistreats: What it does to ranges: nothing, ignore them, or begin at a whole block.
    """

    feed = 1 << 20
    mistreats = "nothing"

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        stored, first, stop, raw = super()._get(name, span, if_match, version_id)
        if self.mistreats == "ignores":
            stored, first, stop, raw = super()._get(name, Span(), if_match, version_id)
        elif self.mistreats == "aligns":
            start = first // 16 * 16
            whole = Span(start, stop - start)
            stored, first, stop, raw = super()._get(name, whole, if_match, version_id)
        return stored, first, stop, DrippingBody(raw, self.feed)


@pytest.fixture(scope="module")
def store() -> DrippingStore:
    """Hold every vector under its name."""
    store = DrippingStore()
    for vector in VECTORS:
        store.put(vector.name, vector.ciphertext, metadata=vector.metadata)
    return store


def bucket_for(store: MemoryStore, vector: Vector) -> Bucket:
    return Bucket(store, ring_for(vector))


def envelope_of(vector: Vector) -> Envelope:
    envelope = Envelope.parse(vector.metadata)
    assert envelope is not None
    return envelope


def ranges_of(vector: Vector) -> list[Span]:
    """Draw so many ranges: the ends first, then unaligned ones by chance, the same each time."""
    size = vector.size
    ranges = [
        Span(0, 0),
        Span(size),
        Span(max(0, size - 1), 1),
        Span(max(0, size - 1), 100),
        Span(tail=0),
        Span(tail=1),
        Span(tail=17),
        Span(tail=size),
        Span(tail=size + 1),
        Span(min(size, 1)),
        Span(min(size, 15), 2),
        Span(min(size, 16), 16),
        Span(min(size, 17), 31),
    ]
    draw = random.Random(vector.name)
    while len(ranges) < RANGES:
        start = draw.randint(0, size)
        ranges.append(Span(start, draw.randint(0, size - start + 2)))
    return ranges


def read_range(bucket: Bucket, name: str, span: Span, key: RsaKey | None = None) -> bytes:
    with bucket.get(name, start=span.start, length=span.length, tail=span.tail, key=key) as stream:
        return stream.read()


def test_no_vector_is_left_out() -> None:
    kinds = Counter(
        ("v1-" if vector.v1 else "") + ("kms" if vector.kms else "rsa") for vector in VECTORS
    )

    assert kinds == {"rsa": 142, "kms": 17, "v1-rsa": 5, "v1-kms": 4}
    assert len({vector.name for vector in VECTORS}) == 168
    assert len(DAMAGED) == 6


def test_the_plaintext_made_from_the_name_has_the_recorded_hash() -> None:
    for vector in VECTORS:
        assert hashlib.sha256(vector.plaintext()).hexdigest() == vector.plaintext_sha256, vector


def test_an_envelope_parsed_and_written_again_has_the_same_bytes() -> None:
    for vector in VECTORS:
        theirs = [(name, text) for name, text in vector.metadata.items() if name != "owner"]

        envelope = envelope_of(vector)

        assert list(envelope.to_metadata().items()) == theirs, vector
        assert envelope.format == (OSS_V1 if vector.v1 else OSS), vector
        assert Envelope.parse(envelope.to_metadata()) == envelope, vector


def test_an_object_of_an_sdk_decrypts_to_its_hash(store: DrippingStore) -> None:
    for vector in INTACT:
        with bucket_for(store, vector).get(vector.name) as stream:
            plaintext = stream.read()

        assert hashlib.sha256(plaintext).hexdigest() == vector.plaintext_sha256, vector
        assert stream.info.size == vector.size, vector
        assert stream.info.format == (OSS_V1 if vector.v1 else OSS), vector
        metadata = {"owner": "me"} if vector.name.endswith("/md5") else {}
        assert stream.info.metadata == metadata, vector


def test_ranges_of_every_kind_of_an_object_of_an_sdk_are_slices(store: DrippingStore) -> None:
    for vector in INTACT:
        bucket = bucket_for(store, vector)
        for span in vector.spans():
            assert read_range(bucket, vector.name, span) == vector.slice(span), (vector, span)


def test_any_range_of_an_object_of_an_sdk_is_the_slice(store: DrippingStore) -> None:
    for vector in share(INTACT, 0, 5):
        bucket, ranges = bucket_for(store, vector), ranges_of(vector)
        assert len(ranges) == RANGES

        for span in ranges:
            part = read_range(bucket, vector.name, span)
            assert part == vector.slice(span), (vector, span)
        with pytest.raises(RangeError):
            bucket.get(vector.name, start=vector.size + 1)


@pytest.mark.parametrize("mistreats", ["ignores", "aligns"])
def test_the_slice_is_right_also_when_the_store_sends_more_than_the_range(
    store: DrippingStore, monkeypatch: pytest.MonkeyPatch, mistreats: str
) -> None:
    monkeypatch.setattr(store, "mistreats", mistreats)
    fitting = [vector for vector in INTACT if vector.size in {17, 1000}]
    for vector in share(fitting, mistreats == "aligns", 8):
        bucket = bucket_for(store, vector)

        for span in ranges_of(vector):
            part = read_range(bucket, vector.name, span)
            assert part == vector.slice(span), (vector, span)


@pytest.mark.parametrize("feed", FEEDS)
def test_an_object_of_an_sdk_may_come_in_pieces_of_any_size(
    store: DrippingStore, monkeypatch: pytest.MonkeyPatch, feed: int
) -> None:
    monkeypatch.setattr(store, "feed", feed)
    for vector in share(INTACT, FEEDS.index(feed), len(FEEDS)):
        with bucket_for(store, vector).get(vector.name) as stream:
            plaintext = stream.read()

        assert hashlib.sha256(plaintext).hexdigest() == vector.plaintext_sha256, vector


@pytest.mark.parametrize("chunk", FEEDS)
def test_the_counter_mode_decrypts_an_object_of_an_sdk_chunk_by_chunk(chunk: int) -> None:
    for vector in share(INTACT, FEEDS.index(chunk), len(FEEDS)):
        cipher = open_oss(envelope_of(vector), ring_for(vector), Policy())
        work = memoryview(bytearray(vector.ciphertext))
        stream = cipher.stream()

        for at in range(0, len(work), chunk):
            stream.apply(work[at : at + chunk])

        assert hashlib.sha256(work).hexdigest() == vector.plaintext_sha256, vector


def test_an_object_of_an_sdk_is_a_seekable_file(store: DrippingStore) -> None:
    for vector in INTACT:
        plaintext, draw = vector.plaintext(), random.Random(vector.name)

        with bucket_for(store, vector).open(vector.name) as file:
            for _ in range(10):
                at, size = draw.randint(0, vector.size), draw.randint(0, 40)
                file.seek(at)
                assert file.read(size) == plaintext[at : at + size], vector


@pytest.mark.parametrize("vector", DAMAGED, ids=str)
def test_a_description_damaged_on_the_way_matches_no_key_and_the_key_given_reads(
    store: DrippingStore, vector: Vector
) -> None:
    bucket = bucket_for(store, vector)

    with pytest.raises(NoMatchingKeyError) as caught:
        bucket.get(vector.name)
    with bucket.get(vector.name, key=vector.key()) as stream:
        plaintext = stream.read()

    assert envelope_of(vector).recipients[0].description != vector.description
    assert "key=" in (caught.value.hint or "")
    assert hashlib.sha256(plaintext).hexdigest() == vector.plaintext_sha256
    for span in ranges_of(vector):
        part = read_range(bucket, vector.name, span, vector.key())
        assert part == vector.slice(span), span


@pytest.mark.parametrize("vector", kms_vectors(), ids=str)
def test_an_object_under_a_kms_matches_no_key_and_the_error_names_the_kms(
    store: DrippingStore, vector: Vector
) -> None:
    algorithm = "kms" if vector.v1 else "KMS/ALICLOUD"
    bucket = Bucket(store, KeyRing(rsa_key("key1").described(vector.description)))

    with pytest.raises(NoMatchingKeyError) as caught:
        bucket.get(vector.name)
    with pytest.raises(NoMatchingKeyError, match=algorithm):
        bucket.get(vector.name, key=rsa_key("key1"))

    assert f"({algorithm})" in str(caught.value)


@pytest.mark.parametrize("vector", V1_RSA, ids=str)
def test_a_v1_object_has_no_description_so_a_described_ring_is_told_of_key(
    store: DrippingStore, vector: Vector
) -> None:
    bucket = Bucket(store, KeyRing(rsa_key("key3").described({"desc": "2026"})))

    with pytest.raises(NoMatchingKeyError) as caught:
        bucket.get(vector.name)
    with bucket.get(vector.name, key=rsa_key("key3")) as stream:
        assert hashlib.sha256(stream.read()).hexdigest() == vector.plaintext_sha256

    assert "no description" in str(caught.value)
    assert '{"desc":"2026"}' in str(caught.value)
    assert "key=" in (caught.value.hint or "")


def test_another_key_never_opens_an_object_of_an_sdk(store: DrippingStore) -> None:
    for vector in RSA:
        other = rsa_key("key2" if vector.key_id != "key2" else "key1")

        with pytest.raises(WrongKeyError, match=re.escape(vector.name)):
            bucket_for(store, vector).get(vector.name, key=other)


@pytest.mark.parametrize(
    "vector", [vector for vector in INTACT if vector.name.endswith("/md5")], ids=str
)
def test_a_byte_flipped_shows_in_the_md5_that_an_sdk_recorded(vector: Vector) -> None:
    store = MemoryStore()
    flipped = bytes([vector.ciphertext[0] ^ 1]) + vector.ciphertext[1:]
    store.put(vector.name, flipped, metadata=vector.metadata)

    assert envelope_of(vector).content_md5 is not None
    with pytest.raises(IntegrityError, match="MD5"):
        bucket_for(store, vector).get(vector.name).read()


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.name.endswith("/multipart")], ids=str
)
def test_a_multipart_declares_its_sizes(vector: Vector) -> None:
    envelope = envelope_of(vector)

    assert (envelope.data_size, envelope.part_size) == (vector.size, 102_400)
