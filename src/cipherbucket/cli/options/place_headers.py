"""``--acl``, ``--tag``, ``--storage-class``, ``--server-side-encryption``: what OSS and S3 have.

Rule: each service has its own values and headers. What the one that is written to does not know is
refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click

import cipherbucket as cb
from cipherbucket.cli.options.addresses import SERVICES
from cipherbucket.cli.options.config import split_url
from cipherbucket.cli.options.parsing import is_url, names_with_values

_VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "--acl": {
        "oss://": ("private", "public-read", "public-read-write"),
        "s3://": (
            "private",
            "public-read",
            "public-read-write",
            "authenticated-read",
            "bucket-owner-read",
            "bucket-owner-full-control",
        ),
    },
    "--storage-class": {
        "oss://": ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"),
        "s3://": (
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
            "REDUCED_REDUNDANCY",
        ),
    },
    "--server-side-encryption": {
        "oss://": ("AES256", "SM4", "KMS"),
        "s3://": ("AES256", "aws:kms", "aws:kms:dsse"),
    },
}
"""What each service takes; in capitals or without."""
_HEADERS: dict[str, dict[str, str]] = {
    "oss://": {
        "--acl": "x-oss-object-acl",
        "--tag": "x-oss-tagging",
        "--storage-class": "x-oss-storage-class",
        "--server-side-encryption": "x-oss-server-side-encryption",
    },
    "s3://": {
        "--acl": "x-amz-acl",
        "--tag": "x-amz-tagging",
        "--storage-class": "x-amz-storage-class",
        "--server-side-encryption": "x-amz-server-side-encryption",
    },
}


def _one_of(option: str) -> dict[str, Any]:
    """Return the type of an option, which takes what any service does, and its placeholder."""
    values = dict.fromkeys(each.lower() for of in _VALUES[option].values() for each in of)
    return {"type": click.Choice([*values], case_sensitive=False), "metavar": "VALUE"}


def _listed(option: str) -> str:
    """Name the values of each service, for the help."""
    of_oss, of_s3 = (", ".join(values) for values in _VALUES[option].values())
    return f"OSS: {of_oss}. S3: {of_s3}."


PLACE_OPTIONS = (
    click.option(
        "--acl",
        **_one_of("--acl"),
        help=f"ACL of the objects. Default: that of the bucket. {_listed('--acl')}",
    ),
    click.option(
        "--tag",
        "tags",
        metavar="NAME=VALUE",
        multiple=True,
        callback=names_with_values,
        help="Tag of the objects, in OSS or S3. Repeatable, or with ',' between.",
    ),
    click.option(
        "--storage-class",
        **_one_of("--storage-class"),
        help="Storage class of the objects. Default: that of the bucket."
        f" {_listed('--storage-class')}",
    ),
    click.option(
        "--server-side-encryption",
        **_one_of("--server-side-encryption"),
        help="Encryption by the store of what it keeps, in addition to ours. Default: that of the"
        f" bucket. {_listed('--server-side-encryption')}",
    ),
)


def place_headers(kwargs: dict[str, Any], target: str) -> dict[str, str]:
    """Take the options of OSS and S3 out of a command's arguments, and return them as headers.

    Raises:
        UsageError: What is written is no object there, or the service has no such value.
    """
    tags: Mapping[str, str] = kwargs.pop("tags")
    given = {
        "--acl": kwargs.pop("acl"),
        "--tag": urlencode(tags, quote_via=quote, safe=""),
        "--storage-class": kwargs.pop("storage_class"),
        "--server-side-encryption": kwargs.pop("server_side_encryption"),
    }
    given = {option: value for option, value in given.items() if value}
    if not given:
        return {}
    service = service_of(target)
    if service is None:
        raise cb.UsageError(f"{next(iter(given))} is for objects in OSS or S3", hint="leave it out")
    return {
        _HEADERS[service][option]: _value_for(service, option, value)
        for option, value in given.items()
    }


def service_of(url: str) -> str | None:
    """Return how the URLs of the service begin that a place is in; None for another place."""
    store_url = split_url(url)[0] if is_url(url) else ""
    return next(filter(store_url.startswith, SERVICES), None)


def _value_for(service: str, option: str, value: str) -> str:
    """Return the value as the service writes it.

    Raises:
        UsageError: It has none such.
    """
    if option not in _VALUES:
        return value
    values = _VALUES[option][service]
    found = next((each for each in values if each.lower() == value), None)
    if found is None:
        raise cb.UsageError(
            f"{option}: stores in {service} have no {value!r}", hint=f"one of {', '.join(values)}"
        )
    return found
