"""What opens a bucket again in another process: names of places and keys, and no secret.

Rule: a reference holds a URL, paths and settings that are addresses. Keys travel as what names
them; each process reads them itself, finds passphrases and credentials in its own environment, and
refuses a key file or a ``cipherbucket.toml`` that is another than the one that was meant. It is
plain data: unpickling one opens nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cipherbucket.bucket import Bucket
from cipherbucket.config.config import Config, load_config
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.files import id_of_file, load_key
from cipherbucket.local_files.paths import local_path
from cipherbucket.opening import open_bucket
from cipherbucket.stores.records import NOTHING
from cipherbucket.stores.urls import Settings, check_store_url, settings_for

KMS = "kms:"
"""How the id of a key in a KMS begins, among names of key files."""
_SECRET = {"credentials", "proxy"}
"""Settings that may hold secrets; each process has its own."""

_locks: dict[int, threading.Lock] = {}
"""One a process: a thread that holds it is not in a forked one, and would never let it go there."""
_buckets: dict[tuple[int, BucketReference], Bucket] = {}


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A key by what names it, and the id that it has to have where that is known."""

    named: str
    id: str | None
    config: str | None = None
    config_sha256: str | None = None

    @classmethod
    def of(
        cls, named: str | os.PathLike[str], *, config: str | os.PathLike[str] | None = None
    ) -> KeyReference:
        """Return a reference to a key.

        Args:
            named: A key file, or ``kms:`` and an id; with ``config``, the name of a key there.
            config: A ``cipherbucket.toml``.

        Raises:
            UsageError, MasterKeyError: The file cannot be read, or has no such key.
        """
        return _key(named, None if config is None else load_config(config))

    def load(self) -> MasterKey:
        """Return the key, as this process finds it.

        Raises:
            MasterKeyError: It cannot be read here, or is another than the one that was meant.
            UsageError: The ``cipherbucket.toml`` has other contents.
        """
        if self.config is None:
            return _loaded(self)
        config = load_config(self.config)
        assert self.config_sha256 is not None
        config.refuse_other(self.config_sha256)
        return config.key(self.named)


