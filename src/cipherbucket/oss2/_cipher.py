"""The content cipher that providers are given: there is one, AES-256 in counter mode.

Rule: what a `CryptoBucket` encrypts never passes here; it has the library's own cipher. This one is
for programs that encrypt or decrypt with a `ContentCryptoMaterial` by hand, and it says what sizes
of parts are possible. Once it has a key it is neither pickled nor copied, nor used after a fork.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from cipherbucket.errors import not_copied, without_frames
from cipherbucket.format.ctr import BLOCK, IV_LENGTH, KEY_LENGTH, Ctr, CtrStream
from cipherbucket.oss2 import defaults
from cipherbucket.oss2._client_errors import hinted
from cipherbucket.oss2.exceptions import ClientError

_INSTEAD = "draw a new data key in each process: crypto_provider.create_content_material()"
_refuse = not_copied("a cipher that has a data key", _INSTEAD, hinted)
AES_CTR = "AES/CTR/NoPadding"
AES_GCM = "AES/GCM/NoPadding"
"""What the V1 format calls the same."""


def random_key(key_len: int) -> bytes:
    """Return so many random bytes."""
    return secrets.token_bytes(key_len)


def random_iv() -> bytes:
    """Return 16 random bytes, of which bytes 8 to 11 are zero."""
    return secrets.token_bytes(8) + bytes(4) + secrets.token_bytes(4)


def iv_to_big_int(iv: bytes) -> int:
    """Return an initial counter as the number that it is."""
    return int.from_bytes(iv, "big")


class AESCTRCipher:
    """AES-256 in counter mode.

    Attributes:
        alg: The name in the envelope.
        key_len: Length of a data key in bytes.
        block_size_len: Length of a block in bytes.
        block_size_len_in_bits: The same in bits.
    """

    def __init__(self) -> None:
        self.alg = AES_CTR
        self.key_len = KEY_LENGTH
        self.block_size_len = BLOCK
        self.block_size_len_in_bits = 8 * BLOCK
        self._stream: CtrStream | None = None
        self._process = -1

    def get_key(self) -> bytes:
        """Return a new data key."""
        return random_key(self.key_len)

    def get_iv(self) -> bytes:
        """Return a new initial counter."""
        return random_iv()

    @without_frames
    def initialize(self, key: bytes, iv: bytes, offset: int = 0) -> None:
        """Begin a stream.

        Args:
            key: The data key, 32 bytes.
            iv: The initial counter, 16 bytes.
            offset: Blocks of 16 bytes that are left out before it.

        Raises:
            ClientError: Another length.
        """
        try:
            self.begin(Ctr(key, iv), offset)
        except ValueError as error:
            raise ClientError(str(error)) from error

    def begin(self, content: Ctr, offset: int = 0) -> None:
        """Begin a stream of the library's own cipher, ``offset`` blocks after its first."""
        self._stream = content.stream(offset * BLOCK)
        self._process = os.getpid()

    def initial_by_counter(self, key: bytes, counter: int) -> None:
        """Begin a stream at a counter that is given as a number."""
        self.initialize(key, (counter % (1 << 128)).to_bytes(IV_LENGTH, "big"))

    def encrypt(self, raw: bytes) -> bytes:
        """Encrypt the next bytes of the stream.

        Raises:
            ClientError: No stream was begun, or it was in another process.
        """
        if self._stream is None:
            raise ClientError("the cipher has no key yet: call initialize()")
        if self._process != os.getpid():
            raise hinted("the keystream belongs to the process that began it", _INSTEAD)
        buffer = bytearray(raw)
        self._stream.apply(buffer)
        return bytes(buffer)

    def decrypt(self, enc: bytes) -> bytes:
        """Decrypt the next bytes of the stream."""
        return self.encrypt(enc)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be copied with a key; without one there is nothing to keep."""
        return super().__reduce_ex__(protocol) if self._stream is None else _refuse(self)

    def is_block_aligned(self, offset: int | None) -> bool:
        """Tell whether a block begins here."""
        return (offset or 0) % BLOCK == 0

    def calc_offset(self, offset: int) -> int:
        """Return how many blocks lie before a byte.

        Raises:
            ClientError: No block begins there.
        """
        if not self.is_block_aligned(offset):
            raise ClientError("no block of 16 bytes begins at this offset")
        return offset // BLOCK

    def adjust_range(self, start: int | None, end: int | None) -> tuple[int | None, int | None]:
        """Return a range that begins with a block."""
        if start and not (end and end < start):
            start -= start % BLOCK
        return start, end

    def is_valid_part_size(self, part_size: int, data_size: int) -> bool:
        """Tell whether an upload of this size can have such parts."""
        return (
            self.is_block_aligned(part_size)
            and part_size >= defaults.min_part_size
            and part_size * defaults.max_part_count >= data_size
        )

    def determine_part_size(self, data_size: int, excepted_part_size: int | None = None) -> int:
        """Return a size of parts that an upload can have, near the one that is asked for."""
        size = excepted_part_size or 0
        if size * defaults.max_part_count < data_size or not size:
            size = defaults.part_size
            while size * defaults.max_part_count < data_size:
                size *= 2
        return -(-max(size, defaults.min_part_size) // BLOCK) * BLOCK


AESCipher = AESCTRCipher
"""The name of programs that are older than the V2 format."""
