"""What fsspec asks a file system for, each a verb of `Bucket`.

Rule: names are paths, and what names have in common up to a slash is a directory, which is there
as long as an object lies below it. Nothing is remembered of listings: each call asks the store.
Sizes are those of the plaintext.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    UsageError,
    missing_extra,
)
from cipherbucket.filesystem.entries import add_directories, directory, entries_below, file_at
from cipherbucket.filesystem.files import (
    CompressedFileToWrite,
    FileToRead,
    FileToWrite,
    progress_to,
    slice_of,
    slices_of,
)
from cipherbucket.filesystem.places import Configured, OneStore, Places
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.reference import BucketReference
from cipherbucket.stores.records import NOTHING

try:
    from fsspec.callbacks import DEFAULT_CALLBACK, Callback
    from fsspec.compression import compr
    from fsspec.core import get_compression
    from fsspec.spec import AbstractFileSystem, make_instance
    from fsspec.utils import isfilelike
except ImportError as error:
    raise missing_extra("fsspec is not installed", "fsspec") from error

_OF_FSSPEC = {"asynchronous", "listings_expiry_time", "loop", "max_paths", "use_listings_cache"}
"""Storage options that fsspec has for every file system; none of them means anything here."""


class CipherbucketFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Encrypted objects as files, for whatever takes a file system of fsspec.

    Without ``store`` the first part of a path is the name of a store in ``cipherbucket.toml``,
    whose rules say which keys are used: ``cipherbucket://records/2026/a.parquet``. With it, paths
    are the names of objects in that store.

    The arguments are names and addresses, never secrets, since libraries write them into logs and
    send them to other machines. File system and files to read can be pickled.

    Args:
        store: ``oss://bucket``, ``file:///folder`` or ``memory://name``.
        keys: Key files, or ``kms:`` and an id: the first writes, all read.
        config: A ``cipherbucket.toml``, in the place of the one that `load_config` finds.
        config_sha256: Its SHA-256; one with other contents is refused.
        format: As in `open_bucket`.
        recipients: As in `BucketReference`.
        policy: As in `open_bucket`.
        context: The pairs that sealed objects are written and read with.
        settings: Settings of `OssSettings` that are no secrets.
        trusted: As in `open_bucket`.
        exact_sizes: Whether ``ls(detail=True)`` and ``find(detail=True)`` look at each object of a
            bucket that reads sealed ones. Without it, sizes are those of the ciphertext there.

    Raises:
        UsageError: What is given leads to no bucket, or holds what may be a secret.
    """

    protocol = "cipherbucket"
    blocksize = 8 << 20

    def __init__(
        self,
        store: str | None = None,
        keys: str | Sequence[str] = (),
        *,
        config: str | None = None,
        config_sha256: str | None = None,
        format: str | None = None,  # noqa: A002  the word of the documents
        recipients: Sequence[str] = (),
        policy: Policy | None = None,
        context: Mapping[str, str] = NOTHING,
        settings: Mapping[str, Any] = NOTHING,
        trusted: bool = False,
        exact_sizes: bool = True,
        **options: Any,
    ) -> None:
        if unknown := sorted(set(options) - _OF_FSSPEC):
            raise UsageError(
                f"unknown storage option {unknown[0]!r}",
                hint="access keys, tokens and passphrases are no options: each process takes them"
                " from its own environment",
            )
        super().__init__(**options)
        self.exact_sizes = exact_sizes
        self._context = dict(context)
        names = [keys] if isinstance(keys, str | os.PathLike) else keys
        given: dict[str, Any] = {"format": format, "policy": policy, "recipients": recipients}
        if store is not None:
            reference = BucketReference(store, *names, settings=settings, trusted=trusted, **given)
            self._places: Places = OneStore(reference)
            return
        if said := [name for name, value in {"keys": names, **given}.items() if value]:
            raise UsageError(
                f"{', '.join(said)} without store",
                hint="give store='oss://bucket', or say them in cipherbucket.toml",
            )
        self._places = Configured.of(config, config_sha256)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        stripped = super()._strip_protocol(path)
        return stripped.lstrip("/") if isinstance(stripped, str) else stripped

    # What is there

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size and type of a file or directory, and what else is known of it."""
        path = self._strip_protocol(path)
        if self._places.is_root(path):
            return directory(path)
        bucket, name = self._places.find(path)
        try:
            return file_at(path, bucket.head(name))
        except ObjectNotFoundError:
            if next(bucket.list(f"{name}/"), None) is None:
                raise
            return directory(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory, or a file by itself."""
        path = self._strip_protocol(path)
        if path == "" and (roots := self._places.above()) is not None:
            found = [directory(root) for root in roots]
        else:
            bucket, name = self._places.find(path)
            found = self._below(bucket, path, name, "/", detail=detail)
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
        bucket, name = self._places.find(path)
        files = self._below(bucket, path, name, "", detail=detail)
        if not files and not self._places.is_root(path) and self.isfile(path):
            files = [self.info(path)]
        found = {each["name"]: each for each in files}
        if withdirs:
            add_directories(found, path)
        ordered = dict(sorted(found.items()))
        return ordered if detail else list(ordered)

    def _below(
        self, bucket: Bucket, path: str, name: str, delimiter: str, *, detail: bool
    ) -> list[dict[str, Any]]:
        prefix, sizes = f"{name}/" if name else "", detail and self.exact_sizes
        found = entries_below(bucket, prefix, delimiter, sizes=sizes)
        return [{**each, "name": self._places.path(path, each["name"])} for each in found]

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

    # Whole files

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Return an object's plaintext, or a slice of it."""
        bucket, name = self._places.find(self._strip_protocol(path))
        if (start is None or start >= 0) and (end is None or end >= 0):
            first = start or 0
            length = None if end is None else max(0, end - first)
            return bucket.get(name, start=first, length=length, context=self._context).read()
        with bucket.open(name, context=self._context) as file:
            return slice_of(file, start, end)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,  # noqa: ARG002  near ranges are fetched together
        on_error: str = "return",
        **_: Any,
    ) -> list[bytes | Exception]:
        """Return slices of objects; those of one object are fetched together and in parallel."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise UsageError("paths, starts and ends have different lengths")
        found: list[bytes | Exception] = [b""] * len(paths)
        for path in dict.fromkeys(paths):
            places = [at for at, each in enumerate(paths) if each == path]
            try:
                read = self._ranges(path, [(starts[at], ends[at]) for at in places])
            except Exception as error:
                if on_error != "return":
                    raise
                read = [error] * len(places)
            for at, data in zip(places, read, strict=True):
                found[at] = data
        return found

    def _ranges(
        self, path: str, slices: list[tuple[int | None, int | None]]
    ) -> Sequence[bytes | Exception]:
        bucket, name = self._places.find(self._strip_protocol(path))
        with bucket.open(name, context=self._context) as file:
            return slices_of(file, slices)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Store bytes as an object."""
        bucket, name = self._places.find(self._strip_protocol(path))
        bucket.put(name, value, context=self._context_of(bucket), if_absent=mode == "create")

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_: Any,
    ) -> None:
        """Upload a file; a large one in parts, and one that broke off goes on."""
        if Path(lpath).is_dir():
            return
        bucket, name = self._places.find(self._strip_protocol(rpath))
        callback.set_size(Path(lpath).stat().st_size)
        bucket.upload(
            lpath,
            name,
            context=self._context_of(bucket),
            if_absent=mode == "create",
            progress=progress_to(callback),
        )

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: Any = None,
        **_: Any,
    ) -> None:
        """Download to a file, which appears when all of it is found good; or to an open one."""
        bucket, name = self._places.find(self._strip_protocol(rpath))
        outfile = lpath if outfile is None and isfilelike(lpath) else outfile
        if outfile is not None:
            with bucket.get(name, context=self._context, progress=progress_to(callback)) as body:
                shutil.copyfileobj(body, outfile, self.blocksize)
            return
        if self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, lpath, context=self._context, progress=progress_to(callback))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy in the store; what is bound to its name or lies in another store is sealed anew."""
        path1, path2 = self._strip_protocol(path1), self._strip_protocol(path2)
        (source, name), (target, new) = self._places.find(path1), self._places.find(path2)
        try:
            if source is target:
                source.copy(name, new, context=self._context)
                return
            with source.get(name, context=self._context) as body:
                target.put(new, body, size=body.info.size, context=self._context_of(target))
        except ObjectNotFoundError:
            if not self.isdir(path1):
                raise

    def rm_file(self, path: str) -> None:
        """Delete an object."""
        bucket, name = self._places.find(self._strip_protocol(path))
        bucket.head(name)  # deleting what is not there is no error in a store
        bucket.delete(name)

    def rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        """Delete files, or with ``recursive`` directories with all that lies below them."""
        named = self._strip_protocol([path] if isinstance(path, str) else path)
        for each in reversed(self.expand_path(path, recursive=recursive, maxdepth=maxdepth)):
            if not recursive:
                if each in named or self.isfile(each):  # a pattern may fit directories, too
                    self.rm_file(each)
            elif not self._places.is_root(each):
                bucket, name = self._places.find(each)
                bucket.delete(name)
                bucket.delete(f"{name}/")  # what some tools put in the place of a directory

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        """Store an empty object, or leave the one that is there."""
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        """Return a URL by which whoever has it fetches the ciphertext; see `Bucket.presign`."""
        bucket, name = self._places.find(self._strip_protocol(path))
        return bucket.presign(name, expires=expiration)

    # Open files

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Mapping[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file; ``compression`` as in `fsspec.open`, and other arguments of text as well."""
        if compression is None or "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **options)
        text = {each: options.pop(each, None) for each in ("encoding", "errors", "newline")}
        file = super().open(path, f"{mode.rstrip('tb')}b", block_size, cache_options, **options)
        compress = compr[get_compression(path, compression)]
        compressed = CompressedFileToWrite(compress(file, mode="w"), file)
        return compressed if "b" in mode else io.TextIOWrapper(compressed, **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,  # noqa: ARG002  our own read-ahead
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,  # noqa: ARG002
        **_: Any,
    ) -> FileToRead | FileToWrite:
        bucket, name = self._places.find(path)
        if mode == "rb":
            return FileToRead(self, path, bucket.open(name, context=self._context))
        if mode not in {"wb", "xb"}:
            raise UsageError(
                f"mode {mode!r}: an object is read or written as a whole",
                name=name,
                hint="'rb', 'wb' or 'xb'; to append, write a new object",
            )
        if mode == "xb" and bucket.exists(name):
            raise ObjectExistsError("there is an object of this name already", name=name)
        context = self._context_of(bucket)
        writer = bucket.open(name, "wb", context=context, if_absent=mode == "xb")
        return FileToWrite(self, path, mode, writer, autocommit=autocommit)

    def _context_of(self, bucket: Bucket) -> Mapping[str, str]:
        return self._context if bucket.format == SEALED else NOTHING

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments, and which configuration is meant."""
        options = {**self.storage_options, **self._places.named}
        return make_instance, (type(self), self.storage_args, options)
