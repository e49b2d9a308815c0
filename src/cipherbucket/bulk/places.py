"""The bucket that each object of a pass is worked on with: one for all, or others below prefixes.

Rule: the longest prefix counts, as with the rules of ``cipherbucket.toml``. What decides which
objects can be read is the same text in every process: a pass that goes on with what an earlier run
saw has to see the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.access import Access, access_of
from cipherbucket.errors import UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.ring import KeyRing

NO_OTHERS: Mapping[str, Bucket] = MappingProxyType({})


class Places:
    """A bucket, and others of the same store for what lies below prefixes.

    Args:
        bucket: For all else.
        below: The others, by prefixes.

    Raises:
        UsageError: One is no bucket, or of another store.
    """

    def __init__(self, bucket: Bucket, below: Mapping[str, Bucket] = NO_OTHERS) -> None:
        self.access = access_of(bucket)
        self.others = [
            (start, access_of(each))
            for start, each in sorted(below.items(), key=lambda each: -len(each[0]))
        ]
        for _, each in self.others:
            if each.store.url != self.access.store.url:
                raise UsageError(f"{each.store.url} is another store than {self.access.store.url}")

    def access_for(self, name: str) -> Access:
        """Return what an object is worked on with."""
        there = (access for start, access in self.others if name.startswith(start))
        return next(there, self.access)

    def all(self) -> Iterator[tuple[str, Access]]:
        """Yield each of them with its prefix."""
        yield "", self.access
        yield from self.others

    def reading_rules(self, context: Mapping[str, str]) -> Iterator[str]:
        """Yield what decides which objects can be read, and with which result."""
        yield from _rules_of(self.access)
        for start, access in self.others:
            yield from ("", start, *_rules_of(access))
        yield ""
        for pair in sorted(context.items()):
            yield from pair


def _rules_of(access: Access) -> Iterator[str]:
    policy = access.policy
    yield f"{access.format} {sorted(policy.formats)} {policy.plaintext} {policy.min_rsa_bits}"
    yield f"{policy.strict_iv} {policy.unbound_names}"
    # A ring that reads its keys when they are needed names them; those of others are there.
    yield "" if type(access.ring) is KeyRing else repr(access.ring)
    keys = access.ring.keys
    for each in sorted((key.id, Description(dict(key.description)).text) for key in keys):
        yield from each
