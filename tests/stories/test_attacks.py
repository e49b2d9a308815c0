"""Everything that whoever controls the store can do to a sealed object, tried.

The law: a read ends in a `SecurityError`, or in exactly the bytes that were sealed where it does
not touch what was changed. A whole read always ends in an error. What was given out before the
error was right, and of a bad chunk no byte ever leaves, not even in the caller's buffer. Where in
a body the change was is not told.
"""

import base64
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.counts import count
from tests.support.sealed_attacks import (
    ATTACKS,
    METADATA,
    NAME,
    PLAIN,
    RELABELLED,
    Scene,
    Stored,
    absurd,
    integers,
)
from tests.support.sealed_reads import (
    SEEKS,
    SPANS,
    cut_of,
    error_of,
    last_byte,
    ranged,
    right_or_refused,
    sealed_bucket,
    serve,
    sought,
    wholes,
)

import cipherbucket as cb
from cipherbucket.envelopes.seal import resealed, wrapped_for
from cipherbucket.format.metadata_names import FORMATS
from cipherbucket.format.recipient_fields import Recipient, encode_recipients
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store


class Watched:
    """A master key that remembers what it was asked to unwrap."""

    def __init__(self, key: MasterKey) -> None:
        self._key = key
        self.id = key.id
        self.description = key.description
        self.algorithms = key.algorithms
        self.asked = 0
        self.unwrapped: list[bytes] = []

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the protocol
        return self._key.algorithm_for(format)

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        return self._key.wrap(secret, algorithm=algorithm, context=context)

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        self.asked += 1
        self.unwrapped.append(self._key.unwrap(wrapped, algorithm=algorithm, context=context))
        return self.unwrapped[-1]


@contextmanager
def bounded_memory(limit: int = 2 << 20) -> Iterator[None]:
    """Hold what a read allocates to a few times the object's own size."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.each_value
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_in_an_error_or_touches_nothing_that_is_read(
    scene: Scene, raw: Store, name: str, tmp_path: Path
) -> None:
    bucket = sealed_bucket(raw, scene)
    stored = ATTACKS[name](scene)
    assert stored != scene.one
    serve(raw, stored)
    spans, seeks = SPANS, SEEKS
    if raw.url.startswith("oss") and count(1, 0) == 0:
        spans, seeks = random.Random(name).sample(SPANS, 4), [random.Random(name).choice(SEEKS)]

    for read in wholes(bucket, scene.ring.keys[0]):
        error_of(read)
    refused = [right_or_refused(partial(ranged, bucket, span), cut_of(span)) for span in spans]
    refused += [
        right_or_refused(partial(sought, bucket, at, 1000), PLAIN[at:][:1000]) for at in seeks
    ]
    refused.append(right_or_refused(partial(last_byte, bucket), PLAIN[-1:]))
    assert all(refused) or name not in METADATA
    target = tmp_path / "target"
    error_of(lambda: bucket.download(NAME, target))
    assert list(tmp_path.iterdir()) == []
    target.write_bytes(b"before")
    error_of(lambda: bucket.download(NAME, target))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


@pytest.mark.each_value
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_by_the_footer_an_attack_on_the_body_ends_in_an_error_too(
    scene: Scene, attack: Callable[[Scene], Stored]
) -> None:
    store = cb.MemoryStore()
    bucket = sealed_bucket(store, scene)
    stored = attack(scene)
    serve(store, stored)

    refused = right_or_refused(partial(ranged, bucket, Span(), footer_recipients=True), PLAIN)
    assert refused or stored.body == scene.one.body
    for span in SPANS:
        right_or_refused(partial(ranged, bucket, span, footer_recipients=True), cut_of(span))


def test_without_an_attack_every_one_of_these_reads_is_right(scene: Scene, raw: Store) -> None:
    bucket = sealed_bucket(raw, scene)
    serve(raw, scene.one)

    reads = wholes(bucket, scene.ring.keys[0])
    assert [read() for read in reads] == [PLAIN] * 6
    assert last_byte(bucket) == PLAIN[-1:]
    for span in SPANS:
        assert ranged(bucket, span) == cut_of(span)
        assert ranged(bucket, span, footer_recipients=True) == cut_of(span)
    for at in SEEKS:
        assert sought(bucket, at, 1000) == PLAIN[at:][:1000]


@pytest.mark.parametrize("name", [*RELABELLED, "an oss envelope on a sealed body", "stripped"])
def test_a_bucket_that_reads_every_format_never_unwraps_a_sealed_key_by_another_name(
    scene: Scene, name: str
) -> None:
    """What an `oss` envelope opens is anybody's; it must not be what was sealed."""
    store = cb.MemoryStore()
    watched = [Watched(key) for key in scene.ring.keys]
    bucket = cb.Bucket(store, cb.KeyRing(*watched), policy=cb.Policy(FORMATS))
    serve(store, scene.one)
    assert bucket.get(NAME).read() == PLAIN
    secrets = [secret for key in watched for secret in key.unwrapped]
    serve(store, ATTACKS[name](scene))

    try:
        got = bucket.get(NAME).read()
    except cb.CipherbucketError:
        got = b""
    assert PLAIN[:16] not in got
    unwrapped = [secret for key in watched for secret in key.unwrapped]
    assert len(secrets) == 1
    assert unwrapped.count(secrets[0]) == 1


