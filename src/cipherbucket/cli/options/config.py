"""``cipherbucket.toml`` on the command line, and what is named by it: stores and keys.

Order of settings: options, then the environment, then the file. It is read once, by the first that
asks for it, so that commands which need none of it do not mind what is wrong with it.

Rule: a full URL with ``-k FILE`` takes nothing from it: no rule, recipient, endpoint or key. A
store or a key by name is a use of the file, and so is a command that takes keys and was given none.
A command that takes no keys takes from it how a store is reached.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any

import click
from click.shell_completion import CompletionItem

import cipherbucket as cb
from cipherbucket.cli.options.addresses import SERVICES, note_store
from cipherbucket.cli.terminal.passphrases import passphrase_of, passphrase_of_all
from cipherbucket.cli.usage import did_you_mean

CONFIG_OPTION = "cipherbucket.named-config"
"""Where the context keeps what ``--config`` says."""
NO_CONFIG = "cipherbucket.no-config"
"""Where it keeps that ``--no-config`` was given."""
DESCRIPTION = "cipherbucket.description"
"""Where it keeps what ``--description`` says, or {} for ``--no-description``."""
SHARED = "cipherbucket.shared"
"""Where it keeps that other processes read the keys as well, and so none is asked for."""
_TRUSTED = "cipherbucket.trust-store"
_READ = "cipherbucket.config.config"
_USED = "cipherbucket.config.used"
_KMS = "kms:"
# Several in one text are parted by ':', which ids of KMS keys have themselves.
_STORE_NAME = re.compile(r"[a-z][a-z0-9-]*")
Settings = cb.OssSettings | cb.S3Settings
_OTHER_SCHEMES = {"oss", "file", "memory", "http", "https", "kms", "s3"}
_SCHEMES = {"oss", "s3", "file", "memory"}
_PRESIGNED = "what a presigned URL leads to is read by: cipherbucket cat -k KEY 'URL' > FILE"
_ONE_OF_MANY = re.compile(r"kms:acs:kms:[^:]*:[^:]*:[^:]*|kms:[^:]*|[^:]+")


def current_config() -> cb.Config | None:
    """Return the file that this run goes by, if there is one.

    Raises:
        UsageError: It cannot be used.
    """
    kept = _kept()
    if _READ not in kept:
        named = kept.get(CONFIG_OPTION)
        there = NO_CONFIG not in kept and (named is not None or cb.find_config() is not None)
        kept[_READ] = cb.load_config(named, passphrase=_passphrases()) if there else None
    config = kept[_READ]
    assert config is None or isinstance(config, cb.Config)
    return config


def note_use(arguments: Mapping[str, Any]) -> bool:
    """Decide whether a command that takes keys goes by the file, and keep it for `split_url`.

    Args:
        arguments: What the command was given, by the names of its parameters.
    """
    keys = [key for key in arguments["key_files"] if key]
    several = (arguments.get(name, ()) for name in ("recipient_files", "new_key_files"))
    one = (arguments.get(name) for name in ("force_key", "recipient"))
    further = (*one, *chain.from_iterable(several))
    places = (arguments.get(name) for name in ("url", "source", "target"))
    is_used = (
        not keys
        or any(_names_a_key(key) for key in (*keys, *further) if key)
        or any(
            _names_a_store(place)
            for place in (*places, *arguments.get("urls", ()), *arguments.get("sources", ()))
            if place
        )
    )
    _kept()[_USED] = is_used
    return is_used


def _kept() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return context.meta if context is not None else {}


def _passphrases() -> Callable[[str], str]:
    """Return what gives passphrases; threads without a context call it later."""
    return passphrase_of_all if SHARED in _kept() else passphrase_of


def meaning_of_names(config: cb.Config | None) -> dict[str, Any]:
    """Return what the names of keys and stores mean in this run, for another process."""
    kept = {name: each for name, each in _kept().items() if name in {DESCRIPTION, _TRUSTED, _USED}}
    by_file = {NO_CONFIG: True} if config is None else {CONFIG_OPTION: os.path.abspath(config.path)}  # noqa: PTH100
    return {**kept, **by_file, SHARED: True}


@contextmanager
def with_meaning(meaning: Mapping[str, Any]) -> Iterator[None]:
    """Let names mean what they mean in another process."""
    with click.Context(click.Command("worker")).scope() as context:
        context.meta.update(meaning)
        yield


def config_read() -> cb.Config | None:
    """Return the file if this run has used it so far."""
    config = _kept().get(_READ)
    assert config is None or isinstance(config, cb.Config)
    return config


def absolute_key(named: str) -> str:
    """Return what names the same key wherever the working directory is."""
    is_file = not named.startswith(_KMS) and not _names_a_key(named)
    return os.path.abspath(named) if is_file else named  # noqa: PTH100  links stay as they are


def _names_a_key(key: str) -> bool:
    """Return whether a key is none but by the file: neither of a KMS nor that of a key file."""
    return not (key.startswith(_KMS) or "/" in key or os.path.lexists(key))


def _names_a_store(url: str) -> bool:
    """Return whether a URL begins with the name of a store."""
    name, separator, _ = url.partition("://")
    return bool(separator) and bool(_STORE_NAME.fullmatch(name)) and name not in _OTHER_SCHEMES


def meant_url(text: str) -> str:
    """Return the URL that may have been meant, to be added to what is said; else nothing."""
    scheme, separator, rest = text.partition(":")
    if not separator or os.path.lexists(text):
        return ""
    name, is_url = scheme.lower(), rest.startswith("//")
    path = rest[2:] if is_url else rest.lstrip("/")
    if name in _SCHEMES and path:
        root = ""
        if name == "file" and not path.startswith("/"):
            root = f"{os.getcwd()}/" if os.path.isdir(path) else "/"  # noqa: PTH109, PTH112
        meant = f"{name}://{root}{path}"
        return f"; did you mean '{meant}'?" if meant != text else ""
    with suppress(cb.CipherbucketError):
        if not is_url and (config := current_config()) is not None and scheme in config.stores:
            return f"; did you mean '{scheme}://{path}'?"
    return ""


def split_url(url: str) -> tuple[str, str]:
    """Split a URL, which may begin with a store of the file, into store and name.

    Raises:
        UsageError: There is no such store.
    """
    if meant := meant_url(url):
        wrong = "is no URL"
        if url.startswith("file://"):
            wrong = "is no URL of a folder, whose path must be absolute"
        raise cb.UsageError(f"{url} {wrong}{meant}")
    if "://" not in url and os.path.isdir(url):  # noqa: PTH112  as it is written
        folder = f"file://{os.path.abspath(url)}"  # noqa: PTH100  links stay as they are
        raise cb.UsageError(f"{url} is no URL; did you mean '{folder}'?")
    by_name = _names_a_store(url)
    # Another way to a folder is none around its rules: the file knows it without links.
    is_folder = url.startswith("file://") and _kept().get(_USED, False)
    config = current_config() if by_name or is_folder else None
    if config is None:
        if by_name:
            raise _no_store(url)
        try:
            store_url, name = cb.split_url(url)
        except cb.UsageError as error:
            if url.startswith(("https://", "http://")):
                error.hint = _PRESIGNED
            raise
        note_store(_kept(), store_url)
        return store_url, name
    store_url, name = config.split(url)
    note_store(_kept(), store_url)
    if store_url.startswith("file://"):  # a folder that is not there, or not mounted, is not made
        cb.split_url(store_url)
    return store_url, name


def url_of_folder(url: str) -> str:
    """Return the URL of a folder that is no store yet, or lost its index; a name stands for its.

    Raises:
        UsageError: There is no store of this name.
    """
    if not _names_a_store(url):
        return url
    config = current_config()
    if config is None:
        raise _no_store(url)
    return "/".join(filter(None, config.split(url)))


def _no_store(url: str) -> cb.UsageError:
    """Return what is wrong with a store by name where there is no file that could name it."""
    name = url.partition("://")[0]
    if NO_CONFIG in _kept():
        return cb.UsageError(
            f"{url}: without a cipherbucket.toml there is no store {name!r}",
            hint="leave out --no-config, or give oss://bucket, s3://bucket, file:///folder or"
            " memory://name",
        )
    if name.isalpha() and (meant := did_you_mean(name, ("file", "memory", "oss", "s3"))):
        return cb.UsageError(f"{url}: there is no store {name!r}{meant}")
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return cb.UsageError(
        f"{url}: no cipherbucket.toml was found that could name a store {name!r}; it was looked for"
        f" in this folder, above it and in {home}/cipherbucket",
        hint="name it by --config FILE or CIPHERBUCKET_CONFIG, or give oss://bucket,"
        " s3://bucket, file:///folder or memory://name",
    )


def note_service(url: str) -> None:
    """Let ``--region`` and ``--endpoint`` be those of this service."""
    note_store(_kept(), url)


def settings_of(store_url: str) -> Settings | None:
    """Return how a store is reached, as the file says it; None for what the environment says."""
    config = current_config() if store_url.startswith(SERVICES) else None
    return config.settings(store_url) if config is not None else None


def trust_asked() -> bool:
    """Return whether ``--trust-store`` says that the owners of stores are trusted."""
    return bool(_kept().get(_TRUSTED))


def trusts_store(store_url: str) -> bool:
    """Return whether ``--trust-store`` says it, or the file, if there is one that can be used."""
    if trust_asked():
        return True
    try:
        config = current_config()
    except cb.UsageError:  # it is not needed for anything else
        return False
    return config is not None and config.trusts(store_url)


def _trust(context: click.Context, _param: click.Parameter, value: bool) -> None:
    context.meta[_TRUSTED] = value


def trust_store(
    action: str, otherwise: str = "Without it such a store is only read."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--trust-store``.

    Args:
        action: What it lets the command do to a directory store.
        otherwise: What happens without it.
    """
    return click.option(
        "--trust-store",
        is_flag=True,
        expose_value=False,
        callback=_trust,
        help=f"{action} although others than you and root can write there, or own it. {otherwise}",
    )


