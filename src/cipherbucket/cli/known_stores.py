"""What there is without a URL: the stores of ``cipherbucket.toml`` and the buckets of an account.

Rule: credentials are those that open a bucket. Buckets in S3 are listed only where they are asked
for. Where nobody said that OSS is meant, buckets are
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
from cipherbucket.cli.options.config import Settings, current_config, note_service
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


def list_known_stores(*, as_json: bool, service: str | None = None) -> None:
    """Print stores and buckets, a line each.

    Args:
        as_json: Print a JSON object a line.
        service: List the buckets of this one alone: ``oss://`` or ``s3://``.

    Raises:
        UsageError: There is no place to look for either.
        StoreError: The account's buckets cannot be listed.
    """
    config = current_config()
    if service is not None:
        note_service(service)
    if service == "s3://":
        settings_of_s3 = _of_first_store(config, service) or cb.S3Settings()
        for facts in _buckets(settings_of_s3, service):
            _print(facts, as_json=as_json)
        return
    stores = config.stores if config is not None and service is None else {}
    settings = _settings(config) if service or _shows_credentials() else None
    if not stores and settings is None:
        raise cb.UsageError(
            "no cipherbucket.toml names a store, and no region or no access key of OSS is set",
            hint="give the URL of a store, or set OSS_REGION, OSS_ACCESS_KEY_ID and"
            " OSS_ACCESS_KEY_SECRET to list the buckets of an account; s3:// lists those in S3",
        )
    for store in stores.values():
        _print({"type": "store", "name": store.name, "url": store.url}, as_json=as_json)
    for facts in _buckets(settings, "oss://") if settings is not None else ():
        _print(facts, as_json=as_json)


def _shows_credentials() -> bool:
    """Return whether there is a place that credentials may come from; nothing is asked."""
    if any(os.environ.get(name) for name in _SIGNS):
        return True
    with suppress(RuntimeError):  # a user without a home has no profiles
        return any(Path(path).expanduser().exists() for path in _PROFILES)
    return False


def _settings(config: cb.Config | None) -> Settings | None:
    """Return how the account in OSS is reached; None where that is not known.

    A file that names stores in OSS says how; options and the environment go before it.
    """
    given = cb.OssSettings()
    return given if given.region or given.endpoint else _of_first_store(config, "oss://")


def _of_first_store(config: cb.Config | None, service: str) -> Settings | None:
    """Return how the first store of a service in the file is reached, if there is one."""
    stores = config.stores.values() if config is not None else ()
    first = next((each for each in stores if each.url.startswith(service)), None)
    return config.settings(first.url) if config is not None and first is not None else None


def _buckets(settings: Settings, service: str) -> Iterator[Facts]:
    for bucket in cb.list_buckets(settings):
        yield {
            "type": "bucket",
            "name": bucket.name,
            "url": f"{service}{bucket.name}",
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
        region = f"{printable(facts['region'])}, " if facts["region"] else ""
        click.echo(f"{url:<24}  {region}made {created}")
