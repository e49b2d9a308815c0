"""Structured mutations of metadata: what a hostile store might hand out.

Each mutator takes a source of chance, the metadata of one object and a pool of all others, and
returns metadata that is bent in one way. All chance comes from the generator given, so a seed
names a mutation.
"""

import base64
import random
from collections.abc import Callable

from tests.support.sdk_vectors import rsa_key

Metadata = dict[str, str]
Mutator = Callable[[random.Random, Metadata, list[Metadata]], Metadata]

V2 = "client-side-encryption-"
FIELDS = [
    *(V2 + name for name in ("key", "start", "cek-alg", "wrap-alg", "matdesc")),
    *(V2 + name for name in ("unencrypted-content-length", "unencrypted-content-md5")),
    *(V2 + name for name in ("data-size", "part-size", "magic-number-hmac", "", "x")),
    "oss-crypto-key",
    "oss-crypto-start",
    "oss-crypto-matdesc",
    "oss-crypto-unencrypted-content-length",
    "oss-crypto-unencrypted-content-md5",
    "oss-cek-alg",
    "oss-wrap-alg",
    "oss-matdesc",
    "unencrypted-content-length",
    "unencrypted-content-md5",
    "cipherbucket-seal",
    "cipherbucket-recipients",
    "owner",
    "",
    "\ud800",
    "client-side-encryption",
]
ALGORITHMS = [
    "RSA/NONE/PKCS1Padding",
    "rsa/none/pkcs1padding",
    "RSA/NONE/OAEPWithSHA-1AndMGF1Padding",
    "RSA/NONE/OAEPWithSHA-256AndMGF1Padding",
    "KMS/ALICLOUD",
    "kms",
    "rsa",
    "Rsa",
    "AES/CTR/NoPadding",
    "AES/GCM/NoPadding",
    "aes/ctr/nopadding",
    "AES/CBC/PKCS5Padding",
    "none",
    "\u0130\u017f\u00df",
    "RSA/NONE/PKCS1Padding\x00",
]
NUMBERS = [
    "",
    "0",
    "-1",
    "+1",
    "007",
    "1.0",
    "1e3",
    " 1",
    "1\n",
    "0x10",
    "1_0",
    "9999999999999999",
    "10000000000000000",
    "1" + "0" * 40,
    "9" * 5000,
    "\u0661\u0662",
    "\u00b2",
    "NaN",
]
DESCRIPTIONS = [
    "",
    " ",
    "{}",
    "{",
    "[]",
    "null",
    "NaN",
    '"a"',
    '{"desc":"key-1"}',
    '{ "desc" : "key-1" }',
    '{"desc":"key-2"}',
    '{"desc":"key-1","desc":"key-1"}',
    '{"desc":1}',
    '{"desc":null}',
    '{"desc":{"a":"b"}}',
    '{"desc":"\\ud800"}',
    '{"desc":"\ud800"}',
    '{"\\udc00":""}',
    '{"desc":"key-1"}\x00',
    '\ufeff{"desc":"key-1"}',
    '{"decoy":"key2"}',
    "[" * 4000,
    '{"a":' * 1500,
    '{"a":' + "9" * 5000 + "}",
    '{"a":-1e99999}',
    '{"a":"' + "b" * 8180 + '"}',
]
ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "\r\n",
    "\x7f",
    "\u202e",
    "\ud800",
    "\U0001f511",
    "\u00e9",
    "=",
    "A" * 9000,
]


def _some_name(chance: random.Random, metadata: Metadata) -> str:
    return chance.choice(sorted(metadata)) if metadata else V2


