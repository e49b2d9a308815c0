"""Running an audit over a bucket. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

from cipherbucket.audit.inspector import Inspector
from cipherbucket.audit.kms_lookup import KmsLookup
from cipherbucket.audit.result import Audit
from cipherbucket.audit.retirement import Question
from cipherbucket.audit.scope import AuditScope, ids_and_descriptions, open_ledger, with_unlisted
from cipherbucket.bucket import Bucket
from cipherbucket.bulk.entries import entries_of
from cipherbucket.bulk.shards import Shards, elsewhere
from cipherbucket.bulk.steps import OpensBucket, here
from cipherbucket.bulk.walk import PassProgress, reporting, run_pass
from cipherbucket.envelopes.access import access_of
from cipherbucket.errors import UsageError
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.objects.listing import every_version
from cipherbucket.stores.records import Entry
from cipherbucket.workers.rate_limit import check_speed
from cipherbucket.workers.threads import Halt

WORKERS = 16
"""Threads, which mostly wait: an answer has a few hundred bytes, and comes after a round trip."""


def run(
    bucket: Bucket | OpensBucket,
    prefix: str = "",
    *,
    versions: bool = False,
    footers: bool = False,
    ask_kms: AliKmsKey | None = None,
    retire: Sequence[MasterKey | str] = (),
    known: Iterable[Mapping[str, str]] = (),
    workers: int | None = None,
    progress: PassProgress | None = None,
    entries: Iterable[Entry] | None = None,
    executor: Executor | None = None,
) -> Audit:
    """Look at every object, and report which are encrypted, and with which key.

    One HEAD an object, 16 at once. No key is needed: keys are known by their descriptions,
    which are the store's word. With keys in the ring, each envelope that names one of them is
    opened, unless the key is one of a KMS. An audit that was interrupted resumes when it is
    called again with the same arguments and keys within a week; what was looked at before is
    reported as it was then, unless the object has been written since.

    Args:
        bucket: What is audited.
        prefix: Only names that begin with this.
        versions: Look at all versions; old ones name old keys.
        footers: Read the footers of sealed objects too, one request more for each: they name
            recipients that were removed since.
        ask_kms: For each envelope of a KMS key, have the KMS say which key it is, through
            this key's settings or those of the ring's key with the description. One call each.
            Where it fails, objects are reported as without it, and that it could not be asked.
        retire: Keys that are to be retired, or descriptions of them as JSON, or ids of KMS
            keys; `Audit.answers` says whether they can be.
        known: Descriptions of keys that exist, beside those of the ring. A description
            that neither a key nor an object has may be misspelled, and gets no yes.
        workers: Requests at once, 1 or more.
        progress: Called with (objects looked at, None).
        entries: Only these objects, and no listing: an `Inventory`, or any iterable of `Entry`, in
            any order. Whether a key can be retired is then not known: what was written since was
            not looked at.
        executor: Whose workers share the audit; see `rotation.rewrap_all`. Neither versions nor a
            KMS are looked at then.

    Returns:
        What was found, best used in a ``with`` statement: it holds a file open.

    Raises:
        UsageError: Versions of a store that keeps none, or of ``entries``; or another process is
            at this audit.
        StoreError: The listing failed, or a hundred objects in a row.
    """
    check_speed(workers, None)
    if executor is not None and (versions or ask_kms is not None):
        raise UsageError("versions= and ask_kms= do not go with executor=", hint="leave out one")
    given: dict[str, Any] = {"footers": footers, "workers": workers, "entries": entries}
    shards = Shards.of(executor, run, bucket, given)
    access = access_of(here(bucket))
    store, ring = access.store, access.ring
    listed = entries_of(store, prefix, entries)
    if versions and listed.given:
        raise UsageError("versions are found by listing them", hint="give one of the two")
    asks = ask_kms is not None
    keys = ids_and_descriptions(ring)
    scope = AuditScope(
        store.url,
        prefix,
        versions,
        footers,
        asks,
        datetime.now(UTC),
        keys,
        given=listed.given,
        inventory=listed.inventory,
    )
    known_keys = [*map(Question.about, ring.keys), *map(Question.by_description, known)]
    if isinstance(retire, str | MasterKey):
        raise UsageError("retire is a sequence of keys", hint="write [key]")
    questions = [Question.about(key).knowing(known_keys) for key in retire]
    kms = KmsLookup(ask_kms) if ask_kms is not None else None
    inspector = Inspector(store, ring, footers, kms)
    ledger = open_ledger(scope, listed)
    try:
        scope = with_unlisted(scope, store)
    except BaseException:
        ledger.close()
        raise
    return run_pass(
        every_version(store, prefix) if versions else listed.entries,
        inspector.inspect,
        ledger,
        workers=workers or WORKERS,
        halt=Halt(),
        tick=reporting(progress, lambda looked: ledger.unchanged + looked),
        report=lambda done: Audit(scope, done, ring, questions),
        given=listed.given,
        elsewhere=elsewhere(shards, store, prefix, listed.to_share),
    )
