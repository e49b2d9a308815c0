"""A pass over a listing that is made up, in a process of its own, for its peak memory.

``python -m tests.support.rotation_listing COUNT`` prints what it did and its peak in KiB.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from datetime import UTC, datetime

import cipherbucket as cb
from cipherbucket.stores.records import Page, StoredObject
from cipherbucket.stores.requests import MetadataChange

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Endless(cb.MemoryStore):
    """Has so many objects, each of them the same but for its name.

    Args:
        count: How many.
        like: What each is like.
    """

    def __init__(self, count: int, like: StoredObject) -> None:
        super().__init__("endless")
        self._count = count
        self._like = like

    def _list(
        self, prefix: str, delimiter: str, token: str | None, limit: int, start_after: str
    ) -> Page:
        start = int(token or 0)
        stop = min(start + limit, self._count)
        entries = tuple(
            cb.Entry(name=f"{prefix}{number:08}", size=1000, etag=f"{number:032X}", modified=NOW)
            for number in range(start, stop)
        )
        return Page(entries, None if stop == self._count else str(stop))

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        return replace(self._like, name=name)

    def _replace_metadata(self, change: MetadataChange) -> StoredObject:
        raise cb.StoreError("none of these can be changed", name=change.name)


def main() -> None:
    count = int(sys.argv[1])
    old, new = (
        cb.AesKey(bytes([number]) * 32, description={"desc": str(number)}) for number in (1, 2)
    )
    real = cb.MemoryStore()
    any_name = cb.Policy(["sealed"], unbound_names=True)  # one object is listed under all names
    real_bucket = cb.Bucket(real, cb.KeyRing(old), format="sealed", policy=any_name)
    real_bucket.put("like", bytes(900), bind_name=False)
    store = Endless(count, real.head("like"))
    bucket = cb.Bucket(store, cb.KeyRing(new, old), format="sealed", policy=any_name)
    with cb.rotation.rewrap_all(bucket, "many/", dry_run=True) as report:
        due = report.due.objects
        walked = sum(1 for _ in report.objects())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"due": due, "walked": walked, "peak": peak}))  # noqa: T201


if __name__ == "__main__":
    main()
