"""Objects copied from one store to another, or within one.

Rule: an object stays what it is, ciphertext and envelope, unless something else was asked for. ACL,
tags, storage class and encryption at rest belong to a place, and go along with no copy.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from typing import Self

import cipherbucket as cb
from cipherbucket.cli.copying.places import store_place
from cipherbucket.cli.copying.shared_limits import SharedLimits
from cipherbucket.cli.options.access import SEALED, AccessOptions, ReadArguments
from cipherbucket.cli.options.copying import LARGE
from cipherbucket.cli.options.writing import WriteOptions


class StoreToStore:
    """Two stores, or one, that objects are copied between.

    Args:
        access: Keys and formats.
        writing: How copies are written.
        origin: The store they come from, and the name or prefix there.
        target: The store they go to, and the name or prefix there.
        whole: Whether one rule has to hold for all below a prefix.

    Attributes:
        origin: That store.
        target: The other.
        same_store: Whether both are one store, by whatever URL.
        could_be_one: Whether they are, or could be: buckets of one name at two hosts.
        unchanged: Whether they are copied as they are, unless a name forbids it.
        writing: How copies are written.
    """

    def __init__(
        self,
        access: AccessOptions,
        writing: WriteOptions,
        origin: tuple[str, str],
        target: tuple[str, str],
        *,
        whole: bool = True,
    ) -> None:
        self.writing = writing
        self._urls = origin[0], target[0]
        self._accesses = access.at(*origin, whole=whole), access.at(*target, whole=whole)
        self._stack = ExitStack()
        self._origin_settings = access.origin
        self._reading = access.reading
        self.same_store = store_place(origin[0], access.origin) == store_place(target[0])
        self.could_be_one = self.same_store or origin[0] == target[0]
        other_key = access.force_key is not None or access.as_name is not None
        other_format = not self.same_store and (
            access.chosen_format is not None or bool(access.context)
        )
        self.unchanged = not (
            writing.renews
            or other_key
            or other_format
            or _differ(*self._accesses, same_store=self.same_store)
        )
        reading, written = self._accesses
        self.origin = self._stack.enter_context(reading.open(origin[0], access.origin))
        opened = written.open if self.unchanged else written.open_to_write
        self.target = self._stack.enter_context(opened(target[0]))
        self.target.access.store.check_writable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def refuse_same(self, name: str, target: str) -> None:
        """Refuse to copy an object to itself.

        Raises:
            UsageError: Both names are of one object.
        """
        if self.same_store and name == target:
            raise cb.UsageError(
                "source and target are the same object",
                name=name,
                hint="name another; an old version is brought back with --version-id ID",
            )

    def copy(
        self,
        name: str,
        target: str,
        limits: SharedLimits,
        size: int | None = None,
        version_id: str | None = None,
    ) -> cb.ObjectInfo:
        """Copy an object.

        Args:
            name: Its name.
            target: The copy's.
            limits: What it shares with others.
            size: Its stored size, where it is known and others are copied beside it.
            version_id: This version rather than the newest; it may be brought back in its place.

        Raises:
            UsageError: Both are one object, or it is sealed under its name and there are no keys.
        """
        if version_id is None:
            self.refuse_same(name, target)
        if not self.unchanged:
            return self._renewed(self.origin, self.target, name, target, limits, version_id)
        if self.same_store:
            context, if_absent = self._reading["context"], self.writing.if_absent
            headers = self.writing.headers
            return self.origin.copy(
                name,
                target,
                headers=headers,
                context=context,
                if_absent=if_absent,
                version_id=version_id,
            )
        if name != target and _is_bound(self.origin.head(name, version_id=version_id)):
            origin, bucket = self._resealing(name, target)
            return self._renewed(origin, bucket, name, target, limits, version_id)
        options = limits.options
        with limits.running(name, in_parts=True) as progress:
            small = size is not None and size <= LARGE
            return self.origin.copy_to(
                self.target,
                name,
                target,
                headers=self.writing.headers,
                if_absent=self.writing.if_absent,
                version_id=version_id,
                workers=options.workers,
                limit_rate=None if small else options.rate,
                progress=progress,
            )

    def _resealing(self, name: str, target: str) -> tuple[cb.Bucket, cb.Bucket]:
        """Return the stores as what is sealed is read from, and written to, under another name."""
        if not self._accesses[1].writes:
            raise cb.UsageError(
                f"it is sealed under its name and would not open as {target!r}",
                name=name,
                hint="keep the name, or give its key with -k KEY, and it is sealed anew",
            )
        return self._sealed

    def open_sealed(self) -> None:
        """Open what sealed objects that get another name may take, where there is a key for it."""
        if self.unchanged and not self.same_store and self._accesses[1].writes:
            _ = self._sealed

    @cached_property
    def _sealed(self) -> tuple[cb.Bucket, cb.Bucket]:
        origin, target = (
            self._stack.enter_context(
                replace(access, chosen_format=SEALED, accept=()).open(url, settings)
            )
            for access, url, settings in zip(
                self._accesses, self._urls, (self._origin_settings, None), strict=True
            )
        )
        return origin, target

    def _renewed(
        self,
        origin: cb.Bucket,
        bucket: cb.Bucket,
        name: str,
        target: str,
        limits: SharedLimits,
        version_id: str | None,
    ) -> cb.ObjectInfo:
        """Decrypt an object and encrypt it anew."""
        writing = self.writing
        reading = _fitting(origin, name, self._reading, version_id)
        with (
            limits.running(name, in_parts=False) as progress,
            origin.get(name, **reading, version_id=version_id, progress=progress) as source,
        ):
            headers = {**source.info.headers, **writing.headers}
            if writing.content_type is not None:
                headers["content-type"] = writing.content_type
            copied = bucket.put(
                target,
                source,
                metadata=writing.metadata or source.info.metadata,
                headers=headers,
                recipients=writing.recipients,
                context=writing.context,
                bind_name=writing.bind_name,
                if_absent=writing.if_absent,
            )
            _warn_of_lost(source.info, (*origin.ring.keys, *writing.recipients))
            return copied


def _differ(origin: AccessOptions, target: AccessOptions, *, same_store: bool) -> bool:
    """Return whether the rule of the target demands another key or format than that of the origin.

    A bucket copies nothing from under one rule to under another, even if only their readers differ.
    """
    if origin.rule is None or target.rule is None:
        return False
    if same_store and not origin.rule.is_like(target.rule):
        return True
    if target.rule.write is None:
        return False
    ours, theirs = (
        (each.write, each.format, each.recipients) for each in (origin.rule, target.rule)
    )
    return ours != theirs or _accepts_more(origin.policy, target.policy)


def _accepts_more(policy: cb.Policy, other: cb.Policy) -> bool:
    """Return whether objects are accepted that the other would not read."""
    return (
        not policy.formats <= other.formats
        or (policy.plaintext and not other.plaintext)
        or (policy.unbound_names and not other.unbound_names)
    )


def _is_bound(info: cb.ObjectInfo) -> bool:
    seal = info.envelope.seal if info.envelope is not None else None
    return seal is not None and seal.binds_name


def _fitting(
    origin: cb.Bucket, name: str, reading: ReadArguments, version_id: str | None
) -> ReadArguments:
    """Leave the context, which is the copy's as well, away for an object that can have none."""
    if reading["context"] and origin.head(name, version_id=version_id).format != SEALED:
        return {**reading, "context": {}}
    return reading


def _warn_of_lost(info: cb.ObjectInfo, keys: tuple[cb.MasterKey, ...]) -> None:
    """Say whose key opened the original and is not among those that were given."""
    if info.format != SEALED or info.envelope is None:
        return
    for recipient in info.envelope.recipients:
        with suppress(cb.EnvelopeError):
            theirs = recipient.description
            if not any(
                recipient.algorithm in key.algorithms and theirs == cb.Description(key.description)
                for key in keys
            ):
                warnings.warn(
                    f"copies are not sealed for {theirs}, a recipient of what was copied;"
                    " name the public half of its key with --recipient",
                    cb.CipherbucketWarning,
                    stacklevel=2,
                )
