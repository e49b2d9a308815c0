"""``--region``, ``--endpoint`` and ``--profile``: of the service whose stores a command names.

Rule: they become the variables that each service has for them, so that every bucket of a command is
reached by them. They are those of OSS until a store in S3 is named. Where a command names stores of
both, nobody knows whose they are, and they are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import cipherbucket as cb

SERVICES = ("oss://", "s3://")
"""How URLs begin of stores that are services: with versions, classes of storage and archives."""
ENDPOINTS_OF_S3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
ADDRESSES = (
    "OSS_REGION",
    "OSS_ENDPOINT",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    *ENDPOINTS_OF_S3,
    "AWS_PROFILE",
)
"""Variables that say where a store is, and hold no secret."""
_VARIABLES = {
    "oss://": {"--region": "OSS_REGION", "--endpoint": "OSS_ENDPOINT"},
    "s3://": {
        "--region": "AWS_REGION",
        "--endpoint": "AWS_ENDPOINT_URL_S3",
        "--profile": "AWS_PROFILE",
    },
}
_KEPT = "cipherbucket.addresses"


@dataclass
class _Given:
    """Options, the services of the stores named so far, and variables as they were before."""

    options: Mapping[str, str]
    services: set[str] = field(default_factory=set)
    before: dict[str, str | None] = field(default_factory=dict)

    def set_for(self, service: str) -> None:
        for option, variable in _VARIABLES[service].items():
            if option in self.options:
                self.before.setdefault(variable, os.environ.get(variable))
                os.environ[variable] = self.options[option]

    def unset_for(self, service: str) -> None:
        for variable in _VARIABLES[service].values():
            if variable in self.before:
                value = self.before.pop(variable)
                if value is None:
                    del os.environ[variable]
                else:
                    os.environ[variable] = value


def take_addresses(meta: MutableMapping[str, Any], given: Mapping[str, str | None]) -> None:
    """Keep the options of the program, and let them hold for OSS.

    Args:
        meta: Of click's context.
        given: What was given, by option.
    """
    options = {option: value for option, value in given.items() if value is not None}
    kept = meta[_KEPT] = _Given(options)
    kept.set_for("oss://")


def note_store(meta: Mapping[str, Any], store_url: str) -> None:
    """Let the options hold for the service of a store that the command names.

    Raises:
        UsageError: It names one of another service, too; or the endpoint is none.
    """
    kept = meta.get(_KEPT)
    service = next(filter(store_url.startswith, SERVICES), None)
    if kept is None or service is None or service in kept.services:
        return
    kept.services.add(service)
    shared = [option for option in ("--region", "--endpoint") if option in kept.options]
    if len(kept.services) > 1 and shared:
        raise cb.UsageError(
            f"{' and '.join(shared)}: of OSS or of S3? Both are named",
            hint="set OSS_REGION or OSS_ENDPOINT, and AWS_REGION or AWS_ENDPOINT_URL_S3; or say"
            " them of each store in cipherbucket.toml",
        )
    if service == "s3://":
        given = cb.S3Settings(endpoint=kept.options.get("--endpoint"))  # refuses one that is none
        if given.endpoint_url:  # with its scheme, without which boto3 takes none from a variable
            kept.options = {**kept.options, "--endpoint": given.endpoint_url}
        kept.unset_for("oss://")
        kept.set_for(service)
