"""The interface of a master key: RSA, AES, a KMS and a user's own look alike.

Rule: a master key wraps data keys and never leaves its owner. It alone knows how its wrap
algorithms work. It has few members, so that another kind is written in an afternoon
(docs/keys.md).

A key may have more: ``generate`` (see `DrawsDataKeys`); ``was_wrapped(wrapped, secret, *,
algorithm)`` (see `was_wrapped`); ``remote``, true where each call is a round trip, so that two are
made at once; ``can_unwrap``, false where only the public half is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from cipherbucket.errors import UsageError, WrongKeyError


@runtime_checkable
class MasterKey(Protocol):
    """What the ring and the formats ask of a master key.

    Attributes:
        id: A fingerprint, or the KMS's key id: the same for the same key, whatever its description.
        description: The label by which a reader finds the key.
        algorithms: The wrap algorithms it can unwrap, as they stand on the wire.
    """

    @property
    def id(self) -> str:
        """The key's fingerprint, or the KMS's key id."""

    @property
    def description(self) -> Mapping[str, str]:
        """The key's label."""

    @property
    def algorithms(self) -> frozenset[str]:
        """The wrap algorithms it can unwrap."""

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the documents
        """Return the wrap algorithm it writes a format with.

        Raises:
            MasterKeyError: It does not write this format; the message says why.
        """

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Wrap a secret of a few bytes.

        Args:
            secret: A data key or an IV.
            algorithm: One of `algorithms`.
            context: Bound to the wrapped secret where the algorithm can; empty in format ``oss``,
                never empty in format ``sealed``.
        """

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Undo `wrap`.

        Raises:
            WrongKeyError: It does not unwrap. All failures look alike.
        """


@runtime_checkable
class DrawsDataKeys(MasterKey, Protocol):
    """A master key that draws data keys itself, as a KMS does."""

    def generate(self, length: int, *, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
        """Draw a new data key and wrap it.

        Args:
            length: Length of the data key in bytes.
            algorithm: One of `algorithms`.
            context: As for `wrap`.

        Returns:
            The data key, never drawn before, and the same wrapped.
        """


def was_wrapped(key: MasterKey, wrapped: bytes, secret: bytes, algorithm: str) -> bool | None:
    """Return whether what a key unwrapped was ever wrapped with it, as the key says.

    A key's own ``was_wrapped`` returns True if its ``unwrap`` raises for whatever was not. One
    whose ``unwrap`` may return a made-up secret instead takes the same time for either.

    Returns:
        None where the key does not know, or has no such method.
    """
    judge: Callable[..., bool | None] | None = getattr(key, "was_wrapped", None)
    return None if judge is None else judge(wrapped, secret, algorithm=algorithm)


def does_not_open() -> WrongKeyError:
    """Return the error of `MasterKey.unwrap`: in the same words, whatever it was that failed."""
    return WrongKeyError("the key does not open this object")


def check_context(algorithm: str, context: bytes) -> None:
    """Refuse to wrap or unwrap for no object in particular.

    Raises:
        UsageError: There is no context.
    """
    if not context:
        raise UsageError(f"{algorithm} takes a context, so that keys are bound to objects")


def kind_of(algorithm: str) -> str:
    """Return what kind of key a wrap algorithm, of any format, is of."""
    folded = algorithm.casefold()
    if folded.startswith("rsa"):
        return "rsa"
    if folded.startswith("kms") or folded.endswith("-kms"):
        return "kms"
    return "aes" if folded.startswith("aes-") else "other"
