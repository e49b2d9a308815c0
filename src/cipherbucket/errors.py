"""Everything this library raises, cut by whose fault it is.

::

    CipherbucketError                     .name  .hint
    ├── UsageError (ValueError)           the call: an argument that cannot be used
    │   ├── RangeError                    a range that begins after the end of the object
    │   └── MasterKeyError                a key, passphrase or ring that cannot be used
    ├── MissingExtraError (ImportError)   an optional dependency is not installed
    ├── WorkerLostError               a worker of an executor died; the pass goes on when run again
    ├── SourceError                       the body to be stored changed, ended early or cannot be
    │                                     read a second time
    ├── StoreError (OSError)              the store, or the way to it
    │   ├── ObjectNotFoundError (FileNotFoundError)
    │   ├── UploadNotFoundError (FileNotFoundError)
    │   ├── PreconditionFailedError       ``if_absent`` or ``if_match`` did not hold
    │   │   └── ObjectExistsError (FileExistsError)  it was ``if_absent``
    │   └── TransientStoreError           worth trying again; we already did
    ├── KmsError (OSError)                the KMS that holds a master key, or the way to it; says
    │                                     nothing about the object
    └── SecurityError                     the stored object is not what it should be
        ├── EnvelopeError                 .field: the envelope cannot be understood
        ├── PolicyError                   a kind of object that this bucket does not accept
        ├── NoMatchingKeyError            no key of the ring has the object's description
        ├── WrongKeyError                 the key that was used does not open this object
        ├── BindingError                  .sealed_name: sealed under another name or context
        ├── IntegrityError                bytes, lengths or checksums differ
        └── ObjectChangedError            the object was replaced while it was being read

Every message says what happened, ``hint`` what to do next. Neither ever holds a key, a data key,
wrapped or not, or plaintext. Errors of backends (SQLite, HTTP clients, the operating system) are
always translated; the original is the ``__cause__``.
"""

from __future__ import annotations

