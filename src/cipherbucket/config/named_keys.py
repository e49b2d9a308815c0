"""The keys of ``cipherbucket.toml`` by name: each is loaded when it is first used, and once.

Rule: a key that the file keeps from writing does not write, wherever it was read from. It is known
by its id, so that its public half and a copy of its file are no way around.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from cipherbucket.config.document import Document, suggestion
from cipherbucket.config.keys import AES, KeyEntry
from cipherbucket.config.loading import AskPassphrase, load
from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.files import id_of_file
from cipherbucket.keys.rsa import RsaKey

_KMS_ID = "kms:"


class NamedKeys:
    """The keys of a file by name. May be used by several threads at once.

    Args:
        document: The file.
        entries: Its keys.
        ask: Called with the name of a key file, for its passphrase.
    """

    def __init__(
        self, document: Document, entries: dict[str, KeyEntry], ask: AskPassphrase | None
    ) -> None:
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
                place = self.document.place("keys", name)
                self._loaded[name, allow_weak] = load(
                    place, self.entries[name], self._ask, allow_weak=allow_weak
                )
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
        """Refuse a key of the file that is not to write, or not this format.

        It is known by its description where its id cannot be found without a passphrase.

        Raises:
            MasterKeyError: It is ``read_only`` here, or is not for the format.
        """
        self._refuse([entry for entry in self.entries.values() if self._is(entry, key)], format)

    def refuse_named(self, named: str, format: str, *, as_recipient: bool = False) -> None:  # noqa: A002
        """Refuse a key of the file that is not to write, or not this format, by what names it.

        Args:
            named: Its name, its file, or ``kms:`` and its id.
            format: What is to be written.
            as_recipient: Whether it is only to open what another key writes.

        Raises:
            MasterKeyError: It is ``read_only`` and no recipient, or is not for the format.
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
            formats = sorted({each for entry in entries for each in entry.formats})
            raise MasterKeyError(
                f"key {entries[0].name} of {self.document.path} is not for format {format}",
                hint=f"it is for {', '.join(formats)}",
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
        """Return whether a key is that of an entry, by its id, or else by its description."""
        its = self._id_of(entry)
        if its is not None:
            return its == key.id
        same_kind = isinstance(key, AesKey if entry.kind == AES else RsaKey)
        return same_kind and bool(entry.label) and entry.label == Description(key.description)

    def _id_of(self, entry: KeyEntry) -> str | None:
        """Return the id of a key, if no passphrase is needed for it."""
        if entry.file is None:
            return entry.key_id
        if entry.fingerprint is not None:
            return entry.fingerprint
        for loaded in (self._loaded.get((entry.name, weak)) for weak in (False, True)):
            if loaded is not None:
                return loaded.id
        with self._lock:
            if self._ids.get(entry.name) is None:  # a file that is not there may come
                self._ids[entry.name] = id_of_file(entry.file)
            return self._ids[entry.name]