def test_wrap_algorithms_of_the_sealed_format_are_refused_in_an_oss_envelope(scene: Scene) -> None:
    store = cb.MemoryStore()
    watched = [Watched(key) for key in scene.ring.keys]
    bucket = cb.Bucket(store, cb.KeyRing(*watched), policy=cb.Policy(FORMATS))
    for name in list(RELABELLED)[2:]:
        serve(store, RELABELLED[name](scene))
        for key in (None, *watched):
            # What is as short as a wrapped AES key is no RSA key anybody accepts.
            with pytest.raises((cb.EnvelopeError, cb.PolicyError), match=r"sealed format|RSA-320"):
                bucket.get(NAME, key=key)
    assert [key.asked for key in watched] == [0] * len(watched)


def v1_object(key: cb.RsaKey) -> Stored:
    wrapped = {"key": bytes(32), "start": b"1"}
    metadata = {
        f"oss-crypto-{name}": base64.b64encode(
            key.wrap(secret, algorithm="rsa", context=b"")
        ).decode()
        for name, secret in wrapped.items()
    }
    metadata |= {"oss-cek-alg": "AES/GCM/NoPadding", "oss-wrap-alg": "rsa"}
    metadata["oss-crypto-matdesc"] = '{"desc":"tests"}'
    return Stored(b"body of an older format", metadata)


@pytest.mark.parametrize("old", ["plaintext", "oss", "oss-v1", "stripped"])
def test_a_bucket_that_writes_sealed_objects_reads_nothing_less(
    scene: Scene, raw: Store, old: str
) -> None:
    there = {
        "plaintext": Stored(PLAIN, {}),
        "oss": scene.oss,
        "oss-v1": v1_object(scene.rsa),
        "stripped": scene.one.without(*scene.one.metadata),
    }
    bucket = sealed_bucket(raw, scene)
    serve(raw, there[old])
    everything = cb.Policy(FORMATS, plaintext=True)
    assert cb.Bucket(raw, cb.KeyRing(scene.rsa), policy=everything).get(NAME).read()

    for how in (None, scene.rsa):
        with pytest.raises(cb.PolicyError):
            bucket.get(NAME, key=how)
    with pytest.raises(cb.PolicyError):
        bucket.get(NAME, tail=1)
    with pytest.raises(cb.PolicyError):
        bucket.open(NAME).read(1)
    if old == "stripped":
        assert bucket.get(NAME, footer_recipients=True).read() == PLAIN
    else:
        error_of(lambda: bucket.get(NAME, footer_recipients=True))


def crowd(scene: Scene, number: int) -> list[Recipient]:
    """Return recipients with nothing wrong about them but how many there are."""
    first = scene.one.recipients[0]
    others = (f'{{"n":"{each}"}}' for each in range(number - 1))
    return [first, *(replace(first, wrapped_key=b"x", description_text=text) for text in others)]


