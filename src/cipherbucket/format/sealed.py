"""The authenticated body: C2SP chunked encryption, chunk by chunk, from any chunk on.

Rule: chunk k of an object is AES-256-GCM under the object's own key with the nonce ``base nonce``
XOR k, and is encrypted once, with one plaintext (docs/format.md, sections 14.1 and 14.3). What
comes out of `Sealed.decrypt` was authentic as a whole, or nothing comes out: the buffer is wiped.
Chunks know their number, the last one is shorter than the others, and the context, which the key
depends on, knows the object's name and footer; so nothing can be moved, dropped or appended.

`cryptography.cobblestone` does the same for one pass from beginning to end, and is what the tests
compare with; parts and ranges need this.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from cipherbucket.errors import IntegrityError, UsageError, not_copied
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.footer import CONTEXT_BOUND, MAX_FOOTER, NAME_BOUND, Seal
from cipherbucket.format.span import Layout

CHUNK = 16_384
TAG = 16
HEADER = 56
KEY_LENGTH = 32

_STRIDE = CHUNK + TAG
_MAX_CHUNKS = 1 << 38
MAX_STORED = HEADER + _MAX_CHUNKS * _STRIDE + MAX_FOOTER
"""Most bytes of a sealed body: 2**38 chunks, the last one shorter (section 14.1)."""
_DOMAIN = b"cipherbucket/sealed/v1\0"
_C2SP = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"


@dataclass(frozen=True)
class Binding:
    """What a sealed object is bound to beside its footer.

    Attributes:
        name: The object's whole name in its bucket.
        context: The user's own names and texts; they are stored nowhere and have to be given again.

    Raises:
        UsageError: Something in it cannot be UTF-8.
    """

    name: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise UsageError(f"an object name is a str, not {type(self.name).__name__}")
        try:
            self.name.encode()
        except UnicodeEncodeError:
            raise UsageError("an object name must be encodable as UTF-8") from None
        if not isinstance(self.context, Mapping):
            raise UsageError("a context is a mapping of strings to strings")
        object.__setattr__(self, "context", dict(self.context))
        try:
            for entry in self.context.items():
                "".join(entry).encode()
        except (UnicodeEncodeError, TypeError):
            raise UsageError(
                "a context is a mapping of strings to strings, encodable as UTF-8"
            ) from None

    def encode(self, flags: int, footer_hash: bytes) -> bytes:
        """Return the context of the message (section 14.3); what the flags do not bind is left."""
        name = self.name.encode() if flags & NAME_BOUND else b""
        context = self.context if flags & CONTEXT_BOUND else {}
        entries = sorted((key.encode(), value.encode()) for key, value in context.items())
        return b"".join(
            (
                _DOMAIN,
                footer_hash,
                b"\1" if flags & NAME_BOUND else b"\0",
                _counted(name),
                struct.pack(">I", len(entries)),
                *(_counted(text) for entry in entries for text in entry),
            )
        )


def sealed_layout(footer_length: int) -> Layout:
    """Return how plaintext lies in a sealed body with a footer of so many bytes."""
    return Layout(head=HEADER, chunk=CHUNK, tag=TAG, foot=footer_length)


def wrap_context(object_id: bytes) -> bytes:
    """Return what binds a wrapped data key to this format and this object (section 14.4)."""
    return _DOMAIN + object_id


def derive(data_key: bytes, salt: bytes, context: bytes) -> tuple[bytes, bytes, bytes]:
    """Derive an object's key, base nonce and commitment (section 14.3)."""
    expanded = _expand(data_key, _C2SP + salt + context, 76)
    return expanded[:32], expanded[32:44], expanded[44:]


def metadata_mac(data_key: bytes, seal: bytes, recipients: bytes) -> bytes:
    """Compute ``cipherbucket-mac`` of the two decoded values beside it (section 14.5)."""
    key = _expand(data_key, b"cipherbucket/metadata/v1", 32)
    return hmac.digest(key, seal + recipients, hashlib.sha256)


