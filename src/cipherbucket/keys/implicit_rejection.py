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

_BLOCK = 32
"""Bytes of an HMAC-SHA-256."""
_LENGTH_BLOCKS = 8
_LENGTHS = struct.Struct(">16H")
"""Lengths are drawn in so many blocks of so many; the last one that is possible is taken."""
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
        keyed = hmac.new(seed, digestmod=hashlib.sha256)
        length = self._drawn_length(keyed)
        blocks = range(-(-self._length // _BLOCK))
        message = b"".join(_block(keyed, each, b"message", self._length) for each in blocks)
        return message[self._length - length : self._length]

    def _drawn_length(self, keyed: hmac.HMAC) -> int:
        end = self._length - _LEAST_PADDING
        mask = (1 << end.bit_length()) - 1
        # From the last block, in which a length is possible but for one time in 2**16 or fewer.
        for number in reversed(range(_LENGTH_BLOCKS)):
            block = _block(keyed, number, b"length", _LENGTH_BLOCKS * _BLOCK)
            length = -1
            for drawn in _LENGTHS.unpack(block):  # whichever it is, all are looked at
                candidate = drawn & mask
                length = (length, candidate)[candidate < end]
            if length >= 0:
                return length
        return 0

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


def _block(keyed: hmac.HMAC, number: int, label: bytes, length: int) -> bytes:
    """Return a block of the pseudorandom bytes of a label, of which there are so many in all."""
    block = keyed.copy()  # cheaper than to begin with the key
    block.update(number.to_bytes(2, "big") + label + (8 * length).to_bytes(2, "big"))
    return block.digest()
