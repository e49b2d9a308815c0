"""Whether a key can be retired: no yes where an object may still need it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.envelopes import v1, v2
from tests.support.sealed_buckets import aes, body_of, public_half, sealed

import cipherbucket as cb
from cipherbucket.audit.audited_object import AuditedObject, AuditedRecipient
from cipherbucket.audit.key_labels import KeyLabel
from cipherbucket.audit.retirement import Question
from cipherbucket.audit.summary import Summary
from cipherbucket.bulk import ledger as ledgers
from cipherbucket.stores.records import Page, Upload, Version

NOW = datetime(2026, 11, 20, tzinfo=UTC)
KMS_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_ID = "9999abcd-12ab-34cd-56ef-1234567890ab"


def asked(
    bucket: cb.Bucket, key: cb.MasterKey | str, *, spelled: bool = True, **how: object
) -> tuple[str, list[str]]:
    """Ask about a key that there is, unless its description is misspelled."""
    known = [json.loads(key)] if spelled and isinstance(key, str) else []
    with cb.audit.run(bucket, retire=[key], known=known, **how) as audit:  # type: ignore[arg-type]
        return audit.answers[0].answer, audit.answers[0].reasons


def of_keys(*recipients: AuditedRecipient, verified: bool | None = None) -> AuditedObject:
    return AuditedObject("o", "sealed", 500, recipients=recipients, verified=verified)


def recipient(
    kind: str, description: Mapping[str, str] | None, key: str | None = None, kms: str | None = None
) -> AuditedRecipient:
    text = json.dumps(description, separators=(",", ":"), sort_keys=True) if description else ""
    return AuditedRecipient(KeyLabel(kind, text), "whatever", None, key, kms)


def summed(key: cb.MasterKey | str, *found: AuditedObject) -> tuple[str, list[str]]:
    question = Question.about(key)
    summary = Summary(NOW, [question.knowing([question])])
    for each in found:
        summary.add(each)
    (answer,) = summary.answers([])
    return answer.answer, answer.reasons


@pytest.fixture
def bare(store: cb.MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing())


@pytest.mark.parametrize(
    "there",
    [
        '{"desc":"2024","team":"billing"}',
        '{"desc":" 2024"}',
        '{"Desc":"2024"}',
        '{"desc":"\uff12\uff10\uff12\uff14"}',
        json.dumps({"desc": "2024", "more": "x" * 500}),
    ],
)
def test_a_description_that_holds_the_one_asked_about_is_no_yes(
    store: cb.MemoryStore, bare: cb.Bucket, there: str
) -> None:
    store.put("o", b"x", metadata=v2(matdesc=there))
    assert asked(bare, '{"desc":"2024"}') == (
        "unknown",
        ["1 object of keys that were not given, whose description is nearly this one"],
    )


@pytest.mark.parametrize(
    ("there", "answer"),
    [
        ('{"desc":"2024"}', "no"),
        ('{ "desc" : "2024" }', "no"),
        ('{"d\\u0065sc":"2024"}', "no"),
        ('{"desc":"2024","desc":"2025"}', "unknown"),
        ('{"desc":"2024","n":1}', "unknown"),
        ('{"desc":"2024"} x', "unknown"),
        ("{}", "unknown"),
        ("", "unknown"),
        ('{"desc":"2025"}', "yes"),
        ('{"team":"2024"}', "yes"),
    ],
)
def test_every_spelling_of_a_description_counts(
    store: cb.MemoryStore, bare: cb.Bucket, there: str, answer: str
) -> None:
    store.put("o", b"x", metadata=v2(matdesc=there))
    store.put("v1", b"x", metadata=v1(**{"oss-crypto-matdesc": there}))
    assert asked(bare, '{"desc":"2024"}')[0] == answer


UNHEARD = (
    "no object and no key here goes by that name: a misspelling gets no yes; name the key's file"
    " or a key of cipherbucket.toml"
)


def test_a_name_that_nothing_goes_by_gets_no_yes(store: cb.MemoryStore, bare: cb.Bucket) -> None:
    pair = rsa.generate_private_key(65537, 2048)
    old = cb.RsaKey(pair, description={"desc": "2027"})
    store.put("o", b"x")
    assert asked(bare, '{"desc":"2072"}', spelled=False) == ("unknown", [UNHEARD])
    assert asked(bare, KMS_ID, spelled=False) == ("unknown", [UNHEARD])
    with cb.audit.run(
        bare, retire=[KMS_ID], known=[{"kms": f"acs:kms:cn-hangzhou:1:key/{KMS_ID}"}]
    ) as it:
        assert [each.answer for each in it.answers] == ["yes"]
    ringed = cb.Bucket(store, cb.KeyRing(old))
    for bucket, key in ((bare, old), (ringed, '{"desc":"2027"}'), (ringed, '{ "desc": "2027"}')):
        assert asked(bucket, key, spelled=False) == ("yes", [])
    ringed.put("o", b"x")
    assert asked(bare, '{"desc":"2027"}', spelled=False)[0] == "no"


def test_what_a_footer_alone_names_is_not_misspelled(store: cb.MemoryStore) -> None:
    vault, gone = aes("vault"), aes("gone")
    bucket = sealed(store, vault, gone)
    bucket.put("o", b"x", recipients=[gone])
    cb.recipients.remove(bucket, "o", gone)
    bare = cb.Bucket(store, cb.KeyRing())
    assert asked(bare, '{"desc":"gone"}', spelled=False)[0] == "unknown"
    assert asked(bare, '{"desc":"gone"}', spelled=False, footers=True)[0] == "yes"


def test_a_given_key_is_known_to_be_another(store: cb.MemoryStore) -> None:
    pair = rsa.generate_private_key(65537, 2048)
    newer = cb.RsaKey(pair, description={"desc": "2024", "team": "billing"})
    cb.Bucket(store, cb.KeyRing(newer)).put("o", b"x")
    assert asked(cb.Bucket(store, cb.KeyRing(newer)), '{"desc":"2024"}')[0] == "yes"
    assert asked(cb.Bucket(store, cb.KeyRing()), '{"desc":"2024"}')[0] == "unknown"


def test_a_key_without_a_description_may_be_any_other(store: cb.MemoryStore) -> None:
    pair = rsa.generate_private_key(65537, 2048)
    cb.Bucket(store, cb.KeyRing(cb.RsaKey(pair, description={"desc": "2024"}))).put("o", b"x")
    answer, reasons = asked(cb.Bucket(store, cb.KeyRing()), cb.RsaKey(pair))
    assert answer == "unknown"
    assert reasons[0].startswith("1 object of keys that were not given, and this key has no desc")


@pytest.mark.parametrize("spelled", ["RSA/NONE/PKCS1Padding", "rsa/none/pkcs1padding", "X-RSA"])
def test_every_spelling_of_an_algorithm_counts(
    store: cb.MemoryStore, bare: cb.Bucket, key: cb.RsaKey, spelled: str
) -> None:
    text = json.dumps(dict(key.description))
    store.put("o", b"x", metadata=v2(matdesc=text, **{"wrap-alg": spelled}))
    assert asked(bare, key)[0] == "no"
    store.put("o", b"x", metadata=v2(matdesc="", **{"wrap-alg": spelled}))
    assert asked(bare, key)[0] == "unknown"


def test_an_opened_envelope_does_not_say_who_its_second_recipient_is() -> None:
    ours = recipient("aes", {"desc": "ours"}, key="AES256:x")
    nameless = recipient("aes", None)
    assert summed('{"desc":"old"}', of_keys(ours, nameless, verified=True))[0] == "unknown"
    assert summed('{"desc":"old"}', of_keys(ours, verified=True))[0] == "yes"
    opened = recipient("aes", None, key="AES256:x")
    assert summed('{"desc":"old"}', of_keys(opened, verified=True))[0] == "yes"


@pytest.mark.parametrize(
    ("key", "there", "answer"),
    [
        (KMS_ID, recipient("kms", {"kms": KMS_ID}), "no"),
        (KMS_ID, recipient("kms", {"kms": f"acs:kms:cn-hangzhou:1:key/{KMS_ID}"}), "no"),
        (f"acs:kms:cn-hangzhou:1:key/{KMS_ID}", recipient("kms", {"kms": KMS_ID}), "no"),
        (KMS_ID, recipient("kms", {"kms": OTHER_ID}), "yes"),
        (KMS_ID, recipient("kms", {"kms": "alias/old"}), "unknown"),
        (KMS_ID, recipient("kms", {"kms": "alias/old"}, kms=OTHER_ID), "yes"),
        (KMS_ID, recipient("kms", {"kms": "alias/old"}, kms=KMS_ID), "no"),
        (KMS_ID, recipient("kms", None, kms=KMS_ID), "no"),
        (KMS_ID, recipient("kms", {"desc": "x"}), "unknown"),
        ("alias/old", recipient("kms", {"kms": "alias/old"}), "no"),
        ("alias/old", recipient("kms", {"kms": KMS_ID}), "unknown"),
        ("alias/old", recipient("kms", {"kms": "alias/new"}), "unknown"),
        ("alias/old", recipient("kms", {"kms": KMS_ID}, kms=KMS_ID), "unknown"),
        ('{"kms":"alias/old"}', recipient("kms", {"kms": KMS_ID}), "unknown"),
        ('{"desc":"old"}', recipient("kms", None, kms=KMS_ID), "unknown"),
        ("alias/old", recipient("rsa", {"desc": "new"}), "yes"),
    ],
)
def test_names_of_kms_keys(key: str, there: AuditedRecipient, answer: str) -> None:
    assert summed(key, of_keys(there))[0] == answer


def test_a_kms_key_is_known_by_its_id_whatever_its_description(bare: cb.Bucket) -> None:
    settings = cb.KmsSettings(endpoint="http://127.0.0.1:9", credentials=cb.Credentials("a", "b"))
    key = cb.AliKmsKey(KMS_ID, settings, description={"desc": "prod"})
    assert summed(key, of_keys(recipient("kms", {"kms": KMS_ID})))[0] == "no"
    assert summed(key, of_keys(recipient("kms", {"desc": "x"}, kms=KMS_ID)))[0] == "no"


def test_the_table_of_keys_goes_by_what_the_kms_said() -> None:
    settings = cb.KmsSettings(endpoint="http://127.0.0.1:9", credentials=cb.Credentials("a", "b"))
    summary = Summary(NOW, [], [cb.AliKmsKey(KMS_ID, settings)])
    summary.add(of_keys(recipient("kms", {"team": "billing"}, kms=KMS_ID)))
    answers = {label.description: each.answer for label, each in summary.retirements([]).items()}
    assert answers == {f'{{"kms":"{KMS_ID}"}}': "no", '{"team":"billing"}': "no"}


def test_a_key_that_footers_alone_name_is_not_answered_unasked() -> None:
    summary = Summary(NOW)
    old = recipient("rsa", {"desc": "old"})
    summary.add(AuditedObject("o", "sealed", 500, removed=(old,)))
    (answer,) = summary.retirements([]).values()
    assert (answer.answer, answer.removed) == ("unknown", 1)


def test_nothing_that_was_looked_at_is_no_yes(store: cb.MemoryStore, bare: cb.Bucket) -> None:
    assert asked(bare, '{"desc":"old"}') == ("unknown", ["there was no object to look at"])
    store.put("there", b"x")
    assert asked(bare, '{"desc":"old"}', prefix="misspelt/")[0] == "unknown"
    assert asked(bare, '{"desc":"old"}')[0] == "yes"


def test_unfinished_uploads_may_be_of_any_key(store: cb.MemoryStore, bare: cb.Bucket) -> None:
    store.put("a/there", b"x")
    upload = store.begin_upload("a/big", metadata=v2(matdesc='{"desc":"old"}'))
    answer, reasons = asked(bare, '{"desc":"old"}', prefix="a/")
    assert answer == "unknown"
    assert reasons == [
        "1 unfinished upload, whose key the store does not report: complete or abort it"
    ]
    store.abort_upload("a/big", upload)
    assert asked(bare, '{"desc":"old"}', prefix="a/")[0] == "yes"


def test_bodies_that_lost_their_metadata_need_their_key(store: cb.MemoryStore) -> None:
    vault = aes("vault")
    sealed(store, vault).put("o", b"x")
    store.put("o", body_of(store, "o"))
    bucket = cb.Bucket(store, cb.KeyRing())
    answer, reasons = asked(bucket, vault)
    assert (answer, reasons) == (
        "unknown",
        ["1 object without an envelope, which may be sealed and have lost it (--footers)"],
    )
    assert asked(bucket, vault, footers=True)[1] == ["1 object sealed, without their metadata"]
    store.put("o", b"x" * 10_000)
    assert asked(bucket, vault, footers=True)[0] == "yes"


class Versioned(cb.MemoryStore):
    """A store that lists these versions, as a hostile or a suspended bucket may."""

    kept: tuple[Version, ...] = ()
    refuses = False

    def _list_versions(self, prefix: str) -> Iterator[Version]:
        if self.refuses:
            raise cb.StoreError("AccessDenied (HTTP 403)")
        yield from self.kept

    def _list_uploads(self, prefix: str) -> list[Upload]:
        if self.refuses:
            raise cb.StoreError("AccessDenied (HTTP 403)")
        return []


def version(name: str, version_id: str, *, latest: bool = True, marker: bool = False) -> Version:
    return Version(
        name=name,
        version_id=version_id,
        is_latest=latest,
        is_delete_marker=marker,
        size=1,
        etag="e",
        modified=NOW,
    )


@pytest.mark.parametrize(
    ("kept", "answer"),
    [
        ([version("a", "null"), version("b", "null")], "yes"),
        ([version("a", "null"), version("b", "v1")], "unknown"),
        ([version("a", "null", marker=True), version("a", "v1", latest=False)], "unknown"),
        ([version("a", "null"), version("b", "null", marker=True)], "unknown"),
    ],
)
def test_versions_of_a_bucket_whose_versioning_is_suspended(
    kept: list[Version], answer: str
) -> None:
    store = Versioned()
    store.kept = tuple(kept)
    store.put("a", b"x")
    assert asked(cb.Bucket(store, cb.KeyRing()), '{"desc":"old"}')[0] == answer


def test_what_the_store_does_not_let_us_see_is_unknown() -> None:
    store = Versioned()
    store.put("a", b"x")
    store.refuses = True
    answer, reasons = asked(cb.Bucket(store, cb.KeyRing()), '{"desc":"old"}')
    assert (answer, reasons) == ("unknown", ["whether uploads are unfinished is not known"])


class Folding(cb.MemoryStore):
    """A store that folds what it was not asked to fold."""

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        return super()._list(prefix, "/", token, limit, start_after)


def test_a_listing_that_is_folded_is_no_listing(key: cb.RsaKey) -> None:
    store = Folding()
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("a", b"x")
    bucket.put("below/b", b"x")
    with pytest.raises(cb.StoreError, match="stands for all below it"):
        cb.audit.run(bucket)
    with pytest.raises(cb.StoreError, match="stands for all below it"):
        cb.verify_all(bucket)


def interrupted(bucket: cb.Bucket) -> None:
    """Leave an audit's ledger behind, as a report that cannot be written does."""
    with pytest.raises(cb.UsageError), cb.audit.run(bucket) as audit:
        audit.write_csv("/nowhere/at/all.csv")


