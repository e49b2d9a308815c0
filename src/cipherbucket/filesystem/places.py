"""Which bucket a path lies in: that of a store which was named, or of a rule in a configuration.

Rule: what is kept are names, so that a file system can be pickled; buckets are opened where they
are needed, once in each process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from cipherbucket.bucket import Bucket
from cipherbucket.config.config import Config
from cipherbucket.errors import UsageError
from cipherbucket.reference import BucketReference


class Places(Protocol):
    """Finds buckets."""

    def find(self, path: str) -> tuple[Bucket, str]:
        """Return the bucket of a path, and the object's name in it; "" for the bucket itself."""

    def path(self, path: str, name: str) -> str:
        """Return the path of an object in the bucket of another path."""

    def roots(self) -> Iterator[str] | None:
        """Yield what lies at the top where that is no bucket; else return None."""


class OneStore:
    """Every path is an object's name in one bucket."""

    def __init__(self, reference: BucketReference) -> None:
        self._reference = reference

    def find(self, path: str) -> tuple[Bucket, str]:
        """Return the bucket; the path is the name."""
        return self._reference.open(), path

    def path(self, path: str, name: str) -> str:  # noqa: ARG002
        """Return the name."""
        return name

    def roots(self) -> None:
        """Return None: the top is the bucket."""


class Configured:
    """The first part of a path is the name of a store in ``cipherbucket.toml``."""

    def __init__(self, config: Config) -> None:
        self._config = config

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

    def roots(self) -> Iterator[str]:
        """Yield the names of the stores."""
        return iter(self._config.stores)
