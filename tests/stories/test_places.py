"""Objects that get another place, by every way there is: no ACL, tags or the like go along.

What a store says of an object's ACL, tags, storage class and encryption at rest is believed for no
other place; what stays in its place keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import alibabacloud_oss_v2 as sdk
import pytest
from tests.cli.runs import invoke
from tests.support.hostile_oss import ACL, Hostile, settings_of
from tests.support.oss_rewriting import (
    CONTENT,
    HEADERS,
    NOTHING_ASKED,
    OF_THE_PLACE,
    PART,
    opened,
)
from tests.support.plaintexts import pattern
from tests.support.scripted_http import Answer, Request, scripted
from tests.support.sealed_buckets import aes, sealed

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.store import OssStore

PLAIN = pattern(3 * PART + 7)
OWNER, NEXT = aes("owner"), aes("next")
ASKED = {"x-oss-object-acl": "private", "x-oss-tagging": "by=us"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["origin", "target", "versioned"]) as running:
        with opened(running, "versioned") as store:
            enabled = sdk.VersioningConfiguration(status="Enabled")
            store.client.sdk.put_bucket_versioning(
                sdk.PutBucketVersioningRequest(bucket="versioned", versioning_configuration=enabled)
            )
        yield running


@pytest.fixture
def target(endpoint: Endpoint) -> Iterator[OssStore]:
    with opened(endpoint, "target") as store:
        for entry in store.list().entries:
            store.delete(entry.name)
        yield store
        assert store.list_uploads() == []


@pytest.fixture(params=["at once", "by parts"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by parts":
        monkeypatch.setattr("cipherbucket.objects.store_to_store.THRESHOLD", PART)
        monkeypatch.setattr("cipherbucket.objects.store_to_store.good_part_size", lambda _: PART)
        monkeypatch.setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)
        monkeypatch.setattr(
            "cipherbucket.writing.unknown_length.growing_part_size", lambda _: 7 * 16_384
        )


@pytest.fixture
def hostile() -> Iterator[tuple[Hostile, cb.OssSettings]]:
    operator = Hostile()
    operator.store.put("plain", PLAIN, metadata={"owner": "me"})
    sealed(operator.store, OWNER).put("sealed", PLAIN)
    with scripted(operator) as served:
        yield operator, settings_of(served.url)


def check_private(endpoint: Endpoint, target: Store, *names: str) -> None:
    """See that objects have content headers and nothing else, and are closed to strangers."""
    for name in names:
        assert target.attributes(name) == NOTHING_ASKED
        for method, data in (("GET", None), ("PUT", b"evil")):
            request = HttpRequest(f"{endpoint.url}/target/{name}", data, method=method)
            with pytest.raises(HTTPError, match="403"):
                urlopen(request)


@pytest.mark.usefixtures("either_way")
def test_what_a_hostile_source_says_makes_no_copy_public(
    hostile: tuple[Hostile, cb.OssSettings], endpoint: Endpoint, target: OssStore
) -> None:
    _, settings = hostile
    with cb.open_bucket("oss://origin", settings=settings) as origin:
        there = cb.Bucket(target, cb.KeyRing(), format="sealed")
        origin.copy_to(there, "plain")
        origin.copy_to(there, "sealed")
        origin.copy_to(there, "plain", "renamed")
        told = origin.head("plain")
        assert told.place_headers == OF_THE_PLACE
        target.put("by-hand", PLAIN, headers=told.headers)
    check_private(endpoint, target, "plain", "sealed", "renamed", "by-hand")
    assert dict(target.head("plain").metadata) == {"owner": "me"}
    assert sealed(target, OWNER).get("sealed").read() == PLAIN


@pytest.mark.usefixtures("either_way")
def test_copies_that_are_asked_for_an_acl_and_the_like_have_these(
    hostile: tuple[Hostile, cb.OssSettings], target: OssStore
) -> None:
    _, settings = hostile
    there = sealed(target, OWNER)
    with cb.open_bucket("oss://origin", settings=settings) as origin:
        origin.copy_to(there, "sealed", headers=ASKED)
        with pytest.raises(cb.UsageError, match="'content-type' is no header"):
            origin.copy_to(there, "plain", "other", headers={"content-type": "x"})
    there.copy("sealed", "copy", headers=ASKED | {"x-oss-storage-class": "IA"})
    there.rename("copy", "renamed", headers=OF_THE_PLACE)

    assert target.attributes("sealed") == NOTHING_ASKED | ASKED
    assert target.attributes("renamed") == HEADERS
    with pytest.raises(cb.UsageError, match="'x-oss-meta-a' is no header"):
        there.copy("sealed", "other", headers={"x-oss-meta-a": "b"})
    assert not there.exists("other")


WAYS = {
    "cp": ("cp", "oss://origin/sealed", "oss://target/sealed"),
    "cp -r": ("cp", "-r", "oss://origin/", "oss://target/"),
    "sync": ("sync", "oss://origin/", "oss://target/"),
    "encrypted anew": (
        *("cp", "-r", "--format", "sealed", "--metadata", "a=b"),
        *("oss://origin/", "oss://target/"),
    ),
}


def run(
    endpoint: Endpoint, source: str, key: Path, *arguments: str, code: int = 0
) -> tuple[str, str]:
    env = {
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        "CIPHERBUCKET_KEY": str(key),
    }
    command, *rest = arguments
    where = ("--region", endpoint.region, "--endpoint", endpoint.url)
    between = ("--source-endpoint", source) if source else ()
    result = invoke(*where, command, *between, *rest, env=env)
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


@pytest.mark.parametrize("asked", [False, True], ids=["nothing asked", "asked"])
@pytest.mark.parametrize("way", WAYS)
def test_commands_take_nothing_along_unless_asked(
    way: str,
    asked: bool,
    hostile: tuple[Hostile, cb.OssSettings],
    endpoint: Endpoint,
    target: OssStore,
    tmp_path: Path,
) -> None:
    operator, settings = hostile
    operator.store.delete("plain")
    key = cb.create_aes_key_file(tmp_path / "key", description={"desc": "tests"})
    sealed(operator.store, key).put("sealed", PLAIN)
    command, *rest = WAYS[way]
    more = (
        *("--acl", "public-read", "--tag", "Team A=a&b", "--tag", "y=2026"),
        *("--storage-class", "IA", "--server-side-encryption", "AES256"),
    )
    assert settings.endpoint is not None

    run(endpoint, settings.endpoint, tmp_path / "key", command, *(more if asked else ()), *rest)

    if not asked:
        check_private(endpoint, target, "sealed")
        return
    assert target.attributes("sealed") == CONTENT | {
        "x-oss-object-acl": "public-read",
        "x-oss-tagging": "Team%20A=a%26b&y=2026",
        "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "AES256",
    }


def test_commands_give_new_objects_what_is_asked_and_copies_in_a_store_nothing_else(
    endpoint: Endpoint, target: OssStore, tmp_path: Path
) -> None:
    cb.create_aes_key_file(tmp_path / "key", description={"desc": "tests"})
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(PLAIN)
    more = ("--format", "sealed", "--acl", "private", "--tag", "k=v")
    given = {"x-oss-object-acl": "private", "x-oss-tagging": "k=v"}
    key = tmp_path / "key"

    run(endpoint, "", key, "cp", *more, str(tmp_path / "tree" / "a"), "oss://target/one")
    run(endpoint, "", key, "sync", *more, str(tmp_path / "tree"), "oss://target/tree/")
    run(endpoint, "", key, "cp", "--format", "sealed", "oss://target/one", "oss://target/two")

    for name in ("one", "tree/a"):
        assert given.items() <= target.attributes(name).items()
    assert not given.keys() & target.attributes("two").keys()
    run(endpoint, "", key, "mb", f"file://{tmp_path}/store")
    for where in (f"file://{tmp_path}/store/a", str(tmp_path / "file")):
        _, said = run(
            endpoint, "", key, "cp", "--acl", "private", "oss://target/one", where, code=2
        )
        assert "--acl is for objects in OSS or S3" in said


def opened_store(kind: str, endpoint: Endpoint, folder: Path) -> Store:
    if kind == "oss":
        return opened(endpoint, "origin")
    return cb.open_store(f"file://{folder}/store") if kind == "file" else cb.MemoryStore()


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("kind", ["memory", "file", "oss"])
def test_what_any_store_keeps_of_them_stays_there(
    kind: str, endpoint: Endpoint, target: OssStore, tmp_path: Path
) -> None:
    with opened_store(kind, endpoint, tmp_path) as store:
        origin = sealed(store, OWNER)
        origin.put("a", PLAIN, metadata={"owner": "mé"}, headers=HEADERS)
        store.put("plain", PLAIN, metadata={"owner": "mé"}, headers=HEADERS)
        assert store.attributes("a") == HEADERS
        for name in ("a", "plain"):
            origin.copy_to(sealed(target, OWNER), name)
            origin.copy(name, f"{name} 2")
            origin.rename(f"{name} 2", f"{name} 3")
            assert origin.head(name).headers == CONTENT
            assert store.attributes(name) == HEADERS
            assert store.attributes(f"{name} 3") == (NOTHING_ASKED if kind == "oss" else CONTENT)
    check_private(endpoint, target, "a", "plain")


IN_PLACE: dict[str, Callable[[cb.Bucket], object]] = {
    "rewrap": lambda bucket: cb.rotation.rewrap(bucket, "a"),
    "reencrypt": lambda bucket: cb.rotation.reencrypt(bucket, "a"),
    "recipients": lambda bucket: cb.recipients.add(bucket, "a", NEXT),
    "metadata": lambda bucket: bucket.update_metadata("a", metadata={"k": "v"}),
    "copy": lambda bucket: bucket.copy("a", "a"),
    "copy_to": lambda bucket: bucket.copy_to(bucket, "a"),
}


@pytest.mark.each_pair
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("verb", IN_PLACE)
@pytest.mark.parametrize("kind", ["memory", "file", "oss"])
def test_what_stays_in_its_place_keeps_everything(
    kind: str, verb: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    with opened_store(kind, endpoint, tmp_path) as store:
        bucket = sealed(store, OWNER)
        bucket.put("a", PLAIN, metadata={"owner": "mé"}, headers=HEADERS)

        IN_PLACE[verb](sealed(store, NEXT, OWNER) if verb == "rewrap" else bucket)

        assert store.attributes("a") == HEADERS
        assert sealed(store, NEXT, OWNER).get("a").read() == PLAIN


@pytest.mark.parametrize("format", ["oss", "sealed"])
def test_a_version_that_is_brought_back_has_what_it_had(
    format: str,  # noqa: A002  the word of the documents
    endpoint: Endpoint,
    key: cb.RsaKey,
) -> None:
    with opened(endpoint, "versioned") as store:
        bucket = cb.Bucket(store, key, format=format)
        first = bucket.put(format, PLAIN, headers=HEADERS)
        bucket.put(format, b"second", headers=ASKED)

        bucket.copy(format, format, version_id=first.version_id)
        bucket.copy(format, f"{format} elsewhere", version_id=first.version_id)

        assert store.attributes(format) == HEADERS
        assert store.attributes(f"{format} elsewhere") == NOTHING_ASKED
        assert bucket.get(format).read() == PLAIN


def test_an_upload_that_goes_on_elsewhere_keeps_the_acl_that_was_asked_for(
    endpoint: Endpoint, key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(PLAIN)

    def upload(store: Store) -> None:
        cb.Bucket(store, key).upload(
            tmp_path / "file",
            "large",
            headers=ASKED,
            threshold=PART,
            part_size=PART,
            state=tmp_path / "state",
        )

    with opened(endpoint, "target") as store, monkeypatch.context() as patch:

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(store, "_complete_upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upload(store)
        assert len(store.list_uploads()) == 1
    with opened(endpoint, "target") as store:
        upload(store)
        assert ASKED.items() <= store.attributes("large").items()
        assert store.list_uploads() == []


@pytest.mark.parametrize("grant", [b"everybody", b"private\r\nx-oss-storage-class: IA", b""])
def test_an_acl_that_no_object_has_is_sent_nowhere(grant: bytes) -> None:
    operator = Hostile()
    operator.store.put("a", b"x")

    def answer(request: Request) -> Answer:
        return Answer(body=ACL % grant) if "acl" in request.target else operator(request)

    with (
        scripted(answer) as served,
        cb.open_store("oss://origin", settings_of(served.url)) as store,
    ):
        with pytest.raises(cb.StoreError, match="'a': the store names an ACL"):
            store.attributes("a")
        with pytest.raises(cb.StoreError, match="'a': the store names an ACL"):
            store.replace_metadata("a", metadata={"k": "v"}, headers=None)
    assert {request.method for request in served.requests} == {"GET", "HEAD"}
