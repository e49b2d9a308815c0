"""The new master keys of a rotation: each object gets the first that can write its format.

Rule: an object keeps its format, so the format alone decides which of several new keys it gets. No
key of the ring is taken because another one cannot: who wants several keys to write names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cipherbucket.envelopes.access import Access
from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.format.metadata_names import OSS, OSS_V1, SEALED
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, check_key

NewKey = MasterKey | Sequence[MasterKey] | None
"""One new key, or several; None for the first of a bucket's ring."""


@dataclass(frozen=True)
class NewKeys:
    """The keys that are to open objects from now on.

    Attributes:
        named: They; empty where the first key of each bucket's ring writes.
    """

    named: tuple[MasterKey, ...] = ()
    _rings: dict[str, KeyRing] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, to: NewKey) -> NewKeys:
        """Return the keys of an argument.

        Raises:
            MasterKeyError: One is no master key, or two could not be told apart.
            UsageError: An empty sequence.
        """
        if to is None:
            return cls()
        if isinstance(to, MasterKey) or not isinstance(to, Sequence):
            check_key(to)
            return cls((to,))
        if not to:
            raise UsageError("there is no new key", hint="name one, or None for the ring's first")
        KeyRing(*to)
        return cls(tuple(to))

    def of_bucket(self, access: Access) -> tuple[MasterKey, ...]:
        """Return the keys that may write in a bucket.

        Raises:
            MasterKeyError: None is named, and the ring has none that writes.
        """
        return self.named or (access.ring.writer(access.format),)

    def for_format(self, access: Access, format: str) -> MasterKey:  # noqa: A002  documents' word
        """Return the key for objects of a format.

        Raises:
            MasterKeyError: None of them writes it.
        """
        keys = self.of_bucket(access)
        if format == OSS_V1:  # nobody writes it; what is asked for there is refused elsewhere
            return keys[0]
        errors: list[MasterKeyError] = []
        for key in keys:
            try:
                key.algorithm_for(format)
                access.check_writer(key, format)
            except MasterKeyError as error:
                errors.append(_with_way_on(error, key, format))
            else:
                return key
        raise errors[0]

    def ring_for(self, access: Access, format: str) -> KeyRing:  # noqa: A002  documents' word
        """Return the ring whose first key writes a format.

        Raises:
            MasterKeyError: None of the keys writes it.
        """
        key = self.for_format(access, format)
        if not self.named:
            return access.ring
        return self._rings.setdefault(key.id, KeyRing(key))

    def check_useful(self, access: Access) -> None:
        """Refuse keys that can write nothing of what a bucket reads.

        Raises:
            MasterKeyError: They cannot.
        """
        others = sorted(access.policy.formats - {OSS_V1, access.format})
        errors: list[MasterKeyError] = []
        for format_ in (access.format, *others):
            try:
                self.for_format(access, format_)
            except MasterKeyError as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def identity(self, access: Access) -> Iterator[str]:
        """Yield what makes a pass with these keys another than with others."""
        with suppress(MasterKeyError):
            for key in self.of_bucket(access):
                yield from (key.id, str(dict(key.description)))


def _with_way_on(error: MasterKeyError, key: MasterKey, format: str) -> MasterKeyError:  # noqa: A002
    """Say how objects are served that this key cannot write, if it writes others."""
    other = SEALED if format == OSS else OSS
    with suppress(MasterKeyError):
        key.algorithm_for(format)
        return error  # it could, and a configuration forbids it
    with suppress(MasterKeyError):
        key.algorithm_for(other)
        return MasterKeyError(
            f"the new key cannot write the object's format: {error.message}",
            hint=f"name one more that writes format {format}: to=[...]",
        )
    return error
