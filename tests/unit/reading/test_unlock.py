"""From a store's answer to a cipher: how often the store is asked, and what errors tell."""

import pytest
from tests.support.counting_store import CountingStore
from tests.support.fake_key import FakeKey

import cipherbucket as cb
from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    BindingError,
    EnvelopeError,
    IntegrityError,
    NoMatchingKeyError,
    ObjectChangedError,
    PolicyError,
    RangeError,
    SecurityError,
    UsageError,
    WrongKeyError,
)
from cipherbucket.format.footer import MAC_FIELD, SEAL_FIELD
from cipherbucket.format.sealed import CHUNK, HEADER
from cipherbucket.format.span import Span
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading.unlock import USUAL_FOOTER
from cipherbucket.stores.bodies import Opened, Outgoing
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.requests import Condition, MetadataChange, NewObject

KEY = AesKey(bytes(range(32)), description={"desc": "a"})
OTHER = AesKey(bytes(32), description={"desc": "b"})
TEXT = bytes(n * 7 % 251 for n in range(5 * CHUNK + 100))
FULL = TEXT[: 3 * CHUNK - 1]
"""Its last chunk is as long as one can be, so that a tail takes more than a chunk and a footer."""
CONTEXT = {"tenant": "7"}
RANGES = {
    "whole": {},
    "from the first": {"start": 0, "length": 10},
    "the first alone": {"start": 0, "length": 1},
    "none": {"start": 0, "length": 0},
    "in the middle": {"start": CHUNK + 3, "length": 2 * CHUNK},
    "to the end": {"start": 3 * CHUNK + 1},
    "to the end, exactly": {"start": 3 * CHUNK + 1, "length": 2 * CHUNK + 99},
    "of the last": {"start": 5 * CHUNK + 1, "length": 9},
}
TAILS = {"none": 0, "one": 1, "a chunk": CHUNK, "nearly all": len(TEXT) - 1, "more": 10 * CHUNK}


def bucket_in(store: MemoryStore, *, ring: KeyRing | None = None) -> Bucket:
    return Bucket(store, KeyRing(KEY) if ring is None else ring, format="sealed")


def put(
    store: MemoryStore, *, name: str = "name", text: bytes = TEXT, recipients: int = 0
) -> Bucket:
    """Put an object whose footer grows with its recipients, over 4 KiB with 16."""
    others = [AesKey(bytes(32), description={"n": f"{n:0300}"}) for n in range(recipients)]
    bucket = bucket_in(store)
    bucket.put(name, text, recipients=others)
    return bucket


