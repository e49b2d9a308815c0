"""Buckets for the rules below a folder, where each object is worked on by its own rule.

Rule: options go before each rule, as they do for one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions

Open = Callable[[AccessOptions], cb.Bucket]
"""Opens a bucket by the rule that is bound."""


@contextmanager
def opened_below(
    access: AccessOptions, store_url: str, prefix: str, open_bound: Open
) -> Iterator[Mapping[str, cb.Bucket]]:
    """Open a bucket for each rule below a folder, and close all of them at the end.

    Args:
        access: The options, which go before each rule.
        store_url: The store.
        prefix: The folder, which ends with a slash, or all of the store.
        open_bound: Opens one of them.
    """
    rules = replace(access, place=f"{store_url}/{prefix}").rules_below
    with ExitStack() as stack:
        yield {
            rule.url.removeprefix(f"{store_url}/"): stack.enter_context(
                open_bound(replace(access, rule=rule, place=rule.url))
            )
            for rule in rules
        }


@contextmanager
def opened_by_rules(
    access: AccessOptions, store_url: str, prefix: str
) -> Iterator[tuple[cb.Bucket, Mapping[str, cb.Bucket]]]:
    """Open a bucket for what lies below a folder, and others for the rules below it."""
    with (
        access.at(store_url, prefix, whole=False).open(store_url) as bucket,
        opened_below(access, store_url, prefix, lambda bound: bound.open(store_url)) as below,
    ):
        yield bucket, below
