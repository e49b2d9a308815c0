"""``keygen``: make a master key.

Rule: keys are made by this command alone, never as a side effect and never over a file that is
there. What is printed of a key is its fingerprint, length and description.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

import cipherbucket as cb
from cipherbucket.cli.options.parsing import description_of
from cipherbucket.cli.terminal.help import Command
from cipherbucket.cli.terminal.passphrases import PASSPHRASE, ask_secret, has_terminal
from cipherbucket.text import printable

_BITS = 3072
_FOR_BOTH = (
    "Warning: it is for both formats, oss and sealed;"
    " --sealed-only keeps a key from the weak padding of oss."
)
_SEALED_ONLY = "It writes and reads format sealed, and no other, as long as its .json is beside it."


@click.command(
    cls=Command,
    examples=(
        "cipherbucket keygen cmk.pem",
        'cipherbucket keygen cmk.pem --description \'{"desc":"2026"}\' --passphrase',
        "cipherbucket keygen cmk.pem --bits 4096 --description desc=2026,team=billing",
        "cipherbucket keygen vault.pem --sealed-only --description desc=vault-2026",
        "cipherbucket keygen vault.key --type aes --description desc=vault-2026",
    ),
)
@click.argument("file", type=click.Path())
@click.option(
    "--type",
    "kind",
    type=click.Choice(["rsa", "aes"]),
    default="rsa",
    show_default=True,
    help="An RSA key writes formats oss and sealed, and its public half writes without being able"
    " to read. An AES key is one secret for both, and writes format sealed alone.",
)
@click.option(
    "--bits",
    type=click.Choice(["2048", "3072", "4096"]),
    help="Length of an RSA key, 3072 unless said otherwise.",
)
@click.option(
    "--sealed-only",
    is_flag=True,
    help="Keep an RSA key for format sealed: it refuses PKCS#1 v1.5, with which format oss wraps."
    " A key that is used with both can be attacked through the weaker one: whoever finds a program"
    " that tells good paddings from bad can open what the key sealed, too.",
)
@click.option(
    "-d",
    "--description",
    metavar="TEXT",
    help="The label by which readers find the key: JSON, or NAME=VALUE (several: with ',' between)."
    " Without it a terminal is asked, else one is made of the file's name and the date.",
)
@click.option(
    "--passphrase",
    "protect",
    is_flag=True,
    help="Encrypt the file of an RSA key. The passphrase is asked for twice on the terminal;"
    " without one it is taken from the environment variable CIPHERBUCKET_PASSPHRASE.",
)
def keygen(
    file: str,
    kind: str,
    bits: str | None,
    sealed_only: bool,
    description: str | None,
    protect: bool,
) -> None:
    """Make a master key: FILE (private, mode 0600), FILE.pub (RSA) and FILE.json (description).

    No file is ever overwritten.
    """
    if kind == "aes":
        _refuse_for_aes(bits=bits, sealed_only=sealed_only, protect=protect)
    for taken in (file, f"{file}.json") if kind == "aes" else (file, f"{file}.pub", f"{file}.json"):
        if os.path.lexists(taken):  # before questions are asked; the library looks again
            raise cb.MasterKeyError(
                f"{taken} is already there; keys are never overwritten", hint="choose another name"
            )
    label = _description(file) if description is None else _parsed(description)
    shown = printable(file)
    width = max(len(shown) + len(".json"), len("fingerprint"))
    if kind == "aes":
        key: cb.RsaKey | cb.AesKey = cb.create_aes_key_file(file, description=label)
        files = [(shown, "secret key, AES 256 bits, not encrypted, readable by you")]
        formats = ["It writes and reads format sealed, and no other.", ""]
        shared: list[str] = []
    else:
        passphrase = _new_passphrase() if protect else None
        length = int(bits or _BITS)
        key = cb.create_rsa_key_file(
            file, description=label, bits=length, passphrase=passphrase, sealed_only=sealed_only
        )
        protection = "encrypted" if protect else "not encrypted"
        files = [
            (shown, f"private key, RSA {length:,} bits, {protection}, readable by you"),
            (f"{shown}.pub", "public half: it can write objects, not read them"),
        ]
        formats = [_SEALED_ONLY if sealed_only else _FOR_BOTH, ""]
        shared = [f"Who is to write for you needs both {shown}.pub and {shown}.json."]
    files.append((f"{shown}.json", f"description {printable(str(key.description))}"))
    for line in (
        *(f"{name:<{width}}  {what}" for name, what in (*files, ("fingerprint", key.id))),
        "",
        *formats,
        "Back it up now: who loses this key loses every object that is written under it.",
        f"Keep copies of {shown} and {shown}.json elsewhere, and try them now and then:",
        "  cipherbucket keys check URL -k COPY",
        *shared,
    ):
        click.echo(line)


def _refuse_for_aes(*, bits: str | None, sealed_only: bool, protect: bool) -> None:
    if bits is not None:
        raise cb.UsageError(
            "--bits is the length of an RSA key; an AES key has 256 bits", hint="leave it out"
        )
    if protect:
        raise cb.UsageError(
            "--passphrase is for RSA: the file of an AES key is the bare key, with no form in which"
            " it could be encrypted",
            hint="keep it on an encrypted disk or in a secret store, or make an RSA key",
        )
    if sealed_only:
        raise cb.UsageError(
            "--sealed-only is for RSA: an AES key writes no other format", hint="leave it out"
        )


def _description(file: str) -> cb.Description:
    """Ask for a description, or make one."""
    made = cb.Description({"desc": f"{Path(file).stem}-{datetime.now(UTC):%Y-%m-%d}"})
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return made
    text = click.prompt(
        f"Description, the label by which readers find this key [{printable(made.text)}]",
        default=made.text,
        show_default=False,
        err=True,
    )
    return _parsed(text)


def _parsed(text: str) -> cb.Description:
    """Read a description, and write it compact, with sorted names, as every SDK matches it."""
    return cb.Description(dict(description_of(text)))


def _new_passphrase() -> str:
    """Ask twice, or take the environment's where there is no terminal."""
    if not has_terminal():
        if passphrase := os.environ.get(PASSPHRASE):
            return passphrase
        raise cb.MasterKeyError("there is no terminal to ask at", hint=f"set {PASSPHRASE}")
    passphrase = ask_secret("New passphrase: ")
    if not passphrase:
        raise cb.MasterKeyError("an empty passphrase protects nothing")
    if ask_secret("The same again: ") != passphrase:
        raise cb.MasterKeyError("the two passphrases differ", hint="no key was made")
    return passphrase
