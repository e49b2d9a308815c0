"""What the sealed format does not detect, as docs/security.md says, and what helps.

Each test shows first that the attack goes through, and then the remedy.
"""

from dataclasses import replace

import pytest
from tests.support.sealed_attacks import NAME, OTHER, PLAIN, Scene, raw_of
from tests.support.sealed_reads import sealed_bucket, serve
from tests.support.wire_client import WireClient

import cipherbucket as cb
from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.format.sealed import Binding, Sealed
from cipherbucket.keys.base import MasterKey
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store


def forger(scene: Scene, store: Store, key: MasterKey | None = None) -> cb.Bucket:
    """Return the bucket of someone who can write to the store and has no private key."""
    return cb.Bucket(store, cb.KeyRing(key or scene.attacker), format="sealed")


def salt_of(bucket: cb.Bucket) -> bytes:
    with bucket.get(NAME) as stream:
        assert stream.read()
        assert stream.info.envelope is not None
        assert stream.info.envelope.seal is not None
        return stream.info.envelope.seal.salt


def test_whoever_has_the_public_half_of_an_rsa_key_can_forge_a_whole_object(
    scenes: dict[str, Scene], raw: Store
) -> None:
    forger(scenes["rsa"], raw).put(NAME, OTHER)

    assert sealed_bucket(raw, scenes["rsa"]).get(NAME).read() == OTHER


def test_where_all_keys_are_aes_keys_nobody_else_can_forge(
    scenes: dict[str, Scene], raw: Store
) -> None:
    scene = scenes["aes"]
    aes_only = cb.Bucket(raw, cb.KeyRing(scene.ring.keys[0]), format="sealed")
    public = scenes["rsa"].attacker
    forger(scene, raw, public).put(NAME, OTHER)

    with pytest.raises(cb.NoMatchingKeyError):
        aes_only.get(NAME)
    # One RSA key in the ring, whoever writes with the others, is enough for the forger ...
    both = sealed_bucket(raw, scene)
    assert both.get(NAME).read() == OTHER
    # ... unless the key is named.
    with pytest.raises(cb.NoMatchingKeyError):
        both.get(NAME, key=scene.ring.keys[0])
    # A symmetric key that only looks like the owner's opens nothing.
    forger(scene, raw).put(NAME, OTHER)
    with pytest.raises(cb.WrongKeyError):
        aes_only.get(NAME)


def test_whoever_can_open_an_object_can_write_another_content_for_all_its_recipients(
    scene: Scene, raw: Store
) -> None:
    serve(raw, scene.one)
    envelope = sealed_bucket(raw, scene).head(NAME).envelope
    assert envelope is not None
    cipher = unseal(envelope, scene.ring, Policy("sealed"), binding=Binding(NAME))
    assert isinstance(cipher, Sealed)
    plain, out = cipher.buffers(len(OTHER))
    plain[:] = OTHER
    body = bytes(cipher.encrypt(0, plain, out, last=True))
    serve(raw, scene.one.with_body(body, scene.one.footer))

    assert sealed_bucket(raw, scene).get(NAME).read() == OTHER
    # So a recipient counts as a writer: what he must not write, another key keeps from him.
    apart = cb.AesKey(bytes(32), description={"desc": "apart"})
    with pytest.raises(cb.NoMatchingKeyError):
        cb.Bucket(raw, cb.KeyRing(apart), format="sealed").get(NAME)


def test_an_older_object_that_is_put_back_is_read(scene: Scene, raw: Store) -> None:
    bucket = sealed_bucket(raw, scene)
    bucket.put(NAME, b"old")
    old = raw_of(raw, NAME)
    written = bucket.put(NAME, b"new")
    serve(raw, old)

    assert bucket.get(NAME).read() == b"old"
    # Who can write to the store, and is not the store, cannot choose an ETag.
    with pytest.raises(cb.PreconditionFailedError):
        bucket.get(NAME, if_match=written.etag)
    # Nobody can choose the salt but who can open the object.
    assert written.envelope is not None
    assert written.envelope.seal is not None
    assert salt_of(bucket) != written.envelope.seal.salt
    head = bucket.head(NAME).envelope
    assert head is not None
    assert head.seal is not None
    assert head.seal.salt == salt_of(bucket)
    bucket.put(NAME, b"new")
    assert salt_of(bucket) != written.envelope.seal.salt  # every put draws another


