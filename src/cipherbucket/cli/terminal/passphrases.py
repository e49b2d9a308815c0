"""Passphrases of key files.

Rule: a secret is never an argument. A passphrase comes from the environment variable
``CIPHERBUCKET_PASSPHRASE`` or is asked for, without echo, on the controlling terminal, which is
there even where stdin and stdout are pipes.
"""

from __future__ import annotations

import os

import cipherbucket as cb
from cipherbucket.text import printable

PASSPHRASE = "CIPHERBUCKET_PASSPHRASE"  # noqa: S105  a name, not a passphrase


def has_terminal() -> bool:
    """Return whether there is a terminal to ask at, whatever stdin and stdout are."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    os.close(descriptor)
    return True


def passphrase_of(file: str) -> str:
    """Return the passphrase, or "" where there is nobody to ask."""
    if PASSPHRASE in os.environ:
        return os.environ[PASSPHRASE]
    return ask_secret(f"Passphrase of {printable(file)}: ") if has_terminal() else ""


def passphrase_of_all(file: str) -> str:
    """Return the passphrase of a key file that several processes read.

    Raises:
        MasterKeyError: The environment of this one does not hold it.
    """
    if PASSPHRASE in os.environ:
        return os.environ[PASSPHRASE]
    raise cb.MasterKeyError(
        f"the passphrase of {file} is not asked for, because each worker needs it",
        hint=f"set {PASSPHRASE} where the workers run, too, or leave out --processes or --dask",
    )


def ask_secret(prompt: str) -> str:
    """Ask at the terminal, without echo."""
    from getpass import getpass  # noqa: PLC0415  needs termios, which only this command loads

    return getpass(prompt)
