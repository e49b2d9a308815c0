"""AES-256 in counter mode, starting at any byte of the body.

Rule: the initial counter is the 16 bytes of the IV as one 128-bit big-endian integer, plus one for
each 16-byte block before the offset, modulo 2**128 (NIST SP 800-38A, section 6.5; docs/format.md,
section 2). Encryption and decryption are the same operation.

The mode authenticates nothing: whoever can change the ciphertext changes the plaintext.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from cipherbucket.errors import not_copied, without_frames
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.span import PLAIN, Layout

BLOCK = 16
KEY_LENGTH = 32
IV_LENGTH = 16
MASKED, RANDOM = "masked", "random"
"""Kinds of IVs: with zeros in bytes 8 to 11, as most SDKs write them, and random in all bytes."""
_TAG_BLOCK = 1 << 20


def is_masked(iv: bytes) -> bool:
    """Return whether bytes 8 to 11 of an IV are there and zero; takes the same time for either."""
    return hmac.compare_digest(iv[8:12], bytes(4))


class Ctr:
    """One object's data key and IV.

    Args:
        key: The data key, 32 bytes.
        iv: The initial counter, 16 bytes.

    Raises:
        ValueError: Wrong lengths.
    """

    __slots__ = ("_iv", "_key")

    layout: Layout = PLAIN

    @without_frames
    def __init__(self, key: bytes, iv: bytes) -> None:
        if len(key) != KEY_LENGTH or len(iv) != IV_LENGTH:
            raise ValueError("AES-256-CTR takes a key of 32 bytes and an IV of 16")
        self._key = key
        self._iv = int.from_bytes(iv, "big")

    @property
    def iv_kind(self) -> str:
        """`MASKED` or `RANDOM`."""
        return MASKED if is_masked(self._iv.to_bytes(IV_LENGTH, "big")) else RANDOM

    def stream(self, offset: int = 0) -> CtrStream:
        """Begin at a byte of the body.

        Args:
            offset: 0 or more; need not be a multiple of 16.
        """
        blocks, skip = divmod(offset, BLOCK)
        counter = (self._iv + blocks) % (1 << 128)
        cipher = Cipher(algorithms.AES256(self._key), modes.CTR(counter.to_bytes(16, "big")))
        context = cipher.encryptor()
        context.update(bytes(skip))
        return CtrStream(context)

    def buffers(self, length: int) -> tuple[memoryview, memoryview]:
        """Return room for ``length`` bytes of plaintext and for what they become: the same."""
        buffer = memoryview(bytearray(length))
        return buffer, buffer

    def encrypt(self, offset: int, plain: memoryview, out: memoryview, *, last: bool) -> memoryview:  # noqa: ARG002  the last bytes are like all others
        """Encrypt a stretch of the plaintext into ``out``, which may be ``plain`` itself.

        Returns:
            The part of ``out`` that was filled.
        """
        self.stream(offset).apply(plain, out)
        return out[: len(plain)]

    def part_tag(self, number: int, stored: memoryview, *, first: bool, last: bool) -> bytes:  # noqa: ARG002  every byte counts
        """Compute what a journal keeps of a part, to know its ciphertext again.

        GMAC under a key of its own, the ciphertext as associated data, the number as the nonce:
        who reads the journal learns nothing of the plaintext by it. It is never sent.

        Args:
            number: The part's, from 1.
            stored: Its ciphertext.
            first: Whether the body begins with it.
            last: Whether the body ends with it.
        """
        key = HKDFExpand(hashes.SHA512(), KEY_LENGTH, b"cipherbucket/journal/v1").derive(self._key)
        gmac = Cipher(algorithms.AES256(key), modes.GCM(number.to_bytes(12, "big"))).encryptor()
        for start in range(0, len(stored), _TAG_BLOCK):
            gmac.authenticate_additional_data(stored[start : start + _TAG_BLOCK])
        gmac.finalize()
        return gmac.tag

    def journal_mac(self, data: bytes) -> bytes:
        """Authenticate what a journal says of an upload under this key; never sent."""
        info = b"cipherbucket/journal/mac/v1"
        key = HKDFExpand(hashes.SHA512(), KEY_LENGTH, info).derive(self._key)
        return hmac.digest(key, data, hashlib.sha256)

    def __repr__(self) -> str:
        """Show no key."""
        return "Ctr(...)"

    __reduce__ = not_copied("a data key", OBJECT_AGAIN)


class CtrStream:
    """The keystream from one offset on; pieces of any size follow each other."""

    __slots__ = ("_context",)

    def __init__(self, context: CipherContext) -> None:
        self._context = context

    __reduce__ = not_copied("a keystream", OBJECT_AGAIN)

    def apply(
        self, buffer: bytearray | memoryview, out: bytearray | memoryview | None = None
    ) -> None:
        """Encrypt or decrypt the next ``len(buffer)`` bytes into ``out``, by default in place."""
        # Safe in place: the cipher reads each byte before it writes it, and CTR keeps none back.
        self._context.update_into(buffer, buffer if out is None else out)
