"""What a transfer must remember to go on after a crash: one append-only file each.

Rule: a line is on the disk before what it records happens. Every line carries a checksum; a last
line without its end was never acted upon and counts as not written, any other fault makes the
journal unusable, and the transfer begins anew under a new data key. A journal holds wrapped keys
and keyed tags, no key, no plaintext and no digest of it; only its owner can read it (0600), and a
lock keeps a second process out.

A line is JSON, a space, the CRC-64 of the JSON as 16 hex digits, and a line feed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from cipherbucket.errors import UsageError
from cipherbucket.format.crc64 import crc64
from cipherbucket.transfers.state import ForeignFileError, open_own, why_not_ours

_log = logging.getLogger("cipherbucket")

VERSION = 1
SUFFIX = ".journal"
Line = Mapping[str, Any]


class Journal:
    """One transfer's journal, open and locked.

    Attributes:
        path: The file.
        lines: What it held when it was opened; empty if it was new or unusable.
        header: What its first lines say of the transfer, also if the rest is unusable: what an
            earlier call left behind can be removed by it.
        fault: Why what was there could not be used; None where it could, or nothing was there.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.lines: list[Line] = []
        self.header: Line = {}
        self.fault: str | None = None
        self._descriptor: int | None = descriptor
        self._guard = threading.Lock()
        self._broken = False

    @classmethod
    def existing(cls, folder: Path, *identity: str) -> Journal | None:
        """Open the journal of a transfer if there is one, and nobody else could have put it there.

        Raises:
            UsageError: Another process has it open, or it cannot be opened.
        """
        try:
            if not _path(folder, identity).exists() or why_not_ours(folder) is not None:
                return None
        except OSError:  # a folder that cannot be read holds nothing of ours
            return None
        with suppress(ForeignFileError):
            return cls.open(folder, *identity)
        return None

    @classmethod
    def open(cls, folder: Path, *identity: str) -> Journal:
        """Open the journal of a transfer, or begin one.

        Args:
            folder: Made if it is not there, readable by its owner alone.
            identity: What makes this transfer another than all others.

        Raises:
            ForeignFileError: Somebody else could have put it there.
            UsageError: Another process has it open, or it cannot be opened.
        """
        path = _path(folder, identity)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
                try:
                    _lock(path, descriptor)
                    if _is_at(path, descriptor):
                        break
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)  # its owner finished and removed it in the meantime
        except OSError as error:
            raise UsageError(
                f"no journal can be kept at {path}: {error.strerror}",
                hint="point CIPHERBUCKET_STATE to a folder, or transfer without resuming",
            ) from error
        journal = cls(path, descriptor)
        journal._load()
        return journal

    def _load(self) -> None:
        assert self._descriptor is not None
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        whole, _, torn = data.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        self.header = header_of(lines)
        try:
            self.lines = [_parsed(line) for line in lines]
            if self.lines and self.lines[0].get("version") != VERSION:
                raise ValueError(f"version {self.lines[0].get('version')}")
            if self.lines and self.lines[0].get("place") != _place_of(self._descriptor):
                # Two copies of one journal would go on under one key, each with its own file.
                raise ValueError("it was copied from elsewhere")
        except ValueError as error:
            self.lines, self.fault = [], f"{self.path} cannot be used: {error}"
            return
        if torn:
            os.ftruncate(self._descriptor, len(data) - len(torn))

    def begin(self, first: Line) -> None:
        """Forget what was there and write the first line.

        Raises:
            UsageError: It cannot be written.
        """
        assert self._descriptor is not None
        self.lines, self.header, self.fault = [], {}, None
        with self._errors():
            os.ftruncate(self._descriptor, 0)
            _sync_folder(self.path.parent)
        header = {"version": VERSION, "place": _place_of(self._descriptor), **first}
        self.append(header)
        self.header = header

    def append(self, line: Line) -> None:
        """Write a line, and return when it is on the disk.

        Raises:
            UsageError: It cannot be written.
        """
        text = json.dumps(line, separators=(",", ":")).encode()
        data = text + f" {crc64(text):016x}\n".encode()
        with self._guard, self._errors():
            if self._descriptor is None:
                raise UsageError("the journal was closed")
            if self._broken:
                raise UsageError("an earlier line of the journal could not be written")
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            try:
                if os.pwrite(self._descriptor, data, end) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fdatasync(self._descriptor)
            except BaseException:
                # A line torn here would make those unreadable that other threads append to it.
                self._broken = True
                with suppress(OSError):
                    os.ftruncate(self._descriptor, end)
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"the journal {self.path} cannot be written: {error.strerror}",
                hint="free space there, or point CIPHERBUCKET_STATE elsewhere",
            ) from error

    def remove(self) -> None:
        """Remove the file: the transfer is finished, or given up."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Release the lock; the file stays, unless it is empty."""
        with self._guard:
            if self._descriptor is not None:
                if not os.fstat(self._descriptor).st_size and _is_at(self.path, self._descriptor):
                    with suppress(OSError):
                        self.path.unlink()
                os.close(self._descriptor)
                self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_journal(folder: Path | None, *identity: str) -> Journal | None:
    """Open or begin the journal of a transfer; None, with a warning, where none can be kept.

    Args:
        folder: The state folder, if there is one.
        identity: As in `Journal.open`.

    Raises:
        UsageError: As `Journal.open`.
    """
    if folder is None:
        return None
    try:
        journal = Journal.open(folder, *identity)
    except ForeignFileError as error:
        _log.warning("%s; what is interrupted will begin anew (%s)", error.message, error.hint)
        return None
    if journal.fault is not None:
        _log.warning("%s; beginning anew", journal.fault)
    return journal


def _lock(path: Path, descriptor: int) -> None:
    """Lock a journal.

    Raises:
        UsageError: Another process has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"another process is at this transfer ({path})", hint="wait for it, or stop it"
        ) from None
    os.fchmod(descriptor, 0o600)


def _place_of(descriptor: int) -> list[object]:
    """Return what a copy of a journal does not share: the file's number, and the machine."""
    machine = ""
    with suppress(OSError):
        machine = hashlib.sha256(Path("/etc/machine-id").read_bytes()).hexdigest()[:16]
    return [os.fstat(descriptor).st_ino, machine]


def _path(folder: Path, identity: Sequence[str]) -> Path:
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogateescape"))
    return folder / (digest.hexdigest()[:40] + SUFFIX)


def header_of(lines: Sequence[bytes]) -> Line:
    """Read the first line, and the id of the upload from the second, as far as they can be."""
    header: dict[str, Any] = {}
    with suppress(ValueError, IndexError):
        header.update(_parsed(lines[0]))
        header["upload_id"] = _parsed(lines[1]).get("upload_id")
    return header


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parsed(line: bytes) -> Line:
    text, _, checksum = line.rpartition(b" ")
    if checksum != f"{crc64(text):016x}".encode():
        raise ValueError("a line was damaged")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("a line that is no record")  # noqa: TRY004  damage, not a wrong type
    return value


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
