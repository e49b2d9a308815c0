"""Which ``cipherbucket.toml`` the user trusts where it is found, and with which contents.

Rule: one small file for each, in the folder ``trusted`` of the user's configuration, named by the
SHA-256 of the path and holding that of the contents, as ``sha256sum`` writes it. It is believed
only if nobody else could have written it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.local_files.ownership import Stranger, find_stranger, stranger_of

_DIGEST_LENGTH = 64


def config_home() -> Path | None:
    """Return the user's folder for configuration of this library; None without a home."""
    try:
        home = Path(os.environ.get("XDG_CONFIG_HOME", "")).expanduser()
        if not home.is_absolute():  # the XDG specification ignores it then
            home = Path("~/.config").expanduser()
    except RuntimeError:
        return None
    # A relative HOME would lead into the working directory, whose files are only found.
    return home / "cipherbucket" if home.is_absolute() else None


def digest_of(data: bytes) -> str:
    """Return what is remembered of contents: their SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def trusted_digest(path: Path) -> str | None:
    """Return the digest of the contents that the user trusted; None if there are none.

    Args:
        path: The file, absolute.

    Raises:
        UsageError: What was remembered cannot be read, or somebody else could have written it.
    """
    record = _record_of(path)
    if record is None or not os.path.lexists(record):
        return None
    try:
        with record.open("rb") as file:
            status = os.fstat(file.fileno())
            stranger = find_stranger(record) or stranger_of(record, status)
            if stranger is not None:
                raise _not_believed(record, stranger)
            return file.read(_DIGEST_LENGTH).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"{record} cannot be read: {error.strerror}") from error


def remember(path: Path, digest: str) -> None:
    """Remember the contents of a file as trusted, in place of earlier ones.

    Args:
        path: The file, absolute.
        digest: See `digest_of`.

    Raises:
        UsageError: There is no home, or somebody else can write there.
    """
    record = _record_of(path)
    if record is None:
        raise UsageError(
            "there is no home directory to remember it in", hint="set HOME or XDG_CONFIG_HOME"
        )
    folder = record.parent
    try:
        for each in (*reversed(folder.parents), folder):
            if not each.exists():
                each.mkdir(mode=0o700, exist_ok=True)
        if (stranger := find_stranger(folder)) is not None:
            raise _not_believed(folder, stranger)
        descriptor, temporary = tempfile.mkstemp(dir=folder)  # 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(digest.encode() + b"  " + os.fsencode(path) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(record)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{record} cannot be written: {error.strerror}",
            hint=f"set XDG_CONFIG_HOME to a folder that can be; or name {path} by"
            " CIPHERBUCKET_CONFIG, which needs no trust",
        ) from error


def _record_of(path: Path) -> Path | None:
    home = config_home()
    return home / "trusted" / digest_of(os.fsencode(path)) if home is not None else None


def _not_believed(path: Path, stranger: Stranger) -> UsageError:
    return UsageError(
        f"{path} says which configuration is trusted, and others can change it: {stranger}",
        hint=stranger.remedy
        if stranger.is_mine
        else "set HOME or XDG_CONFIG_HOME to a folder of your own",
    )
