"""Sealed metadata and footers as a hostile store might hand them out: an answer or our errors.

Each case is a mutation of a recorded object's metadata, as texts or within the decoded records,
parsed, admitted and unsealed. A cipher comes out only for seal and recipients that an owner of the
object wrote; from a body alone only for the footer as it was sealed.
"""

import base64
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.fuzz.mutations import MUTATORS, Metadata, mutate
from tests.support.counts import count
from tests.support.sdk_vectors import all_vectors
from tests.support.sealed_vectors import GOOD, Case, body_of, bucket_of, ring_of

from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    BindingError,
    EnvelopeError,
    IntegrityError,
    NoMatchingKeyError,
    PolicyError,
    SecurityError,
    WrongKeyError,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import FOOTER_FIELD, MAC_FIELD, SEAL_FIELD, Footer, footer_length
from cipherbucket.format.recipient_fields import (
    RECIPIENTS_FIELD,
    encode_recipients,
    parse_recipients,
)
from cipherbucket.format.sealed import Sealed
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import Reading, unlock
from cipherbucket.stores.bodies import Incoming
from cipherbucket.stores.records import StoredObject

SHARDS = 4
CASES = count(200_000, 8_000)
FOOTERS = count(200_000, 8_000)
LEAST = count(100, 2)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = (SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD)
POLICIES = [
    Policy("sealed", unbound_names=True),
    Policy("sealed"),
    Policy(),
    Policy("sealed", plaintext=True),
]
KINDS: tuple[type[SecurityError], ...] = (
    EnvelopeError,
    PolicyError,
    NoMatchingKeyError,
    WrongKeyError,
    IntegrityError,
    BindingError,
)
POOL = [{name: case["metadata"][name] for name in NAMES} for case in GOOD]
POOL += [vector.metadata for vector in all_vectors()[:3]]
BYTES = [0, 1, 2, 3, 4, 0x10, 0x7F, 0x80, 0xFF]


def bent(chance: random.Random, data: bytes, pool: list[bytes]) -> bytes:
    """Bend a binary record once, or a few times over."""
    raw = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        at = chance.randrange(len(raw)) if raw else 0
        other = chance.choice(pool)
        match chance.randrange(9):
            case 0 | 1:
                raw[at : at + 1] = bytes([(raw[at] if raw else 0) ^ 1 << chance.randrange(8)])
            case 2:
                raw[at : at + 1] = bytes([chance.choice(BYTES)])
            case 3:
                del raw[at : at + chance.choice([1, 2, 6, 40])]
            case 4:
                raw[at:at] = chance.randbytes(chance.choice([1, 2, 6, 40]))
            case 5:  # a length that is none
                raw[at : at + 4] = chance.choice(
                    [bytes(4), b"\xff" * 4, b"\0\0\0\1", b"\0\0\x20\1"]
                )
            case 6:
                raw[at:] = other[min(at, len(other)) :]
            case 7:
                raw += raw[at:]
            case _:
                raw[:] = other
    return bytes(raw)


def mend_end(data: bytes) -> bytes:
    """Give a bent footer an end that fits, so that what is within it is looked at."""
    return data[:-12] + len(data).to_bytes(4, "big") + b"CBSEALED"


def bent_metadata(chance: random.Random, metadata: Metadata) -> Metadata:
    """Bend what the three values hold; the base64 stays canonical."""
    name = chance.choice(NAMES)
    pool = [base64.b64decode(each[name]) for each in POOL if name in each]
    data = bent(chance, base64.b64decode(metadata[name]), pool)
    return {**metadata, name: base64.b64encode(data).decode()}


def outcome_of(case: Case, metadata: Metadata, policy: Policy) -> str:
    """Do all that a read does before the first byte; name what came of it."""
    body = body_of(case)
    stored = StoredObject(
        name=case["asked_name"], size=len(body), etag="", modified=MOMENT, metadata=metadata
    )

    def fetch(*_: object) -> Incoming:
        raise IntegrityError("only to tell a name")

    reading = Reading(
        case["asked_name"], ring_of(case), policy, "sealed", context=dict(case["context"])
    )
    try:
        info = ObjectInfo.of(stored)
        _, cipher = unlock(stored, reading, fetch)
    except KINDS as error:
        assert_is_told_well(error)
        return type(error).__name__
    if info.envelope is None:
        assert cipher is None
        assert policy.plaintext
        return "plaintext"
    assert isinstance(cipher, Sealed)
    assert_is_the_owners(metadata, info.envelope)
    return "opened"


def assert_is_told_well(error: SecurityError, field: str = "") -> None:
    assert len(f"{error} {error.hint} {error!r}") < 30_000
    if isinstance(error, EnvelopeError):
        assert error.field
        assert field in {"", error.field}