@pytest.mark.parametrize("number", [17, 300, 3000, 10_000])
def test_recipients_are_counted_before_anything_is_unwrapped(scene: Scene, number: int) -> None:
    store = cb.MemoryStore()
    watched = [Watched(key) for key in scene.ring.keys]
    bucket = cb.Bucket(store, cb.KeyRing(*watched), format="sealed")
    fields = encode_recipients(crowd(scene, number))
    footer = scene.one.footer[:4] + struct.pack(">HI", 1, 16) + bytes(16) + fields
    footer += struct.pack(">I", len(footer) + 12) + b"CBSEALED"
    seal = replace(scene.one.seal, footer_length=min(len(footer), 65_536))
    in_both = Stored(
        scene.one.with_chunks(*scene.one.chunks).body[: -len(scene.one.footer)] + footer,
        scene.one.with_fields(recipients=fields, seal=seal.encode()).metadata,
    )
    for stored, by_footer in (
        (in_both, False),
        (in_both, True),
        (replace(in_both, metadata={}), True),
        (replace(in_both, metadata=scene.one.metadata), True),
    ):
        serve(store, stored)
        for key in (None, *watched):
            with bounded_memory():
                error_of(lambda k=key, f=by_footer: bucket.get(NAME, key=k, footer_recipients=f))  # type: ignore[misc]
    assert [key.asked for key in watched] == [0] * len(watched)


def test_recipients_that_lead_to_different_data_keys_open_for_the_owner_alone(
    scene: Scene,
) -> None:
    """Whoever holds the data key can name others; two readers never get two different objects."""
    store = cb.MemoryStore()
    bob = cb.AesKey(bytes(32), description={"desc": "bob"})
    owner = sealed_bucket(store, scene)
    serve(store, scene.one)
    data_key = Watched(scene.ring.keys[0])
    cb.Bucket(store, cb.KeyRing(data_key), format="sealed").get(NAME).close()
    astray = wrapped_for(bob, b"another data key of 32 bytes ...", scene.one.seal.object_id)
    for recipients in ((*scene.one.recipients, astray), (astray, *scene.one.recipients)):
        envelope = resealed(scene.one.seal, recipients, data_key.unwrapped[0])
        serve(store, replace(scene.one, metadata=envelope.to_metadata()))

        assert owner.get(NAME).read() == PLAIN
        for key in (None, bob):
            with pytest.raises(cb.WrongKeyError):
                cb.Bucket(store, cb.KeyRing(bob), format="sealed").get(NAME, key=key)


def test_absurd_numbers_end_in_an_error_without_large_allocations(scene: Scene) -> None:
    store = cb.MemoryStore()
    bucket = sealed_bucket(store, scene)
    one, seal = scene.one, scene.one.seal.encode()
    recipients, footer = encode_recipients(one.recipients), one.footer
    heads = [(0, 2), (2, 2)]
    bent = [one.with_fields(seal=text) for text in absurd(seal, iter([*heads, (4, 4)]))]
    bent += [
        one.with_fields(recipients=text)
        for text in absurd(recipients, integers(recipients, 0, len(recipients)))
    ]
    places = [*heads, *integers(footer, 4, len(footer) - 12), (len(footer) - 12, 4)]
    footers = [
        one.with_body(one.body[: -len(footer)], text) for text in absurd(footer, iter(places))
    ]
    assert len(bent) > 40
    assert len(footers) > 70
    for stored in bent + footers:
        serve(store, stored)
        with bounded_memory():
            error_of(partial(ranged, bucket, Span()))
            right_or_refused(partial(ranged, bucket, Span(20_000, 5)), PLAIN[20_000:20_005])
            right_or_refused(partial(sought, bucket, 5, 5), PLAIN[5:10])
    for stored in footers:
        for metadata in (one.metadata, {}):
            serve(store, replace(stored, metadata=metadata))
            with bounded_memory():
                error_of(partial(ranged, bucket, Span(), footer_recipients=True))


def test_recipients_that_lead_to_another_data_key_are_told_as_that(scene: Scene) -> None:
    # The MAC is right under the attacker's data key, and nothing that is bound is wrong.
    store = cb.MemoryStore()
    serve(store, METADATA["the attacker's data key and MAC"](scene))

    error = error_of(lambda: sealed_bucket(store, scene).get(NAME))

    if isinstance(scene.ring.keys[0], cb.AesKey):  # which an attacker cannot even wrap for
        assert isinstance(error, cb.WrongKeyError)
    else:
        assert isinstance(error, cb.IntegrityError)
        assert "another data key" in error.message
