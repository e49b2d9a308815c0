"""What a store, a hostile writer or a careless program gets to see of a sealed object: nothing."""

import os
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import cipherbucket as cb
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.sealed import CHUNK
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import StoredObject

OWNER = cb.AesKey(bytes(range(32)), description={"desc": "owner"})
PARTNER = cb.AesKey(bytes(range(1, 33)), description={"desc": "partner"})
DRAWN: list[bytes] = []  # no local variable, which a reporter would record


@pytest.fixture
def sealed(store: MemoryStore) -> cb.Bucket:
    return cb.Bucket(store, cb.KeyRing(OWNER), format="sealed")


def rewrite(store: MemoryStore, name: str, body: bytes, **facts: Any) -> None:
    """Change an object as a store can, behind everybody's back."""
    held = store._objects[name.encode()]
    stored = replace(held.stored, size=len(body), crc64=None, **facts)
    store._objects[name.encode()] = replace(held, stored=stored, body=body)


@pytest.mark.parametrize("tail", [1, BLOCK - CHUNK, BLOCK - 1, BLOCK, BLOCK + 1, 3 << 20])
def test_no_tail_begins_where_only_the_store_says(
    store: MemoryStore, sealed: cb.Bucket, tail: int
) -> None:
    plain = os.urandom(8 << 20)
    footer = sealed.put("a", plain).envelope
    assert footer is not None
    assert footer.seal is not None
    body = store._objects[b"a"].body
    rewrite(store, "a", body[: 56 + 16400 * 300 + 5000] + body[-footer.seal.footer_length :])

    released = bytearray()

    def read() -> None:
        with sealed.get("a", tail=tail) as stream:
            while piece := stream.read(1000):
                released.extend(piece)

    with pytest.raises(cb.IntegrityError):
        read()
    assert released == b""


def test_a_long_tail_of_an_honest_store_takes_one_request_more(sealed: cb.Bucket) -> None:
    plain = os.urandom(3 << 20)
    sealed.put("a", plain)
    assert sealed.get("a", tail=2 << 20).read() == plain[1 << 20 :]


def test_a_policy_without_formats_is_about_the_formats_of_the_bucket(
    store: MemoryStore, key: cb.RsaKey
) -> None:
    policy = cb.Policy(min_rsa_bits=2048)
    vault = cb.Bucket(store, cb.KeyRing(key), format="sealed", policy=policy)
    vault.put("a", b"mine")
    assert vault.get("a").read() == b"mine"

    cb.Bucket(store, cb.KeyRing(key)).put("a", b"forged")
    with pytest.raises(cb.PolicyError, match="format oss"):
        vault.get("a")
    with pytest.raises(cb.UsageError, match="does not read it"):
        cb.Bucket(store, cb.KeyRing(key), format="sealed", policy=cb.Policy("oss"))


def test_no_policy_reads_a_sealed_object_of_a_short_key(store: MemoryStore) -> None:
    short = cb.RsaKey(rsa.generate_private_key(65537, 1024), description={"desc": "short"})
    sealed = cb.Bucket(store, cb.KeyRing(OWNER, short), format="sealed")
    info = sealed.put("a", b"text")
    assert info.envelope is not None
    recipient = Recipient("RSA-OAEP-SHA-256", bytes(128), '{"desc":"short"}', "x")
    with pytest.raises(cb.PolicyError, match="2048 bits"):
        cb.Policy("sealed").admit(replace(info.envelope, recipients=(recipient,)))


