"""The kinds of CRC that stores keep, always of the ciphertext.

Rule: it detects accidents, a lost block or a flipped bit on a disk. It is no defence against an
attacker, who can compute it too. Two of different kinds say nothing about each other: who compares
looks at the kinds first.
"""

from __future__ import annotations

from enum import Enum
from functools import cache, lru_cache
from typing import Any

from fastcrc import crc64 as _crc64

from cipherbucket.errors import missing_extra

# ECMA-182's polynomial, bits reflected: bit 63 is the coefficient of x^0.
_POLYNOMIAL = 0xC96C5795D7870F42
_X8 = 1 << (63 - 8)


class Crc(Enum):
    """A kind of CRC, by its name in the catalogues of CRCs."""

    XZ = "CRC-64/XZ"
    """That of OSS (``x-oss-hash-crc64ecma``), and of files on disk."""
    NVME = "CRC-64/NVME"
    """That of S3 (``x-amz-checksum-crc64nvme``)."""
    CRC32 = "CRC-32/ISO-HDLC"
    """What S3 keeps (``x-amz-checksum-crc32``) where an object's writer wanted this one."""

    def of(self, data: bytes | bytearray | memoryview, value: int = 0) -> int:
        """Continue a CRC-64 over ``data``, as `crc64` does for OSS's.

        Raises:
            MissingExtraError: S3's, without the extra ``s3``.
        """
        if self is Crc.XZ:
            return crc64(data, value)
        crc: int = self._library()[0](data, value)
        return crc

    def combine(self, first: int, second: int, second_length: int) -> int:
        """Compute the CRC of two pieces from theirs, as `crc64_combine` does for OSS's.

        Raises:
            MissingExtraError: S3's, without the extra ``s3``.
        """
        if self is Crc.XZ:
            return crc64_combine(first, second, second_length)
        crc: int = self._library()[1](first, second, second_length)
        return crc

    def _library(self) -> tuple[Any, Any]:
        checksums = _aws_checksums()
        if self is Crc.NVME:
            return checksums.crc64nvme, checksums.combine_crc64nvme
        return checksums.crc32, checksums.combine_crc32


@cache
def _aws_checksums() -> Any:
    """Return the library that has those of S3, when it is first needed: OSS needs it never."""
    try:
        from awscrt import checksums  # noqa: PLC0415
    except ImportError as error:
        raise missing_extra("awscrt is missing, which computes the CRCs of S3", "s3") from error
    return checksums


def crc64(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """Continue a CRC-64/XZ over ``data``.

    Args:
        data: The next bytes.
        value: The CRC of all bytes before them; 0 for none.

    Returns:
        The CRC of everything so far, 0 <= crc < 2**64.
    """
    return _crc64.xz(data, value)


def crc64_combine(first: int, second: int, second_length: int) -> int:
    """Compute the CRC-64/XZ of two pieces laid end to end from those of the pieces.

    Args:
        first: CRC of the first piece.
        second: CRC of the second piece.
        second_length: Length of the second piece in bytes.

    Returns:
        The CRC of the whole. Appending n bytes multiplies by x^(8n) modulo the polynomial.
    """
    return _multiply(_power_of_x8(second_length), first) ^ second


@lru_cache(maxsize=64)  # the parts of one object have one length or two
def _power_of_x8(exponent: int) -> int:
    result, square = 1 << 63, _X8
    while exponent:
        if exponent & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _multiply(a: int, b: int) -> int:
    """Multiply two reflected polynomials modulo the CRC's."""
    product, bit = 0, 1 << 63
    while bit:
        if a & bit:
            product ^= b
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return product
