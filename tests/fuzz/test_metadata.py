"""Metadata as a hostile store might hand it out: an envelope, plaintext, or one of our errors.

Each case is a mutation of a vector's metadata, parsed, admitted, unsealed and held against the
size of the body; whatever comes is an answer or a `SecurityError`, never a foreign exception and
never a cipher for an object whose secrets were not the right ones.
"""

import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from tests.fuzz.mutations import MUTATORS, Metadata, mutate
from tests.support.counts import count
from tests.support.sdk_vectors import all_vectors, ring_for, rsa_key

from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    CipherbucketError,
    EnvelopeError,
    IntegrityError,
    NoMatchingKeyError,
    PolicyError,
    SecurityError,
    WrongKeyError,
)
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.envelope import Envelope, without_envelope
from cipherbucket.keys.ring import KeyRing
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import Reading, unlock
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject

SHARDS = 8
CASES = count(200_000, 5_000)
LEAST = count(100, 2)
"""Of 200,000 cases every kind of error must come 100 times; of fewer, in proportion."""

VECTORS = all_vectors()
POOL = [vector.metadata for vector in VECTORS]
POLICIES = [Policy(), Policy(), Policy("oss"), Policy(plaintext=True), Policy(min_rsa_bits=2048)]
KINDS: list[type[SecurityError]] = [
    EnvelopeError,
    PolicyError,
    NoMatchingKeyError,
    WrongKeyError,
    IntegrityError,
]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def never(*_: object) -> Incoming:
    raise AssertionError("an object of these formats is unlocked by its metadata alone")


def outcome_of(metadata: Metadata, size: int, ring: KeyRing, policy: Policy) -> str:
    """Do all that a read does before the first byte; name what came of it."""
    stored = StoredObject(name="name", size=size, etag="", modified=MOMENT, metadata=metadata)
    try:
        info = ObjectInfo.of(stored)
        assert_envelope_is_sound(metadata, info.envelope)
        _, cipher = unlock(stored, Reading("name", ring, policy, "oss"), never)
    except tuple(KINDS) as error:
        assert_nothing_wrapped_is_told(error, metadata)
        return type(error).__name__
    if info.envelope is None:
        assert cipher is None
        assert policy.plaintext
        return "plaintext"
    assert isinstance(cipher, Ctr)
    return "opened"


def assert_envelope_is_sound(metadata: Metadata, envelope: Envelope | None) -> None:
    """What was parsed writes back to the texts it came from, and leaves the rest to the user."""
    if envelope is None:
        assert without_envelope(metadata, None) == metadata
        return
    folded = {name.lower(): text for name, text in metadata.items()}
    written = envelope.to_metadata()
    assert written.items() <= folded.items()
    assert Envelope.parse(written) == envelope
    left = without_envelope(metadata, envelope)
    assert {name.lower() for name in left}.isdisjoint(written)
    assert len(left) + len(written) == len(metadata)


def assert_nothing_wrapped_is_told(error: CipherbucketError, metadata: Metadata) -> None:
    told = f"{error} {error.hint} {error!r}"
    for name, text in metadata.items():
        if name.lower().endswith(("-key", "-start")) and len(text) > 64:
            assert text not in told, name
    assert len(told) < 30_000


def shard_outcomes(shard: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number in range(CASES // SHARDS):
        chance = random.Random(f"{shard}/{number}")
        vector = chance.choice(VECTORS)
        metadata = mutate(chance, vector.metadata, POOL)
        policy = chance.choice(POLICIES)
        try:
            outcome = outcome_of(metadata, vector.size, ring_for(vector), policy)
        except Exception as error:
            error.add_note(f"shard {shard}, case {number}: {metadata!r}"[:5000])
            raise
        outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutated_metadata_is_an_answer_or_one_of_our_errors(shard: int) -> None:
    outcomes = shard_outcomes(shard)

    assert outcomes.total() == CASES // SHARDS
    least = max(1, LEAST // SHARDS + 1)
    assert {kind.__name__: outcomes[kind.__name__] >= least for kind in KINDS} == {
        kind.__name__: True for kind in KINDS
    }, outcomes
    assert outcomes["opened"] >= least
    assert outcomes["plaintext"] >= least


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_every_mutator_changes_something_and_is_named_by_its_seed(mutator: object) -> None:
    assert callable(mutator)
    changed = 0
    for number in range(60):
        chance = random.Random(number)
        metadata = chance.choice(POOL)
        bent = mutator(chance, dict(metadata), POOL)
        changed += bent != metadata

    assert changed >= 20


def test_a_data_key_that_an_attacker_wrapped_himself_opens_and_gives_his_plaintext() -> None:
    """What format oss cannot prevent: whoever has the public key can write a whole new object."""
    vector = next(vector for vector in VECTORS if vector.name.endswith("rsa/one/16"))
    public = rsa_key("key1")
    forged = Envelope.compose(
        algorithm="RSA/NONE/PKCS1Padding",
        wrapped_key=public.wrap(bytes(32), algorithm="RSA/NONE/PKCS1Padding", context=b""),
        wrapped_iv=public.wrap(bytes(16), algorithm="RSA/NONE/PKCS1Padding", context=b""),
        description=vector.key().description,
    )

    assert outcome_of(forged.to_metadata(), 16, ring_for(vector), Policy()) == "opened"
