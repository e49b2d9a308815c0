"""URLs of stores and objects.

Rule: a URL is taken as it is written. Nothing is percent-decoded and no path is normalised, because
object names may hold ``%41``, ``..`` and ``//``. Where the store ends and the name begins in
``file:///data/store/a/b`` the disk says: the store is the innermost folder that holds an index
(docs/decisions/0003-object-urls-are-verbatim.md).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from cipherbucket.errors import StoreError, UsageError, missing_extra
from cipherbucket.local_files.ownership import find_stranger, owner_name
from cipherbucket.stores.base import Store
from cipherbucket.stores.local.index import INDEX_NAME
from cipherbucket.stores.local.recovery import is_store
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import StoredBucket
from cipherbucket.stores.s3.settings import S3Settings

Settings = OssSettings | S3Settings
"""How a store is reached that is a service."""
SETTINGS: Mapping[str, type[Settings]] = {"oss": OssSettings, "s3": S3Settings}
"""By the scheme of their URLs."""
_BUCKETS = {
    "oss": (
        re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        "a bucket has 3 to 63 characters of a-z, 0-9 and hyphen; objects are named later",
    ),
    # Not what looks like an IP address, nor two dots beside each other.
    "s3": (
        re.compile(
            r"(?![0-9]+(\.[0-9]+){3}/?$)(?=.{3,63}/?$)[a-z0-9]([a-z0-9-]*[a-z0-9])?"
            r"(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
        ),
        "a bucket has 3 to 63 characters of a-z, 0-9, '-' and '.', and is no IP address",
    ),
}
_makes_folders = ContextVar("makes_folders", default=True)
_SDKS = {"oss": "the OSS SDK is not installed", "s3": "boto3 is not installed"}
_ALLOWED = "give oss://bucket, s3://bucket, file:///folder or memory://name"


def open_store(url: str, settings: Settings | None = None, *, trusted: bool = False) -> Store:
    """Open the store of a URL.

    Args:
        url: ``oss://bucket``; ``s3://bucket``; ``file:///folder``, made if there is none;
            ``memory://name``, shared in this process; ``memory://``, a new one that nobody else
            has.
        settings: How OSS or S3 is reached; None takes all of it from the environment.
        trusted: Write a folder even if others than this user and root can write there, or own it;
            without it such a store is only read. See `LocalStore`.

    Raises:
        UsageError: The URL is none of these, or the settings lead nowhere or are for another
            service.
        MissingExtraError: ``oss://`` needs the extra ``oss``, ``s3://`` the extra ``s3``.
        StoreError: The store cannot be opened.
    """
    scheme, rest = _split_scheme(url)
    if scheme in SETTINGS:
        return _open_service(scheme, rest, settings)
    if scheme == "file":
        _refuse_unseen(rest)
        if not _makes_folders.get() and not is_store(rest):
            raise UsageError(
                f"no directory store at {url}",
                hint="it has to be the same folder for all workers: is it mounted here?",
            )
        return LocalStore(rest, create=True, trusted=trusted)
    name = rest.removesuffix("/")
    if "/" in name:
        raise UsageError(f"{url}: the name of a memory store has no slash", hint=_ALLOWED)
    return MemoryStore.named(name) if name else MemoryStore()


@contextmanager
def making_no_folders() -> Iterator[None]:
    """Refuse a folder that holds no store, where `open_store` would make one.

    This is for workers: one that lacks the folder would find an empty store, and report that there
    is nothing to do.
    """
    token = _makes_folders.set(False)
    try:
        yield
    finally:
        _makes_folders.reset(token)


def check_store_url(url: str) -> None:
    """Refuse what is no URL of a store, without repeating what may be a password in it.

    Raises:
        UsageError: It is none.
    """
    scheme, rest = _split_scheme(url)
    if scheme in SETTINGS:
        _bucket_in(scheme, rest)


def settings_for(url: str) -> type[Settings]:
    """Return the class of settings that fits a URL; `OssSettings` where none is needed."""
    return SETTINGS.get(url.partition("://")[0], OssSettings)


def split_url(url: str) -> tuple[str, str]:
    """Split the URL of an object, or of a store, into the store's URL and the object's name.

    Returns:
        The store's URL, as `open_store` takes it, and the name, character by character as it
        stands in the URL; empty where the URL is that of the store.

    Raises:
        UsageError: There is no directory store on the path, or the URL is of no known kind.
        StoreError: A folder on the path may not be looked into.
    """
    scheme, rest = _split_scheme(url)
    if scheme != "file":
        bucket, _, name = rest.partition("/")
        if not bucket:
            raise UsageError(f"{url}: the bucket has no name", hint=f"{scheme}://bucket/object")
        return f"{scheme}://{bucket}", name
    found = _innermost(rest)
    if found is None:
        _refuse_unseen(rest)
        raise UsageError(
            f"no directory store at or above {url}",
            hint="make one, of this folder or one above it: cipherbucket mb file:///folder; or, if"
            " there was one that lost its index: cipherbucket repair --index file:///folder",
        )
    return f"file://{found}", rest[len(found) + 1 :]


def _innermost(path: str) -> str | None:
    """Return the innermost folder on a path that is a store.

    A name may lead out of its store and into another, by ``..`` or a link that lies in the store.
    It stays a name, unless somebody else's store is left for a folder of ours.
    """
    ends = [place for place in range(1, len(path)) if path[place] == "/" != path[place - 1]]
    if not path.endswith("/"):
        ends.append(len(path))
    chosen: str | None = None
    for folder in (path[:end] for end in ends):
        if is_store(folder) and (chosen is None or _is_inside(folder, chosen)):
            chosen = folder
    return chosen


def _is_inside(folder: str, outer: str) -> bool:
    if os.path.realpath(folder).startswith(f"{os.path.realpath(outer)}/".replace("//", "/")):
        return True
    between = folder[len(outer) + 1 :].split("/")
    return (
        not {"", ".", ".."} & set(between)
        and find_stranger(f"{outer}/{INDEX_NAME}") is not None
        and find_stranger(f"{folder}/{INDEX_NAME}") is None
    )


def make_bucket(url: str, *, trusted: bool = False) -> None:
    """Make a directory store in a folder that is new or empty.

    Args:
        url: ``file:///folder``.
        trusted: Make it even if others than this user and root can write there.

    Raises:
        UsageError: There is one, the folder is not empty or lies inside a store, or the URL is
            not one of a folder.
        StoreError: The folder cannot be written; or others can write there.
    """
    scheme, rest = _split_scheme(url)
    if scheme != "file":
        raise UsageError(
            f"{url}: only directory stores are made here",
            hint="a memory store needs no making; a bucket of OSS or S3 is made in its console",
        )
    _refuse_unseen(rest)
    if is_store(rest):
        raise UsageError(f"there is a directory store at {url} already")
    LocalStore(rest, create=True, trusted=trusted).close()


def list_buckets(settings: Settings | None = None) -> Iterator[StoredBucket]:
    """Yield the buckets of an account in OSS or S3, of all its regions, by name.

    Args:
        settings: How the service is reached; None is OSS, as the environment says.

    Raises:
        UsageError: The settings lead nowhere.
        MissingExtraError: The extra ``oss`` or ``s3`` is not installed.
        StoreError: The store failed, or these credentials may not list buckets.
    """
    if isinstance(settings, S3Settings):
        with _extra("s3"):
            from cipherbucket.stores.s3 import buckets as of_s3  # noqa: PLC0415
        yield from of_s3.list_buckets(settings)
        return
    with _extra("oss"):
        from cipherbucket.stores.oss import buckets  # noqa: PLC0415
    yield from buckets.list_buckets(settings or OssSettings())


def _refuse_unseen(path: str) -> None:
    """Refuse a path on which a folder may not be looked into: there may be a store.

    Raises:
        StoreError: There is such a folder.
    """
    ends = [place for place in range(1, len(path)) if path[place] == "/"]
    for folder in (path[:end] for end in (*ends, len(path))):
        try:
            os.stat(os.path.join(folder, INDEX_NAME))  # noqa: PTH116, PTH118  as `is_store`
        except PermissionError as error:
            raise StoreError(
                f"permission denied: file://{folder} may not be looked into{_owned(folder)}",
                hint="run this as its owner, or have them give you the rights to the folder and to"
                " all in it",
            ) from error
        except (OSError, ValueError):
            continue


def _owned(folder: str) -> str:
    """Say whose a folder is, if that can be seen."""
    try:
        status = Path(folder).stat()
    except OSError:
        return ""
    return f"; it belongs to {owner_name(status.st_uid)}, mode {stat.S_IMODE(status.st_mode):04o}"


def _bucket_in(scheme: str, rest: str) -> str:
    names, hint = _BUCKETS[scheme]
    bucket = rest.removesuffix("/")
    if not names.fullmatch(bucket):
        raise UsageError(f"{_shown(f'{scheme}://{rest}')} is not the URL of a bucket", hint=hint)
    return bucket


def _open_service(scheme: str, rest: str, settings: Settings | None) -> Store:
    bucket = _bucket_in(scheme, rest)
    wanted = SETTINGS[scheme]
    if settings is None:
        settings = wanted()
    elif not isinstance(settings, wanted):
        raise UsageError(
            f"{scheme}://{bucket} does not take {type(settings).__name__}",
            hint=f"give settings={wanted.__name__}(...)",
        )
    if isinstance(settings, S3Settings):
        with _extra("s3"):
            from cipherbucket.stores.s3.store import S3Store  # noqa: PLC0415
        return S3Store(bucket, settings)
    with _extra("oss"):
        from cipherbucket.stores.oss.store import OssStore  # noqa: PLC0415
    return OssStore(bucket, settings)


@contextmanager
def _extra(extra: str) -> Iterator[None]:
    """Say of imports that fail which extra they need.

    Raises:
        MissingExtraError: One did.
    """
    try:
        yield
    except ImportError as error:
        raise missing_extra(_SDKS[extra], extra) from error


def _split_scheme(url: str) -> tuple[str, str]:
    scheme, separator, rest = url.partition("://")
    if separator and scheme in {"memory", *SETTINGS}:
        return scheme, rest
    if not separator or scheme != "file":
        raise UsageError(f"{_shown(url)!r} is not the URL of a store", hint=_ALLOWED)
    if not rest.startswith("/") or "\0" in rest:
        raise UsageError(
            f"{url!r}: the path of a folder must be absolute, as in file:///data", hint=_ALLOWED
        )
    return scheme, rest


def _shown(url: str) -> str:
    """Return a URL without user name, password and query, in which signatures are."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return scheme + separator + rest.rpartition("@")[2]