@dataclass(frozen=True, init=False, slots=True)
class BucketReference:
    """What opens a bucket again, in this process or another: it can be pickled, as a bucket cannot.

    The bucket is opened by the first `open` of a process, and stays open until the process ends.

    Args:
        place: ``oss://bucket``, ``s3://bucket`` or another URL of a store; or, with ``config``, a
            store of that file, or a place in one.
        keys: Key files, or ``kms:`` and the id of a key in a KMS: the first writes, all read. With
            ``config``, names of its keys instead; none for those of its rule.
        config: A ``cipherbucket.toml``. Another process reads the file of this path, and refuses
            one with other contents.
        format: As in `open_bucket`.
        recipients: Key files, mostly public halves, that every new sealed object is wrapped for.
        policy: As in `open_bucket`.
        settings: Settings of `OssSettings`, or `S3Settings`, that are no secrets: any but
            ``credentials`` and ``proxy``, which each process takes from its environment.
        trusted: As in `open_bucket`.

    Raises:
        UsageError: A setting that may be a secret, or is none; ``place`` is no URL of a store, or
            a key no name; the file cannot be read.
    """

    place: str
    keys: tuple[KeyReference, ...]
    recipients: tuple[KeyReference, ...]
    config: str | None
    config_sha256: str | None
    format: str | None
    policy: Policy | None
    settings: tuple[tuple[str, Any], ...]
    trusted: bool

    def __init__(
        self,
        place: str,
        *keys: str | os.PathLike[str],
        config: str | os.PathLike[str] | None = None,
        format: str | None = None,  # noqa: A002  the word of the documents
        recipients: Sequence[str | os.PathLike[str]] = (),
        policy: Policy | None = None,
        settings: Mapping[str, Any] = NOTHING,
        trusted: bool = False,
    ) -> None:
        if not isinstance(settings, Mapping):
            raise UsageError(
                f"settings of a reference are names and values, not {type(settings).__name__}",
                hint='write them as a dict: settings={"region": "eu-central-1"}',
            )
        if secret := _SECRET.intersection(settings):
            raise UsageError(
                f"a reference holds no {' and no '.join(sorted(secret))}",
                hint="each process takes them from its environment",
            )
        loaded = None if config is None else load_config(config)
        store_url = place
        if loaded is not None and not place.startswith("file://"):  # it need not be there here
            store_url = loaded.split(place)[0]
        kind = settings_for(store_url)
        known = {each.name for each in fields(kind)}
        if unknown := sorted(set(settings) - known):
            raise UsageError(
                f"unknown setting {unknown[0]!r}", hint=f"settings: {', '.join(sorted(known))}"
            )
        kind(**settings)
        if loaded is None or not place.startswith("file://"):
            check_store_url(store_url)
        if loaded is not None and recipients:
            raise UsageError("recipients are those of the file", hint="leave out recipients=")
        values = {
            "place": place,
            "keys": tuple(_key(each, loaded) for each in keys),
            "recipients": tuple(_key(each, loaded) for each in recipients),
            "config": None if loaded is None else str(loaded.path),
            "config_sha256": None if loaded is None else loaded.sha256,
            "format": format,
            "policy": policy,
            "settings": tuple(sorted(settings.items())),
            "trusted": trusted,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def open(self) -> Bucket:
        """Return the bucket, the same in all of this process; it stays open until the end.

        Raises:
            UsageError: The ``cipherbucket.toml`` is another than the one that was meant; and what
                `open_bucket` and `Config.open` raise.
            MasterKeyError: A key cannot be read here, or is another than the one that was meant.
        """
        with _locks.setdefault(os.getpid(), threading.Lock()):
            bucket = _buckets.get((os.getpid(), self))  # a forked process opens its own
            if bucket is None:
                bucket = _buckets[os.getpid(), self] = self._opened()
            return bucket

    def _opened(self) -> Bucket:
        if self.config is None:
            keys, recipients = map(_loaded, self.keys), map(_loaded, self.recipients)
            return open_bucket(
                self.place,
                *keys,
                format=self.format,
                policy=self.policy,
                recipients=tuple(recipients),
                settings=self._settings_at(self.place),
                trusted=self.trusted,
            )
        config = load_config(self.config)
        assert self.config_sha256 is not None
        config.refuse_other(self.config_sha256)
        return config.open(
            self.place,
            *(config.key(each.named) for each in self.keys),
            format=self.format,
            policy=self.policy,
            settings=self._settings_at(config.split(self.place)[0]),
            trusted=self.trusted,
        )

    def _settings_at(self, store_url: str) -> Settings | None:
        return settings_for(store_url)(**dict(self.settings)) if self.settings else None


def _key(named: str | os.PathLike[str], config: Config | None) -> KeyReference:
    if not isinstance(named, str | os.PathLike):
        raise UsageError(
            f"a reference names keys, and holds no {type(named).__name__}",
            hint="give the path of a key file, or kms: and an id",
        )
    if config is not None:
        if named not in config.keys:
            raise MasterKeyError(f"{config.path}: there is no key {named!r}")
        return KeyReference(str(named), None, str(config.path), config.sha256)
    text = os.fspath(named)
    if "-----BEGIN" in text or not text.isprintable():
        raise UsageError(
            "a reference holds the path of a key file, not what is in it",
            hint="give the path, or kms: and an id",
        )
    if text.startswith(KMS):
        return KeyReference(text, None)
    path = Path(local_path(text)).absolute()  # other processes have other working directories
    return KeyReference(str(path), id_of_file(path))


def _loaded(key: KeyReference) -> MasterKey:
    if key.named.startswith(KMS):
        from cipherbucket.keys.kms.key import AliKmsKey  # noqa: PLC0415  its SDK takes a while

        return AliKmsKey(key.named.removeprefix(KMS))
    loaded = load_key(key.named)
    if key.id not in {None, loaded.id}:
        raise MasterKeyError(
            f"{key.named} holds key {loaded.id} here, not {key.id}",
            hint="copy the key file that was meant to this machine",
        )
    return loaded
