"""AES master keys: 32 random bytes, which write the sealed format alone.

Rule: a key that wraps is never the master key itself: for each context, and so for each object, a
key is derived from it (docs/format.md, section 14.4). What is derived for one object opens no
other, and the master key has no second use that could touch the first.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from cipherbucket.errors import MasterKeyError, UsageError, not_copied, without_frames
from cipherbucket.format.description import Description
from cipherbucket.keys.base import check_context, does_not_open
from cipherbucket.keys.encodings import read_key_file

KWP = "AES-256-KWP"
"""AES key wrap with padding (RFC 5649; NIST SP 800-38F) under a derived key of 256 bits."""
KEY_LENGTH = 32
"""Length of an AES master key in bytes."""

_KEK_LABEL = b"cipherbucket/kek/v1/" + KWP.encode() + b"\0"
_ID_LABEL = b"cipherbucket/key-id/v1"
_HEX = re.compile(rb"([0-9A-Fa-f]{64})(?:\r?\n)?")
_BASE64 = re.compile(rb"([A-Za-z0-9+/]{43}=)(?:\r?\n)?")
_ACCEPTED = "an AES key is 32 random bytes: raw, 44 characters of base64, or 64 of hex"


class AesKey:
    """An AES-256 master key. It writes and reads format ``sealed``; no SDK knows such keys.

    Args:
        key: 32 random bytes. A password is none, nor is the hash of one.
        description: The label by which readers find the key, as a mapping or as its exact JSON
            text. Objects written without one can never be moved to another key by its label.

    Raises:
        MasterKeyError: Not 32 bytes.
        UsageError: The description is no mapping of strings.
    """

    __slots__ = ("_description", "_id", "_key")

    @without_frames
    def __init__(self, key: bytes, *, description: Mapping[str, str] | str | None = None) -> None:
        if not isinstance(key, bytes) or len(key) != KEY_LENGTH:
            raise MasterKeyError(
                f"an AES master key is {KEY_LENGTH} bytes",
                hint="make one with: cipherbucket keygen --type aes FILE",
            )
        self._key = key
        self._description = Description(description)
        fingerprint = base64.b64encode(_expanded(key, _ID_LABEL)).decode()
        self._id = "AES256:" + fingerprint.rstrip("=")

    @classmethod
    @without_frames
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        description: Mapping[str, str] | str | None = None,
    ) -> Self:
        """Read a key file.

        What lies beside the file is not looked at; `cipherbucket.load_key` does that.

        Args:
            path: 32 raw bytes; or 44 characters of base64 (RFC 4648, section 4) or 64 of hex, in
                either case, with at most one line end after them.
            description: See the class.

        Raises:
            MasterKeyError: The file cannot be read, or holds something else. Names the file.
        """
        key = parse_aes(read_key_file(path).data)
        if key is None:
            raise MasterKeyError(f"key file {os.fspath(path)}: not an AES key", hint=_ACCEPTED)
        return cls(key, description=description)

    @property
    def id(self) -> str:
        """``AES256:`` and base64 of 32 bytes derived from the key (docs/format.md, 14.9)."""
        return self._id

    @property
    def description(self) -> Description:
        """The label by which readers find the key."""
        return self._description

    @property
    def algorithms(self) -> frozenset[str]:
        """The one wrap algorithm of AES keys."""
        return frozenset({KWP})

    def described(self, description: Mapping[str, str] | str | None) -> Self:
        """Return the same key under another description."""
        return type(self)(self._key, description=description)

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm this key writes a format with.

        Raises:
            MasterKeyError: Not this format.
        """
        if format != "sealed":
            raise MasterKeyError(
                f"AES keys do not write format {format!r}: no SDK could read it",
                hint='use format="sealed", or an RSA key',
            )
        return KWP

    @without_frames
    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Wrap a secret: 8 bytes more than it has, rounded up to a multiple of 8.

        Args:
            secret: At least one byte.
            algorithm: `KWP`.
            context: What the wrapped secret is bound to, at least one byte.

        Raises:
            UsageError: Another algorithm, no context, or nothing to wrap.
        """
        kek = self._kek(algorithm, context)
        if not secret:
            raise UsageError("nothing cannot be wrapped")
        return aes_key_wrap_with_padding(kek, secret)

    @without_frames
    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Unwrap a secret.

        Raises:
            WrongKeyError: It does not unwrap: another key, another context, or altered bytes.
            UsageError: Another algorithm, or no context.
        """
        return unwrapped(self._kek(algorithm, context), wrapped)

    def _kek(self, algorithm: str, context: bytes) -> bytes:
        """Derive the key that wraps in one context."""
        if algorithm != KWP:
            raise UsageError(f"{algorithm!r} is no wrap algorithm of AES keys")
        check_context(algorithm, context)
        return _expanded(self._key, _KEK_LABEL + context)

    def __repr__(self) -> str:
        """Show fingerprint and description only."""
        return f"AesKey({self._id!r}, {self._description.text!r})"

    __reduce__ = not_copied("a master key", "load the key again where it is needed")


def parse_aes(data: bytes) -> bytes | None:
    """Return the 32 bytes of an AES key as a key file may hold them, or None.

    The length decides, and 32 bytes are the raw key whatever they look like: stripped of a byte
    that happens to be a line end, or read as text, they would be another key.
    """
    if len(data) == KEY_LENGTH:
        return data
    if match := _HEX.fullmatch(data):
        return bytes.fromhex(match[1].decode())
    if match := _BASE64.fullmatch(data):
        key = binascii.a2b_base64(match[1])
        # 43 characters hold two bits more than 32 bytes; only zeros there are base64's own text.
        return key if base64.b64encode(key) == match[1] else None
    return None


def unwrapped(kek: bytes, wrapped: bytes) -> bytes:
    """Undo RFC 5649 under the key-encrypting key itself.

    Raises:
        WrongKeyError: It does not unwrap.
    """
    try:
        return aes_key_unwrap_with_padding(kek, wrapped)
    except InvalidUnwrap:
        raise does_not_open() from None


def _expanded(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(hashes.SHA512(), 32, info).derive(key)