def assert_is_the_owners(metadata: Metadata, envelope: Envelope) -> None:
    """What opened is one recorded object's envelope, in all three values."""
    folded = {name.lower(): text for name, text in metadata.items()}
    own = {name: folded[name] for name in NAMES}
    assert envelope.to_metadata() == own
    assert own in POOL


def shard_outcomes(shard: int, bend: Callable[[random.Random, Metadata], Metadata]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number in range(CASES // SHARDS // 2):
        chance = random.Random(f"{shard}/{number}")
        case = chance.choice(GOOD)
        metadata = bend(chance, dict(case["metadata"]))
        try:
            outcome = outcome_of(case, metadata, chance.choice(POLICIES))
        except Exception as error:
            error.add_note(f"shard {shard}, case {number}: {metadata!r}"[:5000])
            raise
        outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutated_texts_are_an_answer_or_one_of_our_errors(shard: int) -> None:
    outcomes = shard_outcomes(shard, lambda chance, metadata: mutate(chance, metadata, POOL))

    assert {"EnvelopeError", "PolicyError", "opened", "plaintext"} <= outcomes.keys()
    assert min(outcomes[name] for name in ("EnvelopeError", "PolicyError", "opened")) >= LEAST


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutated_records_are_an_answer_or_one_of_our_errors(shard: int) -> None:
    outcomes = shard_outcomes(shard, bent_metadata)

    expected = {kind.__name__ for kind in KINDS} - {"BindingError"} | {"opened"}
    assert expected <= outcomes.keys(), outcomes
    assert outcomes["opened"] < outcomes.total() // 4


def test_recipients_that_parse_encode_to_the_same_bytes() -> None:
    pool = [base64.b64decode(case["metadata"][RECIPIENTS_FIELD]) for case in GOOD]
    parsed = 0
    for number in range(FOOTERS):
        chance = random.Random(number)
        data = bent(chance, chance.choice(pool), pool)
        try:
            recipients = parse_recipients(data)
        except EnvelopeError as error:
            assert_is_told_well(error, RECIPIENTS_FIELD)
        else:
            assert encode_recipients(recipients) == data
            assert 1 <= len(recipients) <= 16
            parsed += 1
    assert parsed > FOOTERS // 50


def test_footers_that_parse_encode_to_the_same_bytes() -> None:
    pool = [bytes.fromhex(case["footer"]) for case in GOOD]
    parsed = 0
    for number in range(FOOTERS):
        chance = random.Random(number)
        data = bent(chance, chance.choice(pool), pool)
        data = chance.choice([data, mend_end(data), mend_end(data)])
        try:
            footer = Footer.parse(data)
        except EnvelopeError as error:
            assert_is_told_well(error, FOOTER_FIELD)
        else:
            assert footer_length(data[-12:]) == len(data)
            known = footer.encode()
            assert known == data or len(known) < len(data)  # skipped fields are not kept
            assert Footer.parse(known) == footer
            parsed += 1
    assert parsed > FOOTERS // 50


def test_a_body_with_a_mutated_footer_opens_only_with_its_own() -> None:
    pool = [bytes.fromhex(case["footer"]) for case in GOOD]
    cases = [case for case in GOOD if case["plaintext_length"] < 1000]
    outcomes: Counter[str] = Counter()
    for number in range(CASES // 4):
        chance = random.Random(number)
        case = chance.choice(cases)
        own = bytes.fromhex(case["footer"])
        footer = bent(chance, own, pool)
        footer = chance.choice([footer, mend_end(footer)])
        body = body_of(case)[: -len(own)] + footer
        bucket = bucket_of({**case, "body": base64.b64encode(body).decode()}, metadata={})
        try:
            text = bucket.get(
                case["asked_name"], context=case["context"], footer_recipients=True
            ).read()
        except KINDS as error:
            outcomes[type(error).__name__] += 1
        else:
            assert footer == own
            assert hashlib.sha256(text).hexdigest() == case["plaintext_sha256"]
            outcomes["opened"] += 1
    assert {"EnvelopeError", "WrongKeyError"} <= outcomes.keys(), outcomes


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_every_mutator_takes_sealed_metadata(mutator: object) -> None:
    assert callable(mutator)
    for number in range(40):
        chance = random.Random(number)
        case = chance.choice(GOOD)
        outcome_of(case, mutator(chance, dict(case["metadata"]), POOL), Policy("sealed"))


def test_a_mutation_that_changes_nothing_opens() -> None:
    policy = Policy("sealed", unbound_names=True)
    for case in GOOD:
        assert outcome_of(case, dict(case["metadata"]), policy) == "opened"
        swapped = {name.upper(): text for name, text in case["metadata"].items()}
        assert outcome_of(case, swapped, policy) == "opened"
