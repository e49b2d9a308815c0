"""The ring: the master keys a bucket works with. The first one writes, every one reads.

Rule: a key is found by (wrap algorithm, description), never by trying. Two keys that could not be
told apart that way are refused when the ring is made, not when an object is read. A description
that no key has is an error that names it; a guess would hand garbage, or an attacker's choice of
key, to the reader. An AES key and an RSA key share no algorithm and may share a description.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from cipherbucket.errors import (
    MasterKeyError,
    NoMatchingKeyError,
    UsageError,
    not_copied,
    warn_caller,
)
from cipherbucket.format.description import Description
from cipherbucket.keys.base import MasterKey

Fetch = Callable[[Description, str], MasterKey | None]


class KeyRing:
    """Master keys, found by wrap algorithm and description.

    Args:
        keys: The first writes, all read. None at all: only what needs no key can be done.
        fetch: Called with (description, wrap algorithm) for an object whose key is not among
            ``keys``; returns the key, or None. It is called for every such object: wrap it in
            `functools.lru_cache` if it is slow.

    Raises:
        MasterKeyError: Two keys with equal descriptions for one algorithm (two without a
            description among them), or one key under two descriptions.
    """

    __reduce__ = not_copied("a key ring", "load its keys again where they are needed")

    def __init__(self, *keys: MasterKey, fetch: Fetch | None = None) -> None:
        for key in keys:
            check_key(key)
        for key, other in combinations(keys, 2):
            _refuse_confusion(key, other)
        self._keys = keys
        self._fetch = fetch
        self._warned: set[str] = set()

    @property
    def keys(self) -> tuple[MasterKey, ...]:
        """The keys, in order."""
        return self._keys

    def writer(self, format: str = "oss") -> MasterKey:  # noqa: A002  the word of the documents
        """Return the key that writes; warn, once a ring, if what it writes will hurt later.

        Args:
            format: What is to be written.

        Raises:
            MasterKeyError: The ring is empty.
        """
        if not self._keys:
            raise MasterKeyError(
                "writing takes a master key and this ring has none",
                hint="make one with: cipherbucket keygen FILE",
            )
        key = self._keys[0]
        if format not in self._warned:
            self._warned.add(format)
            if text := _drawback(key, format):
                self._warn(text)
        return key

    def find(self, algorithm: str, description: Description) -> tuple[MasterKey, str]:
        """Find the key of an object.

        Args:
            algorithm: The object's wrap algorithm; compared without regard to case, as the Java
                and C++ SDKs do.
            description: The object's description.

        Returns:
            The key, and the algorithm as the key spells it.

        Raises:
            NoMatchingKeyError: No key has this description for this algorithm.
            MasterKeyError: What ``fetch`` returned does not fit.
        """
        for key in self._keys:
            if description == Description(key.description) and (
                spelled := spelling(key, algorithm)
            ):
                return key, spelled
        fetched = self._fetch(description, algorithm) if self._fetch is not None else None
        if fetched is not None:
            return fetched, self._checked(fetched, algorithm, description)
        ours = "; ".join(dict.fromkeys(str(Description(key.description)) for key in self._keys))
        # Of another kind (RSA, AES), or kept for another format.
        namesake = (
            "; the key of that description does not unwrap this algorithm"
            if any(description == Description(key.description) for key in self._keys)
            else ""
        )
        raise NoMatchingKeyError(
            f"{whose(description)} ({algorithm[:64]}),"
            f" the ring holds: {ours or 'no keys'}{namesake}",
            hint=hint_for(description),
        )

    def _warn(self, text: str) -> None:
        warn_caller(text)

    @staticmethod
    def _checked(key: MasterKey, algorithm: str, description: Description) -> str:
        check_key(key)
        if key.description and Description(key.description) != description:
            raise MasterKeyError(
                f"fetch returned a key described as {Description(key.description)}"
                f" for {description}"
            )
        if not (spelled := spelling(key, algorithm)):
            raise MasterKeyError(f"fetch returned a key that cannot unwrap {algorithm[:64]!r}")
        return spelled

    def __repr__(self) -> str:
        return f"KeyRing{self._keys!r}"


def check_key(key: object) -> None:
    """Refuse what is no master key.

    Raises:
        MasterKeyError: It lacks what the interface asks for.
    """
    if isinstance(key, type) or not isinstance(key, MasterKey):
        raise MasterKeyError(
            f"{key.__name__ if isinstance(key, type) else type(key).__name__} is no master key",
            hint="load_key(file) makes one of a key file",
        )


def ring_of(keys: object) -> KeyRing:
    """Return a ring as it is, or the ring of one bare master key.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(keys, KeyRing):
        return keys
    if isinstance(keys, MasterKey) and not isinstance(keys, type):
        return KeyRing(keys)
    raise UsageError(
        f"a KeyRing or a master key is wanted, not {type(keys).__name__}",
        hint="KeyRing(key, ...): the first writes, all read; KeyRing() has no key",
    )


def spelling(key: MasterKey, algorithm: str) -> str | None:
    """Return a wrap algorithm as the key spells it, or None if it cannot unwrap it."""
    folded = algorithm.casefold()
    return next((own for own in key.algorithms if own.casefold() == folded), None)


def whose(description: Description) -> str:
    """Say which key an object asks for."""
    if not description:
        return "the object has no description, so that it names no key"
    return f"the object's key is described as {description}"


def hint_for(description: Description) -> str:
    """Say what to do about an object whose key is not in the ring."""
    if not description:
        return "if you know the key, read with key="
    return "add the key with this description, or, if you know the key, read with key="


def _refuse_confusion(key: MasterKey, other: MasterKey) -> None:
    if key.id == other.id:
        raise MasterKeyError(
            f"key {key.id} stands twice in the ring",
            hint="one key has one description; name it once",
        )
    if Description(key.description) == Description(other.description) and any(
        spelling(other, algorithm) for algorithm in key.algorithms
    ):
        raise MasterKeyError(
            f"keys {key.id} and {other.id} could not be told apart: both have"
            f" {Description(key.description)}",
            hint="give each key a description of its own",
        )


def _drawback(key: MasterKey, format: str) -> str:  # noqa: A002  the word of the documents
    """Say what about a key will hurt later, "" for nothing."""
    description = Description(key.description)
    if not description:
        return (
            f"key {key.id} writes without a description: its objects cannot be found by label"
            " when the key is replaced; give it description={...}"
        )
    texts = (description.text, *description, *description.values())
    if format == "oss" and _writes_for_sdks(key) and not all(text.isascii() for text in texts):
        return f"the description of key {key.id} is not ASCII: some SDKs will not match it"
    return ""


def _writes_for_sdks(key: MasterKey) -> bool:
    try:
        key.algorithm_for("oss")
    except MasterKeyError:
        return False
    return True