class Sealed:
    """One object's key: encrypts and opens any run of its chunks.

    Args:
        key: From `derive`.
        base_nonce: From `derive`.
        seal: The object's.
        footer: The footer's bytes, to write; a reader has none.
    """

    __slots__ = ("_aead", "_base", "_footer", "_journal", "layout", "seal")

    def __init__(self, key: bytes, base_nonce: bytes, seal: Seal, footer: bytes = b"") -> None:
        self._aead = AESGCM(key)
        # For what stays on this machine alone; HKDF keeps it apart from the chunks.
        self._journal = _expand(key, b"cipherbucket/journal/mac/v1", 32)
        self._base = int.from_bytes(base_nonce, "big")
        self._footer = footer
        self.seal = seal
        self.layout = sealed_layout(seal.footer_length)

    def buffers(self, length: int) -> tuple[memoryview, memoryview]:
        """Return room for ``length`` bytes of plaintext and for what they become."""
        return memoryview(bytearray(length)), memoryview(bytearray(self.layout.stored_size(length)))

    def encrypt(self, offset: int, plain: memoryview, out: memoryview, *, last: bool) -> memoryview:
        """Encrypt a stretch of the plaintext, with what of header and footer belongs to it.

        Args:
            offset: Where it begins; a multiple of 16,384.
            plain: A multiple of 16,384 bytes, unless it is the last.
            out: Where it goes to; beside ``plain``.
            last: Whether the plaintext ends with it.

        Returns:
            The part of ``out`` that was filled.
        """
        number, rest = divmod(offset, CHUNK)
        if rest or (len(plain) % CHUNK and not last):
            raise ValueError("chunks are encrypted whole")
        position = 0
        if offset == 0:
            out[:HEADER] = self.seal.header
            position = HEADER
        full = len(plain) // CHUNK
        for k in range(full + last):
            piece = plain[k * CHUNK : (k + 1) * CHUNK]
            end = position + len(piece) + TAG
            self._aead.encrypt_into(self._nonce(number + k), piece, None, out[position:end])
            position = end
        if last:
            out[position : position + len(self._footer)] = self._footer
            position += len(self._footer)
        return out[:position]

    def decrypt(self, first: int, data: memoryview, out: memoryview) -> int:
        """Open a run of chunks: all of them, or none.

        Args:
            first: Number of the first.
            data: The encrypted chunks; only the object's last one may be shorter.
            out: Where the plaintext goes.

        Returns:
            How many bytes of plaintext there are.

        Raises:
            IntegrityError: A chunk is not authentic. ``out`` was wiped.
        """
        position = 0
        try:
            for k, start in enumerate(range(0, len(data), _STRIDE)):
                chunk = data[start : start + _STRIDE]
                end = position + len(chunk) - TAG
                self._aead.decrypt_into(self._nonce(first + k), chunk, None, out[position:end])
                position = end
        except (InvalidTag, ValueError, OverflowError):
            # OpenSSL writes the plaintext before it has seen the tag.
            out[:] = bytes(len(out))
            raise damaged() from None
        return position

    def part_tag(self, number: int, stored: memoryview, *, first: bool, last: bool) -> bytes:  # noqa: ARG002  chunks know their number
        """Compute what a journal keeps of a part: SHA-256 of its chunks' tags.

        Arguments as in `Ctr.part_tag`.
        """
        end = len(stored) - (len(self._footer) if last else 0)
        digest = hashlib.sha256()
        for start in range(HEADER if first else 0, end, _STRIDE):
            stop = min(start + _STRIDE, end)
            digest.update(stored[stop - TAG : stop])
        return digest.digest()

    def journal_mac(self, data: bytes) -> bytes:
        """Authenticate what a journal says of an upload under this key; never sent."""
        return hmac.digest(self._journal, data, hashlib.sha256)

    def with_footer(self, footer: bytes) -> Sealed:
        """Return the cipher of an object whose sealing goes on, with the footer it will end with.

        Raises:
            IntegrityError: It is another object's footer.
        """
        if hashlib.sha256(footer).digest() != self.seal.footer_hash:
            raise damaged()
        copied = object.__new__(Sealed)
        copied._aead, copied._base = self._aead, self._base
        copied._journal = self._journal
        copied._footer, copied.seal, copied.layout = footer, self.seal, self.layout
        return copied

    @property
    def footer(self) -> bytes:
        """The footer's bytes; empty for a reader."""
        return self._footer

    def _nonce(self, number: int) -> bytes:
        if number >= _MAX_CHUNKS:
            raise OverflowError("an object has at most 2**38 chunks")
        return (self._base ^ number).to_bytes(12, "big")

    def __repr__(self) -> str:
        """Show no key."""
        return "Sealed(...)"

    __reduce__ = not_copied("a data key", OBJECT_AGAIN)


def damaged() -> IntegrityError:
    """Return the one error for whatever in a sealed body is not as it was sealed."""
    return IntegrityError(
        "the object is not what was sealed: it was altered, truncated or damaged",
        hint="restore it from a copy or an older version, and find out who changed it",
    )


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA512(), length, info).derive(key)
