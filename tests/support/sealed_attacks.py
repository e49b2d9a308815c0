"""What whoever controls the store can do to a sealed object: a table, and the scene it plays in.

An attack is a function from a scene to what is then served under `NAME` in place of `Scene.one`.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import cipherbucket as cb
from cipherbucket.envelopes.seal import resealed, seal, wrapped_for
from cipherbucket.format.footer import MAC_FIELD, SEAL_FIELD, Seal
from cipherbucket.format.recipient_fields import (
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
    parse_recipients,
)
from cipherbucket.format.sealed import Binding, derive
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.rsa import OAEP_SHA1, OAEP_SHA256, PKCS1
from cipherbucket.stores.base import Store

CHUNK, HEADER, TAG = 16_384, 56, 16
STRIDE = CHUNK + TAG
FIELDS = (SEAL_FIELD, RECIPIENTS_FIELD, MAC_FIELD)
OSS = "client-side-encryption-"

_random = random.Random(14)
PLAIN = _random.randbytes(2 * CHUNK + 100)
OTHER = _random.randbytes(2 * CHUNK + 100)
NAME, OTHER_NAME = "report", "ledger"
"""Two objects that differ in nothing that a layout could tell."""


@dataclass(frozen=True)
class Stored:
    """An object as it lies in the store."""

    body: bytes
    metadata: Mapping[str, str]

    @property
    def seal(self) -> Seal:
        return Seal.parse(base64.b64decode(self.metadata[SEAL_FIELD]))

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        return parse_recipients(base64.b64decode(self.metadata[RECIPIENTS_FIELD]))

    @property
    def header(self) -> bytes:
        return self.body[:HEADER]

    @property
    def footer(self) -> bytes:
        return self.body[-self.seal.footer_length :]

    @property
    def chunks(self) -> list[bytes]:
        inner = self.body[HEADER : -self.seal.footer_length]
        return [inner[at : at + STRIDE] for at in range(0, len(inner), STRIDE)]

    def with_body(self, *pieces: bytes) -> "Stored":
        return replace(self, body=b"".join(pieces))

    def with_chunks(self, *chunks: bytes) -> "Stored":
        return self.with_body(self.header, *chunks, self.footer)

    def with_fields(self, **values: bytes) -> "Stored":
        """Replace seal, recipients or mac, given before base64."""
        texts = {f"cipherbucket-{name}": _text(value) for name, value in values.items()}
        return replace(self, metadata={**self.metadata, **texts})

    def without(self, *names: str) -> "Stored":
        return replace(self, metadata={n: t for n, t in self.metadata.items() if n not in names})


@dataclass(frozen=True)
class Scene:
    """Two sealed objects, one in format ``oss``, the owner's keys, and what an attacker has.

    Attributes:
        ring: The owner's: its first key sealed `one` and `two`; an RSA key wrote `oss`.
        attacker: The public half of the owner's key, or of a symmetric one a key that looks alike.
    """

    ring: cb.KeyRing
    attacker: MasterKey
    rsa: cb.RsaKey
    one: Stored = field(init=False)
    two: Stored = field(init=False)
    oss: Stored = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "one", stored_by(self.ring, "sealed", NAME, PLAIN))
        put(self, "two", stored_by(self.ring, "sealed", OTHER_NAME, OTHER))
        put(self, "oss", stored_by(cb.KeyRing(self.rsa), "oss", NAME, OTHER))


Attack = Callable[[Scene], Stored]


def stored_by(ring: cb.KeyRing, kind: str, name: str, plain: bytes) -> Stored:
    store = cb.MemoryStore()
    cb.Bucket(store, ring, format=kind).put(name, plain)
    return raw_of(store, name)


def raw_of(store: Store, name: str) -> Stored:
    with store.get(name) as incoming:
        body = bytearray(incoming.stored.size)
        incoming.readinto(body)
        return Stored(bytes(body), dict(incoming.stored.metadata))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


_END = HEADER + 2 * STRIDE + 100 + TAG
_BORDERS = (
    *(HEADER, HEADER + TAG, HEADER + STRIDE - 1, HEADER + STRIDE, HEADER + STRIDE + 1),
    *(HEADER + STRIDE + TAG, HEADER + 2 * STRIDE - 1, HEADER + 2 * STRIDE),
    *(HEADER + 2 * STRIDE + TAG, _END - TAG, _END - 1),
)
_CUTS = (0, 1, 24, HEADER - 1, *_BORDERS, _END, -13, -12, -8, -4, -1)


_ORDERS = (
    *("", "0", "01", "12", "02", "2", "0012", "0112", "0122", "01212", "0120", "102", "021"),
    *("210", "201", "a12", "0b2", "01c", "ab2", "0bc", "abc", "012c", "01c2"),
)


def _cut(at: int) -> Attack:
    return lambda scene: scene.one.with_body(scene.one.body[:at])


def _cut_with_footer(at: int) -> Attack:
    return lambda scene: scene.one.with_body(scene.one.body[:at], scene.one.footer)


def _chunks(order: str) -> Attack:
    """Digits name chunks of `one`, letters from a on those of `two`."""

    def attack(scene: Scene) -> Stored:
        there = dict(zip("012abc", scene.one.chunks + scene.two.chunks, strict=True))
        return scene.one.with_chunks(*(there[each] for each in order))

    return attack


BODIES: dict[str, Attack] = {
    **{f"cut to {at}": _cut(at) for at in _CUTS},
    **{f"cut to {at}, footer moved up": _cut_with_footer(at) for at in (0, *_BORDERS)},
    **{f"chunks {order or 'none'}": _chunks(order) for order in _ORDERS},
    "a byte appended": lambda s: s.one.with_body(s.one.body, b"\0"),
    "as much as a tag appended": lambda s: s.one.with_body(s.one.body, bytes(TAG)),
    "a second footer": lambda s: s.one.with_body(s.one.body, s.one.footer),
    "the other's footer appended": lambda s: s.one.with_body(s.one.body, s.two.footer),
    "a chunk after the footer": lambda s: s.one.with_body(s.one.body, s.one.chunks[0]),
    "the body twice": lambda s: s.one.with_body(s.one.body, s.one.body),
    "a byte before the footer": lambda s: s.one.with_chunks(*s.one.chunks, b"\0"),
    "a tag before the footer": lambda s: s.one.with_chunks(*s.one.chunks, bytes(TAG)),
    "the last chunk filled up": lambda s: s.one.with_chunks(
        *s.one.chunks[:2], s.one.chunks[2].ljust(STRIDE, b"\0"), bytes(TAG)
    ),
    "a byte before the header": lambda s: s.one.with_body(b"\0", s.one.body),
    "chunks of zeros": lambda s: s.one.with_chunks(*(bytes(len(c)) for c in s.one.chunks)),
    "the last tag as a chunk": lambda s: s.one.with_chunks(
        *s.one.chunks[:2], s.one.chunks[2][-TAG:]
    ),
    "the other's header": lambda s: s.one.with_body(s.two.header, s.one.body[HEADER:]),
    "the other's salt": lambda s: s.one.with_body(s.two.header[:24], s.one.body[24:]),
    "the other's footer": lambda s: s.one.with_body(s.one.body[: -len(s.one.footer)], s.two.footer),
    "the other's body": lambda s: s.one.with_body(s.two.body),
    "a footer of zeros": lambda s: s.one.with_body(
        s.one.body[: -len(s.one.footer)], bytes(len(s.one.footer))
    ),
    "plaintext": lambda s: s.one.with_body(PLAIN),
}
"""The metadata are the owner's. Ranges that touch nothing of the change go on to be read."""