def drop(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Take a field away."""
    name = _some_name(chance, metadata)
    return {other: text for other, text in metadata.items() if other != name}


def keep_one(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Leave one field alone, or none."""
    name = _some_name(chance, metadata)
    return chance.choice([{}, {name: metadata.get(name, "")}, {"owner": "me"}])


def double(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Add a name that stands there in other letters."""
    name = _some_name(chance, metadata)
    twin = chance.choice([name.upper(), name.title(), name.swapcase(), f"{name} "])
    return {**metadata, twin: chance.choice([metadata.get(name, ""), "x"])}


def case(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Write all names, or one text, in other letters."""
    if chance.random() < 0.5:
        return {name.swapcase(): text for name, text in metadata.items()}
    name = _some_name(chance, metadata)
    return {**metadata, name: metadata.get(name, "").swapcase()}


def rename(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Give a field another name."""
    old, new = _some_name(chance, metadata), chance.choice(FIELDS)
    return {new if name == old else name: text for name, text in metadata.items()}


def add(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Add a field, of this kind of envelope or another."""
    texts = [*NUMBERS, *DESCRIPTIONS, *ALGORITHMS, *ODD_TEXTS]
    return {**metadata, chance.choice(FIELDS): chance.choice(texts)}


def transplant(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Take a field from another object."""
    other = chance.choice(pool)
    name = _some_name(chance, other)
    return {**metadata, name: other[name]}


def transpose(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Exchange the texts of two fields."""
    one, two = _some_name(chance, metadata), _some_name(chance, metadata)
    return {**metadata, one: metadata.get(two, ""), two: metadata.get(one, "")}


def mix(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Lay the envelopes of two objects over each other."""
    return {**metadata, **chance.choice(pool)}


def cut(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Cut a text short, at either end."""
    name = _some_name(chance, metadata)
    text = metadata.get(name, "")
    at = chance.randint(0, len(text))
    return {**metadata, name: chance.choice([text[:at], text[at:], text[:-1]])}


def scribble(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Replace or insert one character of a text."""
    name = _some_name(chance, metadata)
    text = metadata.get(name, "")
    at = chance.randint(0, len(text))
    odd = chance.choice(
        [*ODD_TEXTS, chr(chance.randint(32, 126)), chr(chance.randint(0, 0x10FFFF))]
    )
    return {**metadata, name: text[:at] + odd + text[at + chance.randint(0, 1) :]}


def grow(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Make a text very long."""
    name = _some_name(chance, metadata)
    text = metadata.get(name, "") or "A"
    return {**metadata, name: text * (chance.choice([8192, 8193, 50_000]) // len(text) + 1)}


def algorithm(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Claim another algorithm."""
    names = [name for name in metadata if name.endswith("-alg")] or [f"{V2}wrap-alg"]
    return {**metadata, chance.choice(names): chance.choice(ALGORITHMS)}


def number(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Claim another length."""
    prefixes = ["", "oss-crypto-"] if "oss-crypto-key" in metadata else [V2]
    field = chance.choice(["unencrypted-content-length", "data-size", "part-size"])
    return {**metadata, chance.choice(prefixes) + field: chance.choice(NUMBERS)}


def description(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Claim another description, or none that is one."""
    v1 = "oss-crypto-key" in metadata
    name = chance.choice(["oss-matdesc", "oss-crypto-matdesc"]) if v1 else f"{V2}matdesc"
    return {**metadata, name: chance.choice(DESCRIPTIONS)}


def damage(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Write a wrapped secret in base64 that is none, or not the canonical one."""
    names = [name for name in metadata if name.endswith(("key", "start", "md5"))] or [f"{V2}key"]
    name = chance.choice(names)
    text = metadata.get(name, "")
    bent = chance.choice(
        [
            text.rstrip("="),
            text + "=",
            text.replace("+", "-").replace("/", "_"),
            text[:-3] + "B==" if text.endswith("==") else text[:-2] + "B=",
            text[:76] + "\n" + text[76:],
            text.swapcase(),
            base64.b64encode(text.encode("utf-8", "replace")).decode(),
            base64.b16encode(text.encode("utf-8", "replace")).decode(),
        ]
    )
    return {**metadata, name: bent}


def flip(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Flip a bit of a wrapped secret, or change its length; the base64 stays canonical."""
    names = [name for name in metadata if name.endswith(("-key", "-start"))] or [f"{V2}key"]
    name = chance.choice(names)
    try:
        raw = bytearray(base64.b64decode(metadata.get(name, "")))
    except ValueError:
        raw = bytearray()
    raw = raw or bytearray(256)
    match chance.randint(0, 3):
        case 0:
            del raw[chance.randint(0, len(raw) - 1) :]
        case 1:
            raw += chance.randbytes(chance.randint(1, 300))
        case _:
            raw[chance.randint(0, len(raw) - 1)] ^= 1 << chance.randint(0, 7)
    return {**metadata, name: base64.b64encode(raw).decode()}


def rewrap(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Wrap secrets of any length, correctly, under the right key or another."""
    v1 = "oss-crypto-key" in metadata
    claimed = metadata.get("oss-wrap-alg" if v1 else f"{V2}wrap-alg", "")
    key = rsa_key(chance.choice(["key1", "key2", "key3"]))
    spelled = claimed if claimed in key.algorithms else "RSA/NONE/PKCS1Padding"
    prefix = "oss-crypto-" if v1 else V2
    starts = [b"8", b"08", b"-1", b"9" * 39, b"1" * 40, bytes(16), chance.randbytes(16), bytes(15)]
    secrets = {
        "key": chance.randbytes(chance.choice([0, 16, 31, 32, 32, 33, 64])),
        "start": chance.choice(starts),
    }
    chosen = secrets if chance.random() < 0.5 else dict([chance.choice(list(secrets.items()))])
    return {
        **metadata,
        **{
            prefix + name: base64.b64encode(
                key.wrap(secret, algorithm=spelled, context=b"")
            ).decode()
            for name, secret in chosen.items()
        },
    }


MUTATORS: list[Mutator] = [
    drop,
    keep_one,
    double,
    case,
    rename,
    add,
    transplant,
    transpose,
    mix,
    cut,
    scribble,
    grow,
    algorithm,
    number,
    description,
    damage,
    flip,
    rewrap,
]


def mutate(chance: random.Random, metadata: Metadata, pool: list[Metadata]) -> Metadata:
    """Bend metadata once, or a few times over."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        metadata = chance.choice(MUTATORS)(chance, metadata, pool)
    return metadata
