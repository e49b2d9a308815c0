"""What OpenSSL answers where PKCS #1 v1.5 padding is bad, computed beforehand.

OpenSSL since 3.2 reports no bad padding. It returns a message that looks random and depends on the
private exponent and the ciphertext alone (implicit rejection: draft-irtf-cfrg-rsa-guidance, section
7). So it can be computed, and an unwrapped secret that equals it was never wrapped.

Rule: what is kept is a hash of the private exponent, from which the answers follow and the key does
not. It is as secret as the key. Nothing here takes time that depends on whether a padding was good.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from cipherbucket.errors import not_copied, without_frames

_CANDIDATES = struct.Struct(">128H")
"""Lengths that are drawn; the last one that is possible is taken."""
_LEAST_PADDING = 10
"""Bytes before the separator: 00, 02 and eight at least that are not zero."""


class ImplicitRejection:
    """Computes what a private key answers where the padding is bad.

    Args:
        key: Its private exponent is asked for here, and only its hash is kept.

    Raises:
        Exception: Whatever a key raises that does not give its private exponent away.
    """

    __slots__ = ("_hash", "_length", "_public")

    @without_frames
    def __init__(self, key: RSAPrivateKey) -> None:
        self._length = (key.key_size + 7) // 8
        numbers = key.private_numbers()
        self._public = numbers.public_numbers
        self._hash = hashlib.sha256(numbers.d.to_bytes(self._length, "big")).digest()

    @without_frames
    def is_answer(self, wrapped: bytes, secret: bytes) -> bool:
        """Return whether a secret is what a bad padding of ``wrapped`` is answered with."""
        answer = self.answer(wrapped)
        # Of one length, so that the comparison takes the same time whatever the two lengths are.
        return hmac.compare_digest(self._filled(answer), self._filled(secret))

    @without_frames
    def answer(self, wrapped: bytes) -> bytes:
        """Return what a bad padding of ``wrapped``, as long as the modulus, is answered with."""
        seed = hmac.digest(self._hash, wrapped, hashlib.sha256)
        longest = self._length - _LEAST_PADDING
        mask = (1 << longest.bit_length()) - 1
        length = 0
        for drawn in _CANDIDATES.unpack(_prf(seed, b"length", _CANDIDATES.size)):
            candidate = drawn & mask
            length = (length, candidate)[candidate < longest]
        return _prf(seed, b"message", self._length)[self._length - length :]

    @without_frames
    def is_answered_by(self, key: RSAPrivateKey) -> bool:
        """Return whether the library below answers so, by a ciphertext whose padding is bad.

        It decrypts to the number 2, whose encoding begins with zeros whatever the key is.
        """
        modulus, exponent = self._public.n, self._public.e
        bad = pow(2, exponent, modulus).to_bytes(self._length, "big")
        try:
            return self.is_answer(bad, key.decrypt(bad, padding.PKCS1v15()))
        except ValueError:  # a library that reports bad padding
            return False

    def _filled(self, secret: bytes) -> bytes:
        return len(secret).to_bytes(4, "big") + secret.rjust(self._length, b"\0")

    def __repr__(self) -> str:
        """Show no hash."""
        return "ImplicitRejection(...)"

    __reduce__ = not_copied("what is computed from a master key", "load the key again instead")


def _prf(seed: bytes, label: bytes, length: int) -> bytes:
    """Return so many pseudorandom bytes: HMAC-SHA-256 of a counter, the label and the length."""
    keyed = hmac.new(seed, digestmod=hashlib.sha256)  # copied, which is cheaper than another key
    end = label + (8 * length).to_bytes(2, "big")
    blocks = []
    for number in range(-(-length // keyed.digest_size)):
        block = keyed.copy()
        block.update(number.to_bytes(2, "big") + end)
        blocks.append(block.digest())
    return b"".join(blocks)[:length]
