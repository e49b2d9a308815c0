"""What fsspec asks a file system for, each a verb of `Bucket`.

Rule: names are paths, and what names have in common up to a slash is a directory, which is there
as long as an object lies below it. Nothing is remembered of listings: each call asks the store.
Sizes are those of the plaintext.
"""

from __future__ import annotations

import inspect
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.utils import isfilelike

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    MasterKeyError,
    ObjectExistsError,
    ObjectNotFoundError,
    UsageError,
)
from cipherbucket.filesystem.files import (
    CompressedFileToWrite,
    FileToRead,
    FileToWrite,
    progress_to,
    slice_of,
    slices_of,
)
from cipherbucket.filesystem.listed import Listed
from cipherbucket.filesystem.moves import copy_to_bucket, planned_moves
from cipherbucket.filesystem.places import Configured, OneStore, Surroundings
from cipherbucket.format.metadata_names import SEALED
from cipherbucket.reference import BucketReference
from cipherbucket.stores.records import NOTHING

_OF_FSSPEC = {"asynchronous", "listings_expiry_time", "loop", "max_paths", "use_listings_cache"}
"""Storage options that fsspec has for every file system; none of them means anything here."""


class CipherbucketFileSystem(Listed):
    """Encrypted objects as files, for whatever takes a file system of fsspec.

    Without ``store`` the first part of a path is the name of a store in ``cipherbucket.toml``,
    whose rules say which keys are used: ``cipherbucket://records/2026/a.parquet``. With it, paths
    are the names of objects in that store.

    The arguments are names and addresses, never secrets, since libraries write them into logs and
    send them to other machines. File system and files to read can be pickled.

    Args:
        store: ``oss://bucket``, ``s3://bucket``, ``file:///folder`` or ``memory://name``.
        keys: Key files, or ``kms:`` and an id: the first writes, all read.
        config: A ``cipherbucket.toml``, in the place of the one that `load_config` finds.
        config_sha256: Its SHA-256; one with other contents is refused.
        format: As in `open_bucket`.
        recipients: As in `BucketReference`.
        policy: As in `open_bucket`.
        context: The pairs that sealed objects are written and read with.
        settings: Settings of `OssSettings`, or `S3Settings`, that are no secrets.
        trusted: As in `open_bucket`.
        exact_sizes: Whether ``ls(detail=True)`` and ``find(detail=True)`` look at each object of a
            bucket that reads sealed ones. Without it, sizes are those of the ciphertext there.

    Raises:
        UsageError: What is given leads to no bucket, or holds what may be a secret.
    """

    _extra_tokenize_attributes = ("_surroundings",)
    _surroundings = Surroundings()
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
            _, *there, _ = inspect.signature(CipherbucketFileSystem.__init__).parameters
            raise UsageError(
                f"unknown storage option {unknown[0]!r}",
                hint=f"there are: {', '.join(there)}; access keys, tokens and passphrases are no"
                " options: each process takes them from its own environment",
            )
        super().__init__(**options)
        self.exact_sizes = exact_sizes
        self._context = dict(context)
        names = [keys] if isinstance(keys, str | os.PathLike) else keys
        given: dict[str, Any] = {"format": format, "policy": policy, "recipients": recipients}
        if store is not None:
            reference = BucketReference(store, *names, settings=settings, trusted=trusted, **given)
            self._places = OneStore(reference)
            return
        if said := [name for name, value in {"keys": names, **given}.items() if value]:
            raise UsageError(
                f"{', '.join(said)} without store",
                hint="give store='oss://bucket' or another, or say them in cipherbucket.toml",
            )
        self._places = Configured.of(config, config_sha256)

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
        if ".." in Path(lpath).parts and ".." in str(rpath).split("/"):
            raise UsageError(
                f"{lpath!r} leads out of its folder, as the object's name does",
                name=name,
                hint="download it by itself, to another name",
            )
        if self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        bucket.download(name, lpath, context=self._context, progress=progress_to(callback))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy in the store; what is bound to its name or lies in another store is sealed anew."""
        self._copied(path1, path2, move=False)

    def _copied(self, path1: str, path2: str, *, move: bool) -> None:
        path1, path2 = self._strip_protocol(path1), self._strip_protocol(path2)
        (source, name), (target, new) = self._places.find(path1), self._places.find(path2)
        context = self._context
        try:
            if source is target:
                (source.rename if move else source.copy)(name, new, context=context)
            else:
                writing = self._context_of(target)
                copy_to_bucket(source, name, target, new, context, writing, move=move)
        except ObjectNotFoundError:
            if not self.isdir(path1):
                raise

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **_: Any,
    ) -> None:
        """Move files: each is copied, and then deleted. A path onto itself stays as it is.

        Raises:
            UsageError: A file would be moved onto another one that is moved, or onto itself.
            ObjectChangedError: One was replaced or changed while it was moved, and is left.
        """
        if self._strip_protocol(path1) == self._strip_protocol(path2):
            return
        moves = planned_moves(self, path1, path2, recursive=recursive, maxdepth=maxdepth)
        for source, target in moves:
            self._copied(source, target, move=True)

    def rm_file(self, path: str) -> None:
        """Delete an object."""
        bucket, name = self._places.find(self._strip_protocol(path))
        bucket.head(name)  # deleting what is not there is no error in a store
        bucket.delete(name)

    def rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        """Delete files, or with ``recursive`` directories with all that lies below them."""
        whole = recursive and maxdepth is None
        found = self.expand_path(path, recursive=recursive and not whole, maxdepth=maxdepth)
        if whole:
            if missing := [each for each in found if not self.exists(each)]:
                raise ObjectNotFoundError("there is no such file or directory", name=missing[0])
            for each in found:
                self._rm_tree(each)
            return
        named = self._strip_protocol([path] if isinstance(path, str) else path)
        for each in reversed(found):
            if self.isfile(each) or (each in named and not recursive):
                self.rm_file(each)  # a pattern may fit directories, too

    def _rm_tree(self, path: str) -> None:
        bucket, prefix = self._places.find(f"{path}/" if path else "")
        for entry in bucket.list(prefix):  # also what some tools put in the place of a directory
            self._places.find(self._places.path(path, entry.name))[0].delete(entry.name)
        if not self._places.is_root(path):
            bucket, name = self._places.find(path)
            bucket.delete(name)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        """Store an empty object, or leave the one that is there."""
        if truncate:
            self.pipe_file(path, b"")
        elif not self.exists(path):
            with suppress(ObjectExistsError):
                self.pipe_file(path, b"", mode="create")

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
        """Pickle the arguments, and which configuration or keys are meant."""
        positional = dict(zip(("store", "keys"), self.storage_args, strict=False))
        options = {**positional, **self.storage_options, **self._places.named}
        return _made_again, (type(self), options, self._places.meant)


def _made_again(
    cls: type[CipherbucketFileSystem], options: dict[str, Any], meant: BucketReference | None
) -> CipherbucketFileSystem:
    fs = cls(**options)
    if fs._places.meant != meant:
        raise MasterKeyError(
            "key files hold other keys here than those that were meant",
            hint="copy the key files that were meant to this machine",
        )
    return fs
