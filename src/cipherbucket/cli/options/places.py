"""Buckets for the rules below a folder, where each object is worked on by its own rule.

Rule: options go before each rule, as they do for one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cipherbucket as cb
from cipherbucket.cli.options.access import AccessOptions
from cipherbucket.cli.options.by_reference import BucketByOptions

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
    with ExitStack() as stack:
        yield {
            start: stack.enter_context(open_bound(bound))
            for start, bound in _bound_below(access, store_url, prefix)
        }


def _bound_below(
    access: AccessOptions, store_url: str, prefix: str
) -> Iterator[tuple[str, AccessOptions]]:
    for rule in replace(access, place=f"{store_url}/{prefix}").rules_below:
        yield rule.url.removeprefix(f"{store_url}/"), replace(access, rule=rule, place=rule.url)


@dataclass(frozen=True)
class OpenedPlaces:
    """The buckets of a pass.

    Attributes:
        bucket: For what lies below a folder.
        below: For what is there under other rules, by prefixes.
    """

    bucket: cb.Bucket
    below: Mapping[str, cb.Bucket]
    _bound: Mapping[str, AccessOptions]
    _open: Open

    def arguments(self, executor: Executor | None) -> dict[str, Any]:
        """Return them as the arguments of a pass; by reference where workers share it."""
        if executor is None:
            return {"bucket": self.bucket, "below": self.below}
        by_reference = {
            start: BucketByOptions(bucket, self._bound[start], self._open)
            for start, bucket in {"": self.bucket, **self.below}.items()
        }
        return {
            "bucket": by_reference.pop(""),
            "below": by_reference,
            "executor": executor,
        }


@contextmanager
def opened_by_rules(
    access: AccessOptions,
    store_url: str,
    prefix: str,
    open_bound: Callable[..., cb.Bucket] = AccessOptions.open,
    open_first: Callable[..., cb.Bucket] | None = None,
) -> Iterator[OpenedPlaces]:
    """Open a bucket for what lies below a folder, and others for the rules below it.

    Args:
        access: The options, which go before each rule.
        store_url: The store.
        prefix: The folder, which ends with a slash, or all of the store.
        open_bound: Called with the options that are bound to a rule, and ``store_url``, here and in
            workers: a function of a module.
        open_first: Opens the first of them, here; None for ``open_bound``.
    """
    bound = access.at(store_url, prefix, whole=False)
    opens = partial(open_bound, store_url=store_url)
    with (
        (open_first or open_bound)(bound, store_url=store_url) as bucket,
        opened_below(access, store_url, prefix, opens) as below,
    ):
        bounds = {"": bound, **dict(_bound_below(access, store_url, prefix))}
        yield OpenedPlaces(bucket, below, bounds, opens)
