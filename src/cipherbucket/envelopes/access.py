"""What a bucket works with: its store, keys, format and policy, in one frozen value.

Rule: the value is made once, when a bucket is opened, and checked then. Every verb and every pass
works with it, and nothing changes it afterwards. Where a configuration opened the bucket, its guard
is asked before an object is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.seal import seal
from cipherbucket.errors import UsageError, named, not_copied
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import FORMATS, OSS, OSS_V1, SEALED
from cipherbucket.format.sealed import Binding
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, check_key, ring_of
from cipherbucket.stores.base import Store
from cipherbucket.stores.checks import check_name

Sealing = Callable[..., tuple[Envelope, ContentCipher]]
"""`cipherbucket.envelopes.seal.seal`, but for what is known only when a body is read."""


class Guard(Protocol):
    """What a configuration allows in a bucket that it opened."""

    def check_name(self, name: str) -> None:
        """Refuse a name that is not for this bucket to read, write or copy.

        Raises:
            UsageError: It is not.
        """

    def check_writer(self, key: MasterKey, format: str) -> None:  # noqa: A002  documents' word
        """Refuse a key that must not write this format.

        Raises:
            MasterKeyError: It must not.
        """

    def recipients(self) -> tuple[MasterKey, ...]:
        """Return the further master keys of every new sealed object, read when they are needed."""


@dataclass(frozen=True)
class Access:
    """What the verbs of a bucket work with. `Access.of` makes and checks one.

    Attributes:
        store: Where the bytes live.
        ring: The first key writes, every key reads.
        format: The format of new objects: ``oss`` or ``sealed``.
        policy: What is accepted on reading.
        further: Further master keys that every new object is wrapped for.
        guard: What a configuration allows; None for a bucket opened without one.
    """

    store: Store
    ring: KeyRing
    format: str
    policy: Policy
    further: tuple[MasterKey, ...] = ()
    guard: Guard | None = None

    @classmethod
    def of(
        cls,
        store: Store,
        ring: KeyRing | MasterKey,
        *,
        format: str = OSS,  # noqa: A002  the word of the documents
        policy: Policy | None = None,
        recipients: Sequence[MasterKey] = (),
        guard: Guard | None = None,
    ) -> Access:
        """Make the value of a bucket; see `cipherbucket.Bucket` for the arguments.

        Raises:
            UsageError: No store, no ring, an unknown format, recipients in a format that has one
                or beside a guard, or a policy that does not read what is written.
        """
        if not isinstance(store, Store):
            raise UsageError(
                f"a bucket works on a store, not on {type(store).__name__}",
                hint="open_bucket(url, key) opens both; open_store(url) makes a store",
            )
        if format not in FORMATS or format == OSS_V1:
            raise UsageError(f"objects are written in format {OSS!r} or {SEALED!r}, not {format!r}")
        reads = (policy or Policy()).in_bucket(format)
        access = cls(store, ring_of(ring), format, reads, tuple(recipients), guard)
        if access.further:
            access.check_recipients(access.further)
            if guard is not None:
                raise UsageError("the recipients of a guarded bucket come from its guard")
        if format not in reads.formats:
            raise UsageError(
                f"the bucket writes format {format!r} and its policy does not read it",
                hint=f"policy=Policy([{format!r}, ...]), or Policy() without formats",
            )
        return access

    @property
    def recipients(self) -> tuple[MasterKey, ...]:
        """The further master keys of every new object: the bucket's own, or the configuration's."""
        return self.further if self.guard is None else self.guard.recipients()

    def check_name(self, name: str) -> None:
        """Refuse what is no object name, or one that the configuration keeps from this bucket.

        Raises:
            UsageError: It is one.
        """
        check_name(name)
        if self.guard is not None:
            self.guard.check_name(name)

    def check_writer(self, key: MasterKey, format: str) -> None:  # noqa: A002  documents' word
        """Refuse a key that the configuration keeps from writing a format.

        Raises:
            MasterKeyError: It does.
        """
        if self.guard is not None:
            self.guard.check_writer(key, format)

    def sealing(
        self,
        name: str,
        recipients: Sequence[MasterKey],
        context: Mapping[str, str],
        *,
        bind_name: bool,
    ) -> Sealing:
        """Return what seals an object of this name, each time under a new data key.

        Raises:
            UsageError: Something that only sealed objects have, in another format; or an unbound
                name, which the policy does not read.
            MasterKeyError: A recipient is no master key.
        """
        with named(name):
            self.check_name(name)
            self.check_recipients(recipients)
            further = (*self.recipients, *recipients)
            if self.format != SEALED and (further or context or not bind_name):
                raise _of_sealed()
            if not (bind_name or self.policy.unbound_names):
                raise UsageError(
                    "this bucket would not read an object that is bound to no name",
                    hint="open the bucket with policy=Policy(unbound_names=True)",
                )
            return partial(
                seal,
                self.ring,
                self.format,
                binding=Binding(name, context),
                bind_name=bind_name,
                recipients=further,
            )

    def check_recipients(self, recipients: Sequence[MasterKey]) -> None:
        """Refuse what cannot be the recipients of new objects.

        Raises:
            UsageError: One key instead of a sequence, or recipients in a format that has one.
            MasterKeyError: One of them is no master key.
        """
        check_keys(recipients)
        if recipients and self.format != SEALED:
            raise _of_sealed()

    __reduce__ = not_copied("a bucket", "pass a BucketReference, which opens it where it is")


def access_of(bucket: object) -> Access:
    """Return the value of a bucket, for a function over one.

    Raises:
        UsageError: It is no bucket.
    """
    access = getattr(bucket, "access", None)
    if not isinstance(access, Access):
        raise UsageError(
            f"the first argument is a bucket, not {type(bucket).__name__}",
            hint="open one with open_bucket(url, key)",
        )
    return access


def check_keys(recipients: Sequence[MasterKey]) -> None:
    """Refuse what is no sequence of master keys.

    Raises:
        UsageError: One key instead of a sequence.
        MasterKeyError: One of them is no master key.
    """
    if isinstance(recipients, MasterKey):
        raise UsageError("recipients is a sequence of keys", hint="write [key]")
    for each in recipients:
        check_key(each)


def _of_sealed() -> UsageError:
    return UsageError(
        "recipients, a context and unbound names are of format 'sealed'",
        hint="open the bucket with format='sealed'",
    )
