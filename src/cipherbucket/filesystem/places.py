"""Which bucket a path lies in: that of a store which was named, or of a rule in a configuration.

Rule: what is kept are names, so that a file system can be pickled; buckets are opened where they
are needed, once in each process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from cipherbucket.bucket import Bucket
from cipherbucket.config.config import Config, load_config
from cipherbucket.errors import UsageError
from cipherbucket.reference import BucketReference


class Surroundings:
    """What the same storage options depend on: part of the key by which fsspec keeps instances."""

    def __get__(self, _: object, __: type) -> tuple[str | None, ...]:
        try:
            folder: str | None = str(Path.cwd())
        except FileNotFoundError:  # it was removed
            folder = None
        return folder, os.environ.get("CIPHERBUCKET_CONFIG")


class Places(Protocol):
    """Finds buckets.

    Attributes:
        named: Storage options that say in another process which of them are meant.
        meant: What the same options have to lead to there, where they do not say all of it.
    """

    named: Mapping[str, Any]
    meant: BucketReference | None

    def find(self, path: str) -> tuple[Bucket, str]:
        """Return the bucket of a path, and the object's name in it; "" for the bucket itself."""

    def path(self, path: str, name: str) -> str:
        """Return the path of an object in the bucket of another path."""

    def is_root(self, path: str) -> bool:
        """Return whether a path is a bucket, or what lies above buckets."""

    def above(self) -> Iterator[str] | None:
        """Yield what lies at the top where that is no bucket; else return None."""


class OneStore:
    """Every path is an object's name in one bucket."""

    def __init__(self, reference: BucketReference) -> None:
        self._reference = reference
        self.meant: BucketReference | None = reference
        self.named: Mapping[str, Any] = {  # paths that do not depend on the working directory
            each: [key.named for key in keys]
            for each, keys in {"keys": reference.keys, "recipients": reference.recipients}.items()
            if keys
        }

    def find(self, path: str) -> tuple[Bucket, str]:
        """Return the bucket; the path is the name."""
        return self._reference.open(), path

    def path(self, path: str, name: str) -> str:  # noqa: ARG002
        """Return the name."""
        return name

    def is_root(self, path: str) -> bool:
        """Return whether there is no name."""
        return path == ""

    def above(self) -> None:
        """Return None: the top is the bucket."""


class Configured:
    """The first part of a path is the name of a store in ``cipherbucket.toml``."""

    meant: BucketReference | None = None

    def __init__(self, config: Config) -> None:
        self._config = config
        self.named: Mapping[str, Any] = {"config": str(config.path), "config_sha256": config.sha256}

    @classmethod
    def of(cls, path: str | None, sha256: str | None) -> Configured:
        """Return the stores of a file.

        Raises:
            UsageError: It cannot be used, or has another SHA-256.
        """
        config = load_config(path)
        if sha256 is not None:
            config.refuse_other(sha256)
        return cls(config)

    def find(self, path: str) -> tuple[Bucket, str]:
        """Return the bucket of the rule for a name in a store."""
        store, _, name = path.partition("/")
        if not store:
            raise UsageError(
                "there is no bucket at the top", hint=f"stores: {', '.join(self._config.stores)}"
            )
        return self._config.bucket(f"{store}://{name}"), name

    def path(self, path: str, name: str) -> str:
        """Return the path in the same store."""
        return f"{path.partition('/')[0]}/{name}"

    def is_root(self, path: str) -> bool:
        """Return whether there is no name behind that of a store."""
        return "/" not in path

    def above(self) -> Iterator[str]:
        """Yield the names of the stores."""
        return iter(self._config.stores)