def replace(
    store: MemoryStore,
    *,
    name: str = "name",
    body: bytes | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write over an object past all checks, as whoever owns the store can."""
    stored = store.head(name)
    if body is None:
        body = raw(store, name)
    told = dict(stored.metadata) if metadata is None else metadata
    store._put(NewObject(name, told, {}), Outgoing(body), Condition())


def raw(store: MemoryStore, name: str = "name") -> bytes:
    with store.get(name) as incoming:
        data = bytearray(incoming.stop)
        incoming.readinto(data)
    return bytes(data)


@pytest.mark.parametrize("span", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("recipients", [0, 13], ids=["footer", "large footer"])
def test_a_cold_range_takes_one_request(span: dict[str, int], recipients: int) -> None:
    store = CountingStore()
    bucket = put(store, recipients=recipients)
    start, length = span.get("start", 0), span.get("length")
    store.forget()

    with bucket.get("name", start=start, length=length) as stream:
        assert stream.read() == TEXT[start : len(TEXT) if length is None else start + length]

    assert (len(store.gets), store.heads) == (1, 0)


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_a_tail_takes_one_request(tail: int) -> None:
    store = CountingStore()
    bucket = put(store)
    store.forget()

    assert bucket.get("name", tail=tail).read() == (TEXT[-tail:] if tail else b"")

    assert (len(store.gets), store.heads) == (1, 0)
    assert store.sent <= tail + tail // CHUNK * 16 + CHUNK + 32 + HEADER + USUAL_FOOTER


def test_a_footer_of_more_than_4_kib_costs_only_some_tails_a_request_more() -> None:
    store = CountingStore()
    bucket = put(store, text=FULL, recipients=13)
    envelope = bucket.head("name").envelope
    assert envelope is not None
    assert envelope.layout.foot > USUAL_FOOTER
    taken = []
    for tail in (0, 1, 50, CHUNK - 1, CHUNK, CHUNK + 100, 2 * CHUNK):
        store.forget()
        assert bucket.get("name", tail=tail).read() == (FULL[-tail:] if tail else b"")
        taken.append(len(store.gets))
        assert store.heads == 0

    assert set(taken) <= {1, 2}
    assert 2 in taken


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_small_objects_take_one_request_however_they_are_read(size: int) -> None:
    store = CountingStore()
    bucket = put(store, text=TEXT[:size])
    for span in ({}, {"tail": 0}, {"tail": 1}, {"tail": CHUNK}, {"start": size}):
        store.forget()
        with bucket.get("name", start=span.get("start", 0), tail=span.get("tail")) as stream:
            stream.read()
        assert len(store.gets) == 1, span


def test_a_range_holds_little_more_than_it_must() -> None:
    store = CountingStore()
    bucket = put(store)
    store.forget()

    bucket.get("name", start=2 * CHUNK + 5, length=10).read()

    assert store.gets == [(HEADER + 2 * (CHUNK + 16), CHUNK + 16, None)]


class Lying(CountingStore):
    """Says that every range but one from the beginning or of the end goes beyond it."""

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        if span.start:
            self.gets.append((span.start, span.length, span.tail))
            raise RangeError("the range begins after the end")
        return super()._get(name, span, if_match, version_id)


def test_the_end_of_an_object_is_not_told_before_it_was_read() -> None:
    store = Lying()
    bucket = put(store)

    for start in (len(TEXT) + 1, len(TEXT) + CHUNK, 100 * CHUNK):
        with pytest.raises(RangeError, match=f"{len(TEXT):,} bytes"):
            bucket.get("name", start=start)
    for start in (2 * CHUNK, 3 * CHUNK + 5):
        with pytest.raises(ObjectChangedError):
            bucket.get("name", start=start, length=10)
    body = raw(store)
    for at in (len(body) - 1, len(body) - bucket.head("name").stored_size + HEADER + 5 * 16_400):
        damaged = bytearray(body)
        damaged[at] ^= 1
        replace(store, body=bytes(damaged))
        with pytest.raises(IntegrityError):
            bucket.get("name", start=len(TEXT) + 1)


def test_a_range_beyond_the_end_reads_the_last_chunk() -> None:
    store = CountingStore()
    bucket = put(store)
    body = bytearray(raw(store))
    body[HEADER + 5 * (CHUNK + 16)] ^= 1
    replace(store, body=bytes(body))

    for start in (len(TEXT), len(TEXT) + 1, len(TEXT) + CHUNK):
        with pytest.raises(IntegrityError):
            bucket.get("name", start=start)
    with pytest.raises(IntegrityError):
        bucket.get("name", tail=0)
    assert bucket.get("name", length=5 * CHUNK).read() == TEXT[: 5 * CHUNK]


def test_the_name_it_was_sealed_under_is_told() -> None:
    store = MemoryStore()
    bucket = put(store)
    store.copy("name", "moved")

    with pytest.raises(BindingError, match="'name'") as caught:
        bucket.get("moved")

    assert (caught.value.name, caught.value.sealed_name) == ("moved", "name")
    assert "as_name" in (caught.value.hint or "")
    with pytest.raises(BindingError) as opened:
        bucket.open("moved").read(1)
    assert opened.value.sealed_name == "name"
    assert bucket.get("moved", as_name="name").read() == TEXT
    with pytest.raises(BindingError) as wrong:
        bucket.get("moved", as_name="another")
    assert wrong.value.sealed_name == "name"


def test_a_name_is_told_only_if_the_footer_proves_it() -> None:
    store = MemoryStore()
    bucket = put(store)
    put(store, name="other", text=b"x" * len(TEXT))
    store.copy("name", "moved")
    replace(store, name="moved", body=raw(store, "other"))

    with pytest.raises(BindingError) as caught:
        bucket.get("moved")

    assert caught.value.sealed_name is None
    replace(store, name="moved", body=b"")
    with pytest.raises(SecurityError):
        bucket.get("moved")


def test_a_name_is_told_of_an_object_with_a_large_footer_too() -> None:
    store = MemoryStore()
    bucket = put(store, recipients=13)
    store.copy("name", "moved")

    with pytest.raises(BindingError) as caught:
        bucket.get("moved", start=0, length=1)

    assert caught.value.sealed_name == "name"


def test_the_context_is_asked_for_and_not_guessed() -> None:
    store = MemoryStore()
    bucket = bucket_in(store)
    bucket.put("bound", TEXT, context=CONTEXT)
    bucket.put("free", TEXT)
    store.copy("bound", "moved")

    with pytest.raises(BindingError, match="none was given") as without:
        bucket.get("bound")
    assert "context=" in (without.value.hint or "")
    with pytest.raises(BindingError, match="bound to none"):
        bucket.get("free", context=CONTEXT)
    with pytest.raises(BindingError, match="another context") as another:
        bucket.get("bound", context={"tenant": "8"})
    assert another.value.sealed_name == "bound"
    with pytest.raises(BindingError) as moved:
        bucket.get("moved", context=CONTEXT)
    assert moved.value.sealed_name == "bound"
    with pytest.raises(BindingError) as both:
        bucket.get("moved", context={"tenant": "8"})
    assert both.value.sealed_name is None
    assert bucket.get("bound", context=CONTEXT).read() == TEXT


def test_an_unbound_object_is_read_under_any_name_by_whoever_accepts_it() -> None:
    store = MemoryStore()
    bucket = Bucket(store, KeyRing(KEY), format="sealed", policy=Policy(unbound_names=True))
    bucket.put("name", TEXT, bind_name=False)
    store.copy("name", "moved")

    assert bucket.get("moved").read() == TEXT
    with pytest.raises(BindingError, match="cannot prove"):
        bucket.get("moved", as_name="whatever")
    usual = bucket_in(store)
    with pytest.raises(PolicyError, match="bound to no name"):
        usual.get("moved")
    with pytest.raises(UsageError, match="bound to no name"):
        usual.put("name", TEXT, bind_name=False)


def test_errors_name_the_object_and_the_keys() -> None:
    store = MemoryStore()
    put(store)
    impostor = AesKey(bytes(32), description={"desc": "a"})

    with pytest.raises(NoMatchingKeyError, match=r'"desc": ?"a"') as none:
        bucket_in(store, ring=KeyRing(OTHER)).get("name")
    assert none.value.name == "name"
    with pytest.raises(NoMatchingKeyError, match="no keys"):
        bucket_in(store, ring=KeyRing()).get("name")
    with pytest.raises(WrongKeyError, match="AES256:") as wrong:
        bucket_in(store, ring=KeyRing(impostor)).get("name")
    assert wrong.value.name == "name"
    assert bucket_in(store, ring=KeyRing()).get("name", key=KEY).read() == TEXT
    with pytest.raises(WrongKeyError):
        bucket_in(store).get("name", key=OTHER)
    with pytest.raises(NoMatchingKeyError, match="AES-256-KWP"):
        bucket_in(store).get("name", key=FakeKey(b"", b""))


def test_the_other_formats_are_refused_by_a_bucket_of_the_sealed_one() -> None:
    store = MemoryStore()
    bucket = put(store)
    store.put("plain", b"text")

    with pytest.raises(PolicyError, match="not encrypted"):
        bucket.get("plain")
    with pytest.raises(PolicyError, match="format sealed"):
        Bucket(store, KeyRing(KEY)).get("name")
    plain = Bucket(store, KeyRing(KEY), format="sealed", policy=Policy("sealed", plaintext=True))
    assert plain.get("plain").read() == b"text"
    with pytest.raises(PolicyError, match="bound to nothing"):
        plain.get("plain", context=CONTEXT)
    with pytest.raises(PolicyError, match="bound to nothing"):
        plain.get("plain", as_name="other")


def test_a_bucket_that_writes_the_other_format_and_accepts_sealed_reads_it() -> None:
    store = CountingStore()
    put(store)
    bucket = Bucket(store, KeyRing(KEY), policy=Policy(["oss", "sealed"]))

    assert bucket.get("name").read() == TEXT
    for span in RANGES.values():
        start, length = span.get("start", 0), span.get("length")
        stop = len(TEXT) if length is None else start + length
        assert bucket.get("name", start=start, length=length).read() == TEXT[start:stop]
    for tail in TAILS.values():
        store.forget()
        assert bucket.get("name", tail=tail).read() == (TEXT[-tail:] if tail else b"")
        assert len(store.gets) <= 2
    for beyond in (1, 50, CHUNK, 10 * CHUNK):
        with pytest.raises(RangeError):
            bucket.get("name", start=len(TEXT) + beyond)


@pytest.mark.parametrize("body", [b"", b"x", bytes(11), bytes(55), bytes(5000), b"CBSEALED"])
def test_a_body_that_is_none_has_no_footer(body: bytes) -> None:
    store = MemoryStore()
    store.put("name", body)

    with pytest.raises(SecurityError) as caught:
        bucket_in(store).get("name", footer_recipients=True)

    assert isinstance(caught.value, EnvelopeError | IntegrityError)
    assert caught.value.name == "name"


def test_a_footer_that_says_it_is_longer_than_the_body_is_refused() -> None:
    store = MemoryStore()
    store.put("name", (200).to_bytes(4, "big") + b"CBSEALED")

    with pytest.raises(EnvelopeError, match="longer than the body") as caught:
        bucket_in(store).get("name", footer_recipients=True)
    assert caught.value.field == "footer"


def test_of_the_other_format_no_footer_is_read() -> None:
    store = MemoryStore()
    key = FakeKey(bytes(32), bytes(16))
    new = NewObject("name", key.envelope().to_metadata(), {})
    store._put(new, Outgoing(TEXT), Condition())

    with pytest.raises(SecurityError):
        bucket_in(store).get("name", footer_recipients=True)


def test_from_the_body_another_name_is_told_where_the_footer_proves_it() -> None:
    store = MemoryStore()
    bucket = put(store)
    store.copy("name", "moved")
    replace(store, name="moved", metadata={})

    with pytest.raises(BindingError) as caught:
        bucket.get("moved", footer_recipients=True)
    assert caught.value.sealed_name == "name"
    assert bucket.get("moved", as_name="name", footer_recipients=True).read() == TEXT


def test_altered_recipients_name_the_mac_and_the_way_out() -> None:
    store = MemoryStore()
    bucket = put(store)
    metadata = dict(store.head("name").metadata)
    mac = metadata[MAC_FIELD]
    metadata[MAC_FIELD] = ("B" if mac[0] == "A" else "A") + mac[1:]
    replace(store, metadata=metadata)

    with pytest.raises(IntegrityError, match=MAC_FIELD) as caught:
        bucket.get("name")

    assert "repair" in (caught.value.hint or "")
    assert bucket.get("name", footer_recipients=True).read() == TEXT


class Replacing(CountingStore):
    """Exchanges the metadata after the first get."""

    def __init__(self, metadata: dict[str, str]) -> None:
        super().__init__()
        self.later = metadata

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        answer = super()._get(name, span, if_match, version_id)
        if self.later:
            self._replace_metadata(MetadataChange(name, self.later, {}, None, None))
        return answer


def test_an_object_that_changes_between_two_requests_is_no_mixture() -> None:
    other = MemoryStore()
    put(other, text=FULL, recipients=13)
    store = Replacing({})
    bucket = put(store, text=FULL, recipients=13)
    store.later = dict(other.head("name").metadata)

    with pytest.raises(ObjectChangedError):
        bucket.get("name", tail=1)


def test_an_object_whose_recipients_change_between_two_requests_stays_itself() -> None:
    store = Replacing({})
    bucket = put(store, text=FULL, recipients=13)
    before = dict(store.head("name").metadata)
    cb.recipients.remove(bucket, "name", AesKey(bytes(32), description={"n": f"{0:0300}"}))
    after = dict(store.head("name").metadata)
    assert before != after
    assert before[SEAL_FIELD] == after[SEAL_FIELD]
    replace(store, metadata=before)
    store.later = after
    store.forget()

    assert bucket.get("name", tail=1).read() == FULL[-1:]
    assert len(store.gets) == 2
