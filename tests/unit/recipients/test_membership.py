"""Recipients of sealed objects: added, removed, and restored from the footer, over every store."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.support.plaintexts import pattern
from tests.support.sealed_buckets import (
    FIELDS,
    aes,
    body_of,
    labels,
    public_half,
    rsa_4096,
    seal_of,
    sealed,
    watched,
)

import cipherbucket as cb
from cipherbucket.stores.base import Store

PLAIN = pattern(40_000)
OWNER, PARTNER, STRANGER = aes("owner"), aes("partner"), aes("stranger")


@pytest.fixture
def bucket(any_store: Store) -> cb.Bucket:
    return sealed(any_store, OWNER)


@pytest.fixture
def quick(store: cb.MemoryStore) -> cb.Bucket:
    """Return a bucket in memory, for what depends on no store."""
    return sealed(store, OWNER)


def bend(store: Store, name: str, **texts: str | None) -> None:
    """Replace names of the envelope behind the library's back; None takes one away."""
    there = store.head(name)
    metadata = {**there.metadata, **{f"cipherbucket-{n}": text for n, text in texts.items()}}
    kept = {name: text for name, text in metadata.items() if text is not None}
    store.replace_metadata(name, metadata=kept, headers=there.headers)


def state(store: Store, name: str) -> tuple[bytes, dict[str, str]]:
    return body_of(store, name), dict(store.head(name).metadata)


def test_a_partner_reads_once_added_and_no_longer_once_removed(
    bucket: cb.Bucket, any_store: Store, key: cb.RsaKey
) -> None:
    partner = sealed(any_store, key)
    bucket.put("a", PLAIN, metadata={"owner": "me"}, content_type="text/x")
    put, body = bucket.head("a"), body_of(any_store, "a")
    with pytest.raises(cb.NoMatchingKeyError):
        partner.get("a")

    added = cb.recipients.add(bucket, "a", public_half(key))

    assert labels(added) == labels(bucket.head("a")) == ["owner", "tests"]
    assert partner.get("a").read() == bucket.get("a").read() == PLAIN
    removed = cb.recipients.remove(bucket, "a", public_half(key))
    assert labels(removed) == ["owner"]
    with pytest.raises(cb.NoMatchingKeyError):
        partner.get("a")
    assert bucket.get("a").read() == PLAIN
    for info in (added, removed):
        assert seal_of(info) == seal_of(put)
        assert info.metadata == {"owner": "me"}
        assert info.headers == put.headers
        assert info.content_type == "text/x"
    assert body_of(any_store, "a") == body


def test_a_partner_can_take_the_owner_away(bucket: cb.Bucket, any_store: Store) -> None:
    bucket.put("a", PLAIN, recipients=[PARTNER])
    partner = sealed(any_store, PARTNER)

    cb.recipients.remove(partner, "a", OWNER)

    assert partner.get("a").read() == PLAIN
    with pytest.raises(cb.NoMatchingKeyError):
        bucket.get("a")
    # The footer still names it, as the documentation says.
    assert bucket.get("a", footer_recipients=True).read() == PLAIN


def test_recipients_are_changed_with_a_look_and_a_write(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN)
    with watched(store) as calls:
        cb.recipients.add(quick, "a", PARTNER)
        cb.recipients.remove(quick, "a", PARTNER)
    assert calls == ["head", "replace_metadata"] * 2


