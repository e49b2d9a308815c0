"""Reading objects through, to know that they can be read, and are what was stored."""

from __future__ import annotations

import json
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.access import FORMATS, Access, key_options
from cipherbucket.cli.command import Command
from cipherbucket.cli.errors import say
from cipherbucket.cli.options import amount_of_bytes, split_object_url, split_tree_url
from cipherbucket.cli.progress import metered
from cipherbucket.cli.settings import settings_of
from cipherbucket.cli.text import amount, count, printable

_GOES_ON = "interrupted; the same command goes on where it was"
_WORDS = {
    "verified": "verified",
    "plaintext": "not encrypted, of which nothing can be verified",
    "failed": "failed",
    "gone": "gone since they were listed",
}


@click.command(
    cls=Command,
    short_help="Read objects through, to know that they can be read.",
    examples=(
        "cipherbucket verify -k cmk.pem file:///data/store/report.pdf",
        "cipherbucket verify -r -k cmk.pem -k vault.key file:///data/store/",
        "cipherbucket verify -r --json -k cmk.pem file:///data/store/ | jq 'select(.error)'",
    ),
)
@click.argument("url")
@click.option(
    "-r", "--recursive", is_flag=True, help="All objects below URL, which is taken as a folder."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Objects at once. Default: 4, or one a core.",
)
@click.option(
    "--limit-rate",
    metavar="RATE",
    callback=amount_of_bytes,
    help="Most bytes a second: 500K, 10M, 1.5G (K is 1,024). With -r.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@key_options(reads=True)
def verify(
    url: str,
    recursive: bool,
    as_json: bool,
    workers: int | None,
    limit_rate: int | None,
    quiet: bool,
    access: Access,
) -> int:
    """Read and decrypt the object at URL, or with -r all objects below it, and keep nothing.

    Checked are the envelope, the key, the lengths, the store's checksum, and of sealed objects
    every byte, name and context. Objects of all formats are read, and plaintext is told as such,
    unless --format says which there should be. With -r the exit code is 1 if an object failed; what
    was verified is not read again when the same command is given after an interrupt or a failure
    and within a week, unless it was written since.
    """
    if not recursive:
        return _verify_one(url, access, as_json=as_json)
    store_url, prefix = split_tree_url(url)
    if access.as_name is not None:
        raise cb.UsageError("--as-name is for one object", hint="leave -r or --as-name away")
    with _opened(store_url, prefix, access) as bucket:
        try:
            with (
                metered(shown=not quiet) as meter,
                meter.running(printable(f"{store_url}/{prefix}")) as report,
            ):
                came = bucket.verify_all(
                    prefix,
                    key=access.forced,
                    context=access.context,
                    workers=workers,
                    limit_rate=limit_rate,
                    progress=report,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_GOES_ON) from None
        with came:
            return _told(came, as_json=as_json, whole=not prefix)


def _verify_one(url: str, access: Access, *, as_json: bool) -> int:
    store_url, name = split_object_url(url)
    with _opened(store_url, name, access) as bucket:
        info = bucket.verify(name, **access.asked)
    status = "verified" if info.envelope is not None else "plaintext"
    if as_json:
        facts: dict[str, Any] = {
            "type": "object",
            "name": name,
            "status": status,
            "format": info.format,
            "size": info.size,
            "stored_size": info.stored_size,
        }
        click.echo(json.dumps(facts))
    else:
        how = f"format {info.format}, " if info.envelope is not None else ""
        click.echo(f"{printable(name)}: {_WORDS[status]} ({how}{count(info.size, 'byte')})")
    return 0


def _told(came: cb.Verification, *, as_json: bool, whole: bool) -> int:
    """Write what was found; the code of a misspelt folder is that of ``ls``."""
    nothing = 0 if came.counts or whole else 3
    if as_json:
        for line in came.lines():
            click.echo(json.dumps(line))
        return 1 if came.failed else nothing
    for each in came.failures():
        click.echo(printable(f"{each.name}: {each.reason.removeprefix(f'{each.name!r}: ')}"))
    for status, (number, size) in came.counts.items():
        click.echo(f"{count(number, 'object')} {_WORDS[status]}, {amount(size)} stored")
    if came.resumed:
        earlier = f"{count(came.resumed, 'object')} of these were read by an earlier run"
        click.echo(f"{earlier}, begun {came.begun:%Y-%m-%d %H:%M} UTC, and not again")
    if not came.counts:
        say("no objects there")
    return 1 if came.failed else nothing


def _opened(store_url: str, name: str, access: Access) -> cb.Bucket:
    """Open a store whose objects may be of any kind, unless it was said which they are.

    The limits of the rule for them in `cipherbucket.toml` hold: what they refuse nobody can get.
    """
    if access.told_format is not None or access.accept:
        return access.at(store_url, name).open(store_url)
    policy = cb.Policy(FORMATS, plaintext=True)
    if access.config is not None:
        policy = _limits(access.config, f"{store_url}/{name}")
    return cb.open_bucket(
        store_url,
        access.ring,
        format=access.format,
        policy=policy,
        settings=settings_of(store_url),
    )


def _limits(config: cb.Config, place: str) -> cb.Policy:
    """Return what the rules of a place have in common beside formats.

    Raises:
        UsageError: Rules with other limits hold for a part of what lies below.
    """
    everything = (*FORMATS, "plaintext")
    try:
        return config.rule(place).policy.admitting(everything)
    except cb.UsageError:
        there = [rule for rule in config.rules if rule.url.startswith(place)]
        limits = {rule.policy.admitting(everything) for rule in there}
        if limits != {cb.Policy(everything[:-1], plaintext=True)}:
            raise
        return limits.pop()
