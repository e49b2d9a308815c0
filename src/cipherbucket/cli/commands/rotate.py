"""Another master key, or another data key, for one object or for all below a folder.

Law: what was not done is named with its reason, and shows in the exit code. A command that was
interrupted goes on when it is given again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial, wraps
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.errors import say
from cipherbucket.cli.options.access import SEALED, Access, key_options, of_sealed
from cipherbucket.cli.options.config import KeyName
from cipherbucket.cli.options.key_labels import label
from cipherbucket.cli.options.parsing import amount_of_bytes, split_object_url, split_tree_url
from cipherbucket.cli.options.writing import recipient_key
from cipherbucket.cli.terminal.counter import counted
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.pass_report import tell_report
from cipherbucket.cli.terminal.text import printable

_GOES_ON = "interrupted; what is done is done, and the same command goes on where it was"
_KINDS = ("oss", "oss-v1", "sealed", "plaintext")
_SHARED = (
    click.option(
        "-r", "--recursive", is_flag=True, help="All objects below URL, which is taken as a folder."
    ),
    click.option(
        "--only",
        metavar="KEY",
        callback=label,
        help="Only objects of this key: NAME=VALUE or the JSON of its description, or its file.",
    ),
    click.option(
        "--dry-run", is_flag=True, help="Change nothing; tell what would be done. With -r."
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 64),
        metavar="N",
        help="With -r: objects at once. Default: 16, or 4 where all bytes go through here.",
    ),
    click.option(
        "--limit-rate",
        metavar="RATE",
        callback=amount_of_bytes,
        help="Most bytes a second: 500K, 10M, 1.5G (K is 1,024).",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="With -r: one JSON object a line, for programs."
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress; only what failed."),
)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What both commands can be told.

    Attributes:
        recursive: All objects below the URL.
        only: Only objects of this key.
        dry_run: Nothing is changed.
        workers: Objects at once; None for the usual.
        limit_rate: Most bytes a second.
        as_json: A line of JSON for each object.
        quiet: No progress; only what failed.
    """

    recursive: bool
    only: cb.MasterKey | cb.Description | None
    dry_run: bool
    workers: int | None
    limit_rate: int | None
    as_json: bool
    quiet: bool

    def check(self) -> None:
        """Refuse options that one object has no use for."""
        many = {
            "--dry-run": self.dry_run,
            "--json": self.as_json,
            "--only": self.only is not None,
            "--workers": self.workers is not None,
        }
        for option, given in many.items():
            if given and not self.recursive:
                raise cb.UsageError(f"{option} is for many objects", hint="add -r, or leave it out")


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``asked``."""

    @wraps(function)
    def with_asked(*args: Any, **kwargs: Any) -> Any:
        asked = _Asked(**{each.name: kwargs.pop(each.name) for each in fields(_Asked)})
        asked.check()
        return function(*args, asked=asked, **kwargs)

    command: Callable[..., Any] = with_asked
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.command(
    cls=Command,
    short_help="Give objects another master key; their ciphertext stays.",
    examples=(
        "cipherbucket rotate -k new.pem -k old.pem file:///data/store/report.pdf",
        "cipherbucket rotate -r -k new.pem -k old.pem --dry-run file:///data/store",
        "cipherbucket rotate -r -k new.pem -k old.pem --only desc=2024 file:///data/store",
    ),
)
@click.argument("url")
@_options
@key_options(writes=True, own_names=True)
def rotate(url: str, asked: _Asked, access: Access) -> int:
    """Wrap the data key of the object at URL, or of all below it, with the first key of -k.

    The other keys of -k open what there is; in format oss the ciphertext is uploaded again, in
    all else no body moves. Metadata, tags, ACL and storage class are kept.

    This is no answer to a leaked master key: whoever has it and kept an old envelope, an old
    version or the footer of a sealed object still opens the body. For that, and for a recipient
    who was removed, see: cipherbucket reencrypt.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL.
    """
    how: dict[str, Any] = {"key": access.forced, "context": access.context}
    how["limit_rate"] = asked.limit_rate
    if asked.recursive:
        return _all(url, "rotated", asked, access, lambda bucket: partial(bucket.rewrap_all, **how))
    return _one(url, "rotated", asked, access, lambda bucket: partial(bucket.rewrap, **how))


@click.command(
    cls=Command,
    short_help="Write objects anew under a new data key; encrypt plaintext.",
    examples=(
        "cipherbucket reencrypt -k new.pem -k leaked.pem file:///data/store/report.pdf",
        "cipherbucket reencrypt -r -k new.pem -k leaked.pem --only desc=2024 file:///data/store",
        "cipherbucket reencrypt -r -k cmk.pem --kind plaintext --dry-run file:///data/store",
        "cipherbucket reencrypt -r -k vault.key -k cmk.pem --kind oss file:///data/store",
        "cipherbucket reencrypt -r -k vault.key --recipient recovery.pem.pub file:///data/store",
    ),
)
@click.argument("url")
@_options
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Take objects of this kind, and only of those named: plaintext is encrypted, oss-v1 and"
    " others become the format that is written. Default: only that format. Repeatable.",
)
@click.option(
    "--recipient",
    "recipient_files",
    metavar="KEY",
    multiple=True,
    type=KeyName(),
    help="Format sealed: let this key open the objects, beside the one that writes, instead of the"
    " recipients that they have; its public half does. Repeatable.",
)
@key_options(writes=True, own_names=True)
def reencrypt(
    url: str,
    asked: _Asked,
    kinds: tuple[str, ...],
    recipient_files: tuple[str, ...],
    access: Access,
) -> int:
    """Read and verify the object at URL, or all below it, and write it anew, where it is.

    It gets a new data key, wrapped with the first key of -k, and the format that this key writes,
    or that of --format. Metadata, tags, ACL and storage class are kept. All bytes go through this
    machine, twice.

    This is the answer to a leaked master key and to a recipient who was removed. Those that a
    sealed object has stay, and -k has to name them all; name those who are to read it from now on
    with --recipient, or remove one first, by rotate --only. Where the store keeps versions, delete
    the old ones afterwards: they open as before.

    With -r the exit code is 1 if an object failed, and 3 if no name begins with URL.
    """
    how: dict[str, Any] = {"key": access.forced, "context": access.context}
    how["limit_rate"] = asked.limit_rate
    how["kinds"] = kinds or None
    if recipient_files:
        place = split_tree_url(url) if asked.recursive else split_object_url(url)
        if access.at(*place).format != SEALED:
            raise of_sealed("--recipient")
        how["recipients"] = tuple(recipient_key(access, file) for file in recipient_files)
    if asked.recursive:
        return _all(
            url, "reencrypted", asked, access, lambda bucket: partial(bucket.reencrypt_all, **how)
        )
    return _one(url, "reencrypted", asked, access, lambda bucket: partial(bucket.reencrypt, **how))


def _one(
    url: str,
    done: str,
    asked: _Asked,
    access: Access,
    verb: Callable[[cb.Bucket], Callable[..., cb.ObjectInfo]],
) -> int:
    store_url, name = split_object_url(url)
    with access.at(store_url, name).open_to_write(store_url) as bucket:
        before = bucket.head(name)
        now = verb(bucket)(name)
    if asked.quiet:
        return 0
    assert now.envelope is not None
    keys = ", ".join(str(each.description) for each in now.envelope.recipients)
    what = "unchanged" if now.envelope == before.envelope else done
    click.echo(f"{what}: {printable(now.name)} is in format {now.format} for {printable(keys)}")
    if before.version_id is not None and before.version_id != now.version_id:
        say(f"its old version {printable(before.version_id)} opens as before")
    return 0


def _all(
    url: str,
    done: str,
    asked: _Asked,
    access: Access,
    verb: Callable[[cb.Bucket], Callable[..., cb.RotationReport]],
) -> int:
    store_url, prefix = split_tree_url(url)
    with access.at(store_url, prefix).open_to_write(store_url) as bucket:
        try:
            with counted("looked at", shown=not asked.quiet) as progress:
                report = verb(bucket)(
                    prefix,
                    only=asked.only,
                    dry_run=asked.dry_run,
                    workers=asked.workers,
                    progress=progress,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_GOES_ON) from None
        with report:
            return tell_report(
                report,
                done,
                whole=not prefix,
                dry_run=asked.dry_run,
                as_json=asked.as_json,
                quiet=asked.quiet,
            )