class Interrupting(MemoryStore):
    """A store in which somebody else acts just before metadata are replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    def head(self, name: str, *, version_id: str | None = None) -> StoredObject:
        stored = super().head(name, version_id=version_id)
        if (act := self.first) is not None:
            self.first = None
            act()
        return stored


@pytest.mark.parametrize("verb", ["update_metadata", "add_recipient"])
def test_a_recipient_that_was_removed_meanwhile_does_not_come_back(verb: str) -> None:
    store = Interrupting()
    sealed = cb.Bucket(store, cb.KeyRing(OWNER), format="sealed")
    sealed.put("a", b"text", recipients=[PARTNER])
    store.first = lambda: cb.recipients.remove(sealed, "a", PARTNER)

    third = cb.AesKey(bytes(32), description={"desc": "third"})
    change: Callable[[], object] = {
        "update_metadata": lambda: sealed.update_metadata("a", metadata={"x": "y"}),
        "add_recipient": lambda: cb.recipients.add(sealed, "a", third),
    }[verb]

    with pytest.raises(cb.ObjectChangedError, match="at the same time"):
        change()

    with pytest.raises(cb.NoMatchingKeyError):
        cb.Bucket(store, cb.KeyRing(PARTNER), format="sealed").get("a")


def test_a_flag_that_the_store_cleared_moves_nothing(store: MemoryStore, sealed: cb.Bucket) -> None:
    info = sealed.put("a", b"text")
    assert info.envelope is not None
    assert info.envelope.seal is not None
    cleared = replace(info.envelope.seal, flags=0)
    assert info.envelope.mac is not None
    lie = cb.Envelope.compose_sealed(cleared, info.envelope.recipients, info.envelope.mac)
    rewrite(store, "a", store._objects[b"a"].body, metadata=lie.to_metadata())

    with pytest.raises(cb.SecurityError):
        sealed.rename("a", "b")
    assert sealed.exists("a")
    assert not sealed.exists("b")


def test_no_frame_of_an_error_holds_the_data_key(store: MemoryStore, sealed: cb.Bucket) -> None:
    class Spy(cb.AesKey):
        def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
            DRAWN.append(super().unwrap(wrapped, algorithm=algorithm, context=context))
            return DRAWN[-1]

    sealed.put("a", b"text")
    store.copy("a", "moved")
    reader = cb.Bucket(
        store, cb.KeyRing(Spy(bytes(range(32)), description={"desc": "owner"})), format="sealed"
    )
    with pytest.raises(cb.BindingError) as caught:
        reader.get("moved")

    told = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert DRAWN
    assert repr(DRAWN[0]) not in told


def test_keys_that_are_not_needed_are_not_asked_for(store: MemoryStore, sealed: cb.Bucket) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError("the key is at hand")

    sealed.put("a", b"text", recipients=[PARTNER])
    for key in (OWNER, PARTNER):
        ring = cb.KeyRing(key, fetch=fetch)
        assert cb.Bucket(store, ring, format="sealed").get("a").read() == b"text"


def test_an_absurd_size_is_no_sealed_object(store: MemoryStore, sealed: cb.Bucket) -> None:
    sealed.put("a", b"text")
    held = store._objects[b"a"]
    size = held.stored.size + (1 << 58) // CHUNK * 16400
    store._objects[b"a"] = replace(held, stored=replace(held.stored, size=size))

    with pytest.raises(cb.IntegrityError, match="more than a sealed object"):
        sealed.head("a")


@pytest.mark.parametrize("name", ["KMS", "RSA", "my-wrap"])
def test_a_key_whose_objects_nobody_could_read_writes_none(store: MemoryStore, name: str) -> None:
    class Custom(cb.AesKey):
        algorithms = frozenset({name})

        def algorithm_for(self, format: str) -> str:  # noqa: A002
            return name

    ring = cb.KeyRing(Custom(bytes(32), description={"desc": "custom"}))
    with pytest.raises(cb.MasterKeyError, match="no name for a wrap algorithm"):
        cb.Bucket(store, ring, format="sealed").put("a", b"text")
    assert not store.list("").entries


@pytest.mark.parametrize("context", ["ab", ["ab"], {"a": 1}])
def test_a_context_is_a_mapping_of_texts(sealed: cb.Bucket, context: Any) -> None:
    with pytest.raises(cb.UsageError, match="mapping of strings"):
        sealed.put("a", b"text", context=context)
    with pytest.raises(cb.UsageError, match="mapping of strings"):
        sealed.get("a", context=context)


@pytest.mark.parametrize("how", [{}, {"size": 2 * BLOCK}], ids=["unsized", "sized"])
def test_a_body_that_forks_sends_one_plaintext_under_a_key(
    sealed: cb.Bucket, how: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.writing.put.LARGE", BLOCK)
    parent = os.getpid()

    def pieces() -> Any:
        yield b"A" * BLOCK
        child = os.fork()
        if child == 0:
            yield b"B" * BLOCK
            return
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 3
        yield b"A" * BLOCK

    try:
        sealed.put("a", pieces(), **how)
    except cb.UsageError:
        if os.getpid() != parent:
            os._exit(3)
        raise
    finally:
        if os.getpid() != parent:
            os._exit(4)  # it was let go on
    assert sealed.get("a").read() == b"A" * 2 * BLOCK


def test_names_of_a_hostile_writer_are_told_escaped(store: MemoryStore, sealed: cb.Bucket) -> None:
    info = sealed.put("a", b"text", recipients=[PARTNER])
    assert info.envelope is not None
    recipients = tuple(
        replace(each, description_text=f"\x1b[2J{n}\nINFO root: all good")
        for n, each in enumerate(info.envelope.recipients)
    )
    assert info.envelope.seal is not None
    assert info.envelope.mac is not None
    lie = cb.Envelope.compose_sealed(info.envelope.seal, recipients, info.envelope.mac)
    rewrite(store, "a", store._objects[b"a"].body, metadata=lie.to_metadata())

    with pytest.raises(cb.NoMatchingKeyError) as caught:
        sealed.get("a")
    assert str(caught.value).isprintable()


def test_envelopes_of_two_bodies_differ(sealed: cb.Bucket) -> None:
    sealed.put("a", b"text")
    sealed.put("b", b"text")
    one, other = (sealed.get(name, footer_recipients=True).info.envelope for name in "ab")
    assert one != other


def test_a_key_that_only_seals_opens_a_bucket_of_sealed_objects(key: cb.RsaKey) -> None:
    marked = cb.RsaKey(
        rsa.generate_private_key(65537, 2048), description={"desc": "marked"}, sealed_only=True
    )
    for first, format in ((OWNER, "sealed"), (marked, "sealed"), (key, "oss")):  # noqa: A001
        bucket = cb.open_bucket("memory://defaults", first, *({key} - {first}))
        assert bucket.format == format
    assert cb.open_bucket("memory://defaults").format == "oss"


@pytest.mark.parametrize("what", ["hosp.pem", b"", None, 5])
def test_what_is_no_key_is_told_at_once(sealed: cb.Bucket, what: Any) -> None:
    with pytest.raises(cb.MasterKeyError, match="no master key"):
        cb.open_bucket("memory://keys", what)
    with pytest.raises(cb.MasterKeyError, match="no master key"):
        sealed.put("a", b"text", recipients=[what])
    with pytest.raises(cb.UsageError, match="sequence"):
        sealed.put("a", b"text", recipients=OWNER)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [b"x", None, 5])
def test_a_name_is_a_text(sealed: cb.Bucket, name: Any) -> None:
    for use in (lambda: sealed.put(name, b""), lambda: sealed.get(name), lambda: sealed.head(name)):
        with pytest.raises(cb.UsageError, match="str"):
            use()


def test_a_wrong_context_of_a_bare_body_is_thought_of(
    store: MemoryStore, sealed: cb.Bucket
) -> None:
    sealed.put("a", b"text", context={"ward": "7"})
    rewrite(store, "a", store._objects[b"a"].body, metadata={})
    with pytest.raises(cb.WrongKeyError) as caught:
        sealed.get("a", context={"ward": "8"}, footer_recipients=True)
    assert "context" in (caught.value.hint or "")


def test_the_end_is_told_once(capsys: pytest.CaptureFixture[str], sealed: cb.Bucket) -> None:
    sealed.put("a", bytes(1000), progress=True)
    assert capsys.readouterr().err.count("100 %") == 1
