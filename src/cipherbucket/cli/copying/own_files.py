"""The files that a command lives on: its keys, their descriptions, ``cipherbucket.toml``.

Rule: no command removes them. A key that was moved into a store would be left encrypted under
itself alone, and all else in the store with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions


class OwnFiles:
    """Files that stay where they are, by whatever path they are named.

    Args:
        paths: They; what is not there is left out.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._numbers = set()
        for path in paths:
            with suppress(OSError, ValueError):
                self._numbers.add(_number(path.stat()))

    @classmethod
    def of(cls, access: AccessOptions) -> OwnFiles:
        """Return the files that a command reads its keys from, and what it knows them by."""
        named = (*access.key_files, *access.new_key_files, access.force_key)
        files = [Path(each) for each in named if each is not None]
        if access.config is not None:
            entries = access.config.keys.values()
            files += [access.config.path, *(each.file for each in entries if each.file is not None)]
        return cls([*files, *(Path(f"{each}.json") for each in files)])

    def check(self, path: Path) -> None:
        """Refuse to remove one.

        Raises:
            UsageError: It is one.
        """
        with suppress(OSError):
            if _number(path.lstat()) in self._numbers:
                raise cb.UsageError(
                    f"{path} is a key or a setting of this very command, and stays where it is",
                    hint="leave it out with --exclude",
                )


NONE = OwnFiles(())


def _number(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