def _with_recipients(scene: Scene, *recipients: Recipient, mac_key: bytes | None = None) -> Stored:
    if mac_key is None:
        return scene.one.with_fields(recipients=encode_recipients(recipients))
    envelope = resealed(scene.one.seal, recipients, mac_key)
    return replace(scene.one, metadata=envelope.to_metadata())


_EVIL = bytes(range(32))


def _recipient_of_attacker(scene: Scene, object_id: bytes | None = None) -> Recipient:
    return wrapped_for(scene.attacker, _EVIL, object_id or scene.one.seal.object_id)


def _seal_of_attacker(scene: Scene) -> Stored:
    """All that a reader checks before the body fits, under the attacker's data key."""
    record = scene.one.seal
    context = Binding(NAME).encode(record.flags, record.footer_hash)
    commitment = derive(_EVIL, record.salt, context)[2]
    envelope = resealed(
        replace(record, commitment=commitment), [_recipient_of_attacker(scene)], _EVIL
    )
    return replace(scene.one, metadata=envelope.to_metadata())


def _sealed_by_attacker(scene: Scene) -> Mapping[str, str]:
    ring = cb.KeyRing(scene.attacker)
    return seal(ring, "sealed", binding=Binding(NAME))[0].to_metadata()


def _seal_with(**changes: bytes | int) -> Attack:
    def attack(scene: Scene) -> Stored:
        record = replace(scene.one.seal, **changes)  # type: ignore[arg-type]
        return scene.one.with_fields(seal=record.encode())

    return attack


def _without(*names: str) -> Attack:
    return lambda scene: scene.one.without(*names)


def _others(name: str) -> Attack:
    return lambda scene: replace(
        scene.one, metadata={**scene.one.metadata, name: scene.two.metadata[name]}
    )


def _moved_footer(by: int) -> Attack:
    def attack(scene: Scene) -> Stored:
        record = replace(scene.one.seal, footer_length=scene.one.seal.footer_length + by)
        return scene.one.with_fields(seal=record.encode())

    return attack


def _relabelled(algorithm: str) -> Attack:
    """Call a sealed body one in format ``oss``; the counter is the attacker's own."""

    def attack(scene: Scene) -> Stored:
        recipient = scene.one.recipients[0]
        start = scene.rsa.wrap(bytes(16), algorithm=PKCS1, context=b"")
        fields = {
            "key": _text(recipient.wrapped_key),
            "start": _text(start),
            "cek-alg": "AES/CTR/NoPadding",
            "wrap-alg": algorithm,
            "matdesc": recipient.description_text,
        }
        return replace(scene.one, metadata={OSS + name: text for name, text in fields.items()})

    return attack


