"""Audits over HTTP: killed and run again, of a store that fails, keeps versions, and of a KMS."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import alibabacloud_oss_v2 as sdk
import pytest
from tests.cli.runs import PROGRAM, base
from tests.support.counts import count
from tests.support.sealed_buckets import aes, sealed
from tests.support.served_oss import oss_environment, settings_of

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.server.kms import KmsEndpoint
from cipherbucket.transfers.state import state_folder

OBJECTS = count(2_000, 300)


def environment(endpoint: Endpoint) -> dict[str, str]:
    return {
        **base(),
        **oss_environment(endpoint),
    }


@pytest.fixture(scope="module")
def slow() -> Iterator[Endpoint]:
    """Serve many objects, each answer a little late."""
    with Endpoint(buckets=["audited"], faults="slow,delay=0.01") as endpoint:
        key = aes("vault")
        with cb.open_bucket("oss://audited", key, settings=settings_of(endpoint)) as bucket:
            for number in range(OBJECTS):
                bucket.put(f"{number:06}", b"x")
        yield endpoint


@pytest.mark.each_value
@pytest.mark.parametrize("verb", ["audit", "verify"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_is_killed_goes_on(
    slow: Endpoint, verb: str, number: signal.Signals, tmp_path: Path
) -> None:
    cb.create_aes_key_file(tmp_path / "any.key", description={"desc": "any"})
    command = ["verify", "-r", "-k", tmp_path / "any.key"] if verb == "verify" else ["audit"]
    with subprocess.Popen(
        [*PROGRAM, *map(str, command), "--workers", "1", "oss://audited"],
        env=environment(slow),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 60_000 for path in state_folder().glob("*-wal")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
        said = process.stderr.read().decode()
        code = process.wait(30)
    if number == signal.SIGINT:
        assert code == 130
        assert said == "cipherbucket: interrupted; run the same command again to go on\n"
    else:
        assert code == -signal.SIGKILL
    (ledger,) = state_folder().glob("*.ledger")
    assert ledger.stat().st_mode & 0o777 == 0o600
    if verb == "audit":
        with cb.open_bucket("oss://audited", settings=settings_of(slow)) as bucket:
            audit = cb.audit.run(bucket)
            assert 0 < audit._ledger.resumed < OBJECTS
            names = [each.name for each in audit.objects()]
            assert names == [f"{number:06}" for number in range(OBJECTS)]
            audit.close()
        assert not list(state_folder().glob("*.ledger*"))


def test_a_store_that_fails_now_and_then_is_asked_again(key: cb.RsaKey) -> None:
    with (
        Endpoint(buckets=["failing"], faults="500=0.1,503=0.1,reset=0.1,seed=3") as endpoint,
        cb.open_bucket("oss://failing", key, settings=settings_of(endpoint)) as bucket,
    ):
        for number in range(40):
            bucket.put(f"{number:02}", b"x")
        with cb.audit.run(bucket) as audit:
            assert audit.summary.objects == 40
            answered = [each for each in audit.objects() if each.format == "oss"]
            assert all(each.verified for each in answered)
            failed = audit.summary.formats.get("failed", [0, 0])[0]
            assert len(answered) + failed == 40
            assert len(answered) >= 30


@pytest.fixture
def versioned(key: cb.RsaKey) -> Iterator[cb.Bucket]:
    with Endpoint(buckets=["versioned"]) as endpoint:
        config = sdk.config.load_default()
        config.region, config.endpoint = endpoint.region, endpoint.url
        config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
            endpoint.access_key_id, endpoint.access_key_secret
        )
        sdk.Client(config).put_bucket_versioning(
            sdk.PutBucketVersioningRequest(
                bucket="versioned",
                versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
            )
        )
        with cb.open_bucket("oss://versioned", key, settings=settings_of(endpoint)) as bucket:
            yield bucket


def test_old_versions_name_old_keys(versioned: cb.Bucket) -> None:
    vault = aes("old")
    sealed(versioned.access.store, vault).put("a", b"old")
    versioned.put("a", b"new")
    with cb.audit.run(versioned, retire=[vault]) as audit:
        (asked,) = audit.answers
        assert (asked.answer, audit.facts.versions) == ("unknown", "not looked at")
        assert asked.reasons == ["old versions were not looked at, and the store keeps them"]
    with cb.audit.run(versioned, versions=True, retire=[vault]) as audit:
        (asked,) = audit.answers
        old = list(versioned.versions("a"))[1].version_id
        assert (asked.answer, asked.first) == ("no", [f"a (version {old})"])
        assert audit.facts.whole == "2 versions of 1 object"
        assert [each.format for each in audit.objects()] != ["oss"]
        assert len({each.version_id for each in audit.objects()}) == 2


def test_what_was_deleted_is_there_still(versioned: cb.Bucket) -> None:
    versioned.put("a", b"x")
    versioned.delete("a")
    (key,) = versioned.ring.keys
    with cb.audit.run(versioned, retire=[key]) as audit:  # nothing is listed, and yet
        assert [each.answer for each in audit.answers] == ["unknown"]
    with cb.audit.run(versioned, versions=True, retire=[key]) as audit:
        assert [each.answer for each in audit.answers] == ["no"]


def test_an_unversioned_bucket_has_no_old_versions(key: cb.RsaKey) -> None:
    with (
        Endpoint(buckets=["plain"]) as endpoint,
        cb.open_bucket("oss://plain", key, settings=settings_of(endpoint)) as bucket,
    ):
        bucket.put("a", b"x")
        for versions in (False, True):
            with cb.audit.run(bucket, versions=versions, retire=[aes("old")]) as audit:
                assert [each.answer for each in audit.answers] == ["yes"]


@pytest.mark.parametrize("format", ["oss", "sealed"])
def test_the_kms_tells_which_key_it_is(format: str, store: cb.MemoryStore) -> None:  # noqa: A002
    with KmsEndpoint(aliases=["alias/one", "alias/two"]) as kms:
        credentials = cb.Credentials(kms.access_key_id, kms.access_key_secret, kms.security_token)
        settings = cb.KmsSettings(endpoint=kms.url, credentials=credentials)
        one, two = kms.key_id("alias/one"), kms.key_id("alias/two")
        honest = cb.AliKmsKey(one, settings)
        lying = cb.AliKmsKey(two, settings, description={"kms": one})
        nameless = cb.AliKmsKey(two, settings, description={"team": "billing"})
        for name, key in (("honest", honest), ("lying", lying), ("nameless", nameless)):
            cb.Bucket(store, cb.KeyRing(key), format=format).put(name, b"x")
        bucket = cb.Bucket(store, cb.KeyRing())
        with cb.audit.run(bucket, retire=[two], known=[{"kms": two}]) as audit:
            assert [each.findings for each in audit.objects()] == [(), (), ()]
            (asked,) = audit.answers  # a description names no key of a KMS, but by its id
            assert asked.answer == "unknown"
            assert asked.reasons == ["1 object of KMS keys whose ids are not known (--ask-kms)"]
        with cb.audit.run(bucket, prefix="honest", retire=[two], known=[{"kms": two}]) as audit:
            assert [each.answer for each in audit.answers] == ["yes"]
        with cb.audit.run(bucket, ask_kms=honest, retire=[two, one]) as audit:
            told = {each.name: each for each in audit.objects()}
            assert {name: each.recipients[0].kms_id for name, each in told.items()} == {
                "honest": one,
                "lying": two,
                "nameless": two,
            }
            assert told["lying"].findings == ("kms",)
            assert told["honest"].findings == told["nameless"].findings == ()
            assert [(each.answer, each.objects) for each in audit.answers] == [("no", 2), ("no", 2)]


def test_what_the_kms_does_not_know_is_unknown(store: cb.MemoryStore, key: cb.RsaKey) -> None:
    with KmsEndpoint(aliases=["alias/one"]) as first, KmsEndpoint(aliases=["alias/one"]) as other:
        keys = [
            cb.AliKmsKey(
                kms.key_id("alias/one"),
                cb.KmsSettings(
                    endpoint=kms.url,
                    credentials=cb.Credentials(
                        kms.access_key_id, kms.access_key_secret, kms.security_token
                    ),
                ),
            )
            for kms in (first, other)
        ]
        cb.Bucket(store, cb.KeyRing(keys[0])).put("elsewhere", b"x")
        with cb.audit.run(cb.Bucket(store, cb.KeyRing()), ask_kms=keys[1], retire=[key]) as audit:
            (found,) = audit.objects()
            assert found.findings == ("kms",)
            (asked,) = audit.answers
            assert asked.answer == "unknown"
            assert asked.reasons == ["1 object of a KMS key that the KMS does not name"]


def test_a_kms_that_is_down_takes_nothing_else_away(store: cb.MemoryStore) -> None:
    with KmsEndpoint(aliases=["alias/one"]) as kms:
        credentials = cb.Credentials(kms.access_key_id, kms.access_key_secret, kms.security_token)
        settings = cb.KmsSettings(endpoint=kms.url, credentials=credentials)
        one = kms.key_id("alias/one")
        for number in range(130):
            cb.Bucket(store, cb.KeyRing(cb.AliKmsKey(one, settings))).put(f"{number:03}", b"x")
    down = cb.KmsSettings(endpoint="http://127.0.0.1:9", credentials=credentials, attempts=1)
    asking = cb.AliKmsKey(one, down)
    asked: list[cb.MasterKey | str] = [one, aes("unused")]
    with cb.audit.run(
        cb.Bucket(store, cb.KeyRing()), ask_kms=asking, retire=asked, workers=2
    ) as audit:
        assert {each.format for each in audit.objects()} == {"oss"}
        assert {each.recipients[0].label.kms_id for each in audit.objects()} == {one}
        assert audit.summary.formats["oss"][0] == 130
        assert audit.summary.findings["unasked"][0] == 130
        ((reason, number),) = audit.summary.reasons("unasked")
        assert "127.0.0.1" in reason
        assert number == 130
        assert [each.answer for each in audit.answers] == ["no", "yes"]
    other = cb.AliKmsKey("1234abcd", down)
    with cb.audit.run(
        cb.Bucket(store, cb.KeyRing()), "00", ask_kms=asking, retire=[other]
    ) as audit:
        (answer,) = audit.answers
        assert answer.answer == "unknown"
        assert answer.reasons == ["10 objects of KMS keys, and the KMS could not be asked which"]


def test_what_the_kms_was_not_asked_is_asked_by_the_run_that_goes_on(
    store: cb.MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    with KmsEndpoint(aliases=["alias/one"]) as kms:
        credentials = cb.Credentials(kms.access_key_id, kms.access_key_secret, kms.security_token)
        up = cb.KmsSettings(endpoint=kms.url, credentials=credentials)
        down = cb.KmsSettings(endpoint="http://127.0.0.1:9", credentials=credentials, attempts=1)
        one = kms.key_id("alias/one")
        cb.Bucket(store, cb.KeyRing(cb.AliKmsKey(one, up))).put("a", b"x")
        bucket = cb.Bucket(store, cb.KeyRing())
        with (
            pytest.raises(cb.UsageError),
            cb.audit.run(bucket, ask_kms=cb.AliKmsKey(one, down)) as audit,
        ):
            audit.write_csv("/nowhere/at/all.csv")  # which leaves the ledger behind
        with cb.audit.run(bucket, ask_kms=cb.AliKmsKey(one, up)) as audit:
            assert [each.recipients[0].kms_id for each in audit.objects()] == [one]
            assert audit.summary.findings == {}
