"""Naming a master key by what an object says of it, or by its file."""

from __future__ import annotations

import os

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import load_key


def named_key(text: str) -> cb.MasterKey | cb.Description:
    """Read what names a key: the JSON of its description, NAME=VALUE, or its file.

    Raises:
        UsageError, MasterKeyError: None of these.
    """
    if text.lstrip().startswith("{"):
        return cb.Description(text)
    name, separator, value = text.partition("=")
    if separator and name and not os.path.lexists(text):
        return cb.Description({name: value})
    return load_key(text)


def named_key_option(
    ctx: click.Context,  # noqa: ARG001  click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> cb.MasterKey | cb.Description | None:
    """Read an option that names a key; click calls it."""
    return None if value is None else named_key(value)
