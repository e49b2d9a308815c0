"""Buckets and keys of a command, by what its options say of them, for workers in other processes.

Rule: what travels are names, paths and addresses. In the process that made it a reference stands
for what is open there; any other process reads the key files and ``cipherbucket.toml`` itself, and
refuses those that are others than the ones that were meant.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.addresses import ADDRESSES
from cipherbucket.cli.options.config import (
    absolute_key,
    config_read,
    current_config,
    load_key,
    meaning_of_names,
    with_meaning,
)

_MOST = 64
"""So many buckets and keys of earlier commands a worker of a cluster keeps."""

_lock = threading.Lock()
_opened: OrderedDict[str, Any] = OrderedDict()


@dataclass(frozen=True)
class Origin:
    """What options of the program, and the file, say in the process of the command.

    Attributes:
        meaning: What names mean, as `meaning_of_names` returns it.
        config_sha256: Of the ``cipherbucket.toml`` that is used.
        addresses: Region and endpoint of OSS and S3, where the environment says them.
        id: Another for each reference, by which a process finds what it has opened.
    """

    meaning: Mapping[str, Any]
    config_sha256: str | None
    addresses: Mapping[str, str]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, access: AccessOptions) -> Origin:
        """Return that of this process."""
        config = access.config or config_read()
        addresses = {each: os.environ[each] for each in ADDRESSES if os.environ.get(each)}
        sha256 = None if config is None else config.sha256
        return cls(meaning_of_names(config), sha256, addresses)

    def opened(self, make: Callable[[], Any]) -> Any:
        """Return what a reference stands for in this process, which is made once."""
        with _lock:
            key = f"{os.getpid()} {self.id}"
            if key not in _opened:
                with _environment(self.addresses), with_meaning(self.meaning):
                    self._refuse_other_config()
                    _opened[key] = make()
                while len(_opened) > _MOST:
                    _opened.popitem(last=False)
            _opened.move_to_end(key)
            return _opened[key]

    def _refuse_other_config(self) -> None:
        if self.config_sha256 is not None:
            config = current_config()
            assert config is not None
            config.refuse_other(self.config_sha256)


class BucketByOptions:
    """What opens a bucket as a command has it open.

    Args:
        bucket: The bucket.
        access: The options, with the rule that is bound.
        open_by: Opens it; a function of a module, or a `partial` of one.
    """

    def __init__(
        self,
        bucket: cb.Bucket,
        access: AccessOptions,
        open_by: Callable[[AccessOptions], cb.Bucket],
    ) -> None:
        if bucket.access.store.url.startswith("memory:"):
            raise cb.UsageError(
                "other processes cannot reach a store in memory",
                hint="leave out --processes or --dask",
            )
        self._bucket = bucket
        ids = {absolute_key(named): key.id for named, key in access.keys_read()}
        self._sent = (access.absolute(), open_by, ids, Origin.of(access))

    def open(self) -> cb.Bucket:
        """Return the bucket."""
        return self._bucket

    def __reduce__(self) -> tuple[Any, ...]:
        return _BucketElsewhere, self._sent


@dataclass(frozen=True)
class _BucketElsewhere:
    """A `BucketByOptions` in another process."""

    access: AccessOptions
    open_by: Callable[[AccessOptions], cb.Bucket]
    ids: Mapping[str, str]
    origin: Origin

    def open(self) -> cb.Bucket:
        bucket = self.origin.opened(self._opened)
        assert isinstance(bucket, cb.Bucket)
        return bucket

    def _opened(self) -> cb.Bucket:
        access = replace(self.access, _read={})
        bucket = self.open_by(access)
        for named, key in access.keys_read():
            refuse_other_key(named, key, self.ids.get(named))
        return bucket


class KeyByOptions:
    """What finds a key as a command has found it.

    Args:
        key: The key.
        named: What named it.
        access: The options.
    """

    def __init__(
        self, key: cb.MasterKey, named: str, access: AccessOptions, *, allow_weak: bool = False
    ) -> None:
        self._key = key
        self._sent = (absolute_key(named), key.id, allow_weak, Origin.of(access))

    def load(self) -> cb.MasterKey:
        """Return the key."""
        return self._key

    def __reduce__(self) -> tuple[Any, ...]:
        return _KeyElsewhere, self._sent


@dataclass(frozen=True)
class _KeyElsewhere:
    """A `KeyByOptions` in another process."""

    named: str
    id: str
    allow_weak: bool
    origin: Origin

    def load(self) -> cb.MasterKey:
        key: cb.MasterKey = self.origin.opened(self._loaded)
        return key

    def _loaded(self) -> cb.MasterKey:
        key = load_key(self.named, allow_weak=self.allow_weak)
        refuse_other_key(self.named, key, self.id)
        return key


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables while something is opened; one thread at a time does."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def new_keys_by_reference(access: AccessOptions) -> tuple[KeyByOptions, ...] | None:
    """Return the keys of ``--to``; None where there are none."""
    pairs = zip(access.new_keys, access.new_key_files, strict=True)
    weak = access.allow_weak
    return tuple(KeyByOptions(*pair, access, allow_weak=weak) for pair in pairs) or None


def refuse_other_key(named: str, key: cb.MasterKey, meant: str | None) -> None:
    """Refuse a key that is not the one that was meant.

    Raises:
        MasterKeyError: It has another id.
    """
    if meant not in {None, key.id}:
        raise cb.MasterKeyError(
            f"{named} holds key {key.id} here, not {meant}",
            hint="copy the key file that was meant to this machine",
        )
