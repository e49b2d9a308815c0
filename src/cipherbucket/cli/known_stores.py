"""What there is without a URL: the stores of ``cipherbucket.toml`` and the buckets of an account.

Rule: credentials are those that open a bucket. Where nobody said that OSS is meant, buckets are
asked for only if something here leads to credentials: the default chain ends with a question over
the network, which takes its time where nobody answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import click

import cipherbucket as cb
from cipherbucket.cli.options.config import current_config
from cipherbucket.text import printable

Facts = Mapping[str, str]
_SIGNS = (
    "OSS_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ROLE_ARN",
    "ALIBABA_CLOUD_ECS_METADATA",
    "ALIBABA_CLOUD_CREDENTIALS_URI",
    "ALIBABA_CLOUD_CREDENTIALS_FILE",
)
"""Variables that lead to credentials."""
_PROFILES = ("~/.aliyun/config.json", "~/.alibabacloud/credentials.ini")
"""Files that do."""


def list_known_stores(*, as_json: bool, buckets_alone: bool = False) -> None:
    """Print stores and buckets, a line each.

    Args:
        as_json: Print a JSON object a line.
        buckets_alone: Leave out the stores of the file.

    Raises:
        UsageError: There is no place to look for either.
        StoreError: The account's buckets cannot be listed.
    """
    config = current_config()
    stores = config.stores if config is not None and not buckets_alone else {}
    settings = _settings(config) if buckets_alone or _shows_credentials() else None
    if not stores and settings is None:
        raise cb.UsageError(
            "no cipherbucket.toml names a store, and no region or no access key of OSS is set",
            hint="give the URL of a store, or set OSS_REGION, OSS_ACCESS_KEY_ID and"
            " OSS_ACCESS_KEY_SECRET to list the buckets of an account",
        )
    for store in stores.values():
        _print({"type": "store", "name": store.name, "url": store.url}, as_json=as_json)
    for facts in _buckets(settings) if settings is not None else ():
        _print(facts, as_json=as_json)


def _shows_credentials() -> bool:
    """Return whether there is a place that credentials may come from; nothing is asked."""
    if any(os.environ.get(name) for name in _SIGNS):
        return True
    with suppress(RuntimeError):  # a user without a home has no profiles
        return any(Path(path).expanduser().exists() for path in _PROFILES)
    return False


def _settings(config: cb.Config | None) -> cb.OssSettings | None:
    """Return how the account is reached; None where that is not known.

    A file that names stores in OSS says how; options and the environment go before it.
    """
    given = cb.OssSettings()
    if given.region or given.endpoint or config is None:
        return given if given.region or given.endpoint else None
    first = next((each for each in config.stores.values() if each.url.startswith("oss://")), None)
    return config.settings(first.url) if first is not None else None


def _buckets(settings: cb.OssSettings) -> Iterator[Facts]:
    for bucket in cb.list_buckets(settings):
        yield {
            "type": "bucket",
            "name": bucket.name,
            "url": f"oss://{bucket.name}",
            "region": bucket.region,
            "created": bucket.created.isoformat(),
        }


def _print(facts: Facts, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
    elif facts["type"] == "store":
        click.echo(f"{printable(facts['name'] + '://'):<24}  {printable(facts['url'])}")
    else:
        created = facts["created"][:10]
        url = printable(facts["url"])
        click.echo(f"{url:<24}  {printable(facts['region'])}, made {created}")
