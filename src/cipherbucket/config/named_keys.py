"""The keys of ``cipherbucket.toml``: read when they are used, and once.

Law: a file that is shared names keys that not everybody has. A key is found by the description that
the file, or what lies beside the key, tells; only the one that fits is then read, with its
passphrase, or its KMS asked. What cannot be told apart by these descriptions is refused before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations

from cipherbucket.audit.key_labels import kind_of
from cipherbucket.config import toml_lines
from cipherbucket.config.document import Document, suggestion
from cipherbucket.config.rules import AES, KMS, KeyEntry
from cipherbucket.errors import (
    MasterKeyError,
    MissingExtraError,
    NoMatchingKeyError,
    UsageError,
)
from cipherbucket.format.description import Description
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.files import id_of_file, load_key
from cipherbucket.keys.ring import KeyRing, hint_for, spelling, whose
from cipherbucket.keys.rsa import RsaKey

Ask = Callable[[str], str]
_KMS_ID = "kms:"


class Keys:
    """The keys of a file. May be used by several threads at once.

    Args:
        document: The file.
        entries: Its keys.
        ask: Called with the name of a key file, for its passphrase.
    """

    def __init__(self, document: Document, entries: dict[str, KeyEntry], ask: Ask | None) -> None:
        self.document = document
        self.entries = entries
        self._ask = ask
        self._lock = threading.RLock()
        self._loaded: dict[tuple[str, bool], MasterKey] = {}
        self._ids: dict[str, str | None] = {}

    def load(self, name: str, *, allow_weak: bool = False) -> MasterKey:
        """Return a key, read once.

        Raises:
            MasterKeyError: There is none of this name, or it cannot be used.
        """
        if name not in self.entries:
            raise MasterKeyError(
                f"{self.document.path}: there is no key {name!r}",
                hint=suggestion(name, self.entries),
            )
        with self._lock:
            if (name, allow_weak) not in self._loaded:
                key = self._read(self.entries[name], allow_weak=allow_weak)
                self._loaded[name, allow_weak] = key
            return self._loaded[name, allow_weak]

    def loaded(self, name: str) -> MasterKey | None:
        """Return a key if it was read already."""
        return self._loaded.get((name, False))

    def name_of(self, key: MasterKey) -> str:
        """Return the name of a key that was read here.

        Raises:
            UsageError: It is none of them.
        """
        for (name, _), loaded in tuple(self._loaded.items()):
            if loaded is key:
                return name
        raise UsageError(f"{self.document.path}: key {key.id} was not read from here")

    def refuse_to_write(self, key: MasterKey, format: str) -> None:  # noqa: A002  documents' word
        """Refuse a key of the file, wherever it was read from, that is not to write, or not this.

        It is known by its id, so that its public half and a copy of its file are no way around; by
        its description where the file cannot be read without a passphrase.

        Raises:
            MasterKeyError: It is ``read_only`` here, or does not serve the format.
        """
        self._refuse([entry for entry in self.entries.values() if self._is(entry, key)], format)

    def refuse_named(self, named: str, format: str, *, as_recipient: bool = False) -> None:  # noqa: A002
        """Refuse a key of the file that is not to write, or not this format, by what names it.

        Args:
            named: Its name, its file, or ``kms:`` and its id.
            format: What is to be written.
            as_recipient: Whether it is only to open what another key writes.

        Raises:
            MasterKeyError: It is ``read_only`` and no recipient, or does not serve the format.
        """
        entry = self._entry(named)
        self._refuse([entry] if entry is not None else [], format, as_recipient=as_recipient)

    def _refuse(
        self,
        entries: Sequence[KeyEntry],
        format: str,  # noqa: A002
        *,
        as_recipient: bool = False,
    ) -> None:
        for entry in entries:
            if entry.read_only and not as_recipient:
                raise MasterKeyError(
                    f"key {entry.name} of {self.document.path} is read_only",
                    hint="name another first",
                )
        if entries and not any(format in entry.formats for entry in entries):
            served = sorted({each for entry in entries for each in entry.formats})
            raise MasterKeyError(
                f"key {entries[0].name} of {self.document.path} does not serve format {format}",
                hint=f"it serves {', '.join(served)}",
            )

    def _entry(self, named: str) -> KeyEntry | None:
        if named in self.entries:
            return self.entries[named]
        for entry in self.entries.values():
            if named.startswith(_KMS_ID):
                if entry.key_id == named.removeprefix(_KMS_ID):
                    return entry
            elif entry.file is not None and os.path.realpath(named) == os.path.realpath(entry.file):
                return entry
        return None

    def _is(self, entry: KeyEntry, key: MasterKey) -> bool:
        """Tell whether a key is that of an entry, by its id, or else by what it is called."""
        its = self._id_of(entry)
        if its is not None:
            return its == key.id
        same_kind = isinstance(key, AesKey if entry.kind == AES else RsaKey)
        return same_kind and bool(entry.label) and entry.label == Description(key.description)

    def _id_of(self, entry: KeyEntry) -> str | None:
        """Return the id of a key, if it can be told without a passphrase."""
        if entry.file is None:
            return entry.key_id
        for loaded in (self._loaded.get((entry.name, weak)) for weak in (False, True)):
            if loaded is not None:
                return loaded.id
        with self._lock:
            if self._ids.get(entry.name) is None:  # a file that is not there may come
                self._ids[entry.name] = id_of_file(entry.file)
            return self._ids[entry.name]

    def _read(self, entry: KeyEntry, *, allow_weak: bool) -> MasterKey:
        try:
            if entry.kind == KMS:
                return self._kms_key(entry)
            return self._file_key(entry, allow_weak=allow_weak)
        except UsageError as error:
            if error.message.startswith(str(self.document.path)):
                raise MasterKeyError(error.message, hint=error.hint) from error
            raise self.document.key_error(entry.at, error.message, error.hint) from error

    def _file_key(self, entry: KeyEntry, *, allow_weak: bool) -> MasterKey:
        assert entry.file is not None
        if entry.file.exists() and not entry.file.is_file():  # a pipe would keep all waiting
            raise self._error(entry, entry.kind, f"{entry.file} is no regular file")
        key = load_key(
            entry.file, passphrase=lambda: self._passphrase(entry), allow_weak=allow_weak
        )
        if isinstance(key, AesKey) != (entry.kind == AES):
            its = "an AES key" if isinstance(key, AesKey) else "an RSA key"
            raise self._error(entry, entry.kind, f"{entry.file} holds {its}")
        if entry.description is not None:
            if key.description not in (Description(), entry.description):
                raise self._error(
                    entry,
                    "description",
                    f"it contradicts what lies beside {entry.file}: {key.description}",
                    "objects are found by one description: correct, or remove, the wrong one",
                )
            key = key.described(entry.description.text)
        if isinstance(key, RsaKey) and key.sealed_only and SEALED not in entry.formats:
            raise self._error(entry, "formats", "the key is for format sealed only")
        if isinstance(key, RsaKey) and entry.formats == {SEALED}:
            return key.for_sealed_only()
        return key

    def _kms_key(self, entry: KeyEntry) -> MasterKey:
        from cipherbucket.keys.kms.key import AliKmsKey  # noqa: PLC0415  its SDK takes a while
        from cipherbucket.keys.kms.settings import KmsSettings  # noqa: PLC0415

        settings = dict(entry.settings)
        if os.environ.get("KMS_ENDPOINT"):
            settings.pop("endpoint", None)
        return AliKmsKey(
            entry.key_id,
            KmsSettings(**settings),
            description=entry.description.text if entry.description is not None else None,
            passphrase=self._passphrase(entry) if entry.passphrase_env is not None else None,
            **entry.options,
        )

    def _passphrase(self, entry: KeyEntry) -> str:
        if entry.passphrase_env is not None and entry.passphrase_env in os.environ:
            return os.environ[entry.passphrase_env]
        if entry.kind != KMS:
            if self._ask is not None:
                return self._ask(str(entry.file))
            if entry.passphrase_env is None:
                return os.environ.get("CIPHERBUCKET_PASSPHRASE", "")
        raise self.document.error(
            (*entry.at, "passphrase_env"), "the environment variable that it names is not set"
        )

    def _error(
        self, entry: KeyEntry, name: str, message: str, hint: str | None = None
    ) -> MasterKeyError:
        at: toml_lines.Path = (*entry.at, name)
        return self.document.key_error(at, message, hint)


class GivenRing(KeyRing):
    """Keys that are used instead of those of a file, which still says which of them may write.

    Args:
        keys: The keys of the file.
        given: What is used instead.
        named: Name, file or ``kms:ID`` of the key that writes, by which the file knows it even
            where its id cannot be told without a passphrase.
    """

    def __init__(self, keys: Keys, given: KeyRing, named: str | None = None) -> None:
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
        self, keys: Keys, writer: str | None, readers: Sequence[str], *, allow_weak: bool = False
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
            raise self._source.document.key_error(
                other.at,
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
