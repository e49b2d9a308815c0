"""URLs of stores and objects.

Law: a URL is taken as it is written. Nothing is percent-decoded and no path is normalised, because
object names may hold ``%41``, ``..`` and ``//``. Where the store ends and the name begins in
``file:///data/store/a/b`` is told by the disk: the store is the first folder from the left that
holds an index.
"""

from __future__ import annotations

from cipherbucket.errors import UsageError
from cipherbucket.stores.base import Store
from cipherbucket.stores.local import LocalStore
from cipherbucket.stores.local_recovery import is_store
from cipherbucket.stores.memory import MemoryStore

_ALLOWED = "give file:///folder or memory://name"


def open_store(url: str) -> Store:
    """Open the store of a URL.

    Args:
        url: ``file:///folder``, made if there is none; ``memory://name``, shared in this process;
            ``memory://``, a new one that nobody else has.

    Raises:
        UsageError: The URL is none of these.
        StoreError: The store cannot be opened.
    """
    scheme, rest = _split_scheme(url)
    if scheme == "file":
        return LocalStore(rest, create=True)
    name = rest.removesuffix("/")
    if "/" in name:
        raise UsageError(f"{url}: the name of a memory store has no slash", hint=_ALLOWED)
    return MemoryStore.named(name) if name else MemoryStore()


def split_url(url: str) -> tuple[str, str]:
    """Split the URL of an object, or of a store, into the store's URL and the object's name.

    Returns:
        The store's URL, as `open_store` takes it, and the name, character by character as it
        stands in the URL; empty where the URL is that of the store.

    Raises:
        UsageError: There is no directory store on the path, or the URL is of no known kind.
    """
    scheme, rest = _split_scheme(url)
    if scheme == "memory":
        bucket, _, name = rest.partition("/")
        if not bucket:
            raise UsageError(f"{url}: give the memory store a name, as in memory://name/object")
        return f"memory://{bucket}", name
    end = rest.find("/", 1)
    while end >= 0:
        if is_store(rest[:end]):
            return f"file://{rest[:end]}", rest[end + 1 :]
        end = rest.find("/", end + 1)
    if not is_store(rest):
        raise UsageError(
            f"no directory store at or above {url}",
            hint="make one, of this folder or one above it: cipherbucket mb file:///folder",
        )
    return url, ""


def make_bucket(url: str) -> None:
    """Make a directory store in a folder that is new or empty.

    Raises:
        UsageError: There is one, the folder is not empty or lies inside a store, or the URL is
            not one of a folder.
        StoreError: The folder cannot be written.
    """
    scheme, rest = _split_scheme(url)
    if scheme != "file":
        raise UsageError(f"{url}: a memory store needs no making; it is there when it is opened")
    if is_store(rest):
        raise UsageError(f"there is a directory store at {url} already")
    LocalStore(rest, create=True).close()


def _split_scheme(url: str) -> tuple[str, str]:
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "oss":
        raise UsageError(f"{url}: OSS is not available in this version", hint=_ALLOWED)
    if separator and scheme == "memory":
        return scheme, rest
    if not separator or scheme != "file":
        raise UsageError(f"{url!r} is not the URL of a store", hint=_ALLOWED)
    if not rest.startswith("/") or "\0" in rest:
        raise UsageError(
            f"{url!r}: the path of a folder must be absolute, as in file:///data", hint=_ALLOWED
        )
    return scheme, rest
