"""Names that are deleted only when all are known: in a file, since a store may list any number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO


class NamesOnDisk:
    """Names in a temporary file.

    Args:
        file: An empty one, for writing and reading.

    Attributes:
        count: How many names there are.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.count = 0

    def add(self, name: str) -> None:
        """Add one at the end."""
        self._file.write(json.dumps(name) + "\n")
        self.count += 1

    def names(self) -> Iterator[str]:
        """Give them all, from the first."""
        self._file.seek(0)
        return (json.loads(line) for line in self._file)
