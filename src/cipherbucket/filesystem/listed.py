"""What is there: the questions that fsspec asks of paths.

Rule: nothing is remembered, each call asks the store. What fails is raised, where fsspec itself
would take it for the answer that nothing is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from fsspec.spec import AbstractFileSystem

from cipherbucket.errors import ObjectNotFoundError
from cipherbucket.filesystem.entries import add_directories, directory, entries_at, file_at
from cipherbucket.filesystem.places import Places
from cipherbucket.stores.records import Entry


class Listed(AbstractFileSystem):  # type: ignore[misc]
    """The part of a file system that looks and changes nothing."""

    protocol = "cipherbucket"
    exact_sizes: bool
    _places: Places

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        stripped = super()._strip_protocol(path)
        return stripped.lstrip("/") if isinstance(stripped, str) else stripped

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether there is a file or directory.

        Raises:
            StoreError: The store failed.
        """
        path = self._strip_protocol(path)
        return self._places.is_root(path) or self.isfile(path) or self._has_below(path)

    def isfile(self, path: str) -> bool:
        """Return whether there is an object of this name; errors as `exists`."""
        path = self._strip_protocol(path)
        if self._places.is_root(path):
            return False
        bucket, name = self._places.find(path)
        return bucket.exists(name)

    def isdir(self, path: str) -> bool:
        """Return whether objects lie below a path, and none has its name; errors as `exists`."""
        path = self._strip_protocol(path)
        return self._places.is_root(path) or (not self.isfile(path) and self._has_below(path))

    def _has_below(self, path: str) -> bool:
        bucket, prefix = self._places.find(f"{path}/")
        return next(bucket.list(prefix), None) is not None

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size and type of a file or directory, and what else is known of it."""
        path = self._strip_protocol(path)
        if self._places.is_root(path):
            return directory(path)
        bucket, name = self._places.find(path)
        try:
            return file_at(path, bucket.head(name))
        except ObjectNotFoundError:
            if not self._has_below(path):
                raise
            return directory(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory, or a file by itself."""
        path = self._strip_protocol(path)
        if path == "" and (roots := self._places.above()) is not None:
            found = [directory(root) for root in roots]
        else:
            found = self._below(path, "/", detail=detail)
            if not found and not self._places.is_root(path):
                found = [self.info(path)]
                found = [] if found[0]["type"] == "directory" else found
        return found if detail else [each["name"] for each in found]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """List all files below a path, with one listing and not one a directory."""
        path = self._strip_protocol(path)
        if maxdepth is not None or (path == "" and self._places.above() is not None):
            return super().find(path, maxdepth, withdirs, detail, **options)
        files = self._below(path, "", detail=detail)
        if not files and not self._places.is_root(path) and self.isfile(path):
            files = [self.info(path)]
        found = {each["name"]: each for each in files}
        if withdirs:
            add_directories(found, path)
        ordered = dict(sorted(found.items()))
        return ordered if detail else list(ordered)

    def _below(self, path: str, delimiter: str, *, detail: bool) -> list[dict[str, Any]]:
        """List what lies below a path, and has a path itself."""
        bucket, prefix = self._places.find(f"{path}/" if path else "")

        def found() -> Iterator[Entry]:
            for each in bucket.list(prefix, delimiter=delimiter):
                name = each.name[:-1] if each.is_prefix else each.name
                there = self._places.path(path, name)
                if there == self._strip_protocol(there) not in {"", path}:
                    yield replace(each, name=there)

        return entries_at(found(), self._places.find, sizes=detail and self.exact_sizes)

    def walk(
        self, path: str, maxdepth: int | None = None, on_error: Any = "omit", **options: Any
    ) -> Iterator[tuple[str, Any, Any]]:
        """Go through directories as `fsspec` does; ``omit`` is of what is not there alone."""
        on_error = _refuse_failure if on_error == "omit" else on_error
        yield from super().walk(path, maxdepth, on_error=on_error, **options)

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **options: Any,
    ) -> Any:
        """Return how many bytes of plaintext there are below a path, in all or for each."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **options)
        sizes = {name: each["size"] for name, each in found.items()}
        return sum(sizes.values()) if total else sizes

    def created(self, path: str) -> datetime:
        """Return when an object was last written: what is there was made then."""
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        """Return when an object was last written, UTC."""
        bucket, name = self._places.find(self._strip_protocol(path))
        return bucket.head(name).modified


def _refuse_failure(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
