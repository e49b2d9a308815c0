"""Rings of the keys of ``cipherbucket.toml``, for a bucket.

Rule: a file that is shared names keys that not everybody has. A key is found by the description in
the file, or beside the key; only the one that fits is then read, with its passphrase, or its KMS
asked. Keys that these descriptions do not distinguish are refused when the ring is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations

from cipherbucket.config.keys import KeyEntry
from cipherbucket.config.named_keys import NamedKeys
from cipherbucket.errors import MasterKeyError, MissingExtraError, NoMatchingKeyError
from cipherbucket.format.description import Description
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.keys.base import MasterKey, kind_of
from cipherbucket.keys.ring import KeyRing, hint_for, spelling, whose


class GivenRing(KeyRing):
    """Keys that are used instead of those of a file, which still says which of them may write.

    Args:
        keys: The keys of the file.
        given: What is used instead.
        named: Name, file or ``kms:ID`` of the key that writes, by which the file knows it even
            where its id cannot be found without a passphrase.
    """

    def __init__(self, keys: NamedKeys, given: KeyRing, named: str | None = None) -> None:
        super().__init__()
        self._source = keys
        self._given = given
        self._named = named

    @property
    def keys(self) -> tuple[MasterKey, ...]:
        """The keys, in order."""
        return self._given.keys

    def writer(self, format: str = OSS) -> MasterKey:  # noqa: A002  the word of the documents
        """Return the key that writes, if the file lets it; see `KeyRing.writer`."""
        if self._named is not None:
            self._source.refuse_named(self._named, format)
        key = self._given.writer(format)
        self._source.refuse_to_write(key, format)
        return key

    def find(self, algorithm: str, description: Description) -> tuple[MasterKey, str]:
        """Find the key of an object; see `KeyRing.find`."""
        return self._given.find(algorithm, description)

    def __repr__(self) -> str:
        return repr(self._given)


class NamedRing(KeyRing):
    """The keys of a file that a rule names, as a ring that reads them when they are needed.

    Args:
        keys: The keys of the file.
        writer: Name of the key that writes, or None.
        readers: Names of those that read beside it.
        allow_weak: Write even with an RSA key of less than 2,048 bits.

    Raises:
        MasterKeyError: Two of them could not be told apart.
    """

    def __init__(
        self,
        keys: NamedKeys,
        writer: str | None,
        readers: Sequence[str],
        *,
        allow_weak: bool = False,
    ) -> None:
        super().__init__()
        self._source = keys
        self._writer = writer
        self._allow_weak = allow_weak
        names = dict.fromkeys([*([writer] if writer is not None else []), *readers])
        self._entries = [keys.entries[name] for name in names]
        for entry, other in combinations(self._entries, 2):
            self._refuse_confusion(entry, other)

    @property
    def keys(self) -> tuple[MasterKey, ...]:
        """The key that writes, if it is here, and those that were read so far."""
        if self._writer is not None:
            entry = self._source.entries[self._writer]
            # Who only reads may lack it, its passphrase or what its KMS takes.
            if entry.file is None or entry.file.exists():
                with suppress(MasterKeyError, MissingExtraError):
                    self._source.load(self._writer)
        found = (self._source.loaded(entry.name) for entry in self._entries)
        return tuple(key for key in found if key is not None)

    def writer(self, format: str = "oss") -> MasterKey:  # noqa: A002  the word of the documents
        """Return the key that writes.

        Raises:
            MasterKeyError: None does, or it cannot be used.
        """
        if self._writer is None:
            raise MasterKeyError(
                f"{self._source.document.path}: no rule says which key writes here",
                hint='add [[rules]] with at = "..." and write = "KEY"',
            )
        key = self._source.load(self._writer, allow_weak=self._allow_weak)
        self._source.refuse_to_write(key, format)
        if format not in self._warned:
            self._warned.add(format)
            KeyRing(key).writer(format)  # which warns of what will hurt later
        return key

    def find(self, algorithm: str, description: Description) -> tuple[MasterKey, str]:
        """Find the key of an object; see `KeyRing.find`."""
        for entry in self._entries:
            if entry.label != description or kind_of(algorithm) not in {entry.kind, "other"}:
                continue
            key = self._source.load(entry.name)
            spelled = spelling(key, algorithm)
            if spelled is not None and _format_of(key, algorithm) in entry.formats:
                return key, spelled
        ours = "; ".join(f"{entry.name} {_shown(entry)}" for entry in self._entries)
        raise NoMatchingKeyError(
            f"{whose(description)} ({algorithm[:64]}), and of"
            f" {self._source.document.path} these read here: {ours or 'no keys'}",
            hint=hint_for(description),
        )

    def _refuse_confusion(self, entry: KeyEntry, other: KeyEntry) -> None:
        same = entry.label is not None and entry.label == other.label
        if same and entry.kind == other.kind and entry.formats & other.formats:
            raise self._source.document.place("keys", other.name).key_error(
                f"it and key {entry.name} could not be told apart: both have {entry.label}",
                "give each key a description of its own",
            )

    def __repr__(self) -> str:
        return f"NamedRing({[entry.name for entry in self._entries]!r})"


def _shown(entry: KeyEntry) -> str:
    if entry.label is not None:
        return str(entry.label)
    is_here = entry.file is not None and entry.file.exists()
    return f"(what lies beside {entry.file} cannot be read)" if is_here else "(not here)"


def _format_of(key: MasterKey, algorithm: str) -> str:
    with suppress(MasterKeyError):
        if key.algorithm_for(SEALED).casefold() == algorithm.casefold():
            return SEALED
    return OSS