TRUST_TO_WRITE = trust_store("Write to a directory store")
TRUST_TO_READ = trust_store(
    "Finish what an interrupted writer left in a directory store",
    "Otherwise such a store is read as it is.",
)


def open_without_keys(store_url: str, settings: Settings | None = None) -> cb.Bucket:
    """Open a store to list, look at and delete what is in it.

    Args:
        store_url: Which.
        settings: How OSS or S3 is reached; None takes it from environment and file.
    """
    settings = settings or settings_of(store_url)
    return cb.open_bucket(store_url, settings=settings, trusted=trusts_store(store_url))


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
    if _names_a_key(named):
        config = current_config()
        if config is not None and named in config.keys:
            return config.key(named, allow_weak=allow_weak)
        if config is not None and config.keys:
            raise cb.MasterKeyError(
                f"{named!r} is neither a key file nor a key of {config.path}",
                hint=f"keys: {', '.join(config.keys)}",
            )
    elif "/" not in named:
        _refuse_ambiguous(named)
    return cb.load_key(
        named,
        description=_given_description(named),
        passphrase=partial(_passphrases(), named),
        allow_weak=allow_weak,
    )


def _refuse_ambiguous(file: str) -> None:
    """Refuse a file of this folder that has the name of a key.

    Raises:
        UsageError: It does, or it is not known because a file that was trusted has changed.
    """
    if NO_CONFIG in _kept():
        return
    path = cb.find_key_name(file)
    if CONFIG_OPTION in _kept():
        config = current_config()
        path = config.path if config is not None and file in config.keys else None
    if path is not None:
        raise cb.UsageError(
            f"{file!r} is a key of {path}, and a file of this folder",
            hint=f"write ./{file} for the file, or give the key another name",
        )


def _given_description(file: str) -> Mapping[str, str] | None:
    """Return what the command line says of key files that have no description beside them."""
    given: Mapping[str, str] | None = _kept().get(DESCRIPTION)
    return None if os.path.lexists(f"{file.removesuffix('.pub')}.json") else given


class KeyName(click.ParamType[str]):
    """What names a key: a file, a key of ``cipherbucket.toml``, or ``kms:`` and an id."""

    name = "key"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a URL, which stands where the key was forgotten."""
        if "://" in value:
            self.fail(f"{value!r} is a URL, and no key: write the key before it", param, ctx)
        return value

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
