"""Naming master keys: by a file or a name, or by what an object says of one.

Rule: ``NAME=VALUE`` is a description unless there is a file of that name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import DESCRIPTION, KeyName, load_key
from cipherbucket.cli.options.parsing import description_of

AnyFunction = Callable[..., Any]


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


def _describe(
    context: click.Context,
    param: click.Parameter,  # noqa: ARG001  click's signature
    value: str | bool | None,
) -> None:
    """Keep what keys without a description file are called; click calls it.

    Raises:
        UsageError: Both options are given, or it is no description.
    """
    if value is None or value is False:
        return
    if DESCRIPTION in context.meta:
        raise click.UsageError("--description and --no-description exclude each other.")
    context.meta[DESCRIPTION] = description_of(value) if isinstance(value, str) else {}


_DESCRIPTION = click.option(
    "--description",
    metavar="TEXT",
    expose_value=False,
    is_eager=True,
    callback=_describe,
    help="Description of key files that have no FILE.json beside them: JSON, or NAME=VALUE"
    " (several: with ',' between).",
)
_NO_DESCRIPTION = click.option(
    "--no-description",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_describe,
    help="Key files that have no FILE.json beside them have no description, as is usual in programs"
    " that use an SDK.",
)


def key_options(*, writes: bool) -> Callable[[AnyFunction], AnyFunction]:
    """Give a command ``-k``, as ``key_files``, and what keys without a description are called.

    Args:
        writes: Whether it writes with the first key.
    """
    several = " for more: the first writes, all of them read." if writes else " for more."
    key = click.option(
        "-k",
        "--key",
        "key_files",
        multiple=True,
        type=KeyName(),
        metavar="KEY",
        envvar="CIPHERBUCKET_KEY",
        show_envvar=True,
        help="File of a master key, name of one in cipherbucket.toml, or kms:ID, with id, alias or"
        f" ARN of a key in Alibaba Cloud KMS. Repeat it{several}",
    )
    return lambda function: key(_DESCRIPTION(_NO_DESCRIPTION(function)))
