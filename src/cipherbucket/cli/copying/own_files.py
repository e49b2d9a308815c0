"""The files that a command itself uses: keys, what lies beside them, settings and state.

Rule: no command removes or replaces one, by whatever path or link it is named. A key that was moved
into a store would be left encrypted under itself alone, and all else in the store with it. For the
same reason no private key goes into a store along with others: it is left out, with a note.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import cipherbucket as cb
from cipherbucket.cli.copying.places import file_numbers
from cipherbucket.cli.copying.tally import Tally
from cipherbucket.cli.errors import say
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.transfers.state import state_folder

_KEY = "a key that this command uses"
_BESIDE = "a file that this command uses"
_STATE = "a journal or ledger of this program"
_LARGEST_KEY = 1 << 16
_STATE_NAME = re.compile(r".+\.(?:journal|ledger)(?:-[a-z]+)?")


class OwnFiles:
    """What a command uses, as it is when the command begins.

    Args:
        access: Its keys and settings.
    """

    def __init__(self, access: AccessOptions) -> None:
        private = list(_private_halves(access))
        beside = [Path(f"{each}{end}") for each in private for end in (".pub", ".json")]
        if access.config is not None:
            beside.append(access.config.path)
        self._keys_read = {data for each in private if (data := _contents(each)) is not None}
        self._keys, self._beside = set(file_numbers(private)), set(file_numbers(beside))

    def leave_out(self, relative: str, path: Path, tally: Tally, *, beside: bool = False) -> bool:
        """Count a file of the command as left out.

        Args:
            relative: Its name in the target.
            path: It, or any other file.
            tally: Where it is counted.
            beside: Whether what is neither a private key nor a journal is copied all the same.

        Returns:
            Whether it is one that is left out.
        """
        what = self._what(path)
        if what is None and beside and _contents(path, self._keys_read) is not None:
            what = f"a copy of {_KEY}"
        if what is None or (beside and what == _BESIDE):
            return False
        tally.leave_out(relative, str(path), what)
        return True

    def refuse_removal(self, path: Path) -> None:
        """Refuse to remove a file of the command.

        Raises:
            UsageError: It is one.
        """
        if (what := self._what(path)) is not None:
            raise cb.UsageError(
                f"{path} is {what}, and stays where it is",
                hint="leave it out; from a folder with --exclude",
            )

    def refuse_replacement(self, path: Path) -> None:
        """Refuse to write something else to a file of the command.

        Raises:
            UsageError: It is one.
        """
        if (what := self._what(path)) is not None:
            raise cb.UsageError(
                f"{path} is {what}, and is not replaced",
                hint="copy to another name; leave it out of a folder with --exclude",
            )

    def warn_of_copy(self, path: Path) -> None:
        """Warn that a key is encrypted, and can be lost with itself."""
        if self._what(path) == _KEY:
            say(
                f"warning: {path} is {_KEY}; keep it, because its copy is encrypted and cannot be"
                " read without a key"
            )

    def _what(self, path: Path) -> str | None:
        for number in file_numbers([path]):
            if number in self._keys:
                return _KEY
            if number in self._beside:
                return _BESIDE
            return _STATE if _is_state(path) else None
        return None


def _private_halves(access: AccessOptions) -> Iterator[Path]:
    """Give the key files, and of a public half where its private half lies; links and targets."""
    named = (*access.key_files, *access.new_key_files, *access.recipient_files, access.force_key)
    files = [each for each in named if each is not None]
    if access.config is not None:
        entries = access.config.keys.values()
        files += [str(each.file) for each in entries if each.file is not None]
    paths = (path for each in files for path in (each, os.path.realpath(each)))
    return (Path(each.removesuffix(".pub")) for each in paths)


def _contents(path: Path, among: Collection[bytes] | None = None) -> bytes | None:
    """Return what is in a file that is small enough for a key, if it is one of these.

    Args:
        path: Of the file.
        among: What it may be; None for anything.
    """
    with suppress(OSError, ValueError):
        status = path.stat()
        likely = among is None or any(len(each) == status.st_size for each in among)
        if stat.S_ISREG(status.st_mode) and 0 < status.st_size <= _LARGEST_KEY and likely:
            data = path.read_bytes()
            return data if among is None or data in among else None
    return None


def _is_state(path: Path) -> bool:
    """Return whether a file is one of those in the state folder that tell what was interrupted."""
    if _STATE_NAME.fullmatch(path.name) is None:
        return False
    return list(file_numbers([path.parent])) == list(file_numbers([state_folder()]))
