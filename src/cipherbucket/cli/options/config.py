"""``cipherbucket.toml`` on the command line, and what is named by it: stores and keys.

Order of settings: options, then the environment, then the file. It is read once, by the first that
asks for it, so that commands which need none of it do not mind what is wrong with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem

import cipherbucket as cb
from cipherbucket.cli.terminal.passphrases import passphrase_of

CONFIG_OPTION = "cipherbucket.named-config"
"""Where the context keeps what ``--config`` says."""
DESCRIPTION = "cipherbucket.description"
"""Where it keeps what ``--description`` says, or {} for ``--no-description``."""
_READ = "cipherbucket.config.config"
_KMS = "kms:"
# Several in one text are parted by ':', which ids of KMS keys have themselves.
_STORE_NAME = re.compile(r"[a-z][a-z0-9-]*")
_OTHER_SCHEMES = {"file", "http", "https", "kms", "s3"}
_ONE_OF_MANY = re.compile(r"kms:acs:kms:[^:]*:[^:]*:[^:]*|kms:[^:]*|[^:]+")


def current_config() -> cb.Config | None:
    """Return the file that this run goes by, if there is one.

    Raises:
        UsageError: It cannot be used.
    """
    context = click.get_current_context(silent=True)
    kept = context.meta if context is not None else {}
    if _READ not in kept:
        named = kept.get(CONFIG_OPTION)
        there = named is not None or cb.find_config() is not None
        kept[_READ] = cb.load_config(named, passphrase=passphrase_of) if there else None
    config = kept[_READ]
    assert config is None or isinstance(config, cb.Config)
    return config


def split_url(url: str) -> tuple[str, str]:
    """Split a URL, which may begin with a store of the file, into store and name.

    Raises:
        UsageError: There is no such store.
    """
    if url.partition("://")[0] in {"oss", "memory"}:  # plain URLs of stores need no file
        return cb.split_url(url)
    config = current_config()
    if config is None:
        _refuse_named(url)
        return cb.split_url(url)
    store_url, name = config.split(url)
    if store_url.startswith("file://"):  # a folder that is not there, or not mounted, is not made
        cb.split_url(store_url)
    return store_url, name


def _refuse_named(url: str) -> None:
    """Refuse the URL of a store by name where there is no file that could name it.

    Raises:
        UsageError: It is one.
    """
    name, separator, _ = url.partition("://")
    if not separator or not _STORE_NAME.fullmatch(name) or name in _OTHER_SCHEMES:
        return
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    raise cb.UsageError(
        f"{url}: no cipherbucket.toml was found that could name a store {name!r}; it was looked for"
        f" in this folder and in {home}/cipherbucket",
        hint="name it by --config FILE or CIPHERBUCKET_CONFIG, or give oss://bucket,"
        " file:///folder or memory://name",
    )


def settings_of(store_url: str) -> cb.OssSettings | None:
    """Return how a store is reached, as the file says it; None for what the environment says."""
    config = current_config()
    return config.settings(store_url) if config is not None else None


def open_without_keys(store_url: str) -> cb.Bucket:
    """Open a store to list, look at and delete what is in it."""
    return cb.open_bucket(store_url, settings=settings_of(store_url))


def load_key(named: str, *, allow_weak: bool = False) -> cb.MasterKey:
    """Return a key: of the file ``cipherbucket.toml``, of a KMS, or that in a key file.

    Args:
        named: A name in ``cipherbucket.toml``, ``kms:`` and the id of a KMS key, or a path. What
            lies in the working directory and has the name of a key is ambiguous; ``./NAME`` is
            the file.
        allow_weak: Write even with a key of less than 2,048 bits.
    """
    if named.startswith(_KMS):
        return cb.AliKmsKey(named.removeprefix(_KMS))
    config = current_config()
    if config is not None and named in config.keys:
        if os.path.lexists(named):
            raise cb.UsageError(
                f"{named!r} is a key of {config.path}, and a file of this folder",
                hint=f"write ./{named} for the file, or give the key another name",
            )
        return config.key(named, allow_weak=allow_weak)
    try:
        return cb.load_key(
            named,
            description=_given_description(named),
            passphrase=lambda: passphrase_of(named),
            allow_weak=allow_weak,
        )
    except cb.MasterKeyError as error:
        if config is not None and config.keys and not os.path.lexists(named):
            error.hint = f"keys of {config.path}: {', '.join(config.keys)}"
        raise


def _given_description(file: str) -> Mapping[str, str] | None:
    """Return what the command line says of key files that have no description beside them."""
    context = click.get_current_context(silent=True)
    given: Mapping[str, str] | None = context.meta.get(DESCRIPTION) if context else None
    beside = (f"{each}.json" for each in (file, file.removesuffix(".pub")))
    return None if any(map(os.path.lexists, beside)) else given


class KeyName(click.ParamType[str]):
    """What names a key: a file, a key of ``cipherbucket.toml``, or ``kms:`` and an id."""

    name = "key"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Part several keys at ':', as paths are, and leave the ids of KMS keys whole."""
        return _ONE_OF_MANY.findall(rv)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Let the shell complete the name of a file."""
        return [CompletionItem(incomplete, type="file")]
