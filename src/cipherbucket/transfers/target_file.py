"""Objects to files, wholly or not at all.

Strategy: the plaintext goes to a temporary file of mode 0600 beside the target, is synced, and is
renamed over the target only when the whole read was found good. Whatever fails before leaves the
target as it was.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.paths import local_path
from cipherbucket.reading.decryption import BLOCK
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.workers.rate_limit import RateLimit


def save(
    stream: ObjectStream, target: str | os.PathLike[str], rate_limit: RateLimit | None = None
) -> None:
    """Write a stream to a file; the file appears, or is replaced, only when all of it is good.

    Args:
        stream: Read from where it stands to its end.
        target: A new file is readable by its owner alone (0600); one that is replaced keeps its
            permissions. A link is followed; a device or a pipe is refused.
        rate_limit: Waits before each block is asked for.

    Raises:
        UsageError: The target cannot be written.
        IntegrityError: The object is not what was stored.
        StoreError: The store failed meanwhile.
    """
    place = Target(target)
    rate_limit = rate_limit or RateLimit()
    buffer = memoryview(bytearray(max(1, min(rate_limit.block(BLOCK), stream.length))))
    try:  # around the opening too: a signal may come right after it
        descriptor = place.create_unnamed(stream.length)
        try:
            while True:
                rate_limit.wait(min(len(buffer), stream.body.left))
                if not (count := stream.readinto(buffer)):
                    break
                place.write(descriptor, buffer[:count])
            place.finish(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        place.discard()
        raise


class Target:
    """A file that is to appear, or be replaced, at once.

    Args:
        target: A link is followed; a device or a pipe is refused.
        temporary: Name of the temporary file beside it, if there is one already.

    Attributes:
        path: The file.
        temporary: The temporary file beside it.

    Raises:
        UsageError: No file can be there.
    """

    def __init__(self, target: str | os.PathLike[str], temporary: str | None = None) -> None:
        if "\0" in local_path(target):
            raise UsageError(f"{os.fspath(target)!r} is no path")
        self.path = Path(os.path.realpath(target))
        with local_errors(self.path):
            self._mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is no regular file", hint="name a file to write")
        name = temporary or f".cipherbucket-{secrets.token_hex(8)}.part"
        self.temporary = self.path.with_name(name)
        self._unnamed = False

    def create(self, size: int = 0) -> int:
        """Create the temporary file, with room for ``size`` bytes, and open it to read and write.

        Raises:
            UsageError: It cannot be made, or there is no room.
        """
        with local_errors(self.path):
            descriptor = os.open(
                self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
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
        if not Path("/proc/self/fd").is_dir():  # by which it gets its name in the end
            return self.create(size)
        try:
            descriptor = os.open(self.path.parent, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except (AttributeError, OSError):
            return self.create(size)  # which tells what is wrong, if it is not the kind of system
        with local_errors(self.path):
            try:
                _make_room(descriptor, size)
            except BaseException:
                os.close(descriptor)
                raise
        self._unnamed = True
        return descriptor

    def reopen(self) -> int:
        """Open the temporary file of an earlier call.

        Raises:
            OSError: It is gone, or no file any more.
        """
        return os.open(self.temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

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
            UsageError: It cannot be synced or renamed.
        """
        with local_errors(self.path):
            os.fsync(descriptor)
            os.fchmod(descriptor, self._mode)
            if self._unnamed:
                self._name_it(descriptor)
            self.temporary.replace(self.path)
            _sync_folder(self.path.parent)

    def _name_it(self, descriptor: int) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # With folders given, Python calls linkat, which can follow this link to the file.
            os.link(
                f"/proc/self/fd/{descriptor}",
                self.temporary.name,
                src_dir_fd=folder,
                dst_dir_fd=folder,
                follow_symlinks=True,
            )
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            self.temporary.unlink()


def _make_room(descriptor: int, size: int) -> None:
    if not size:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        os.ftruncate(descriptor, size)  # a system that cannot tell beforehand


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file into an error of ours."""
    try:
        yield
    except OSError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            hint="check that the folder exists, is writable and has room",
        ) from error