def test_a_store_that_keeps_versions_gives_the_one_that_is_asked_for(scene: Scene) -> None:
    with Endpoint(buckets=["versions"]) as endpoint:
        text = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        wire = WireClient(endpoint, "versions")
        assert wire("PUT", query={"versioning": ""}, body=text.encode()).status == 200
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_store("oss://versions", settings) as store:
            bucket = sealed_bucket(store, scene)
            bucket.put(NAME, b"old")
            old = raw_of(store, NAME)
            written = bucket.put(NAME, b"new")
            serve(store, old)

            assert bucket.get(NAME).read() == b"old"
            assert bucket.get(NAME, version_id=written.version_id).read() == b"new"


def test_an_older_set_of_recipients_that_is_put_back_is_read(scene: Scene, raw: Store) -> None:
    bucket = sealed_bucket(raw, scene)
    leaver = cb.AesKey(bytes(32), description={"desc": "leaver"})
    theirs = cb.Bucket(raw, cb.KeyRing(leaver), format="sealed")
    bucket.put(NAME, PLAIN, recipients=[leaver])
    before = raw_of(raw, NAME)
    cb.recipients.remove(bucket, NAME, leaver)
    with pytest.raises(cb.NoMatchingKeyError):
        theirs.get(NAME)
    serve(raw, replace(raw_of(raw, NAME), metadata=before.metadata))

    assert theirs.get(NAME).read() == PLAIN
    # Sealed anew, the object has nothing in common with what they could open.
    bucket.put(NAME, PLAIN)
    serve(raw, replace(raw_of(raw, NAME), metadata=before.metadata))
    with pytest.raises(cb.IntegrityError):
        theirs.get(NAME).read()


def test_an_object_carried_to_the_same_name_in_another_bucket_is_read_there(
    scene: Scene, raw: Store
) -> None:
    store = cb.MemoryStore()
    here, there = sealed_bucket(store, scene), sealed_bucket(raw, scene)
    here.put(NAME, PLAIN)
    serve(raw, raw_of(store, NAME))

    assert there.get(NAME).read() == PLAIN
    # What the bucket is called is not bound, unless it stands in the context.
    here.put(NAME, PLAIN, context={"bucket": "here"})
    serve(raw, raw_of(store, NAME))
    with pytest.raises(cb.BindingError):
        there.get(NAME, context={"bucket": "there"})
    with pytest.raises(cb.BindingError):
        there.get(NAME)
    assert here.get(NAME, context={"bucket": "here"}).read() == PLAIN


def test_user_metadata_and_content_headers_can_be_changed(scene: Scene, raw: Store) -> None:
    bucket = sealed_bucket(raw, scene)

    def change() -> None:
        stored = raw_of(raw, NAME)
        metadata = {**stored.metadata, "status": "approved"}
        raw.put(NAME, stored.body, metadata=metadata, headers={"content-type": "text/html"})

    bucket.put(NAME, PLAIN, metadata={"status": "draft"}, content_type="text/plain")
    change()

    with bucket.get(NAME) as stream:
        assert stream.read() == PLAIN
        assert stream.info.metadata["status"] == "approved"
        assert stream.info.content_type == "text/html"

    # What a program decides by belongs into the content, or into the context.
    def context() -> dict[str, str]:
        info = bucket.head(NAME)
        return {"status": info.metadata["status"], "type": info.content_type or ""}

    bound = {"status": "draft", "type": "text/plain"}
    bucket.put(NAME, PLAIN, metadata={"status": "draft"}, content_type="text/plain", context=bound)
    assert bucket.get(NAME, context=context()).read() == PLAIN
    change()
    with pytest.raises(cb.BindingError):
        bucket.get(NAME, context=context())
