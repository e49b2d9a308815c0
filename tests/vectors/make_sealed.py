"""Makes `sealed.json`: objects of the sealed format, built from docs/format.md alone.

It shares no code with the library. Run it as ``python tests/vectors/make_sealed.py``.

All that a writer draws at random comes from SHA-256 of a label here, so the file comes out the same
each time. RSA-OAEP alone cannot be seeded: its wrapped keys are read back from `sealed.json`
(``rsa_wrapped``) and made anew only if they do not unwrap to their data keys.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

HERE = Path(__file__).parent
FILE = HERE / "sealed.json"

C = 16_384
S = C + 16
FORMAT = b"cipherbucket/sealed/v1\0"
MAGIC = b"CBSEALED"
AES = "AES-256-KWP"
RSA = "RSA-OAEP-SHA-256"
SEAL, RECIPIENTS, MAC = "cipherbucket-seal", "cipherbucket-recipients", "cipherbucket-mac"
NAME = "reports/2026/june.csv"

Entry = dict[str, Any]


# Numbers, secrets and the plaintext.


def u8(number: int) -> bytes:
    return number.to_bytes(1, "big")


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def drawn(label: str, length: int) -> bytes:
    """Stand in for a random generator."""
    return hashlib.sha256(f"cipherbucket sealed vectors: {label}".encode()).digest()[:length]


def plaintext(length: int) -> bytes:
    return bytes((i * 7 + i // 251) % 256 for i in range(length))


def expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA512(), length=length, info=info).derive(key)


# Master keys.


@dataclass(frozen=True)
class Key:
    """A master key: 32 bytes for AES, the name of an entry of `keys.json` for RSA."""

    algorithm: str
    description: Mapping[str, str]
    secret: bytes = b""
    numbers: str = ""

    @property
    def text(self) -> str:
        """The description as a writer puts it (section 5)."""
        if not self.description:
            return ""
        return json.dumps(self.description, sort_keys=True, separators=(",", ":"))

    def entry(self) -> Entry:
        if self.algorithm == AES:
            return {"type": "aes", "key": self.secret.hex(), "description": self.description}
        stored = rsa_numbers(self.numbers)
        return {
            "type": "rsa",
            **{name: f"{stored[name]:x}" for name in ("n", "e", "d", "p", "q")},
            "description": self.description,
        }


KEYS = {
    "aes-1": Key(AES, {"desc": "vault-1"}, drawn("aes-1", 32)),
    "aes-2": Key(AES, {"desc": "vault-2"}, drawn("aes-2", 32)),
    "aes-1-impostor": Key(AES, {"desc": "vault-1"}, drawn("aes-1-impostor", 32)),
    "aes-plain": Key(AES, {}, drawn("aes-plain", 32)),
    "aes-tags": Key(AES, {"clé": "密钥", "a": 'say "hi"'}, drawn("aes-tags", 32)),
    "rsa-1": Key(RSA, {"desc": "rsa-1"}, numbers="key1"),
    "rsa-1-impostor": Key(RSA, {"desc": "rsa-1"}, numbers="key2"),
}


@cache
def rsa_numbers(name: str) -> dict[str, int]:
    stored = json.loads((HERE / "keys.json").read_bytes())[name]
    return {number: int(str(value), 0) for number, value in stored.items()}


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    k = rsa_numbers(name)
    public = rsa.RSAPublicNumbers(k["e"], k["n"])
    p, q, d = k["p"], k["q"], k["d"]
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()


# Wrapping, 14.4.


def kek(key: Key, object_id: bytes) -> bytes:
    return expand(key.secret, b"cipherbucket/kek/v1/AES-256-KWP\0" + FORMAT + object_id, 32)


class RsaWrapper:
    """Wraps by RSA-OAEP and hands out again what it wrapped in an earlier run."""

    def __init__(self, earlier: Mapping[str, str]) -> None:
        self.known = dict(earlier)
        self.used: dict[str, str] = {}

    def wrap(self, key: Key, object_id: bytes, data_key: bytes) -> bytes:
        label = f"{key.numbers}/{object_id.hex()}"
        private = rsa_key(key.numbers)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), FORMAT + object_id)
        wrapped = bytes.fromhex(self.known.get(label, ""))
        try:
            fits = private.decrypt(wrapped, oaep) == data_key
        except ValueError:
            fits = False
        if not fits:
            wrapped = private.public_key().encrypt(data_key, oaep)
        self.known[label] = self.used[label] = wrapped.hex()
        return wrapped


# Fields, recipients and the footer, 14.2.


def field(type_: int, value: bytes) -> bytes:
    return u16(type_) + u32(len(value)) + value


def recipient(algorithm: str, text: str, wrapped: bytes, *, after: bytes = b"") -> bytes:
    name, description = algorithm.encode(), text.encode()
    return field(
        0x0003,
        u16(len(name)) + name
        + u32(len(description)) + description
        + u32(len(wrapped)) + wrapped
        + after,
    )  # fmt: skip


def make_footer(
    fields: Sequence[bytes], flags: int, *, version: int = 1, length: int | None = None
) -> bytes:
    front = u16(version) + u16(flags) + b"".join(fields)
    return front + u32(len(front) + 12 if length is None else length) + MAGIC


# A whole object, 14.1, 14.3 and 14.5.


@dataclass(frozen=True)
class Sealed:
    """An object as a writer sealed it, with all that came up on the way."""

    name: str | None
    user: Mapping[str, str]
    length: int
    object_id: bytes
    data_key: bytes
    salt: bytes
    footer: bytes
    message_context: bytes
    chunk_key: bytes
    base_nonce: bytes
    commitment: bytes
    chunks: tuple[bytes, ...]
    seal: bytes
    recipients: bytes

    @property
    def body(self) -> bytes:
        return self.put_together(self.chunks)

    def put_together(self, chunks: Sequence[bytes]) -> bytes:
        return self.salt + self.commitment + b"".join(chunks) + self.footer

    @property
    def mac_key(self) -> bytes:
        return expand(self.data_key, b"cipherbucket/metadata/v1", 32)

    @property
    def mac(self) -> bytes:
        return hmac.digest(self.mac_key, self.seal + self.recipients, "sha256")

    @property
    def metadata(self) -> dict[str, str]:
        return {SEAL: b64(self.seal), RECIPIENTS: b64(self.recipients), MAC: b64(self.mac)}

    def values(self) -> Entry:
        return {
            "data_key": self.data_key.hex(),
            "object_id": self.object_id.hex(),
            "salt": self.salt.hex(),
            "message_context": self.message_context.hex(),
            "commitment": self.commitment.hex(),
            "chunk_key": self.chunk_key.hex(),
            "base_nonce": self.base_nonce.hex(),
            "footer": self.footer.hex(),
            "mac_key": self.mac_key.hex(),
            "mac": self.mac.hex(),
        }


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def context_of(footer: bytes, name: str | None, user: Mapping[str, str]) -> bytes:
    bound = (name or "").encode()
    pairs = sorted((key.encode(), value.encode()) for key, value in user.items())
    return (
        FORMAT
        + hashlib.sha256(footer).digest()
        + u8(name is not None) + u32(len(bound)) + bound
        + u32(len(pairs))
        + b"".join(u32(len(key)) + key + u32(len(value)) + value for key, value in pairs)
    )  # fmt: skip


def encrypt(key: bytes, base_nonce: bytes, text: bytes) -> tuple[bytes, ...]:
    """Encrypt n bytes as floor(n / C) + 1 chunks."""
    gcm, base = AESGCM(key), int.from_bytes(base_nonce, "big")
    return tuple(
        gcm.encrypt((base ^ k).to_bytes(12, "big"), text[k * C : (k + 1) * C], None)
        for k in range(len(text) // C + 1)
    )


class Writer:
    """Seals objects; everything random of one comes from its label."""

    def __init__(self, rsa_wrapper: RsaWrapper) -> None:
        self.rsa_wrapper = rsa_wrapper

    def recipients(
        self,
        label: str,
        *key_ids: str,
        data_key: bytes = b"",
        texts: Mapping[str, str] | None = None,
    ) -> bytes:
        """Wrap the data key of an object, or another in its stead, for master keys."""
        object_id, data_key = drawn(f"{label}/object", 16), data_key or drawn(f"{label}/data", 32)
        made = []
        for key_id in key_ids:
            key = KEYS[key_id]
            if key.algorithm == AES:
                wrapped = aes_key_wrap_with_padding(kek(key, object_id), data_key)
            else:
                wrapped = self.rsa_wrapper.wrap(key, object_id, data_key)
            made.append(recipient(key.algorithm, (texts or {}).get(key_id, key.text), wrapped))
        return b"".join(made)

    def seal(
        self,
        label: str,
        length: int,
        *,
        to: Sequence[str] = ("aes-1",),
        name: str | None = NAME,
        user: Mapping[str, str] | None = None,
        recipients: bytes = b"",
        extra: bytes = b"",
        version: int = 1,
        unknown_flags: int = 0,
    ) -> Sealed:
        user = user or {}
        object_id, data_key = drawn(f"{label}/object", 16), drawn(f"{label}/data", 32)
        salt = drawn(f"{label}/salt", 24)
        flags = (name is not None) | bool(user) << 1 | unknown_flags
        recipients = recipients or self.recipients(label, *to)
        bound = [] if name is None else [field(0x0002, name.encode())]
        footer = make_footer(
            [field(0x0001, object_id), *bound, recipients, extra], flags, version=version
        )
        context = context_of(footer, name, user)
        label_and_salt = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt
        derived = expand(data_key, label_and_salt + context, 76)
        key, base_nonce, commitment = derived[:32], derived[32:44], derived[44:]
        return Sealed(
            name=name,
            user=user,
            length=length,
            object_id=object_id,
            data_key=data_key,
            salt=salt,
            footer=footer,
            message_context=context,
            chunk_key=key,
            base_nonce=base_nonce,
            commitment=commitment,
            chunks=encrypt(key, base_nonce, plaintext(length)),
            seal=u16(version) + u16(flags) + u32(len(footer)) + object_id
            + hashlib.sha256(footer).digest() + salt + commitment,
            recipients=recipients,
        )  # fmt: skip


# Cases.


def flipped(data: bytes, offset: int, mask: int = 0x01) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= mask
    return bytes(changed)


class Cases:
    """The objects of the file, in their order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(
        self,
        case: str,
        comment: str,
        expect: str,
        sealed: Sealed,
        *,
        asked: str | None = None,
        user: Mapping[str, str] | None = None,
        keys: Sequence[str] = ("aes-1",),
        metadata: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Add one; metadata and body are the object's own unless they are given."""
        success = expect == "success"
        text = plaintext(sealed.length)
        entry = {
            "case": case,
            "comment": comment,
            "expect": expect,
            "asked_name": asked or sealed.name or NAME,
            "sealed_name": sealed.name,
            "context": dict(sealed.user if user is None else user),
            "keys": list(keys),
            "metadata": dict(sealed.metadata if metadata is None else metadata),
            "body": b64(sealed.body if body is None else body),
            "plaintext_length": sealed.length,
            "plaintext_sha256": hashlib.sha256(text).hexdigest() if success else None,
        }
        if success:
            entry |= sealed.values()
            aes = [KEYS[key_id] for key_id in keys if KEYS[key_id].algorithm == AES]
            if aes:
                entry["kek"] = kek(aes[0], sealed.object_id).hex()
        self.entries.append(entry)


def good_cases(cases: Cases, writer: Writer) -> None:
    for length in (0, 1, C - 1, C, C + 1, 2 * C, 40_000):
        comment = f"Plaintext of length {length:,}, one AES recipient, name bound."
        cases.add(f"size-{length}", comment, "success", writer.seal(f"size-{length}", length))

    cases.add(
        "unbound-name",
        "No name is bound, so it may be read under any.",
        "success",
        writer.seal("unbound-name", 100, name=None),
        asked="some/other/name",
    )
    cases.add(
        "context",
        "A user context of two pairs, given in another order than it is bound in.",
        "success",
        writer.seal("context", 100, user={"tenant": "7", "année": "2026"}),
    )
    cases.add(
        "context-order",
        "Keys sorted by their UTF-8 bytes, which UTF-16 units would sort the other way; no name.",
        "success",
        writer.seal("context-order", 100, name=None, user={"\U0001f511": "", "\uff5e": "été"}),
    )
    cases.add(
        "name-not-ascii",
        "A name outside ASCII and not normalised, bound as it stands.",
        "success",
        writer.seal("name-not-ascii", 100, name="données/e\u0301te\u0301/資料.txt"),
    )
    cases.add(
        "name-longest",
        "The longest name, 1,023 bytes.",
        "success",
        writer.seal("name-longest", 100, name="n" * 1021 + "é"),
    )
    cases.add(
        "no-description",
        "A master key without a description.",
        "success",
        writer.seal("no-description", 100, to=["aes-plain"]),
        keys=["aes-plain", "aes-1"],
    )
    text = '{ "cl\\u00e9" : "密钥",\n  "a": "say \\u0022hi\\u0022" }'
    cases.add(
        "description-as-mapping",
        "A description whose text has another order, spaces and escapes than the reader's.",
        "success",
        writer.seal(
            "description-as-mapping",
            100,
            recipients=writer.recipients(
                "description-as-mapping", "aes-tags", texts={"aes-tags": text}
            ),
        ),
        keys=["aes-tags"],
    )
    cases.add(
        "rsa",
        "One RSA recipient.",
        "success",
        writer.seal("rsa", 100, to=["rsa-1"]),
        keys=["rsa-1"],
    )
    both = writer.seal("two-recipients", 100, to=["aes-1", "rsa-1"])
    for key_id in ("aes-1", "rsa-1"):
        comment = f"An AES and an RSA recipient, read with {key_id} alone."
        case = f"two-recipients-{key_id[:3]}"
        cases.add(case, comment, "success", both, keys=[key_id])
    foreign = recipient("X-FUTURE-1", "", bytes(9)) + recipient("ALIBABA-KMS", "", b"blob")
    cases.add(
        "foreign-recipients",
        "Recipients of algorithms that the reader has no key for, before its own.",
        "success",
        writer.seal(
            "foreign-recipients",
            100,
            recipients=foreign + writer.recipients("foreign-recipients", "aes-1"),
        ),
    )
    changed = replace(
        writer.seal("recipients-changed", 100),
        recipients=writer.recipients("recipients-changed", "aes-2"),
    )
    cases.add(
        "recipients-changed",
        "The footer names aes-1 and the metadata aes-2 in its stead, with a new MAC.",
        "success",
        changed,
        keys=["aes-2"],
    )
    cases.add(
        "recipients-changed-old-key",
        "The same object and the key that only the footer names.",
        "no key",
        changed,
        keys=["aes-1"],
    )
    cases.add(
        "unknown-optional-field",
        "The footer has a field of the unknown type 0x8001, which is skipped.",
        "success",
        writer.seal("unknown-optional-field", 100, extra=field(0x8001, b"of a later version")),
    )
    cases.add(
        "user-metadata",
        "The user's own metadata beside the envelope.",
        "success",
        sealed := writer.seal("user-metadata", 100),
        metadata={**sealed.metadata, "colour": "blue", "unencrypted-content-length": "7"},
    )


def damaged_bodies(cases: Cases, writer: Writer) -> None:
    small, long = writer.seal("damaged-small", 100), writer.seal("damaged-long", 2 * C + 1)
    other = writer.seal("damaged-other", 100)
    full = writer.seal("damaged-full", C)
    first, second, last = long.chunks
    end = 56 + len(small.chunks[0])
    magic_and_length = 12
    wrapped_key = len(small.body) - magic_and_length - 1
    for case, comment, sealed, body in (
        ("chunk-bit", "One bit of a chunk flipped.", small, flipped(small.body, 56 + 50)),
        ("chunk-tag", "One bit of a tag flipped.", small, flipped(small.body, end - 1, 0x80)),
        (
            "second-chunk-bit",
            "One bit of the second of three chunks flipped.",
            long,
            flipped(long.body, 56 + S + 9, 0x10),
        ),
        (
            "last-chunk-dropped",
            "The last of three chunks missing.",
            long,
            long.put_together([first, second]),
        ),
        (
            "last-empty-chunk-dropped",
            "The last chunk missing, which held no plaintext.",
            full,
            full.put_together(full.chunks[:1]),
        ),
        (
            "last-chunk-shorter",
            "The last chunk missing and the one before it cut, so that the size is a possible one.",
            full,
            full.put_together([full.chunks[0][:-1]]),
        ),
        (
            "chunks-swapped",
            "The first two chunks swapped.",
            long,
            long.put_together([second, first, last]),
        ),
        ("no-chunk", "Header and footer without a chunk.", small, small.put_together([])),
        ("no-body", "A body of no bytes.", small, b""),
        ("cut", "The last byte missing.", small, small.body[:-1]),
        ("appended", "One byte after the footer.", small, small.body + b"\0"),
        ("header-salt", "One bit of the salt in the body flipped.", small, flipped(small.body, 0)),
        (
            "header-commitment",
            "One bit of the commitment in the body flipped.",
            small,
            flipped(small.body, 55),
        ),
        (
            "footer-bit",
            "One bit of a wrapped key in the footer flipped.",
            small,
            flipped(small.body, wrapped_key),
        ),
        (
            "footer-of-another",
            "The footer of another object under the same name and master key.",
            small,
            small.body[:end] + other.footer,
        ),
        (
            "body-of-another",
            "The whole body of another object under the same name and master key.",
            small,
            other.body,
        ),
    ):
        cases.add(case, comment, "integrity", sealed, body=body)


def bound_elsewhere(cases: Cases, writer: Writer) -> None:
    sealed = writer.seal("bound", 100, user={"tenant": "7", "année": "2026"})
    accents = writer.seal("bound-accents", 100, name="e\u0301te\u0301")
    binding = "binding"
    cases.add("other-name", "Served under another name.", binding, sealed, asked="reports/2026/may")
    cases.add("other-normal-form", "Asked for by a normalised name.", binding, accents, asked="été")
    for case, comment, user in (
        ("no-context", "Read without the context.", {}),
        ("part-of-context", "Read with one of two pairs.", {"tenant": "7"}),
        ("other-context", "Read with another value.", {"tenant": "8", "année": "2026"}),
        ("swapped-context", "Keys and values swapped.", {"7": "tenant", "2026": "année"}),
    ):
        cases.add(case, comment, binding, sealed, user=user)
    elsewhere = writer.seal("bound-elsewhere", 100, name="reports/2026/may.csv")
    cases.add(
        "object-of-another-name",
        "Body and metadata of an object that was sealed under another name.",
        binding,
        elsewhere,
        asked=NAME,
    )


def wrong_keys(cases: Cases, writer: Writer) -> None:
    sealed, other = writer.seal("keys", 100), writer.seal("keys-other", 100)
    rsa_sealed = writer.seal("rsa", 100, to=["rsa-1"])
    both = writer.seal("two-recipients", 100, to=["aes-1", "rsa-1"])
    foreign = writer.seal("only-foreign", 100, recipients=recipient("X-FUTURE-1", "", bytes(9)))
    for case, comment, of, keys in (
        ("no-matching-key", "Other keys.", sealed, ["aes-2", "aes-plain", "rsa-1"]),
        ("no-keys", "No keys.", sealed, []),
        ("only-foreign-recipients", "None of the algorithm.", foreign, ["aes-plain", "rsa-1"]),
    ):
        cases.add(case, comment, "no key", of, keys=keys)
    for case, comment, of, key_id in (
        ("impostor-aes", "Another AES key of the same description.", sealed, "aes-1-impostor"),
        ("impostor-rsa", "Another RSA key of the same description.", rsa_sealed, "rsa-1-impostor"),
    ):
        cases.add(case, comment, "wrong key", of, keys=[key_id])

    data_key = drawn("keys/another data key", 32)
    short = replace(sealed, recipients=writer.recipients("keys", "aes-1", data_key=bytes(31)))
    cases.add("data-key-of-31", "What unwraps has 31 bytes.", "wrong key", short)
    for case, comment, of, recipients, key_id in (
        (
            "wrapped-key-of-another",
            "Recipients of another object under the same AES key.",
            sealed,
            other.recipients,
            "aes-1",
        ),
        (
            "wrapped-key-of-another-rsa",
            "Recipients of another object under the same RSA key.",
            both,
            rsa_sealed.recipients,
            "rsa-1",
        ),
        (
            "another-data-key",
            "A data key that unwraps and is not the object's.",
            sealed,
            writer.recipients("keys", "aes-1", data_key=data_key),
            "aes-1",
        ),
    ):
        pasted = {**of.metadata, RECIPIENTS: b64(recipients)}
        cases.add(case, comment, "wrong key", of, keys=[key_id], metadata=pasted)
    for case, comment, offset in (
        ("seal-object-id", "One bit of the object id in the seal flipped.", 8),
        ("seal-footer-hash", "One bit of the footer's hash in the seal flipped.", 24),
        ("seal-salt", "One bit of the salt in the seal flipped.", 56),
        ("seal-commitment", "One bit of the commitment in the seal flipped.", 111),
    ):
        changed = {**sealed.metadata, SEAL: b64(flipped(sealed.seal, offset))}
        cases.add(case, comment, "wrong key", sealed, metadata=changed)


def altered_recipients(cases: Cases, writer: Writer) -> None:
    both = writer.seal("two-recipients", 100, to=["aes-1", "rsa-1"])
    kept = writer.recipients("two-recipients", "aes-1")
    swapped = writer.recipients("two-recipients", "rsa-1", "aes-1")
    added = both.recipients + recipient(AES, '{"desc":"thief"}', bytes(40))
    for case, comment, recipients in (
        ("recipient-stripped", "One of two recipients removed, and the old MAC.", kept),
        ("recipients-reordered", "Two recipients in another order, and the old MAC.", swapped),
        ("recipient-added", "A recipient added, and the old MAC.", added),
    ):
        metadata = {**both.metadata, RECIPIENTS: b64(recipients)}
        cases.add(case, comment, "recipients", both, metadata=metadata)
    longer = both.seal[:4] + u32(len(both.footer) + 1) + both.seal[8:]
    cases.add(
        "seal-f",
        "F in the seal one too large: the MAC alone tells, as F is not part of the context.",
        "recipients",
        both,
        metadata={**both.metadata, SEAL: b64(longer)},
    )
    metadata = {**both.metadata, MAC: b64(flipped(both.mac, 31))}
    cases.add("mac-bit", "One bit of the MAC flipped.", "recipients", both, metadata=metadata)


def broken_metadata(cases: Cases, writer: Writer) -> None:
    sealed = writer.seal("broken", 100)
    sixteen = sealed.recipients + b"".join(
        recipient(AES, f'{{"desc":"key-{i}"}}', bytes(40)) for i in range(2, 17)
    )
    cases.add(
        "16-recipients",
        "Sixteen recipients, the most there may be.",
        "success",
        replace(sealed, recipients=sixteen),
    )

    def broken(case: str, comment: str, sealed: Sealed = sealed, **metadata: str | None) -> None:
        """Change metadata; names are given without their prefix, None removes one."""
        changed: dict[str, str | None] = {**sealed.metadata}
        changed |= {f"cipherbucket-{name}": value for name, value in metadata.items()}
        kept = {name: value for name, value in changed.items() if value is not None}
        cases.add(case, comment, "envelope", sealed, metadata=kept)

    def broken_recipients(case: str, comment: str, recipients: bytes) -> None:
        """Put other recipients under a MAC that is right."""
        broken(case, comment, replace(sealed, recipients=recipients))

    def broken_seal(case: str, comment: str, change: Callable[[bytes], bytes]) -> None:
        """Put another seal under a MAC that is right."""
        broken(case, comment, replace(sealed, seal=change(sealed.seal)))

    texts = sealed.metadata
    seal, mac = texts[SEAL], texts[MAC]
    # 112 bytes leave four unused bits in the last letter; canonical is a letter with them zero.
    stray = seal[:-3] + chr(ord(seal[-3]) + 1) + "=="
    broken("base64-stray-bits", "Bits under the padding of the seal's base64.", seal=stray)
    broken("base64-no-padding", "The MAC's base64 without its padding.", mac=mac.rstrip("="))
    broken("base64-newline", "The MAC's base64 with a newline after it.", mac=mac + "\n")
    broken("base64-letters", "The MAC in letters that are not base64.", mac="*" * 43 + "=")
    broken("seal-missing", "No seal.", seal=None)
    broken("recipients-missing", "No recipients.", recipients=None)
    broken("mac-missing", "No MAC.", mac=None)
    broken("mac-of-31", "A MAC of 31 bytes.", mac=b64(sealed.mac[:31]))
    broken("extra-name", "A name that begins with cipherbucket- and is none of the three.", x="1")
    for name in ("client-side-encryption-key", "oss-crypto-key"):
        comment = f"The name {name} beside ours."
        cases.add(
            f"beside-{name.split('-')[0]}",
            comment,
            "envelope",
            sealed,
            metadata={**texts, name: "eA=="},
        )

    broken("version-2", "Version 2 in seal and footer.", writer.seal("version-2", 100, version=2))
    broken("unknown-flag", "The unknown flag of bit 2 in seal and footer.",
           writer.seal("unknown-flag", 100, unknown_flags=1 << 2))  # fmt: skip
    broken("unknown-high-flag", "The unknown flag of bit 15 in seal and footer.",
           writer.seal("unknown-high-flag", 100, unknown_flags=1 << 15))  # fmt: skip
    broken_seal("f-too-small", "F is 55.", lambda seal: seal[:4] + u32(55) + seal[8:])
    broken_seal("f-too-large", "F is 65,537.", lambda seal: seal[:4] + u32(65_537) + seal[8:])
    broken_seal("seal-of-111", "A seal of 111 bytes.", lambda seal: seal[:-1])
    broken_seal("seal-of-113", "A seal of 113 bytes.", lambda seal: seal + b"\0")

    own, key = sealed.recipients, bytes(40)
    for case, comment, recipients in (
        ("17-recipients", "Seventeen recipients.", sixteen + recipient(AES, '{"desc":"17"}', key)),
        ("no-recipients", "A list of no recipients.", b""),
        ("recipients-cut", "The last byte of the recipients missing.", own[:-1]),
        ("recipients-trailing", "A byte after the last recipient.", own + b"\0"),
        ("recipient-trailing", "A byte after the wrapped key within a recipient.",
         own + recipient(AES, "", key, after=b"\0")),
        ("recipient-huge", "A recipient said to have 2^32 - 1 bytes.",
         own + u16(3) + u32(2**32 - 1) + b"\0"),
        ("recipients-other-field", "A name among the recipients.",
         field(0x0002, NAME.encode()) + own),
        ("recipients-unknown-field", "A field of the type 0x8001 among the recipients.",
         own + field(0x8001, b"")),
        ("algorithm-lower", "An algorithm with a small letter.",
         own + recipient("X-FUTURe", "", key)),
        ("algorithm-hyphen", "An algorithm that begins with a hyphen.",
         own + recipient("-X", "", key)),
        ("algorithm-empty", "An algorithm of no letters.", own + recipient("", "", key)),
        ("algorithm-65", "An algorithm of 65 letters.", own + recipient("A" * 65, "", key)),
        ("description-8193", "A description of 8,193 bytes.",
         own + recipient(AES, json.dumps({"a": "b" * 8184}), key)),
        ("wrapped-empty", "A wrapped key of no bytes.", own + recipient(AES, "", b"")),
        ("wrapped-8193", "A wrapped key of 8,193 bytes.", own + recipient(AES, "", bytes(8193))),
    ):  # fmt: skip
        broken_recipients(case, comment, recipients)


def footers(writer: Writer) -> list[Entry]:
    """Footers by themselves, as they are parsed for reading from the body alone."""
    object_id = field(0x0001, drawn("footer/object", 16))
    name = field(0x0002, NAME.encode())
    own = writer.recipients("footer", "aes-1")
    more = [recipient(AES, f'{{"desc":"key-{i}"}}', bytes(40)) for i in range(2, 18)]
    reserved, low, high = (field(type_, b"x") for type_ in (0x0010, 0x0004, 0x8000))
    whole = make_footer([object_id, name, own], 1)
    good, bad = "success", "envelope"
    rows = (
        ("plain", good, "A name and a recipient.", whole),
        ("smallest", good, "The smallest footer, 56 bytes.",
         make_footer([object_id, recipient("A", "", b"\0")], 0)),
        ("16-recipients", good, "Sixteen.", make_footer([object_id, own, *more[:15]], 0)),
        ("unknown-high", good, "A field of type 0x8000.", make_footer([object_id, own, high], 0)),
        ("unknown-low", bad, "A field of type 0x0004.", make_footer([object_id, own, low], 0)),
        ("signature", bad, "A field of the reserved type 0x0010.",
         make_footer([object_id, own, reserved], 0)),
        ("order", bad, "The name after the recipient.", make_footer([object_id, own, name], 1)),
        ("order-high", bad, "A field of type 0x8000 first.",
         make_footer([high, object_id, own], 0)),
        ("version", bad, "Version 2.", make_footer([object_id, name, own], 1, version=2)),
        ("flag", bad, "Bit 2 of flags.", make_footer([object_id, name, own], 1 | 1 << 2)),
        ("name-unset", bad, "A name without its flag.", make_footer([object_id, name, own], 0)),
        ("name-missing", bad, "The flag without its name.", make_footer([object_id, own], 1)),
        ("name-twice", bad, "Two names.", make_footer([object_id, name, name, own], 1)),
        ("name-empty", bad, "A name of no bytes.",
         make_footer([object_id, field(0x0002, b""), own], 1)),
        ("name-1024", bad, "A name of 1,024 bytes.",
         make_footer([object_id, field(0x0002, b"n" * 1024), own], 1)),
        ("name-not-utf-8", bad, "A name that is not UTF-8.",
         make_footer([object_id, field(0x0002, b"\xff"), own], 1)),
        ("object-id-missing", bad, "No object id.", make_footer([name, own], 1)),
        ("object-id-twice", bad, "Two object ids.", make_footer([object_id, object_id, own], 0)),
        ("object-id-15", bad, "An object id of 15 bytes.",
         make_footer([field(0x0001, bytes(15)), own], 0)),
        ("no-recipient", bad, "No recipient.",
         make_footer([object_id, name], 1)),
        ("17-recipients", bad, "Seventeen.", make_footer([object_id, own, *more], 0)),
        ("same-recipient", bad, "Two recipients of one algorithm and, as mappings, description.",
         make_footer([object_id, own, recipient(AES, '{"desc": "vault-1"}', bytes(40))], 0)),
        ("length", bad, "F is one less than the length.",
         make_footer([object_id, name, own], 1, length=len(whole) - 1)),
        ("magic", bad, "Another magic.", whole[:-1] + b"d"),
        ("too-short", bad, "55 bytes.", make_footer([object_id, recipient("A", "", b"")], 0)),
        ("gap", bad, "Bytes between fields and F.",
         make_footer([object_id, own, bytes(5)], 0)),
    )  # fmt: skip
    return [
        {"case": case, "comment": comment, "expect": expect, "footer": footer.hex()}
        for case, expect, comment, footer in rows
    ]


def make(earlier_rsa: Mapping[str, str]) -> str:
    """Return the text of `sealed.json`."""
    wrapper = RsaWrapper(earlier_rsa)
    writer, cases = Writer(wrapper), Cases()
    for group in (
        good_cases,
        damaged_bodies,
        bound_elsewhere,
        wrong_keys,
        altered_recipients,
        broken_metadata,
    ):
        group(cases, writer)
    content = {
        "comment": "Objects of the sealed format, made by make_sealed.py; see README.md.",
        "keys": {key_id: key.entry() for key_id, key in KEYS.items()},
        "objects": cases.entries,
        "footers": footers(writer),
        "rsa_wrapped": wrapper.used,
    }
    return json.dumps(content, indent=1) + "\n"


def earlier_rsa() -> dict[str, str]:
    """Return the RSA-wrapped keys of the file as it stands."""
    stored: dict[str, str] = json.loads(FILE.read_bytes())["rsa_wrapped"] if FILE.exists() else {}
    return stored


if __name__ == "__main__":
    FILE.write_text(make(earlier_rsa()), encoding="utf-8")
