"""Options of every command that opens a bucket with keys: keys, formats and policy.

Rule: a command reads the format that it would write, and others only where ``--accept`` or the rule
names them: whoever can write to the store could put an older format in a sealed object's place.

Where there is a ``cipherbucket.toml``, a place in a store has a rule, which `AccessOptions.at`
binds. Options go before the rule, each for itself: ``-k`` before its keys, ``--format`` before its
format; ``--accept`` and ``--plaintext`` add to what it accepts, and its recipients and limits stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, wraps
from typing import Any, TypedDict, Unpack

import cipherbucket as cb
from cipherbucket.cli.options import access_flags as flags
from cipherbucket.cli.options.config import (
    Settings,
    absolute_key,
    current_config,
    load_key,
    note_use,
    trust_asked,
)

OSS = "oss"
SEALED = "sealed"
FORMATS = (OSS, "oss-v1", SEALED)
UNBOUND = "unbound"
"""What ``--accept`` calls sealed objects that are bound to no name."""


class ReadArguments(TypedDict):
    """How an object is opened: the arguments that all verbs of reading share."""

    key: cb.MasterKey | None
    context: Mapping[str, str]
    as_name: str | None


@dataclass(frozen=True)
class AccessOptions:
    """What the options say of keys, formats and policy.

    Attributes:
        key_files: Key files, names of keys or ids of KMS keys; the first writes, all read.
        force_key: That of a key that reads whatever a description says.
        plaintext: Whether plaintext objects are accepted.
        allow_weak: Whether a key of less than 2,048 bits may write.
        chosen_format: What ``--format`` says.
        accept: Formats that are read beside it, and ``unbound``.
        context: The user's pairs that sealed objects are bound to.
        as_name: The name that a sealed object was sealed under, if it is another.
        origin: How the store is reached that objects are copied from, if otherwise than others.
        new_key_files: As ``key_files``, keys that write instead of the first of these.
        recipient_files: As ``key_files``, keys that open what is written, too.
        any_format: Whether all formats are read where neither options nor a rule name some.
        by_file: Whether this run goes by ``cipherbucket.toml``, if there is one.
        rule: That of the place, once it is bound.
        place: URL of the place that is bound.
    """

    key_files: tuple[str, ...] = ()
    force_key: str | None = None
    plaintext: bool = False
    allow_weak: bool = False
    chosen_format: str | None = None
    accept: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    as_name: str | None = None
    origin: Settings | None = None
    new_key_files: tuple[str, ...] = ()
    recipient_files: tuple[str, ...] = ()
    any_format: bool = False
    by_file: bool = False
    rule: cb.Rule | None = None
    place: str = ""
    _read: dict[str, cb.MasterKey] = field(default_factory=dict, compare=False, repr=False)

    @property
    def config(self) -> cb.Config | None:
        """The file that this run goes by."""
        return current_config() if self.by_file else None

    def at(self, store_url: str, name: str = "", *, whole: bool = True) -> AccessOptions:
        """Bind the rule of an object, or of what is below a prefix, where a file has rules.

        Args:
            store_url: The store.
            name: The object's name; what is empty or ends with a slash stands for all below.
            whole: Whether all that is below has to be under that rule; else the bucket refuses the
                names that are not, one by one.

        Raises:
            UsageError: ``whole``, and other rules hold for a part of what is below.
        """
        if self.config is None:
            return self
        place = f"{store_url}/{name}"
        return replace(self, rule=self.config.rule(place, whole=whole), place=place)

    @property
    def rules_below(self) -> tuple[cb.Rule, ...]:
        """The rules for a part of what lies below the place that is bound."""
        return self.config.rules_below(self.place) if self.config is not None else ()

    @property
    def keys(self) -> tuple[cb.MasterKey, ...]:
        """The keys of ``-k``, read once."""
        return tuple(self._key(each, allow_weak=self.allow_weak) for each in self.key_files)

    @property
    def new_keys(self) -> tuple[cb.MasterKey, ...]:
        """The keys that write instead of the first of ``-k``, read once.

        Raises:
            MasterKeyError: The file keeps one from writing.
        """
        keys = tuple(self._key(each, allow_weak=self.allow_weak) for each in self.new_key_files)
        if self.config is not None:
            for file, key in zip(self.new_key_files, keys, strict=True):
                self.config.refuse_new_key(file, key)
        return keys

    def keys_read(self) -> Iterator[tuple[str, cb.MasterKey]]:
        """Yield what named the keys that were read so far, and the keys."""
        for at, key in self._read.items():
            yield at.partition("\0")[0], key

    def absolute(self) -> AccessOptions:
        """Return the same for a process with another working directory, without any key."""
        return replace(
            self,
            key_files=tuple(map(absolute_key, self.key_files)),
            force_key=None if self.force_key is None else absolute_key(self.force_key),
            new_key_files=tuple(map(absolute_key, self.new_key_files)),
            recipient_files=tuple(map(absolute_key, self.recipient_files)),
            origin=None,  # it may hold credentials
            _read={},
        )

    @property
    def forced(self) -> cb.MasterKey | None:
        """The key of ``--force-key``, read once."""
        return self._key(self.force_key) if self.force_key is not None else None

    def _key(self, named: str, *, allow_weak: bool = False) -> cb.MasterKey:
        at = f"{named}\0{allow_weak}"
        if at not in self._read:
            self._read[at] = load_key(named, allow_weak=allow_weak)
        return self._read[at]

    @cached_property
    def ring(self) -> cb.KeyRing:
        """The ring of ``-k``, or of the rule, or of all keys of the file where none is bound."""
        ours = {key.id for key in self.keys}
        keys = (*self.keys, *(key for key in self.new_keys if key.id not in ours))
        if self.config is None:
            return cb.KeyRing(*keys)
        if self.key_files:
            return self.config.given_ring(*keys, named=self.key_files[0])
        # Where the rule names no readers, they are those of all formats that are read now.
        rule = replace(self.rule, policy=self.policy) if self.rule is not None else None
        return self.config.ring(rule, allow_weak=self.allow_weak)

    @property
    def reads(self) -> bool:
        """Whether there is any key to read with."""
        named = self.config is not None and bool(self.config.keys)
        return bool(self.key_files) or self.force_key is not None or named

    @property
    def writes(self) -> bool:
        """Whether it is said which key writes."""
        named = bool(self.key_files or self.new_key_files)
        return named or (self.rule is not None and self.rule.write is not None)

    @cached_property
    def format(self) -> str:
        """The format that is written and read.

        That of ``--format``, or of the rule; else ``oss``, unless the first key is for sealed.
        """
        if self.chosen_format is not None:
            return self.chosen_format
        given = (*self.new_keys, *self.keys)
        if self.rule is not None and (self.rule.line or not given):
            return self.rule.format
        first = given[0] if given else self.forced
        return SEALED if first is not None and _is_for_sealed_alone(first) else OSS

    @property
    def policy(self) -> cb.Policy:
        """What is accepted on reading."""
        formats = cb.Policy.of_format(self.format).formats.union(self.accepted_formats)
        ruled_formats = self.rule is not None and self.rule.line
        if self.any_format and not (self.chosen_format or self.accepted_formats or ruled_formats):
            formats = frozenset(FORMATS)
        unbound = UNBOUND in self.accept
        if self.rule is None:
            return cb.Policy(formats, plaintext=self.plaintext, unbound_names=unbound)
        ruled = self.rule.policy
        if self.chosen_format is None and self.format == self.rule.format:
            formats |= ruled.formats
        return cb.Policy(
            formats,
            plaintext=self.plaintext or ruled.plaintext,
            min_rsa_bits=ruled.min_rsa_bits,
            strict_iv=ruled.strict_iv,
            unbound_names=unbound or ruled.unbound_names,
        )

    @property
    def accepted_formats(self) -> frozenset[str]:
        """The formats of ``--accept``."""
        return frozenset(self.accept) - {UNBOUND}

    @property
    def reading(self) -> ReadArguments:
        """How an object is opened."""
        return self.reading_with(self.forced)

    def reading_with(self, key: cb.MasterKey | None) -> ReadArguments:
        """Say how an object is opened with this key, or None for one of the ring."""
        return {"key": key, "context": self.context, "as_name": self.as_name}

    def open(self, store_url: str, settings: Settings | None = None) -> cb.Bucket:
        """Open a store, by the rule that is bound, or else by that for all of the store.

        Args:
            store_url: Which.
            settings: How OSS or S3 is reached; None takes it from environment and file.

        Raises:
            UsageError: Options of sealed objects, and none such are read or written.
        """
        bound = self if self.rule is not None else self.at(store_url)
        bound.refuse_misplaced()
        opened = (
            partial(cb.open_bucket, store_url)
            if self.config is None
            else partial(self.config.open, bound.place)
        )
        return opened(
            bound.ring,
            format=bound.format,
            policy=bound.policy,
            settings=settings,
            trusted=trust_asked(),
        )

    def open_to_write(self, store_url: str) -> cb.Bucket:
        """Open a store for writing.

        Raises:
            MasterKeyError: No key was given, or it is one that does not write here.
        """
        bound = self if self.rule is not None else self.at(store_url)
        if not bound.writes and self.config is not None:
            raise cb.MasterKeyError(
                f"writing takes a master key, and {self.config.path} says of none that it writes"
                f" to {bound.place}",
                hint="add [[rules]] with at and write, or name a key with -k",
            )
        if not bound.writes:
            raise cb.MasterKeyError(
                "writing takes a master key and none was given",
                hint="name one with -k KEY or in CIPHERBUCKET_KEY;"
                " make one with: cipherbucket keygen FILE",
            )
        if self.config is not None and self.key_files and not self.new_key_files:
            bound.ring.writer(bound.format)
        bucket = bound.open(store_url)
        try:
            bucket.access.store.check_writable()  # once, and not for each of many files
        except cb.StoreError:
            bucket.close()
            raise
        return bucket

    def open_to_look(self, store_url: str) -> cb.Bucket:
        """Open a store to look at its objects, of any format unless ``--format`` names one.

        All keys of the file read, whatever its rules say.
        """
        any_format = cb.Policy(FORMATS, unbound_names=True)
        policy = self.policy if self.chosen_format is not None else any_format
        return self.open_without_rule(store_url, policy)

    def open_without_rule(self, store_url: str, policy: cb.Policy) -> cb.Bucket:
        """Open a store to read what a policy accepts, whatever the rules of the file say."""
        config = self.config
        return cb.open_bucket(
            store_url,
            self.ring,
            format=self.format,
            policy=policy,
            settings=config.settings(store_url) if config is not None else None,
            trusted=trust_asked() or (config is not None and config.trusts(store_url)),
        )

    def refuse_misplaced(self) -> None:
        """Refuse options of sealed objects where none are read.

        Raises:
            UsageError: There is such an option.
        """
        if SEALED in self.policy.formats:
            return
        for option, given in (("--context", self.context), ("--as-name", self.as_name)):
            if given:
                raise of_sealed(option)

    def file_of(self, key: cb.MasterKey) -> str:
        """Return the file, or the name, of a key of the ring."""
        if self.config is not None and not self.key_files:
            return self.config.name_of(key)
        return self.key_files[self.keys.index(key)]


def of_sealed(option: str) -> cb.UsageError:
    """Return what is wrong with an option that the chosen format does not have."""
    return cb.UsageError(
        f"{option} is for format sealed, and the format is oss", hint="add --format sealed"
    )


def _is_for_sealed_alone(key: cb.MasterKey) -> bool:
    return isinstance(key, cb.AesKey) or (isinstance(key, cb.RsaKey) and key.sealed_only)


AnyFunction = Callable[..., Any]


def access_options(**shown: Unpack[flags.Shown]) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command the options of keys and formats; it gets them as ``access``.

    Args:
        shown: Which, and with what help.
    """
    sealed_alone, own_names = shown.get("sealed_alone", False), shown.get("own_names", False)

    def decorated(function: AnyFunction) -> AnyFunction:
        @wraps(function)
        def with_access(*args: Any, **kwargs: Any) -> Any:
            by_file = note_use(kwargs)
            access = AccessOptions(
                key_files=tuple(file for file in kwargs.pop("key_files") if file),
                force_key=kwargs.pop("force_key"),
                plaintext=kwargs.pop("plaintext", False),
                allow_weak=kwargs.pop("allow_weak_key", False),
                chosen_format=SEALED if sealed_alone else kwargs.pop("chosen_format"),
                accept=kwargs.pop("accept", ()),
                context=kwargs.pop("context"),
                as_name=kwargs.pop("as_name", None),
                new_key_files=kwargs.pop("new_key_files", ()),
                any_format=own_names,
                by_file=by_file,
            )
            return function(*args, access=access, **kwargs)

        command: AnyFunction = with_access
        for option in flags.options(**shown):
            command = option(command)
        return command

    return decorated