def _oss_key_as_recipient(algorithm: str) -> Attack:
    def attack(scene: Scene) -> Stored:
        wrapped = base64.b64decode(scene.oss.metadata[OSS + "key"])
        recipient = replace(scene.one.recipients[0], algorithm=algorithm, wrapped_key=wrapped)
        return _with_recipients(scene, recipient)

    return attack


RELABELLED: dict[str, Attack] = {
    f"a sealed key as one wrapped with {algorithm}": _relabelled(algorithm)
    for algorithm in (PKCS1, OAEP_SHA1, OAEP_SHA256, OAEP_SHA256.lower(), "AES-256-KWP")
}

METADATA: dict[str, Attack] = {
    **RELABELLED,
    "stripped": lambda s: s.one.without(*FIELDS),
    **{f"stripped of {name}": _without(name) for name in FIELDS},
    **{f"stripped of all but {name}": _without(*{*FIELDS} - {name}) for name in FIELDS},
    "the other's metadata": lambda s: replace(s.one, metadata=s.two.metadata),
    **{f"the other's {name}": _others(name) for name in FIELDS},
    "another name's object": lambda s: s.two,
    "an oss body under our names": lambda s: replace(s.one, body=s.oss.body),
    "an oss envelope on a sealed body": lambda s: replace(s.one, metadata=s.oss.metadata),
    "an oss envelope beside the sealed one": lambda s: replace(
        s.one, metadata={**s.one.metadata, **s.oss.metadata}
    ),
    "one name of oss-v1 beside the sealed ones": lambda s: replace(
        s.one, metadata={**s.one.metadata, "oss-wrap-alg": "rsa"}
    ),
    "a fourth name": lambda s: replace(s.one, metadata={**s.one.metadata, "cipherbucket-x": ""}),
    "an oss key as our recipient": _oss_key_as_recipient(OAEP_SHA256),
    "an oss key as RSA": _oss_key_as_recipient("RSA"),
    "an oss key under its own name": _oss_key_as_recipient(PKCS1),
    "an oss object": lambda s: s.oss,
    "no recipient": lambda s: s.one.with_fields(recipients=b""),
    "a recipient twice": lambda s: _with_recipients(s, *s.one.recipients * 2),
    "the other's recipient beside": lambda s: _with_recipients(
        s, *s.one.recipients, replace(s.two.recipients[0], description_text='{"desc":"x"}')
    ),
    "another description": lambda s: _with_recipients(
        s, replace(s.one.recipients[0], description_text='{"desc":"x"}')
    ),
    "the attacker's data key": lambda s: _with_recipients(s, _recipient_of_attacker(s)),
    "the attacker's data key, of another id": lambda s: _with_recipients(
        s, _recipient_of_attacker(s, bytes(16))
    ),
    "the attacker's data key and MAC": lambda s: _with_recipients(
        s, _recipient_of_attacker(s), mac_key=_EVIL
    ),
    "the attacker's data key beside the owner's": lambda s: _with_recipients(
        s,
        replace(_recipient_of_attacker(s), description_text='{"desc":"x"}'),
        *s.one.recipients,
        mac_key=_EVIL,
    ),
    "the attacker's seal": _seal_of_attacker,
    "the attacker's seal, in the body too": lambda s: _seal_of_attacker(s).with_body(
        _seal_of_attacker(s).seal.header, s.one.body[HEADER:]
    ),
    "all metadata the attacker's": lambda s: replace(s.one, metadata=_sealed_by_attacker(s)),
    "no name bound": _seal_with(flags=0),
    "a context bound": _seal_with(flags=3),
    "another object id": _seal_with(object_id=bytes(16)),
    "another footer hash": _seal_with(footer_hash=hashlib.sha256(b"").digest()),
    "another salt": _seal_with(salt=bytes(24)),
    "another commitment": _seal_with(commitment=bytes(32)),
    **{f"a footer longer by {by}": _moved_footer(by) for by in (-1, 1, TAG, 116, 16_000)},
    "a MAC of zeros": lambda s: s.one.with_fields(mac=bytes(32)),
    "a short MAC": lambda s: s.one.with_fields(mac=b""),
}
"""No read of any range survives these."""

ATTACKS = BODIES | METADATA


def integers(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield offset and width of every integer in a run of fields, and in its recipients."""
    while start < stop:
        yield start, 2
        yield start + 2, 4
        kind = int.from_bytes(data[start : start + 2], "big")
        length = int.from_bytes(data[start + 2 : start + 6], "big")
        start += 6
        if kind == 3:
            at = start
            for width in (2, 4, 4):
                yield at, width
                at += width + int.from_bytes(data[at : at + width], "big")
        start += length


def absurd(data: bytes, places: Iterator[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the data with one integer at a time made absurd."""
    for at, width in places:
        for value in (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 31, (1 << 32) - 1):
            if value < 1 << 8 * width:
                bent = data[:at] + value.to_bytes(width, "big") + data[at + width :]
                if bent != data:
                    yield bent