import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CipherbucketError(Exception):
    """Root of every error of this library.

    Attributes:
        message: What happened, one sentence.
        name: Name of the object it happened to, or None.
        hint: What to do next, or None.
    """

    def __init__(self, message: str, *, name: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.hint = hint

    def __str__(self) -> str:
        """Give the message, led by the object's name where there is one."""
        return self.message if self.name is None else f"{self.name!r}: {self.message}"


class UsageError(CipherbucketError, ValueError):
    """An argument that cannot be used, refused before anything was sent."""


class RangeError(UsageError):
    """A range that begins after the end of the object (HTTP's 416)."""


class MasterKeyError(UsageError):
    """A master key, its file or passphrase, or a ring of keys that cannot be used."""


class MissingExtraError(CipherbucketError, ImportError):
    """An optional dependency is missing; the hint is the command that installs it."""


EXTRAS = {
    "async": ("anyio>=4.5",),
    "dask": ("distributed>=2025.1",),
    "fsspec": ("fsspec>=2026.9",),
    "inventory": ("pyarrow>=18",),
    "kms": ("alibabacloud-credentials>=1.0", "alibabacloud-kms20160120>=3.3"),
    "oss": ("alibabacloud-credentials>=1.0", "alibabacloud-oss-v2>=1.4", "urllib3>=2.2"),
    "s3": ("boto3[crt]>=1.40,<2", "urllib3>=2.2"),
    "server": ("uvicorn>=0.40",),
}
"""What the optional dependencies are, as in ``pyproject.toml``: to be installed by their own names,
whether or not this library is in a package index."""


def missing_extra(what: str, extra: str) -> MissingExtraError:
    """Return the error whose hint is the command that installs an extra.

    Args:
        what: What is missing for what.
        extra: One of `EXTRAS`.
    """
    return MissingExtraError(what, hint=f"pip install {shlex.join(EXTRAS[extra])}")


class WorkerLostError(CipherbucketError):
    """A worker of an executor died in the middle of a pass; nothing that is done is lost."""


class SourceError(CipherbucketError):
    """The body handed to a write changed, ended early or cannot be read a second time."""


class StoreError(CipherbucketError, OSError):
    """The store refused or failed.

    Attributes:
        status: The HTTP status, where the store speaks HTTP.
        code: The service's error code, such as ``AccessDenied``.
        ec: The service's fine-grained code, such as ``0003-00000001``.
        request_id: What the service's support asks for.
        host: The host that answered.
    """

    status: int | None = None
    code: str | None = None
    ec: str | None = None
    request_id: str | None = None
    host: str | None = None


class ObjectNotFoundError(StoreError, FileNotFoundError):
    """There is no object of this name (or version)."""


class UploadNotFoundError(StoreError, FileNotFoundError):
    """There is no unfinished upload of this id."""


class PreconditionFailedError(StoreError):
    """``if_absent`` or ``if_match`` did not hold; nothing was changed."""


class ObjectExistsError(PreconditionFailedError, FileExistsError):
    """``if_absent`` did not hold: there is an object of this name."""


class TransientStoreError(StoreError):
    """A failure that may pass: a broken connection, a busy or throttling store."""


class KmsError(CipherbucketError, OSError):
    """The KMS that holds a master key refused, failed or could not be reached.

    Whether the key opens the object is not known then: it is no `WrongKeyError`.

    Attributes:
        status: The HTTP status, or None where no answer came.
        code: The service's error code, such as ``Rejected.Disabled``.
        request_id: What the service's support asks for.
        host: The host that was asked.
    """

    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    host: str | None = None


class SecurityError(CipherbucketError):
    """The stored object is not what it should be. Do not retry blindly."""


class EnvelopeError(SecurityError):
    """The envelope is malformed, mixed or uses an unknown algorithm.

    Attributes:
        field: The metadata name at fault, without ``x-oss-meta-``.
    """

    def __init__(
        self, message: str, *, field: str, name: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, name=name, hint=hint)
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword-only field."""
        given = self.message, self.field, self.name, self.hint
        return _rebuild_envelope_error, given, vars(self)


def _rebuild_envelope_error(
    message: str, field: str, name: str | None, hint: str | None
) -> EnvelopeError:
    return EnvelopeError(message, field=field, name=name, hint=hint)


class PolicyError(SecurityError):
    """An object of a kind that the bucket's policy does not accept."""


class NoMatchingKeyError(SecurityError):
    """No key of the ring carries the object's description for its wrap algorithm."""


class WrongKeyError(SecurityError):
    """The key that was used does not open this object, or its envelope was altered.

    All failures to unwrap look alike: no error says which check failed.
    """


class BindingError(SecurityError):
    """A sealed object was served under another name than it has, or read with another context.

    Attributes:
        sealed_name: The name it was sealed under, where that could be found out.
    """

    sealed_name: str | None = None


class IntegrityError(SecurityError):
    """Bytes, lengths or checksums of the object differ from what was recorded."""


class ObjectChangedError(SecurityError):
    """The object was replaced while it was being read."""


class CipherbucketWarning(UserWarning):
    """Something that works today and will hurt later."""


def warn_caller(text: str) -> None:
    """Warn at the line of the program that called this library, however deep the call is."""
    level, frame = 1, sys._getframe()  # noqa: SLF001  what `warnings` itself does
    while frame.f_back is not None and _within(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, CipherbucketWarning, stacklevel=level)


def _within(module: str) -> bool:
    return module.partition(".")[0] in {__package__, "contextlib"}


def not_copied(
    what: str, hint: str, error: Callable[[str, str], Exception] | None = None
) -> Callable[[object], NoReturn]:
    """Return the ``__reduce__`` of a class whose objects are neither pickled nor copied.

    What holds a data key is one: a second one, here or in another process, would not know which
    places of the keystream the first has used.

    Args:
        what: What the objects are.
        hint: What to do instead.
        error: Makes the error of message and hint; a `UsageError` by default.
    """

    def refuse(_: object) -> NoReturn:
        message = f"{what} cannot be pickled or copied"
        raise UsageError(message, hint=hint) if error is None else error(message, hint)

    return refuse


@contextmanager
def named(name: str | None) -> Iterator[None]:
    """Let errors raised inside name the object, where they do not yet."""
    try:
        yield
    except CipherbucketError as error:
        if error.name is None:
            error.name = name
        raise


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Let what a function raises hold none of its frames; a note has their lines instead.

    For functions in which keys and other secrets are variables: reporters of errors record the
    variables of every frame, and a traceback keeps them alive.
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        outer = sys.exception()  # what the caller is handling keeps its frames
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _drop_frames(error, outer)
            raise

    return called


def _drop_frames(error: BaseException, outer: BaseException | None) -> None:
    """Take the frames from an exception and from all that is behind it, as far as ``outer``."""
    left: list[BaseException | None] = [error]
    seen: list[BaseException | None] = [None, outer]
    while left:
        each = left.pop()
        if each is None or any(each is other for other in seen):
            continue
        seen.append(each)
        if each.__traceback__ is not None:
            lines = "".join(traceback.format_tb(each.__traceback__)[each is error :]).rstrip()
            each.add_note(f"raised within, where keys were in use:\n{lines}")
            each.__traceback__ = None
        left += [each.__cause__, each.__context__]
