"""Keys, formats and policy: what every command that opens a bucket with keys can be told.

Law: a command reads the format that it would write, and others only where ``--accept`` names them:
whoever can write to the store could put an older format in a sealed object's place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, TypedDict

import click

import cipherbucket as cb
from cipherbucket.cli.options import assignments, load_key

OSS = "oss"
SEALED = "sealed"
FORMATS = (OSS, "oss-v1", SEALED)


class Asked(TypedDict):
    """How an object is opened: the arguments that all verbs of reading share."""

    key: cb.MasterKey | None
    context: Mapping[str, str]
    as_name: str | None


@dataclass(frozen=True)
class Access:
    """What the options say of keys, formats and policy.

    Attributes:
        key_files: The first writes, all read.
        force_key: The file of a key that reads whatever a description says.
        plaintext: Whether plaintext objects are accepted.
        allow_weak: Whether a key of less than 2,048 bits may write.
        told_format: What ``--format`` says.
        accept: Formats that are read beside it.
        context: The user's pairs that sealed objects are bound to.
        as_name: The name that a sealed object was sealed under, if it is another.
        origin: How the store is reached that objects are copied from, if otherwise than others.
    """

    key_files: tuple[str, ...] = ()
    force_key: str | None = None
    plaintext: bool = False
    allow_weak: bool = False
    told_format: str | None = None
    accept: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    as_name: str | None = None
    origin: cb.OssSettings | None = None

    @cached_property
    def keys(self) -> tuple[cb.RsaKey | cb.AesKey, ...]:
        """The keys of ``-k``, read once."""
        return tuple(load_key(file, allow_weak=self.allow_weak) for file in self.key_files)

    @cached_property
    def ring(self) -> cb.KeyRing:
        """The ring of these keys."""
        return cb.KeyRing(*self.keys)

    @cached_property
    def forced(self) -> cb.RsaKey | cb.AesKey | None:
        """The key of ``--force-key``, read once."""
        return load_key(self.force_key) if self.force_key is not None else None

    @cached_property
    def format(self) -> str:
        """The format that is written and read: ``oss``, unless the first key serves only sealed."""
        if self.told_format is not None:
            return self.told_format
        first = self.keys[0] if self.keys else self.forced
        return SEALED if first is not None and _serves_sealed_only(first) else OSS

    @property
    def policy(self) -> cb.Policy:
        """What is accepted on reading."""
        formats = cb.Policy.of_format(self.format).formats.union(self.accept)
        return cb.Policy(formats, plaintext=self.plaintext)

    @property
    def asked(self) -> Asked:
        """How an object is opened."""
        return self.asked_with(self.forced)

    def asked_with(self, key: cb.MasterKey | None) -> Asked:
        """Say how an object is opened with this key, or None for one of the ring."""
        return {"key": key, "context": self.context, "as_name": self.as_name}

    def open(self, store_url: str, settings: cb.OssSettings | None = None) -> cb.Bucket:
        """Open a store.

        Args:
            store_url: Which.
            settings: How OSS is reached; None takes all of it from the environment.

        Raises:
            UsageError: Options of sealed objects, and none such are read or written.
        """
        self.refuse_misplaced()
        return cb.open_bucket(
            store_url, self.ring, format=self.format, policy=self.policy, settings=settings
        )

    def open_to_write(self, store_url: str) -> cb.Bucket:
        """Open a store for writing.

        Raises:
            MasterKeyError: No key was given.
        """
        if not self.key_files:
            raise cb.MasterKeyError(
                "writing takes a master key and none was given",
                hint="name its file with -k FILE or in CIPHERBUCKET_KEY;"
                " make one with: cipherbucket keygen FILE",
            )
        return self.open(store_url)

    def open_to_look(self, store_url: str) -> cb.Bucket:
        """Open a store to tell of its objects, of any format unless ``--format`` names one."""
        policy = cb.Policy(FORMATS) if self.told_format is None else self.policy
        return cb.open_bucket(store_url, self.ring, format=self.format, policy=policy)

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
        """Return the file that a key of the ring came from."""
        return self.key_files[self.keys.index(key)]


def of_sealed(option: str) -> cb.UsageError:
    """Return what is wrong with an option that the chosen format does not have."""
    return cb.UsageError(
        f"{option} is for format sealed, and the format is oss", hint="add --format sealed"
    )


def _serves_sealed_only(key: cb.RsaKey | cb.AesKey) -> bool:
    return isinstance(key, cb.AesKey) or key.sealed_only


_KEY = click.option(
    "-k",
    "--key",
    "key_files",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    envvar="CIPHERBUCKET_KEY",
    show_envvar=True,
    help="File of a master key. Repeat it for more: the first writes, all of them read.",
)
_FORCE_KEY = click.option(
    "--force-key",
    type=click.Path(),
    metavar="FILE",
    help="Read with this key, whatever an object's description says or lacks.",
)
_FORMAT = click.option(
    "--format",
    "told_format",
    type=click.Choice([OSS, SEALED]),
    help="Format of the objects, on writing and on reading: oss is that of the OSS SDKs; sealed"
    " detects tampering, and cipherbucket alone reads it. Default: oss, or sealed where the"
    " first key serves nothing else.",
)
_ACCEPT = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Read objects of this format, too. Whoever can write to the store can put an oss object"
    " where a sealed one was. Repeatable.",
)
_CONTEXT = click.option(
    "--context",
    metavar="NAME=VALUE",
    multiple=True,
    callback=assignments,
    help="Format sealed: a pair that objects are bound to and that is stored nowhere; who reads"
    " has to give what the writer gave. No place for a secret: other users of the machine see"
    " command lines. Repeatable.",
)
_AS_NAME = click.option(
    "--as-name",
    metavar="NAME",
    help="Format sealed: the name that the object was sealed under, to read knowingly what was"
    " moved.",
)
_PLAINTEXT = click.option(
    "--plaintext",
    is_flag=True,
    help="Accept objects that are not encrypted, on reading."
    " Whoever can write to the store can then give you any bytes.",
)
_ALLOW_WEAK = click.option(
    "--allow-weak-key", is_flag=True, help="Write even with a key of less than 2,048 bits."
)

AnyFunction = Callable[..., Any]


def key_options(
    *,
    reads: bool = False,
    writes: bool = False,
    sealed_alone: bool = False,
    own_names: bool = False,
) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command the options of keys and formats; it gets them as ``access``.

    Args:
        reads: Whether it reads bodies, and may be told to accept plaintext and other formats.
        writes: Whether it writes, and may be told to do so with a weak key.
        sealed_alone: Whether it is for sealed objects alone, each under its own name.
        own_names: Whether it is for objects under their own names alone.
    """

    def decorated(function: AnyFunction) -> AnyFunction:
        @wraps(function)
        def with_access(*args: Any, **kwargs: Any) -> Any:
            access = Access(
                key_files=tuple(file for file in kwargs.pop("key_files") if file),
                force_key=kwargs.pop("force_key"),
                plaintext=kwargs.pop("plaintext", False),
                allow_weak=kwargs.pop("allow_weak_key", False),
                told_format=SEALED if sealed_alone else kwargs.pop("told_format"),
                accept=kwargs.pop("accept", ()),
                context=kwargs.pop("context"),
                as_name=kwargs.pop("as_name", None),
            )
            return function(*args, access=access, **kwargs)

        command: AnyFunction = with_access
        for option, wanted in (
            (_ALLOW_WEAK, writes),
            (_PLAINTEXT, reads),
            (_AS_NAME, not (sealed_alone or own_names)),
            (_CONTEXT, True),
            (_ACCEPT, reads),
            (_FORMAT, not sealed_alone),
            (_FORCE_KEY, True),
            (_KEY, True),
        ):
            command = option(command) if wanted else command
        return command

    return decorated
