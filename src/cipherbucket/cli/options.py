"""Options that several commands share: the keys, and how a URL becomes a bucket and a name.

Law: a secret is never an argument. A passphrase comes from the environment variable
``CIPHERBUCKET_PASSPHRASE`` or is asked for, without echo, on the controlling terminal, which is
there even where stdin and stdout are pipes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

import cipherbucket as cb

PASSPHRASE = "CIPHERBUCKET_PASSPHRASE"  # noqa: S105  a name, not a passphrase
_DESCRIPTOR = re.compile(r"/dev/stderr|/(?:dev|proc/self)/fd/([0-9]{1,9})")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """What the options say of keys and policy.

    Attributes:
        key_files: The first writes, all read.
        force_key: The file of a key that reads whatever a description says.
        plaintext: Whether plaintext objects are accepted.
        allow_weak: Whether a key of less than 2,048 bits may write.
    """

    key_files: tuple[str, ...] = ()
    force_key: str | None = None
    plaintext: bool = False
    allow_weak: bool = False

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

    def open(self, store_url: str) -> cb.Bucket:
        """Open a store for reading."""
        return cb.open_bucket(store_url, self.ring, policy=cb.Policy(plaintext=self.plaintext))

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

    def file_of(self, key: cb.MasterKey) -> str:
        """Return the file that a key of the ring came from."""
        return self.key_files[self.keys.index(key)]


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


def files(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file, for an argument that may be a URL instead."""
    return [] if is_url(begun) else [CompletionItem(begun, type="file")]


def key_options(
    *, reads: bool = False, writes: bool = False
) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command the options of keys; it gets them as ``access``.

    Args:
        reads: Whether it reads bodies, and may be told to accept plaintext.
        writes: Whether it writes, and may be told to do so with a weak key.
    """

    def decorated(function: AnyFunction) -> AnyFunction:
        @wraps(function)
        def with_access(*args: Any, **kwargs: Any) -> Any:
            access = Access(
                key_files=tuple(file for file in kwargs.pop("key_files") if file),
                force_key=kwargs.pop("force_key"),
                plaintext=kwargs.pop("plaintext", False),
                allow_weak=kwargs.pop("allow_weak_key", False),
            )
            return function(*args, access=access, **kwargs)

        command: AnyFunction = with_access
        for option, wanted in (
            (_ALLOW_WEAK, writes),
            (_PLAINTEXT, reads),
            (_FORCE_KEY, True),
            (_KEY, True),
        ):
            command = option(command) if wanted else command
        return command

    return decorated


def assignments(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Turn a repeated option's NAME=VALUE into a mapping; click calls it."""
    pairs = [value.partition("=") for value in values]
    for name, separator, _ in pairs:
        if not separator or not name:
            raise click.BadParameter("write NAME=VALUE", ctx, param)
    return {name: text for name, _, text in pairs}


def http_range(ctx: click.Context, param: click.Parameter, value: str | None) -> cb.Span:
    """Parse ``0-99``, ``100-`` or ``-50``; click calls it."""
    try:
        return cb.Span.from_http(value) if value is not None else cb.Span()
    except cb.UsageError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise click.BadParameter(f"{error}{hint}", ctx, param) from error


def is_url(text: str) -> bool:
    """Tell whether an argument is a URL and not a local path."""
    return _URL.match(text) is not None


def split_object_url(url: str) -> tuple[str, str]:
    """Split the URL of an object into store and name.

    Raises:
        UsageError: It is the URL of a store, or no URL.
    """
    store_url, name = cb.split_url(url)
    if not name:
        raise cb.UsageError(f"{url} is a store, not an object", hint="add /NAME")
    return store_url, name


def split_tree_url(url: str) -> tuple[str, str]:
    """Split the URL of a store or a prefix into store and prefix; ``a/b`` and ``a/b/`` are one."""
    store_url, name = cb.split_url(url)
    return store_url, name if not name or name.endswith("/") else name + "/"


def load_key(file: str, *, allow_weak: bool = False) -> cb.RsaKey | cb.AesKey:
    """Read a key file; ask for its passphrase where it has one."""
    return cb.load_key(file, passphrase=lambda: _passphrase_of(file), allow_weak=allow_weak)


def has_terminal() -> bool:
    """Tell whether there is a terminal to ask at, whatever stdin and stdout are."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    os.close(descriptor)
    return True


def is_special(path: Path) -> bool:
    """Tell whether a path leads to a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def descriptor_of(target: str) -> int | None:
    """Return the open file that a path such as ``/dev/stdout`` or ``-`` stands for.

    It may be a file that others write to as well: it is written to, never replaced.
    """
    if target in {"-", "/dev/stdout"}:
        return 1
    match = _DESCRIPTOR.fullmatch(target)
    if match is None:
        return None
    return int(match[1]) if match[1] else 2


def _passphrase_of(file: str) -> str:
    """Return the passphrase, or "" where there is nobody to ask."""
    if PASSPHRASE in os.environ:
        return os.environ[PASSPHRASE]
    return ask_secret(f"Passphrase of {file}: ") if has_terminal() else ""


def ask_secret(prompt: str) -> str:
    """Ask at the terminal, without echo."""
    from getpass import getpass  # noqa: PLC0415  needs termios, which only this command loads

    return getpass(prompt)
