"""Objects to files, wholly or not at all.

Strategy: the plaintext goes to a temporary file in the target's folder, which is synced, and takes
the target's name only when the whole read was found good. Whatever fails before leaves the target
as it was. The folder is held open from the first look to the renaming
(`cipherbucket.local_files.folders`), and no link is followed in it: what others do to names and
folders meanwhile leads nowhere else.

Nobody else can open the temporary file (0600) while it is written. A new file then gets the
permissions that the system gives to one here, by umask or the folder's default ACL; one that is
replaced keeps its own, if it is this user's: those of another's file are another's choice.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from cipherbucket.errors import UsageError
from cipherbucket.local_files.folders import Place, place_of
from cipherbucket.local_files.paths import local_path
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.workers.rate_limit import RateLimit

TEMPORARY = re.compile(r"\.cipherbucket-[0-9a-f]{16}\.part")
"""Names of the files that are written to until they are good."""
_ALL = 0o666
"""What a program asks for; the system takes away from it."""
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def save(stream: ObjectStream, target: Target, rate_limit: RateLimit | None = None) -> None:
    """Write a stream to a file; the file appears, or is replaced, only when all of it is good.

    Args:
        stream: Read from where it stands to its end.
        target: The file.
        rate_limit: Waits before each block is asked for.

    Raises:
        UsageError: The target cannot be written.
        IntegrityError: The object is not what was stored.
        StoreError: The store failed meanwhile.
    """
    rate_limit = rate_limit or RateLimit()
    buffer = memoryview(bytearray(max(1, min(rate_limit.block(BLOCK), stream.length))))
    try:  # around the opening too: a signal may come right after it
        descriptor = target.create_unnamed(stream.length)
        try:
            while True:
                rate_limit.wait(min(len(buffer), stream.body.left))
                if not (count := stream.readinto(buffer)):
                    break
                target.write(descriptor, buffer[:count])
            target.finish(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        target.discard()
        raise


class Target:
    """A file that is to appear, or be replaced, at once; a context manager that closes its folder.

    Args:
        target: As the user named it, with links that are followed if they are this user's or
            root's; or a place in a folder that is open already, where a link is an error. A device
            or a pipe is refused.
        mode: Permissions, from 0 to 0o777; None for those of the file that is replaced, if it is
            this user's, and else for those that the system gives to new files.

    Attributes:
        path: The file, by an absolute path without links.
        temporary: Name of the temporary file in the same folder.

    Raises:
        UsageError: No file can be there, or the mode is none.
    """

    def __init__(self, target: str | os.PathLike[str], mode: int | None = None) -> None:
        local_path(target)
        if mode is not None and not 0 <= mode <= 0o777:
            raise UsageError(
                f"{mode:#o} is no mode of a file",
                hint="0o640, say; at most 0o777, read, write"
                " and execute for owner, group and others",
            )
        with local_errors(target):
            place = target if isinstance(target, Place) else place_of(target)
        self._owned = place is not target
        self._place = place
        self.path = os.fspath(place)
        self.temporary = f".cipherbucket-{secrets.token_hex(8)}.part"
        self._unnamed = False
        try:
            with local_errors(self.path):
                status = place.status()
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{self.path} is no regular file", hint="name a file to write")
        except BaseException:
            self.close()
            raise
        if mode is None and status is not None and status.st_uid == os.geteuid():
            mode = status.st_mode & 0o777
        self._mode = mode

    @property
    def _folder(self) -> int:
        return self._place.folder.descriptor

    def create(self, size: int = 0) -> int:
        """Create the temporary file, with room for ``size`` bytes, and open it to read and write.

        Raises:
            UsageError: It cannot be made, or there is no room.
        """
        with local_errors(self.path):
            descriptor = self._opened(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _make_room(descriptor, size)
            except BaseException:
                os.close(descriptor)
                self.discard()
                raise
        return descriptor

    def create_unnamed(self, size: int = 0) -> int:
        """Create the temporary file without a name, where the system can: a crash leaves nothing.

        Raises:
            UsageError: It cannot be made, or there is no room.
        """
        if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112  by which it gets its name in the end
            return self.create(size)
        try:
            # With all permissions, to see which the system leaves; without a name it is out of
            # the reach of others.
            descriptor = self._opened(".", os.O_RDWR | os.O_TMPFILE, _ALL)
        except (AttributeError, OSError):
            return self.create(size)  # which says what is wrong, if it is not the kind of system
        with local_errors(self.path):
            try:
                self._see_mode(descriptor)
                os.fchmod(descriptor, 0o600)
                _make_room(descriptor, size)
            except BaseException:
                os.close(descriptor)
                raise
        self._unnamed = True
        return descriptor

    def reopen(self) -> int:
        """Open the temporary file of an earlier call.

        Raises:
            OSError: It is gone.
            UsageError: It is no file of this user, or has a second name.
        """
        descriptor = self._opened(self.temporary, os.O_RDWR)
        try:
            status = os.fstat(descriptor)
            if not _is_own_file(status) or status.st_nlink != 1:
                raise UsageError("the temporary file is no file of this user")
            os.fchmod(descriptor, 0o600)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open_present(self) -> int:
        """Open the file that is at the target already, to read it.

        Raises:
            OSError: There is none.
            UsageError: It is no file of this user.
        """
        descriptor = self._opened(self._place.name, os.O_RDONLY)
        if not _is_own_file(os.fstat(descriptor)):
            os.close(descriptor)
            raise UsageError("the file is not this user's")
        return descriptor

    def write(self, descriptor: int, view: memoryview, offset: int | None = None) -> None:
        """Write all of ``view``, at the end or at an offset.

        Raises:
            UsageError: It cannot be written.
        """
        with local_errors(self.path):
            while view:
                if offset is None:
                    count = os.write(descriptor, view)
                else:
                    count = os.pwrite(descriptor, view, offset)
                    offset += count
                view = view[count:]

    def finish(self, descriptor: int) -> None:
        """Let the file appear.

        Raises:
            UsageError: It cannot be synced or renamed, or somebody put another in its place.
        """
        name, folder = self._place.name, self._folder
        with local_errors(self.path):
            os.fsync(descriptor)
            os.fchmod(descriptor, self._mode_of_new() if self._mode is None else self._mode)
            if self._unnamed:
                self._name_it(descriptor)
            self._check_named(descriptor, self.temporary)
            os.replace(self.temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            self._check_named(descriptor, name)
            os.fsync(folder)

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            os.unlink(self.temporary, dir_fd=self._folder)

    def close(self) -> None:
        """Close the folder, if it was opened here."""
        if self._owned:
            self._place.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, name: str, flags: int, mode: int = 0o600) -> int:
        return os.open(name, flags | _OPEN, mode, dir_fd=self._folder)

    def _see_mode(self, descriptor: int) -> None:
        """Take the permissions that the system gave to a new file."""
        if self._mode is None:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            # Linux before 6.0 can forget the umask where a file has no name: ask again then.
            self._mode = mode if mode != _ALL else None

    def _mode_of_new(self) -> int:
        """Return what the system leaves of all permissions: an empty file shows it.

        Only the system knows: a folder may have a default ACL, and the umask is the process's, so
        that reading it by setting it would change it for other threads.
        """
        name = f".cipherbucket-{secrets.token_hex(8)}.part"
        descriptor = self._opened(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ALL)
        try:
            return stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)

    def _name_it(self, descriptor: int) -> None:
        # With folders given, Python calls linkat, which can follow this link to the file.
        os.link(
            f"/proc/self/fd/{descriptor}",
            self.temporary,
            src_dir_fd=self._folder,
            dst_dir_fd=self._folder,
            follow_symlinks=True,
        )

    def _check_named(self, descriptor: int, name: str) -> None:
        """See that a name is that of the file which was written.

        Raises:
            UsageError: Somebody who can write to the folder put another there.
        """
        there, written = self._place.folder.status(name), os.fstat(descriptor)
        if there is None or (there.st_dev, there.st_ino) != (written.st_dev, written.st_ino):
            raise UsageError(
                f"{self.path} cannot be written: somebody else changed the folder meanwhile",
                hint="write to a folder that only you can write to",
            )


def _is_own_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _make_room(descriptor: int, size: int) -> None:
    if not size:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        os.ftruncate(descriptor, size)  # a system that cannot reserve room


@contextmanager
def local_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the operating system says of a file into an error of ours."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{os.fspath(path)} cannot be written: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
        ) from error
