"""The verbs of a bucket that look after its objects: audit and verify. They change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from cipherbucket.audit.inspector import Inspector
from cipherbucket.audit.kms_lookup import KmsLookup
from cipherbucket.audit.result import Audit
from cipherbucket.audit.retirement import Question
from cipherbucket.audit.scope import AuditScope, ids_and_descriptions, open_ledger, with_unlisted
from cipherbucket.bulk.ledger import Ledger, Outcome
from cipherbucket.bulk.verification import Verification, gone, read_through, verified
from cipherbucket.bulk.walk import Told, walk
from cipherbucket.errors import ObjectNotFoundError, StoreError
from cipherbucket.format.span import Span
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.ring import KeyRing
from cipherbucket.objects.copy import Copies
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import open_stream
from cipherbucket.reading.unlock import Reading, fetch_from
from cipherbucket.stores.records import NOTHING, Entry, Version
from cipherbucket.workers.threads import Halt, usual_workers

NO_OTHERS: Mapping[str, Inspection] = MappingProxyType({})
AUDIT_WORKERS = 16
"""Threads, which mostly wait: an answer has a few hundred bytes, and comes after a round trip."""


class Inspection(Copies):
    """The verbs of a bucket that look at many objects and change none."""

    def audit(
        self,
        prefix: str = "",
        *,
        versions: bool = False,
        footers: bool = False,
        ask_kms: AliKmsKey | None = None,
        retire: Sequence[MasterKey | str] = (),
        known: Iterable[Mapping[str, str]] = (),
        workers: int | None = None,
        progress: Told | None = None,
    ) -> Audit:
        """Look at every object, and tell which are encrypted, and with which key.

        One HEAD an object, 16 at once. No key is needed: keys are told by their descriptions,
        which are the store's word. With keys in the ring, each envelope that names one of them is
        opened, unless the key is one of a KMS. An audit that was interrupted goes on when it is
        called again with the same arguments and keys within a week; what was looked at before is
        told as it was then, unless the object has been written since.

        Args:
            prefix: Only names that begin with this.
            versions: Look at all versions; old ones name old keys.
            footers: Read the footers of sealed objects too, one request more for each: they name
                recipients that were removed since.
            ask_kms: For each envelope of a KMS key, have the KMS tell which key it is, through
                this key's settings or those of the ring's key with the description. One call each.
                Where it fails, objects are told as without it, and that it could not be asked.
            retire: Keys that are to be retired, or descriptions of them as JSON, or ids of KMS
                keys; `Audit.answers` says whether they can be.
            known: Descriptions of keys that there are, beside those of the ring. A description
                that neither a key nor an object has may be misspelled, and gets no yes.
            workers: Requests at once.
            progress: Called with (objects looked at, None).

        Returns:
            What was found, best used in a ``with`` statement: it holds a file open.

        Raises:
            UsageError: Versions of a store that keeps none; or another process is at this audit.
            StoreError: The listing failed, or a hundred objects in a row.
        """
        scope = AuditScope(
            self.url,
            prefix,
            versions,
            footers,
            ask_kms is not None,
            datetime.now(UTC),
            ids_and_descriptions(self._ring),
        )
        known_keys = [
            *map(Question.about, self._ring.keys),
            *map(Question.by_description, known),
        ]
        questions = [Question.about(key).knowing(known_keys) for key in retire]
        strict = self._policy.strict_iv
        kms = KmsLookup(ask_kms) if ask_kms is not None else None
        inspector = Inspector(self._store, self._ring, strict, footers, kms)
        ledger = open_ledger(scope, strict_iv=strict)
        try:
            scope = with_unlisted(scope, self._store)
            walk(
                self._all_versions(prefix) if versions else self._all_objects(prefix),
                inspector.inspect,
                ledger,
                workers=workers or AUDIT_WORKERS,
                halt=Halt(),
                tick=_telling(progress, lambda looked: ledger.kept + looked),
            )
            ledger.forget_unseen()
            return Audit(scope, ledger, self._ring, questions)
        except BaseException:
            ledger.close()
            raise

    def verify(
        self,
        name: str,
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        as_name: str | None = None,
        footer_recipients: bool = False,
        version_id: str | None = None,
    ) -> ObjectInfo:
        """Read all of an object, decrypt it, and compare all that is recorded of it.

        Nothing of it is kept. Arguments and errors as `Bucket.get`, and those of reading: what
        returns can be read. Of plaintext, where the policy accepts it, the store's CRC-64 is
        compared and nothing else is known.

        Returns:
            What is known of the object; its size is certain.
        """
        reading = self._reading(
            name, key=key, context=context, as_name=as_name, footer_recipients=footer_recipients
        )
        return self._read(reading, version_id, None)

    def verify_all(
        self,
        prefix: str = "",
        *,
        key: MasterKey | None = None,
        context: Mapping[str, str] = NOTHING,
        below: Mapping[str, Inspection] = NO_OTHERS,
        workers: int | None = None,
        limit_rate: float | None = None,
        progress: Told | None = None,
    ) -> Verification:
        """Read all objects under a prefix, as `verify` does; one that fails stops no other.

        Called again with the same arguments and keys after an interrupt, or after failures, and
        within a week, it reads what was not verified, or was written since.

        Args:
            prefix: Only names that begin with this.
            key: Open all of them with this key, whatever descriptions say.
            context: The pairs that they were written with.
            below: Other buckets of the same store, by prefixes: whatever lies below one of these is
                read with the keys, and by the policy, of its bucket; the longest prefix counts.
            workers: Objects at once; None for four, or one a core.
            limit_rate: Most plaintext bytes a second.
            progress: Called with (bytes of plaintext read, None).

        Returns:
            What came of it, best used in a ``with`` statement: it holds a file open.

        Raises:
            UsageError: Another process is at the same.
            StoreError, KmsError: The listing failed, or a hundred objects in a row.
        """
        halt = Halt(limit_rate)
        others = sorted(below.items(), key=lambda each: -len(each[0]))

        def work(entry: Entry) -> Outcome:
            there = (bucket for start, bucket in others if entry.name.startswith(start))
            bucket = next(there, self)
            return bucket._verified(entry, key, context, halt)  # noqa: SLF001  of this class

        # What was verified by other rules was not verified by these.
        told = [key.id if key is not None else "", *self._told_apart()]
        for start, each in others:
            told += ["", start, *each._told_apart()]  # noqa: SLF001  of this class
        bound = (text for pair in sorted(context.items()) for text in pair)
        ledger = Ledger.open("verify", self.url, prefix, *told, "", *bound, looks=True)
        try:
            walk(
                self._all_objects(prefix),
                work,
                ledger,
                workers=workers or usual_workers(),
                halt=halt,
                tick=_telling(progress, lambda _: halt.done),
            )
            ledger.forget_unseen()
            return Verification(self.url, prefix, ledger)
        except BaseException:
            ledger.close()
            raise

    def _verified(
        self, entry: Entry, key: MasterKey | None, context: Mapping[str, str], halt: Halt
    ) -> Outcome:
        reading = self._reading(entry.name, key=key, context=context)
        try:
            return verified(entry, self._read(reading, None, halt))
        except ObjectNotFoundError as error:
            return gone(entry, error)

    def _told_apart(self) -> Iterator[str]:
        """Tell what decides which objects can be read; the same in every process."""
        policy = self._policy
        yield f"{self._format} {sorted(policy.formats)} {policy.plaintext} {policy.min_rsa_bits}"
        yield f"{policy.strict_iv} {policy.unbound_names}"
        # A ring that reads its keys when they are needed names them; those of others are there.
        yield "" if type(self._ring) is KeyRing else repr(self._ring)
        yield from (text for pair in sorted(ids_and_descriptions(self._ring)) for text in pair)

    def _read(self, reading: Reading, version_id: str | None, halt: Halt | None) -> ObjectInfo:
        fetch = fetch_from(self._store, reading.name, None, version_id)
        return read_through(open_stream(fetch, Span(), reading), halt)

    def _all_objects(self, prefix: str) -> Iterator[Entry]:
        for entry in self.list(prefix):
            if entry.is_prefix:  # nobody asked for it: what is below was not listed
                raise StoreError(
                    f"the store folds its listing: {entry.name!r} stands for all below it",
                    hint="a gateway between may do so; ask the store itself",
                )
            yield entry

    def _all_versions(self, prefix: str) -> Iterator[Version]:
        versions = self.list_versions(prefix)
        return (version for version in versions if not version.is_delete_marker)


def _telling(progress: Told | None, done: Callable[[int], int]) -> Callable[[int], None]:
    def tick(looked: int) -> None:
        if progress is not None:
            progress(done(looked), None)

    return tick
