"""Objects under KMS keys against the local KMS endpoint, which verifies what the SDK signs."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.peer_sdks import forgotten_sockets_collected
from tests.support.sdk_vectors import rsa_key

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint

ALIASES = ["alias/one", "alias/two"]
BODY = random.Random(7).randbytes(300_000)


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsEndpoint]:
    with KmsEndpoint(aliases=ALIASES) as running:
        yield running


def settings(kms: KmsEndpoint, **options: Any) -> cb.KmsSettings:
    given = {
        "endpoint": kms.url,
        "credentials": cb.Credentials(kms.access_key_id, kms.access_key_secret, kms.security_token),
        **options,
    }
    return cb.KmsSettings(**given)


def key_of(kms: KmsEndpoint, name: str = "alias/one", **options: Any) -> cb.AliKmsKey:
    return cb.AliKmsKey(kms.key_id(name), settings(kms), **options)


def bucket_of(key: cb.MasterKey, store: Any = None, format: str = "oss") -> cb.Bucket:  # noqa: A002
    store = cb.MemoryStore() if store is None else store
    return cb.Bucket(store, cb.KeyRing(key), format=format)


@pytest.mark.parametrize(
    ("options", "format"),
    [
        ({}, "oss"),
        ({"blob": "double"}, "oss"),
        ({"passphrase": "open sesame"}, "oss"),
        ({"encryption_context": {"team": "größe", "a": "1"}}, "oss"),
        ({}, "sealed"),
    ],
    ids=repr,
)
def test_put_get_ranges_and_files(
    kms: KmsEndpoint,
    tmp_path: Path,
    options: dict[str, Any],
    format: str,  # noqa: A002
) -> None:
    key = key_of(kms, **options)
    bucket = bucket_of(key, format=format)
    bucket.put("name", BODY)
    assert bucket.get("name").read() == BODY
    assert bucket.get("name", start=77_777, length=33).read() == BODY[77_777:77_810]
    assert bucket.get("name", tail=7).read() == BODY[-7:]
    (tmp_path / "file").write_bytes(BODY)
    bucket.upload(tmp_path / "file", "in parts", part_size=128 << 10)
    bucket.download("in parts", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BODY
    assert set(key.opened_with) == {kms.key_id("alias/one")}
    assert bucket.head("name").envelope.recipients[0].description == key.description  # type: ignore[union-attr]


def test_recipients_come_and_go(kms: KmsEndpoint) -> None:
    old, new = key_of(kms), key_of(kms, "alias/two")
    recovery = rsa_key("key1").described({"desc": "recovery"})
    store = cb.MemoryStore()
    vault = bucket_of(old, store, "sealed")
    vault.put("name", BODY, recipients=[recovery])
    for key in (old, recovery):
        assert bucket_of(key, store, "sealed").get("name").read() == BODY

    cb.recipients.add(vault, "name", new)
    cb.recipients.remove(vault, "name", old)

    with pytest.raises(cb.NoMatchingKeyError):
        vault.get("name")
    for key in (new, recovery):
        assert bucket_of(key, store, "sealed").get("name", tail=9).read() == BODY[-9:]
    assert set(new.opened_with) == {kms.key_id("alias/two")}


def test_a_sealed_key_moved_to_another_object_does_not_unwrap(kms: KmsEndpoint) -> None:
    key = key_of(kms)
    context = [b"cipherbucket/sealed/v1\0" + bytes([n]) * 16 for n in (1, 2)]
    wrapped = key.wrap(bytes(32), algorithm="ALIBABA-KMS", context=context[0])
    assert key.unwrap(wrapped, algorithm="ALIBABA-KMS", context=context[0]) == bytes(32)
    with pytest.raises(cb.WrongKeyError):
        key.unwrap(wrapped, algorithm="ALIBABA-KMS", context=context[1])


def test_aliases_write_and_lists_name_keys_by_alias(kms: KmsEndpoint) -> None:
    label = {"desc": "shared"}
    store = cb.MemoryStore()
    by_alias = cb.AliKmsKey("alias/two", settings(kms), description=label, allowed=[])
    bucket_of(by_alias, store).put("name", b"content")
    assert bucket_of(by_alias, store).get("name").read() == b"content"
    for allowed, opens in ((["alias/two"], True), ([], False), (None, True)):
        key = key_of(kms, description=label, allowed=allowed)
        if opens:
            assert bucket_of(key, store).get("name").read() == b"content"
            continue
        with pytest.raises(cb.WrongKeyError):
            bucket_of(key, store).get("name")


def test_temporary_credentials(tmp_path: Path) -> None:
    with KmsEndpoint(aliases=ALIASES, security_token="token") as kms:
        assert bucket_of(key_of(kms)).put("name", b"content")
        bare = cb.Credentials(kms.access_key_id, kms.access_key_secret)
        key = cb.AliKmsKey("alias/one", settings(kms, credentials=bare))
        with pytest.raises(cb.KmsError):
            bucket_of(key).put("name", b"content")


def test_https_with_a_certificate_authority_of_its_own(tmp_path: Path) -> None:
    with (
        forgotten_sockets_collected(),
        KmsEndpoint(aliases=ALIASES, tls=tmp_path / "tls") as kms,
    ):
        assert kms.url.startswith("https://")
        trusting = settings(kms, ca_file=str(kms.certificate))
        bucket = bucket_of(cb.AliKmsKey("alias/one", trusting))
        bucket.put("name", b"content")
        assert bucket.get("name").read() == b"content"
        for options, works in (({}, False), ({"verify": False}, True)):
            key = cb.AliKmsKey("alias/one", settings(kms, attempts=1, **options))
            if works:
                with pytest.warns(Warning, match="Unverified HTTPS"):
                    assert bucket.get("name", key=key).read() == b"content"
                continue
            with pytest.raises(cb.KmsError, match="not trusted"):
                bucket.get("name", key=key)


def test_a_disabled_key_is_told_as_that_and_opens_again_when_enabled(kms: KmsEndpoint) -> None:
    with KmsEndpoint(aliases=ALIASES) as own:
        key = key_of(own)
        bucket = bucket_of(key)
        bucket.put("name", b"content")
        key._client._call("DisableKey", "", KeyId=key.id)
        for call in (lambda: bucket.put("other", b""), lambda: bucket.get("name")):
            with pytest.raises(cb.KmsError, match="disabled") as caught:
                call()
            assert caught.value.code == "Rejected.Disabled"
        key._client._call("EnableKey", "", KeyId=key.id)
        assert bucket.get("name").read() == b"content"


def test_a_wrong_secret_a_wrong_key_id_and_a_key_of_another_kms(kms: KmsEndpoint) -> None:
    wrong = cb.Credentials(kms.access_key_id, "not the secret")
    with pytest.raises(cb.KmsError, match="signature") as caught:
        bucket_of(cb.AliKmsKey("alias/one", settings(kms, credentials=wrong))).put("name", b"")
    assert "not the secret" not in str(caught.value)
    with pytest.raises(cb.MasterKeyError, match="no key 'alias/three'"):
        bucket_of(cb.AliKmsKey("alias/three", settings(kms))).put("name", b"")
    with KmsEndpoint(aliases=ALIASES) as other:
        theirs = key_of(other, description={"desc": "x"})
        bucket = bucket_of(theirs)
        bucket.put("name", b"content")
        with pytest.raises(cb.WrongKeyError):
            bucket.get("name", key=key_of(kms))


def test_all_goes_well_on_a_bad_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.keys.kms.client._LONGEST_PAUSE", 0.01)
    monkeypatch.setattr("cipherbucket.keys.kms.client._FIRST_PAUSE", 0.001)
    faults = "429=0.3,500=0.1,503=0.1,reset=0.05,truncate=0.05,garbage=0.05,slow=0.05,delay=0.01"
    with KmsEndpoint(aliases=ALIASES, faults=faults) as kms:
        key = cb.AliKmsKey("alias/one", settings(kms, attempts=50))
        for format in ("oss", "sealed"):  # noqa: A001
            bucket = bucket_of(key, format=format)
            for number in range(12):
                bucket.put(str(number), BODY[number:1000])
            for number in range(12):
                assert bucket.get(str(number)).read() == BODY[number:1000]


def test_an_answer_that_names_another_key_is_refused_where_keys_are_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with KmsEndpoint(aliases=ALIASES, faults="key") as kms:
        key, strict = key_of(kms), key_of(kms, allowed=[])
        bucket = bucket_of(key)
        bucket.put("name", b"content")
        assert bucket.get("name").read() == b"content"
        assert key.opened_with
        assert key.id not in key.opened_with
        with pytest.raises(cb.WrongKeyError):
            bucket.get("name", key=strict)
        assert "is not among those allowed" in caplog.text
