"""What the formats' ciphers have in common, for writing.

Rule: a writer knows a cipher by this interface alone, and so writes every format in the same way.
"""

from __future__ import annotations

from typing import Protocol

from cipherbucket.format.span import Layout

OBJECT_AGAIN = "open the bucket and the object again where they are needed"
"""The way on for who wants to copy what holds a data key, or hand it to another process."""


class ContentCipher(Protocol):
    """One object's cipher. Any stretch of the plaintext can be encrypted without the others."""

    @property
    def layout(self) -> Layout:
        """How the plaintext lies in what is stored."""

    def buffers(self, length: int) -> tuple[memoryview, memoryview]:
        """Return room for ``length`` bytes of plaintext and for what they become.

        The two are the same where the cipher works in place.
        """

    def encrypt(self, offset: int, plain: memoryview, out: memoryview, *, last: bool) -> memoryview:
        """Encrypt a stretch of the plaintext, with what of header and footer belongs to it.

        Args:
            offset: Where it begins; a multiple of ``layout.chunk``.
            plain: A multiple of ``layout.chunk`` bytes, unless it is the last.
            out: Where it goes to: ``layout.part_size`` bytes or more.
            last: Whether the plaintext ends with it.

        Returns:
            The part of ``out`` that was filled.
        """

    def journal_mac(self, data: bytes) -> bytes:
        """Authenticate what a journal says of an upload under this key; never sent."""

    def part_tag(self, number: int, stored: memoryview, *, first: bool, last: bool) -> bytes:
        """Compute what a journal keeps of a part, to know its ciphertext again.

        Args:
            number: The part's, from 1.
            stored: Its ciphertext.
            first: Whether the body begins with it.
            last: Whether the body ends with it.
        """
