"""Objects of a store, compared with files and with one another; what a comparison can come to.

Rule: a listing is believed as far as it goes. An object is asked for by itself only where its
format, or its name, can add to the plaintext's length, or where contents are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.listings import Item
from cipherbucket.cli.options.access import SEALED, ReadArguments

NEWER, OTHER_SIZE, OTHER_CONTENT, OTHER_FORMAT = (
    "newer",
    "other size",
    "other content",
    "other format",
)


@dataclass(frozen=True)
class EncryptedObjects:
    """Objects, which are compared with files.

    Attributes:
        bucket: Where they are.
        reading: How they are opened.
        policy: What is accepted of them.
    """

    bucket: cb.Bucket
    reading: ReadArguments
    policy: cb.Policy

    def difference(
        self, name: str, stored: Item, path: Path, file: Item, *, checksum: bool
    ) -> str | None:
        """Compare an object with a file, but for their times, with as few requests as can be."""
        if checksum:
            key, context = self.reading["key"], self.reading["context"]
            same = self.bucket.matches(name, path, key=key, context=context)
            return None if same else OTHER_CONTENT
        if SEALED not in self.policy.formats:
            # A listing says how much is stored: in format oss that is the plaintext's size.
            return OTHER_SIZE if stored.size != file.size else None
        info = self.bucket.head(name)
        if not self._accepts(info):
            return OTHER_FORMAT
        return OTHER_SIZE if info.size != file.size else None

    def _accepts(self, info: cb.ObjectInfo) -> bool:
        """Return whether an object is one that is read: any other is no copy of a file."""
        try:
            self.policy.admit(info.envelope)
        except cb.PolicyError:
            return False
        return True


def difference_of_objects(
    here: tuple[cb.Bucket, str, Item], there: tuple[cb.Bucket, str, Item], *, checksum: bool
) -> str | None:
    """Compare two objects, but for their times.

    Args:
        here: The bucket of one, its name, and what a listing says of it.
        there: The same of the other.
        checksum: Whether what is stored is compared, and not the sizes of plaintexts.
    """
    if not checksum and here[2].size == there[2].size:
        return None
    one, other = (bucket.head(name) for bucket, name, _ in (here, there))
    if not checksum:  # the formats, or the names, may add other lengths
        return OTHER_SIZE if one.size != other.size else None
    if one.stored_size != other.stored_size:
        return OTHER_CONTENT
    if one.crc64 is None or other.crc64 is None:
        raise cb.UsageError("a store keeps no CRC-64 to compare", name=one.name)
    if one.crc is not other.crc:
        raise cb.UsageError(
            f"one store keeps {one.crc.value} and the other {other.crc.value}: what is stored"
            " cannot be compared by them",
            name=one.name,
            hint="compare by size and time, without --checksum",
        )
    return None if one.crc64 == other.crc64 else OTHER_CONTENT