def test_a_ledger_that_was_left_behind_is_not_believed_of_the_same_second(
    store: cb.MemoryStore, key: cb.RsaKey
) -> None:
    vault = aes("vault")
    bucket = cb.Bucket(store, cb.KeyRing(vault, key), format="sealed")
    bucket.put("o", b"x")
    interrupted(bucket)
    kept = store.head("o")
    cb.recipients.add(bucket, "o", public_half(key))
    assert store.head("o").etag == kept.etag
    assert asked(bucket, key)[0] == "no"


def test_a_ledger_that_was_left_behind_says_nothing_of_what_is_gone(
    store: cb.MemoryStore, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_MOMENT", timedelta(0))
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("gone", b"x")
    store.put("there", b"x")
    interrupted(bucket)
    bucket.delete("gone")
    with cb.audit.run(bucket, retire=[key]) as audit:
        assert [each.name for each in audit.objects()] == ["there"]
        assert [each.answer for each in audit.answers] == ["yes"]
        assert audit.facts.resumed == 1
        assert any("an earlier run" in note for note in audit.facts.notes)


def test_a_ledger_is_not_believed_after_a_week(
    store: cb.MemoryStore, key: cb.RsaKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_MOMENT", timedelta(0))
    bucket = cb.Bucket(store, cb.KeyRing(key))
    bucket.put("o", b"x")
    for lasting, resumed in ((timedelta(days=7), 1), (timedelta(0), 0)):
        interrupted(bucket)
        monkeypatch.setattr(ledgers, "MAX_AGE", lasting)
        with cb.audit.run(bucket) as audit:
            assert audit.facts.resumed == resumed
