"""``cipherbucket.toml``: stores and keys by name, and which keys write and read where.

Rule: the name of each object decides which of ``[[rules]]`` holds for it, the longest match counts,
and nothing is written under a key that its rule does not name. A bucket that was opened for one
rule refuses the names of another; what has to be done to all that lies below a prefix, or not at
all, is refused where rules differ below it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cipherbucket.bucket import Bucket
from cipherbucket.config.document import Document, suggestion
from cipherbucket.config.finding import read_config, trust_document
from cipherbucket.config.guard import RuleGuard
from cipherbucket.config.keys import KeyEntry, keys_in
from cipherbucket.config.loading import AskPassphrase
from cipherbucket.config.named_keys import NamedKeys
from cipherbucket.config.rings import GivenRing, NamedRing
from cipherbucket.config.rules import Rule, rules_in
from cipherbucket.config.stores import (
    StoreEntry,
    canonical_url,
    settings_beside_environment,
    split_name,
    stores_in,
)
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import MasterKeyError, UsageError, not_copied
from cipherbucket.format.metadata_names import OSS, SEALED
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.local_files.paths import local_path
from cipherbucket.stores.urls import SETTINGS, Settings, open_store, settings_for, split_url

_log = logging.getLogger("cipherbucket")


def load_config(
    path: str | os.PathLike[str] | None = None, *, passphrase: AskPassphrase | None = None
) -> Config:
    """Read ``cipherbucket.toml``.

    Args:
        path: Which; None for that of the environment variable ``CIPHERBUCKET_CONFIG``, or else the
            nearest of the working directory and the folders above it, or else that of the user's
            configuration directory.
        passphrase: Called with the name of an encrypted key file whose ``passphrase_env`` is not
            set. Without it ``CIPHERBUCKET_PASSPHRASE`` is asked.

    Raises:
        UsageError: There is none; others can replace it; it lies in the working directory or above
            and is not trusted (see `Config.trust`); or something in it cannot be, with its line and
            what is allowed.
    """
    named = Path(local_path(path)) if path is not None else None
    config = Config(read_config(named), passphrase)
    _log.info("stores and keys are those of %s", config.path)
    return config


class Config:
    """What a ``cipherbucket.toml`` says. `load_config` makes it.

    Args:
        document: The file as it was read.
        passphrase: See `load_config`.

    Raises:
        UsageError: Something in it cannot be.
    """

    def __init__(self, document: Document, passphrase: AskPassphrase | None = None) -> None:
        document.place().refuse_unknown(document.tables, ("stores", "keys", "rules"))
        self._document = document
        self._stores = stores_in(document)
        entries = keys_in(document)
        self._rules = rules_in(document, self._stores, entries)
        self._keys = NamedKeys(document, entries, passphrase)
        self._locks: dict[int, threading.Lock] = {}  # one a process, as in `reference`
        self._buckets: dict[tuple[int, str, str], Bucket] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._document.path

    @property
    def sha256(self) -> str:
        """The SHA-256 of its contents, in hexadecimal."""
        return self._document.digest

    def refuse_other(self, sha256: str) -> None:
        """Refuse to go on where another file was meant.

        Raises:
            UsageError: The contents of this one have another SHA-256.
        """
        if sha256 != self.sha256:
            raise UsageError(
                f"{self.path} has other contents here than where the work was given out",
                hint="copy the same file to every machine, and begin anew where it was changed",
            )

    def trust(self) -> None:
        """Remember that the file may be used where it is found, as it was when it was read.

        Once its contents change, it is not trusted any more. What its key files hold is not
        remembered; ``fingerprint`` pins that.

        Raises:
            UsageError: It is a link, others can replace it, or it cannot be remembered.
        """
        trust_document(self._document)

    __reduce__ = not_copied("a Config", "load it where it is used, or pass a BucketReference")

    @property
    def stores(self) -> Mapping[str, StoreEntry]:
        """The stores by name."""
        return dict(self._stores)

    @property
    def keys(self) -> Mapping[str, KeyEntry]:
        """What the file says of its keys, by name; `key` reads one."""
        return dict(self._keys.entries)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, the longest first."""
        return self._rules

    def key(self, name: str, *, allow_weak: bool = False) -> MasterKey:
        """Return a key of the file; it is read once, when it is first asked for.

        Args:
            name: Its name.
            allow_weak: Write even with an RSA key of less than 2,048 bits.

        Raises:
            MasterKeyError: There is no such key, it cannot be read, or its description contradicts
                what lies beside it.
            MissingExtraError: It is in a KMS, and the extra ``kms`` is not installed.
        """
        return self._keys.load(name, allow_weak=allow_weak)

    def name_of(self, key: MasterKey) -> str:
        """Return the name of a key that was read here.

        Raises:
            UsageError: It is none of them.
        """
        return self._keys.name_of(key)

    def refuse_recipient(self, named: str) -> None:
        """Refuse a key as a recipient of sealed objects if the file keeps it from this format.

        Args:
            named: Its name, its file, or ``kms:`` and its id; a key that is not here passes.

        Raises:
            MasterKeyError: It is not for format ``sealed``.
        """
        self._keys.refuse_named(named, SEALED, as_recipient=True)

    def refuse_new_key(self, named: str, key: MasterKey) -> None:
        """Refuse a key that is to write from now on if the file keeps it from every format.

        Raises:
            MasterKeyError: It does.
        """
        ring = self.given_ring(key, named=named)
        try:
            ring.writer(OSS)
        except MasterKeyError:
            ring.writer(SEALED)

    def given_ring(self, *keys: MasterKey | KeyRing, named: str | None = None) -> KeyRing:
        """Return keys that are used instead of the file's, which still says which may write.

        Args:
            keys: The first writes, all read; or one ring.
            named: Name, file or ``kms:ID`` of the first. The file knows it by its id as well, but
                that of an encrypted key file cannot be found without its passphrase.

        Raises:
            MasterKeyError: The keys make no ring.
        """
        if len(keys) == 1 and isinstance(keys[0], KeyRing):
            return GivenRing(self._keys, keys[0], named)
        given = (key for key in keys if not isinstance(key, KeyRing))
        return GivenRing(self._keys, KeyRing(*given), named)

    def split(self, place: str) -> tuple[str, str]:
        """Split a place into the URL of its store and a name in it.

        Args:
            place: ``records``, ``records/reports/``, ``records://reports/x.pdf``, or a URL such as
                ``oss://bucket/name``.

        Returns:
            The store's URL, and the name; empty where the place is a store.

        Raises:
            UsageError: There is no such store.
        """
        name, rest = split_name(place)
        if name in self._stores:
            return self._stores[name].url, rest
        if "://" in place and name in {"file", "memory", *SETTINGS}:
            for store in sorted(self._stores.values(), key=lambda each: -len(each.url)):
                if f"{place}/".startswith(f"{store.url}/"):
                    return store.url, place[len(store.url) + 1 :]
            store_url, rest = split_url(place)
            return canonical_url(store_url, self._stores.values()), rest
        raise UsageError(
            f"{self.path}: there is no store {name.rpartition('@')[2]!r}",
            hint=suggestion(name, self._stores),
        )

    def rule(self, place: str, *, whole: bool = True) -> Rule:
        """Return the rule for an object, or for what lies below a prefix.

        Args:
            place: See `split`; a store, and what ends with a slash, stand for all below.
            whole: Whether it has to hold for all below. Without it the names that another rule
                holds for are refused one by one, by the bucket that `open` returns.

        Raises:
            UsageError: ``whole``, and other rules hold for a part of what lies below.
        """
        store_url, name = self.split(place)
        rule = self._rule_of(store_url, name)
        below = [each for each in self.rules_below(place) if not each.is_like(rule)]
        if whole and below:
            others = ", ".join(f"{each.at!r} (line {each.line})" for each in below)
            raise UsageError(
                f"{self.path}: other rules hold for a part of {place!r}: {others}",
                hint="do it for each of these places, and for those beside them",
            )
        return rule

    def rules_below(self, place: str) -> tuple[Rule, ...]:
        """Return the rules for a part of what lies below a prefix, the longest first.

        Args:
            place: See `rule`; below an object there is nothing.

        Raises:
            UsageError: There is no such store.
        """
        store_url, name = self.split(place)
        if name and not name.endswith("/"):
            return ()
        own = f"{store_url}/{name}"
        return tuple(each for each in self._rules if each.url.startswith(own) and each.url != own)

    def _rule_of(self, store_url: str, name: str) -> Rule:
        url = f"{store_url}/{name}"
        for rule in self._rules:
            if url.startswith(rule.url):
                return rule
        write, format_ = None, OSS
        if not self._rules:
            able = [entry for entry in self._keys.entries.values() if not entry.read_only]
            write = able[0].name if len(able) == 1 else None
            format_ = able[0].writes if len(able) == 1 else OSS
        return Rule("", "", 0, write, None, format_, (), Policy.of_format(format_))

    def ring(self, rule: Rule | None = None, *, allow_weak: bool = False) -> KeyRing:
        """Return the keys of a rule: the one that writes and those that read, read when needed.

        Args:
            rule: Which; None for all keys of the file, of which none writes.
            allow_weak: Write even with an RSA key of less than 2,048 bits.

        Raises:
            MasterKeyError: Two of them could not be told apart.
        """
        if rule is None:
            return NamedRing(self._keys, None, tuple(self._keys.entries))
        if rule.read is not None:
            return NamedRing(self._keys, rule.write, rule.read, allow_weak=allow_weak)
        read = {SEALED if format_ == SEALED else OSS for format_ in rule.policy.formats}
        names = [name for name, entry in self._keys.entries.items() if entry.formats & read]
        return NamedRing(self._keys, rule.write, names, allow_weak=allow_weak)

    def settings(self, store_url: str) -> Settings | None:
        """Return how a store of the file is reached; None for another store.

        What the environment sets is not taken from the file. Where it sets the endpoint, or
        ``OSS_REGION``, neither endpoint nor region is.

        Raises:
            UsageError: A value that cannot be used.
        """
        for store in self._stores.values():
            if store.url == store_url:
                try:
                    return settings_for(store_url)(**settings_beside_environment(store))
                except UsageError as error:
                    place = self._document.place("stores", store.name)
                    raise place.error(error.message, error.hint) from None
        return None

    def trusts(self, store_url: str) -> bool:
        """Return whether the file says that those who can write a folder are trusted."""
        return any(store.trusted for store in self._stores.values() if store.url == store_url)

    def bucket(self, place: str) -> Bucket:
        """Return the bucket of the rule for a place, the same each time; `close` closes it.

        Args:
            place: See `split`.

        Raises:
            UsageError, MissingExtraError, MasterKeyError: As in `open`.
        """
        store_url, name = self.split(place)
        key = os.getpid(), store_url, self._rule_of(store_url, name).url  # a fork opens its own
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if key not in self._buckets:
                self._buckets[key] = self.open(place)
            return self._buckets[key]

    def close(self) -> None:
        """Close the buckets that `bucket` returned."""
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            buckets = [
                self._buckets.pop(key) for key in list(self._buckets) if key[0] == os.getpid()
            ]
        for bucket in buckets:
            bucket.close()

    def open(
        self,
        place: str,
        *keys: MasterKey | KeyRing,
        format: str | None = None,  # noqa: A002  the word of the documents
        policy: Policy | None = None,
        settings: Settings | None = None,
        trusted: bool = False,
    ) -> Bucket:
        """Open a bucket as the rule for a place says.

        Args:
            place: See `split`. The bucket is that of the whole store, and refuses to read, write
                and copy where another rule holds.
            keys: Instead of the rule's. One that is ``read_only`` in the file does not write.
            format: Instead of the rule's; without a policy it is the one that is read.
            policy: Instead of the rule's.
            settings: Instead of the file's.
            trusted: As in `open_bucket`, where the file does not say it of the store.

        Raises:
            UsageError: There is no such store, or it cannot be opened.
            MissingExtraError: ``oss://`` needs the extra ``oss``, ``s3://`` the extra ``s3``.
            MasterKeyError: The keys make no ring.
        """
        store_url, name = self.split(place)
        rule = self._rule_of(store_url, name)
        chosen, limits = format or rule.format, rule.policy
        if policy is None and chosen != rule.format:
            limits = Policy(
                Policy.of_format(chosen).formats,
                plaintext=limits.plaintext,
                min_rsa_bits=limits.min_rsa_bits,
                strict_iv=limits.strict_iv,
                unbound_names=limits.unbound_names,
            )
        limits = (policy or limits).in_bucket(chosen)
        ring = self.given_ring(*keys) if keys else self.ring(replace(rule, policy=limits))
        guard = RuleGuard(
            self.path,
            store_url,
            rule,
            chosen,
            lambda name: self._rule_of(store_url, name),
            self.key,
            self._keys.refuse_to_write,
        )
        store = open_store(
            store_url,
            settings or self.settings(store_url),
            trusted=trusted or self.trusts(store_url),
        )
        return Bucket(store, ring, format=chosen, policy=limits, guard=guard)
