"""Where ``cipherbucket.toml`` is found, and when it is used.

Rule: who writes this file decides under which keys data is written and where it goes. One that is
named may be another user's, if that user alone can replace it; the user's own belongs to the user
or to root. One that only lies in the working directory, or above, may have come with a folder from
elsewhere: it is used after the user trusted it, and only with the contents that were trusted.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cipherbucket.config.document import FILE_NAME, Document, parse_document
from cipherbucket.config.trust import config_home, digest_of, remember, trusted_digest
from cipherbucket.errors import UsageError
from cipherbucket.local_files.ownership import find_stranger, stranger_of

VARIABLE = "CIPHERBUCKET_CONFIG"
"""The environment variable that names the file; empty, it names none."""

_LARGEST = 1 << 20
_WITHOUT = "go without: --no-config"


class _ChangedError(UsageError):
    """The contents of a file are not those that were trusted."""


def find_config() -> Path | None:
    """Return the ``cipherbucket.toml`` that is meant where none is named in the call, or None.

    It is that of the environment variable ``CIPHERBUCKET_CONFIG``; or else the nearest one in the
    working directory and the folders above it; or else ``cipherbucket/cipherbucket.toml`` in the
    user's configuration directory (``XDG_CONFIG_HOME``, by default ``~/.config``). `load_config`
    decides whether it may be used.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return next(_found(), None)


def find_key_name(name: str) -> Path | None:
    """Return the file with a key of this name, of all that could be found and are trusted, or None.

    Those behind the nearest count, too. Otherwise whoever puts another file in front of one could
    let the name of its key mean a key file that lies there.

    Args:
        name: Of a key.

    Raises:
        UsageError: A file that was trusted has changed, and may have lost the name.
    """
    named = os.environ.get(VARIABLE)
    for path in [Path(named)] if named else _found():
        try:
            tables = read_config(None, found=None if named else path).tables
        except _ChangedError:
            raise
        except UsageError:
            continue
        keys = tables.get("keys")
        if isinstance(keys, dict) and name in keys:
            return path
    return None


def read_config(named: Path | None, *, found: Path | None = None) -> Document:
    """Read a file, if it may be used.

    Args:
        named: The file that was named; None for ``CIPHERBUCKET_CONFIG`` or one that is found.
        found: One that was found already.

    Raises:
        UsageError: There is none; it is not trusted, or others can replace it; it cannot be read,
            is no TOML, or holds what looks like a secret.
    """
    if named is None and found is None and os.environ.get(VARIABLE):
        named = Path(os.environ[VARIABLE])
    chosen = named or found or find_config()
    if chosen is None:
        raise UsageError(
            "there is no cipherbucket.toml in this folder, above it or in ~/.config/cipherbucket",
            hint="name one: load_config(path)",
        )
    path = Path(os.path.abspath(chosen))  # noqa: PTH100  resolve() would follow links
    data = _read(path, named=named is not None)
    if named is None and not _is_own(path):
        _refuse_untrusted(path, data)
    return parse_document(path, data)


def trust_document(document: Document) -> None:
    """Remember that a file may be used where it is found, with the contents that were read.

    Raises:
        UsageError: It is a link, others can replace it, or it cannot be remembered.
    """
    path = document.path
    if path.is_symlink():
        raise UsageError(f"{path} is a link", hint=f"trust what it leads to: {path.resolve()}")
    try:
        _refuse_stranger(path, path.lstat(), named=False)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    remember(_canonical(path), document.digest)


def _found() -> Iterator[Path]:
    """Give the files that could be meant, the nearest first."""
    with suppress(OSError):  # the working directory was removed
        here = Path.cwd()
        for folder in (here, *here.parents):
            if os.path.lexists(folder / FILE_NAME):
                yield folder / FILE_NAME
    home = config_home()
    if home is not None and os.path.lexists(home / FILE_NAME):
        yield home / FILE_NAME


def _canonical(path: Path) -> Path:
    """Return the one path of a file: its folder without links."""
    return path.parent.resolve() / path.name


def _is_own(path: Path) -> bool:
    home = config_home()
    return home is not None and _canonical(path) == _canonical(home / FILE_NAME)


def _refuse_untrusted(path: Path, data: bytes) -> None:
    if path.is_symlink():
        raise UsageError(
            f"{path} is a link, which is used only where it is named",
            hint=f"name it: --config {shlex.quote(str(path))}; or go without: --no-config",
        )
    trusted = trusted_digest(_canonical(path))
    if trusted == digest_of(data):
        return
    why = "it decides where data goes and under which keys"
    hint = (
        f"look at it, and if you trust it: cipherbucket config trust {shlex.quote(str(path))};"
        " or name it in load_config(path)"
    )
    if trusted is None:
        raise UsageError(f"{path} is not trusted yet: {why}", hint=hint)
    raise _ChangedError(f"{path} has changed since you trusted it: {why}", hint=hint)


def _read(path: Path, *, named: bool) -> bytes:
    hint = "name another with --config" if named else _WITHOUT
    try:
        # A pipe in the working directory would keep every command waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{path} is no regular file", hint=hint)
            _refuse_stranger(path, status, named=named)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_LARGEST + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if len(data) > _LARGEST:
        raise UsageError(f"{path} has more than {_LARGEST:,} bytes", hint=hint)
    return data


def _refuse_stranger(path: Path, status: os.stat_result, *, named: bool) -> None:
    owner = (status.st_uid,)
    also = owner if named else ()
    stranger = find_stranger(path, also) or stranger_of(path, status, also)
    if stranger is None:
        return
    hint = stranger.remedy
    if not named:
        if not stranger.is_mine and find_stranger(path, owner) is None:
            hint = f"if it is to be used, name it: --config {shlex.quote(str(path))} or {VARIABLE}"
        hint = f"{hint}; or {_WITHOUT}"
    raise UsageError(
        f"{path} decides where data goes and under which keys, and others can replace it:"
        f" {stranger}",
        hint=hint,
    )
