"""A bucket of all formats and kinds of trouble: one run does it, and a dry run foresees all of it.

What the run leaves undone, and why, is what the dry run said, object by object.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.runs import invoke
from tests.support.counts import count
from tests.support.mixed_bucket import (
    CONTEXT,
    PLAIN,
    aes_key,
    fill,
    outcomes,
    public_half,
    ring,
    rsa_key,
)
from tests.support.rotation_scenes import LikeOss, labels, rsa_pair
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.keys.description_files import encode_facts
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store

FORMATS = ["oss", "oss-v1", "sealed"]
_numbers = itertools.count()

BROKEN = {
    "damaged/algorithm": "EnvelopeError",
    "damaged/field": "EnvelopeError",
    "damaged/v1": "PolicyError",
    "damaged/v2": "PolicyError",
    "oss/imposter": "WrongKeyError",
    "oss/missing": "NoMatchingKeyError",
    "oss/public": "MasterKeyError",
    "oss/truncated": "IntegrityError",
    "sealed/altered": "IntegrityError",
    "sealed/context": "BindingError",
    "sealed/imposter": "WrongKeyError",
    "sealed/missing": "NoMatchingKeyError",
    "sealed/moved": "BindingError",
    "sealed/public": "MasterKeyError",
}
"""What fails for everybody, and with what."""
EXPECTED: dict[str, dict[str, str]] = {
    "rewrap_all": {
        **BROKEN,
        "foreign": "skipped",
        "oss/empty": "done",
        "oss/new": "skipped",
        "oss/old": "done",
        "oss/weak": "done",
        "plain": "skipped",
        "sealed/aes": "done",
        "sealed/new": "skipped",
        "sealed/rsa": "done",
        "sealed/shared": "done",
        "sealed/strange-recipient": "done",
        "sealed/unbound": "done",
        "v1": "PolicyError",
    },
    "reencrypt_all": {
        **BROKEN,
        "foreign": "skipped",
        "oss/empty": "done",
        "oss/new": "done",
        "oss/old": "done",
        "oss/weak": "done",
        "plain": "skipped",
        "sealed/aes": "done",
        "sealed/new": "done",
        "sealed/rsa": "done",
        "sealed/shared": "done",
        "sealed/strange-recipient": "MasterKeyError",
        "sealed/unbound": "done",
        "v1": "done",
    },
    "verify_all": {
        **BROKEN,
        "foreign": "plaintext",
        "oss/empty": "done",
        "oss/new": "done",
        "oss/old": "done",
        "oss/weak": "done",
        "plain": "plaintext",
        "sealed/aes": "done",
        "sealed/new": "done",
        "sealed/rsa": "done",
        "sealed/shared": "done",
        "sealed/strange-recipient": "done",
        "sealed/unbound": "done",
        "v1": "done",
    },
}
NEW = (aes_key("new"), rsa_key("new"))
"""Neither writes all formats: an AES key seals, and the RSA key comes second."""


def all_formats(store: Store, *further: cb.MasterKey, **policy: Any) -> cb.Bucket:
    how: dict[str, Any] = {"formats": FORMATS, "unbound_names": True, **policy}
    return cb.Bucket(store, cb.KeyRing(*ring(), *further), policy=cb.Policy(**how))


def done_by(verb: str) -> Callable[..., Any]:
    return getattr(cb if verb == "verify_all" else cb.rotation, verb)  # type: ignore[no-any-return]


@pytest.mark.parametrize("verb", EXPECTED)
def test_one_run_does_all_formats_and_a_dry_run_foresees_what_fails(
    any_store: Store, verb: str
) -> None:
    prefix = f"mixed/{next(_numbers)}/"
    fill(any_store, prefix)
    bucket = all_formats(any_store, *NEW, plaintext=verb == "verify_all")
    how: dict[str, Any] = {} if verb == "verify_all" else {"to": NEW}
    before = {each.name: any_store.head(each.name) for each in bucket.list(prefix)}
    with done_by(verb)(bucket, prefix, dry_run=True, **how) as report:
        foreseen = outcomes(report)
        planned = getattr(report, "moved", 0), getattr(report, "reasons", {})
    assert {each.name: any_store.head(each.name) for each in bucket.list(prefix)} == before
    with done_by(verb)(bucket, prefix, **how) as report:
        assert outcomes(report) == foreseen
        assert (getattr(report, "moved", 0), getattr(report, "reasons", {})) == planned
    came = {
        name.removeprefix(prefix): error or status for name, (status, error, _) in foreseen.items()
    }
    assert came == EXPECTED[verb]
    if verb != "verify_all":
        assert_rotated(bucket, prefix, came)


def assert_rotated(bucket: cb.Bucket, prefix: str, came: Mapping[str, str]) -> None:
    """See that what was done has a new key, its own format and its content."""
    reader = all_formats(bucket.access.store, *NEW)
    for name in (each for each, status in came.items() if status == "done"):
        info = reader.head(prefix + name)
        assert info.format == ("sealed" if name.startswith("sealed/") else "oss")
        assert labels(info)[0] == "new", name
        if name not in {"oss/empty", "v1"}:
            assert reader.get(prefix + name).read() == PLAIN


_DRAWN_KEYS = [rsa_key("new"), aes_key("new"), public_half("new"), rsa_key("old")]


@pytest.mark.filterwarnings("ignore:key .* writes without a description")
@settings(max_examples=count(300, 12), deadline=None)
@given(data=st.data())
def test_a_dry_run_and_the_run_agree_whatever_is_asked_for(data: st.DataObject) -> None:
    draw = data.draw
    store = LikeOss() if draw(st.booleans(), label="like OSS") else cb.MemoryStore()
    fill(store, "m/")
    formats = draw(st.sets(st.sampled_from(FORMATS), min_size=1), label="formats")
    format_ = draw(st.sampled_from(sorted(formats - {"oss-v1"} or {"oss"})), label="format")
    keys = draw(st.lists(st.sampled_from(ring()), unique=True, max_size=6), label="ring")
    to = draw(st.lists(st.sampled_from(_DRAWN_KEYS), unique=True, max_size=3), label="to")
    verb = draw(st.sampled_from(list(EXPECTED)), label="verb")
    how: dict[str, Any] = {"context": draw(st.sampled_from([{}, CONTEXT]), label="context")}
    if draw(st.booleans(), label="forced"):
        how["key"] = draw(st.sampled_from(ring()), label="key")
    if verb != "verify_all":
        how["to"] = to or None
        how["only"] = draw(
            st.sampled_from([None, {"desc": "old"}, rsa_key("public")]), label="only"
        )
    if verb == "reencrypt_all":
        kinds = st.sets(st.sampled_from([*FORMATS, "plaintext"]))
        how["kinds"] = draw(kinds, label="kinds")
        if format_ == "sealed":
            how["recipients"] = draw(st.sampled_from([None, [], [rsa_key("bob")]]), label="for")
    bucket = cb.Bucket(
        store,
        cb.KeyRing(*keys),
        format=format_,
        policy=cb.Policy(
            formats | {format_},
            plaintext=draw(st.booleans(), label="plaintext"),
            min_rsa_bits=draw(st.sampled_from([1024, 2048]), label="bits"),
            unbound_names=draw(st.booleans(), label="unbound"),
            strict_iv=draw(st.booleans(), label="strict IV"),
        ),
    )
    seen = [run(verb, bucket, how, dry_run=dry_run) for dry_run in (True, False)]
    assert seen[0] == seen[1]


def run(verb: str, bucket: cb.Bucket, how: dict[str, Any], *, dry_run: bool) -> Any:
    try:
        with done_by(verb)(bucket, "m/", dry_run=dry_run, **how) as report:
            totals = getattr(report, "moved", 0), dict(getattr(report, "reasons", {}))
            return outcomes(report), totals
    except cb.CipherbucketError as error:
        return type(error), error.message


@pytest.fixture(params=["directory", "http"])
def mixed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Return the URL of a mixed bucket, in the working folder of a command line."""
    monkeypatch.chdir(tmp_path)
    if request.param == "directory":
        cb.make_bucket(f"file://{tmp_path}/store")
        with cb.open_store(f"file://{tmp_path}/store") as store:
            fill(store, "m/")
        yield f"file://{tmp_path}/store"
        return
    with Endpoint(buckets=["mixed"]) as endpoint:
        for name, value in oss_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        with cb.open_store("oss://mixed") as store:
            fill(store, "m/")
        yield "oss://mixed"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Return key files of the old keys and the new ones; that of ``v1`` is not among them."""
    return {
        name: write_key(tmp_path / name, label)
        for name, label in [
            ("old.pem", "old"),
            ("old.key", "old"),
            ("bob.pem", "bob"),
            ("new.pem", "new"),
            ("new.key", "new"),
        ]
    }


def write_key(path: Path, label: str) -> Path:
    """Write a key file as keygen does, with its description beside it."""
    if path.suffix == ".pem":
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(rsa_pair(label).private_bytes(*form))
    else:
        path.write_text(random.Random(label).randbytes(32).hex())
    path.chmod(0o600)
    key = rsa_key(label) if path.suffix == ".pem" else aes_key(label)
    Path(f"{path}.json").write_bytes(encode_facts(key.description, key.id, sealed_only=False))
    return path


@pytest.mark.parametrize("command", ["rotate", "reencrypt", "verify"])
def test_the_commands_do_all_formats_and_their_dry_runs_agree(
    mixed: str, keys: dict[str, Path], command: str
) -> None:
    reading = [part for name in ("old.pem", "old.key", "bob.pem") for part in ("-k", keys[name])]
    to = [] if command == "verify" else ["--to", keys["new.key"], "--to", keys["new.pem"]]
    args = (command, "-r", "--json", "--accept", "unbound", *to, *reading, f"{mixed}/m/")
    planned, came = invoke(*args, "-n"), invoke(*args)
    assert planned.exit_code == came.exit_code == 1
    assert len(planned.stdout.splitlines()) > 20
    assert comparable(planned.stdout) == comparable(came.stdout)
    done = {
        line["name"] for line in map(json.loads, came.stdout.splitlines()[:-1]) if not line["error"]
    }
    assert {"m/oss/old", "m/sealed/aes", "m/sealed/rsa", "m/sealed/unbound", "m/plain"} <= done


_DONE = ("due", "done", "verified")


def comparable(output: str) -> list[dict[str, Any]]:
    """Return the lines of a report, with what is due counted as done."""
    lines = [json.loads(line) for line in output.splitlines()]
    for line in lines:
        if line.get("status") in _DONE:
            line["status"] = "done"
        for name in ("finished", "started", "dry_run", "stored_size"):
            line.pop(name, None)  # a new footer may be shorter than the old one
        counts = line.pop("counts", {})
        line["changed"] = sum(counts.pop(each, {"objects": 0})["objects"] for each in _DONE)
        line["others"] = {each: facts for each, facts in counts.items() if facts["objects"]}
    return lines


@pytest.mark.each_value
@pytest.mark.parametrize("command", ["rotate", "reencrypt"])
@pytest.mark.parametrize("name", ["oss/old", "oss/imposter", "sealed/context", "plain", "v1"])
def test_a_dry_run_of_one_object_has_the_exit_code_of_the_run(
    mixed: str, keys: dict[str, Path], command: str, name: str
) -> None:
    args = (command, "-k", keys["new.pem"], "-k", keys["old.pem"], f"{mixed}/m/{name}")
    planned = invoke(*args, "-n")
    came = invoke(*args)
    assert (planned.exit_code, planned.stderr) == (came.exit_code, came.stderr)
    if name == "oss/old":
        its = 'm/oss/old would be in format oss for {"desc":"new"}\n'
        verb = {"rotate": "rotated", "reencrypt": "reencrypted"}[command]
        assert planned.stdout == f"to be {verb}: {its}"
        assert came.exit_code == 0
    else:
        assert came.exit_code != 0


def test_a_new_key_for_one_format_alone_is_told_for_each_other_object(
    mixed: str, keys: dict[str, Path]
) -> None:
    args = ("rotate", "-r", "-k", keys["new.key"], "-k", keys["old.pem"], f"{mixed}/m/oss/")
    planned, came = invoke(*args, "-n"), invoke(*args)
    assert planned.stderr == came.stderr
    assert planned.exit_code == came.exit_code == 1
    assert "and 4 more: the new key cannot write the object's format" in came.stderr
    assert "name one more that writes format oss, with --to KEY" in came.stderr
    # Where only that format is there, it is known before anything is listed.
    refused = invoke("rotate", "-r", "--format", "oss", *args[2:])
    assert refused.exit_code == invoke("rotate", "-rn", "--format", "oss", *args[2:]).exit_code == 4
    assert "name one more that writes format oss, with --to KEY" in refused.stderr


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_a_store_that_is_only_read_fails_a_dry_run(tmp_path: Path, verb: str) -> None:
    cb.make_bucket(f"file://{tmp_path}/store")
    with cb.open_store(f"file://{tmp_path}/store") as store:
        fill(store, "m/")
    (tmp_path / "store").chmod(0o777)
    with cb.open_store(f"file://{tmp_path}/store") as store:
        for dry_run in (True, False):
            with pytest.raises(cb.StoreError, match="only read"):
                done_by(verb)(all_formats(store), "m/", to=NEW, dry_run=dry_run)


def test_a_dry_run_with_other_keys_believes_nothing_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    store = cb.MemoryStore()
    fill(store, "m/")
    policy = all_formats(store).access.policy
    for bucket, expected in (
        (all_formats(store), "done"),
        (cb.Bucket(store, cb.KeyRing(*ring()[1:]), policy=policy), "failed"),
        (cb.Bucket(store, cb.KeyRing(*ring())), "done"),
    ):
        with cb.rotation.rewrap_all(bucket, "m/", NEW, dry_run=True) as report:
            assert outcomes(report)["m/oss/old"][0] == expected


@pytest.mark.parametrize("verb", ["rewrap_all", "reencrypt_all"])
def test_a_dry_run_after_a_run_with_failures_says_what_is_left(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    store = cb.MemoryStore()
    fill(store, "m/")
    bucket = all_formats(store, *NEW)
    with done_by(verb)(bucket, "m/", to=NEW) as report:
        came = outcomes(report)
    with done_by(verb)(bucket, "m/", to=NEW, dry_run=True) as report:
        foreseen = outcomes(report)
    failed = {name for name, (status, *_) in came.items() if status == "failed"}
    assert {name for name, (status, *_) in foreseen.items() if status == "failed"} == failed
    assert report.due.objects == 0
    assert report.reasons["done by an earlier run"] == sum(
        status == "done" for status, *_ in came.values()
    )
    with done_by(verb)(bucket, "m/", to=NEW) as report:  # which goes on as if nobody had looked
        assert outcomes(report) == came