def test_a_change_that_another_writes_over_is_told(
    quick: cb.Bucket, store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.put("a", PLAIN)
    before = store.head("a").metadata
    write = store.replace_metadata

    def twice(name: str, **how: Any) -> Any:
        write(name, **how)
        return write(name, **{**how, "metadata": before, "if_metadata": None})

    monkeypatch.setattr(store, "replace_metadata", twice)

    with pytest.raises(cb.ObjectChangedError, match=r"'a'.*at the same time"):
        cb.recipients.add(quick, "a", PARTNER)


def test_a_recipient_is_removed_as_the_listing_names_it(quick: cb.Bucket) -> None:
    info = quick.put("a", PLAIN, recipients=[PARTNER, STRANGER])
    assert info.envelope is not None

    assert labels(cb.recipients.remove(quick, "a", info.envelope.recipients[1])) == [
        "owner",
        "stranger",
    ]
    with pytest.raises(cb.NoMatchingKeyError, match="'a': this key is no recipient"):
        cb.recipients.remove(quick, "a", info.envelope.recipients[1])
    with pytest.raises(cb.NoMatchingKeyError):
        cb.recipients.remove(quick, "a", PARTNER)


def test_keys_of_one_description_are_told_apart_by_their_algorithm(
    quick: cb.Bucket, key: cb.RsaKey
) -> None:
    twin = cb.AesKey(bytes(32), description=key.description)
    quick.put("a", PLAIN, recipients=[key, twin])

    info = cb.recipients.remove(quick, "a", twin)

    assert info.envelope is not None
    assert [each.algorithm for each in info.envelope.recipients] == [
        "AES-256-KWP",
        "RSA-OAEP-SHA-256",
    ]


def test_the_last_recipient_stays(bucket: cb.Bucket, any_store: Store) -> None:
    info = bucket.put("a", PLAIN)
    assert info.envelope is not None
    before = state(any_store, "a")
    for recipient in (OWNER, info.envelope.recipients[0]):
        with pytest.raises(cb.UsageError, match="only recipient"):
            cb.recipients.remove(bucket, "a", recipient)
    assert state(any_store, "a") == before


def test_a_recipient_that_could_not_be_told_apart_is_refused(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN)
    cb.recipients.add(quick, "a", PARTNER)
    before = state(store, "a")
    for twin in (PARTNER, OWNER, aes("partner")):
        with pytest.raises(cb.MasterKeyError, match=r"'a': .*told apart"):
            cb.recipients.add(quick, "a", twin)
        with pytest.raises(cb.MasterKeyError, match="told apart"):
            quick.put("b", PLAIN, recipients=[PARTNER, twin])
    assert state(store, "a") == before
    assert not quick.exists("b")


def test_a_key_that_cannot_write_the_format_is_refused(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = cb.RsaKey(rsa.generate_private_key(65537, 1024), description={"desc": "weak"})
    quick.put("a", PLAIN)
    with watched(store) as calls:
        with pytest.raises(cb.MasterKeyError, match="1,024 bits"):
            cb.recipients.add(quick, "a", weak)
        with pytest.raises(cb.MasterKeyError, match="1,024 bits"):
            quick.put("b", PLAIN, recipients=[weak])
    assert calls == []


def test_an_object_has_16_recipients_at_most(quick: cb.Bucket, store: cb.MemoryStore) -> None:
    others = [aes(f"r{number}") for number in range(15)]
    quick.put("a", PLAIN, recipients=others[:14])
    assert len(labels(cb.recipients.add(quick, "a", others[14]))) == 16
    assert sealed(store, others[14]).get("a").read() == PLAIN
    with watched(store) as calls:
        with pytest.raises(cb.UsageError, match="17 recipients"):
            cb.recipients.add(quick, "a", STRANGER)
        for body in (PLAIN, iter([PLAIN])):
            with pytest.raises(cb.UsageError, match="17 recipients"):
                quick.put("b", body, recipients=[*others, STRANGER])
    assert calls == ["head"]
    assert labels(quick.put("b", PLAIN, recipients=others))[-1] == "r14"


@pytest.mark.parametrize("own", [{}, {"note": "x" * 300}])
def test_metadata_that_no_store_holds_are_refused_before_anything_is_sent(
    quick: cb.Bucket, store: cb.MemoryStore, own: dict[str, str]
) -> None:
    keys = [rsa_4096(f"r{number}") for number in range(12)]
    quick.put("a", PLAIN, metadata=own)
    with watched(store) as calls, pytest.raises(cb.UsageError, match="8,192"):
        list(map(partial(cb.recipients.add, quick, "a"), keys))
    added = calls.count("replace_metadata")
    assert 9 <= added <= 10
    assert calls == ["head", "replace_metadata"] * added + ["head"]
    assert len(labels(quick.head("a"))) == added + 1
    with watched(store) as calls:
        for body in (PLAIN, iter([PLAIN])):
            with pytest.raises(cb.UsageError, match="8,192"):
                quick.put("b", body, metadata=own, recipients=keys[: added + 1])
        with pytest.raises(cb.UsageError, match="8,192"):
            quick.multipart("b", data_size=len(PLAIN), metadata=own, recipients=keys[: added + 1])
        with pytest.raises(cb.UsageError, match="8,192"):
            quick.copy("a", "b", recipients=keys[: added + 1])
    assert calls == ["head"]
    quick.put("b", PLAIN, metadata=own, recipients=keys[:added])


def test_only_sealed_objects_have_recipients_to_change(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    cb.Bucket(store, cb.KeyRing(key)).put("oss", PLAIN)
    store.put("plain", PLAIN)
    bucket = sealed(store, key)
    for name in ("oss", "plain"):
        for change in (cb.recipients.add, cb.recipients.remove):
            with pytest.raises(cb.PolicyError, match=f"'{name}'"):
                change(bucket, name, PARTNER)
    with pytest.raises(cb.ObjectNotFoundError):
        cb.recipients.add(bucket, "nothing", PARTNER)


def test_a_context_is_asked_for_and_a_key_can_be_named(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    context = {"tenant": "7"}
    quick.put("a", PLAIN, context=context)
    for wrong in ({}, {"tenant": "8"}):
        with pytest.raises(cb.BindingError):
            cb.recipients.add(quick, "a", PARTNER, context=wrong)
    cb.recipients.add(quick, "a", PARTNER, context=context)
    nobody = sealed(store, STRANGER)
    with pytest.raises(cb.NoMatchingKeyError):
        cb.recipients.remove(nobody, "a", OWNER, context=context)
    cb.recipients.remove(nobody, "a", OWNER, key=PARTNER, context=context)
    assert sealed(store, PARTNER).get("a", context=context).read() == PLAIN


def swapped_recipients(store: Store) -> None:
    recipients = store.head("b").metadata["cipherbucket-recipients"]
    bend(store, "a", recipients=recipients)


def with_an_own_recipient(store: Store) -> None:
    """Add a recipient beside the owner's, as one can who knows no data key."""
    there = cb.Envelope.parse(store.head("a").metadata)
    other = cb.Envelope.parse(store.head("b").metadata)
    assert there is not None
    assert other is not None
    from cipherbucket.format.recipient_fields import encode_recipients

    both = encode_recipients((*there.recipients, other.recipients[1]))
    bend(store, "a", recipients=base64.b64encode(both).decode())


@pytest.mark.parametrize(
    ("tamper", "error"),
    [
        (swapped_recipients, cb.WrongKeyError),
        (with_an_own_recipient, cb.IntegrityError),
        (lambda s: bend(s, "a", mac=base64.b64encode(bytes(32)).decode()), cb.IntegrityError),
        (lambda s: bend(s, "a", mac=s.head("b").metadata[FIELDS[2]]), cb.IntegrityError),
        (lambda s: bend(s, "a", mac="!"), cb.EnvelopeError),
        (lambda s: bend(s, "a", recipients=None), cb.EnvelopeError),
    ],
)
def test_nothing_is_rewritten_before_its_mac_was_found_right(
    quick: cb.Bucket,
    store: cb.MemoryStore,
    tamper: Callable[[Store], None],
    error: type[cb.SecurityError],
) -> None:
    quick.put("a", PLAIN)
    quick.put("b", PLAIN, recipients=[STRANGER])
    tamper(store)
    before = state(store, "a")
    with watched(store) as calls:
        with pytest.raises(error, match="'a'"):
            cb.recipients.add(quick, "a", PARTNER)
        with pytest.raises(error, match="'a'"):
            cb.recipients.remove(quick, "a", STRANGER)
    assert calls == ["head", "head"]
    assert state(store, "a") == before


def test_an_object_served_under_another_name_gets_no_recipient(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN)
    store.copy("a", "b")
    with watched(store) as calls, pytest.raises(cb.BindingError, match="another name"):
        cb.recipients.add(quick, "b", PARTNER)
    assert calls == ["head"]


@pytest.mark.parametrize("verb", ["add", "remove", "repair"])
def test_an_object_replaced_meanwhile_is_left_as_it_is(
    verb: str, bucket: cb.Bucket, any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a", PLAIN, recipients=[PARTNER])
    if verb == "repair":
        bend(any_store, "a", mac=None)
    replace_metadata = any_store.replace_metadata
    successor: list[tuple[bytes, dict[str, str]]] = []

    def replaced_first(*args: Any, **how: Any) -> Any:
        bucket.put("a", b"another", metadata={"n": "2"})
        successor.append(state(any_store, "a"))
        return replace_metadata(*args, **how)

    monkeypatch.setattr(any_store, "replace_metadata", replaced_first)
    change: Callable[[], object] = {
        "add": lambda: cb.recipients.add(bucket, "a", STRANGER),
        "remove": lambda: cb.recipients.remove(bucket, "a", PARTNER),
        "repair": lambda: cb.recipients.repair(bucket, "a"),
    }[verb]
    with pytest.raises(cb.PreconditionFailedError):
        change()
    assert [state(any_store, "a")] == successor
    assert bucket.get("a").read() == b"another"


def test_the_footer_tells_the_first_day_without_a_key(bucket: cb.Bucket, any_store: Store) -> None:
    bucket.put("a", PLAIN, recipients=[PARTNER])
    cb.recipients.remove(bucket, "a", PARTNER)
    cb.recipients.add(bucket, "a", STRANGER)

    footer = cb.recipients.footer(cb.Bucket(any_store, cb.KeyRing()), "a")

    assert footer.name == "a"
    assert [each.description["desc"] for each in footer.recipients] == ["owner", "partner"]
    assert footer.object_id == seal_of(bucket.head("a")).object_id


def test_a_footer_longer_than_usual_is_fetched_whole(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", b"", recipients=[rsa_4096(f"r{number}") for number in range(9)])
    with watched(store) as calls:
        assert len(cb.recipients.footer(quick, "a").recipients) == 10
    assert calls == ["head", "get", "get"]
    for field in FIELDS:
        bend(store, "a", **{field.removeprefix("cipherbucket-"): None})
    assert len(labels(cb.recipients.repair(quick, "a"))) == 10
    assert quick.get("a").read() == b""


def test_what_does_not_end_as_a_sealed_body_has_no_footer(any_store: Store) -> None:
    bucket = sealed(any_store, OWNER)
    bodies = (b"", b"CBSEALED", b"\xff\xff\xff\xffCBSEALED", bytes(5000), b"\0\0\1\0CBSEALED")
    for body in bodies:
        any_store.put("a", body)
        with pytest.raises(cb.EnvelopeError, match="'a': footer"):
            cb.recipients.footer(bucket, "a")
        with pytest.raises(cb.EnvelopeError, match="'a': footer"):
            cb.recipients.repair(bucket, "a")
    with pytest.raises(cb.ObjectNotFoundError):
        cb.recipients.footer(bucket, "nothing")


def stripped(store: Store) -> None:
    bend(store, "a", seal=None, recipients=None, mac=None)


DAMAGES: dict[str, Callable[[Store], None]] = {
    "stripped": stripped,
    "without seal": lambda s: bend(s, "a", seal=None),
    "without recipients": lambda s: bend(s, "a", recipients=None),
    "without MAC": lambda s: bend(s, "a", mac=None),
    "another's": lambda s: bend(
        s, "a", **{n.removeprefix("cipherbucket-"): s.head("b").metadata[n] for n in FIELDS}
    ),
    "another's recipients": swapped_recipients,
    "broken base64": lambda s: bend(s, "a", seal="%%%", recipients="AAA"),
    "broken MAC": lambda s: bend(s, "a", mac=base64.b64encode(bytes(32)).decode()),
    "a name of no meaning": lambda s: bend(s, "a", other="x"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_repair_restores_the_envelope_of_the_first_day(
    damage: str, bucket: cb.Bucket, any_store: Store
) -> None:
    bucket.put("a", PLAIN, metadata={"owner": "me"}, content_type="text/x")
    bucket.put("b", PLAIN)
    put, body = bucket.head("a"), body_of(any_store, "a")
    DAMAGES[damage](any_store)
    with pytest.raises(cb.SecurityError):
        bucket.get("a")

    repaired = cb.recipients.repair(bucket, "a")

    assert repaired.envelope == bucket.head("a").envelope == put.envelope
    assert (repaired.metadata, repaired.headers) == (put.metadata, put.headers)
    assert bucket.get("a").read() == PLAIN
    assert body_of(any_store, "a") == body


def test_repair_gives_back_a_recipient_only_where_the_metadata_are_not_sound(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN, recipients=[PARTNER])
    cb.recipients.remove(quick, "a", PARTNER)
    cb.recipients.add(quick, "a", STRANGER)
    assert labels(cb.recipients.repair(quick, "a")) == ["owner", "stranger"]
    stripped(store)
    assert labels(cb.recipients.repair(quick, "a")) == ["owner", "partner"]


def test_repair_takes_the_right_key_context_and_name(
    quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN, context={"tenant": "7"})
    stripped(store)
    store.copy("a", "b")
    before = state(store, "a")
    twin = aes("owner")
    context = {"tenant": "7"}
    with watched(store) as calls:
        for bucket, name, how, error in [
            (sealed(store, STRANGER), "a", {"context": context}, cb.NoMatchingKeyError),
            (sealed(store, twin), "a", {"context": context}, cb.WrongKeyError),
            (quick, "a", {"context": context, "key": twin}, cb.WrongKeyError),
            (quick, "a", {"context": {"tenant": "8"}}, cb.WrongKeyError),
            (quick, "a", {}, cb.BindingError),
            (quick, "b", {"context": context}, cb.BindingError),
            (cb.Bucket(store, cb.KeyRing(OWNER)), "a", {"context": context}, cb.PolicyError),
        ]:
            with pytest.raises(error, match=f"'{name}'"):
                cb.recipients.repair(bucket, name, **how)  # type: ignore[arg-type]
    assert "replace_metadata" not in calls
    assert state(store, "a") == before
    cb.recipients.repair(quick, "a", context=context)
    assert quick.get("a", context=context).read() == PLAIN


@pytest.mark.parametrize("name", ["client-side-encryption-key", "oss-crypto-key", "oss-wrap-alg"])
def test_repair_touches_no_object_with_names_of_another_format(
    name: str, quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", PLAIN)
    there = store.head("a")
    store.replace_metadata("a", metadata={**there.metadata, name: "YQ=="}, headers={})
    with watched(store) as calls, pytest.raises(cb.EnvelopeError, match="'a'"):
        cb.recipients.repair(quick, "a")
    assert "replace_metadata" not in calls


@pytest.mark.parametrize("at", [0, 23, 24, 55, 56, 61, 76, -100, -60, -20, -10, -1])
def test_a_body_that_is_damaged_where_repair_looks_is_not_repaired(
    at: int, quick: cb.Bucket, store: cb.MemoryStore
) -> None:
    quick.put("a", b"short")
    own = {"owner": "me"}
    body = bytearray(body_of(store, "a"))
    body[at] ^= 1
    store.put("a", body, metadata=own)
    with watched(store) as calls, pytest.raises(cb.SecurityError, match="'a'"):
        cb.recipients.repair(quick, "a")
    assert "replace_metadata" not in calls
    assert store.head("a").metadata == own


def test_repair_is_of_the_object_that_was_looked_at(bucket: cb.Bucket, any_store: Store) -> None:
    put = bucket.put("a", PLAIN)
    stripped(any_store)
    before = state(any_store, "a")
    with pytest.raises(cb.PreconditionFailedError, match="'a'"):
        cb.recipients.repair(bucket, "a", if_match="another")
    assert state(any_store, "a") == before
    assert (
        cb.recipients.repair(bucket, "a", if_match=any_store.head("a").etag).envelope
        == put.envelope
    )
