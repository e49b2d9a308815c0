"""The steps of `bench.scale`, each in a process of its own, with no more imported than it needs.

Usage: python -m bench.scale_steps STEP KIND COUNT FOLDER FILE
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger

AT_ONCE = 16
PLACE = os.environ.get("BENCH_PLACE", "oss://bench")
BODY = bytes(1024)


class Step:
    """One step, in a process of its own; the name of the step says which method."""

    def __init__(self, kind: str, count: int, folder: Path) -> None:
        self.kind, self.count, self.folder = kind, count, folder
        self.prefix = f"{kind}/"
        self.old, self.new = (folder / f"{kind}-{name}" for name in ("old", "new"))

    @contextmanager
    def bucket(self, *files: Path) -> Iterator[cb.Bucket]:
        """Open the bucket with keys, the first of which writes."""
        keys = map(cb.load_key, files)
        with cb.open_bucket(PLACE, *keys, format=self.kind) as bucket:
            yield bucket

    def put(self) -> int:
        """Write the objects."""
        names = (f"{self.prefix}{each // 1000:04}/{each:07}" for each in range(self.count))
        with self.bucket(self.old) as bucket, ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda name: bucket.put(name, BODY), names):
                pass
        return 0

    def list(self) -> int:
        """List them."""
        with self.bucket() as bucket:
            assert sum(1 for _ in bucket.list(self.prefix)) == self.count
        return 0

    def audit(self) -> int:
        """Audit without a key."""
        with self.bucket() as bucket:
            return self._kept(cb.audit.run(bucket, self.prefix, workers=AT_ONCE).ledger)

    def audit_with_keys(self) -> int:
        """Audit; each envelope is opened."""
        with self.bucket(self.old) as bucket:
            return self._kept(cb.audit.run(bucket, self.prefix, workers=AT_ONCE).ledger)

    def audit_by_two(self) -> int:
        """Audit in two processes; what is measured is this one."""
        reference = cb.BucketReference(PLACE, format=self.kind)
        with ProcessPoolExecutor(2) as executor:
            return self._kept(cb.audit.run(reference, self.prefix, executor=executor).ledger)

    def verify_dry(self) -> int:
        """See whether all could be read."""
        with self.bucket(self.old) as bucket:
            done = cb.verify_all(bucket, self.prefix, dry_run=True, workers=AT_ONCE)
            return self._kept(done.ledger)

    def verify(self) -> int:
        """Read all."""
        with self.bucket(self.old) as bucket:
            return self._kept(cb.verify_all(bucket, self.prefix, workers=AT_ONCE).ledger)

    def recipients_add(self) -> int:
        """Add a recipient; the last step, for a reencryption would have to know its key."""
        other = cb.AesKey(os.urandom(32), description={"desc": "other"})
        with self.bucket(self.new) as bucket:
            return self._kept(cb.recipients.add_all(bucket, self.prefix, other).ledger)

    def rotate(self) -> int:
        """Give all another master key."""
        with self.bucket(self.new, self.old) as bucket:
            return self._kept(cb.rotation.rewrap_all(bucket, self.prefix).ledger)

    def rotate_again(self) -> int:
        """Find that nothing is to be done."""
        with self.bucket(self.new, self.old) as bucket:
            return self._kept(cb.rotation.rewrap_all(bucket, self.prefix, workers=AT_ONCE).ledger)

    def reencrypt(self) -> int:
        """Write all anew, four at once, as is usual."""
        with self.bucket(self.new, self.old) as bucket:
            return self._kept(cb.rotation.reencrypt_all(bucket, self.prefix).ledger)

    def copy(self) -> int:
        """Copy all to a directory store."""
        url = f"file://{self.folder}/copies-{self.kind}"
        with (
            self.bucket() as bucket,
            cb.open_bucket(url) as target,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            names = (each.name for each in bucket.list(self.prefix))
            for _ in pool.map(lambda name: bucket.copy_to(target, name), names):
                pass
        return 0

    def _kept(self, ledger: Ledger) -> int:
        """Return the bytes of a ledger; closed, all of it is in the one file."""
        assert sum(count for count, _ in ledger.counts().values()) == self.count
        assert "failed" not in ledger.counts()
        ledger.close()
        size = ledger.path.stat().st_size
        ledger.path.unlink()
        return size


STEPS: dict[str, Callable[[Step], int]] = {
    "put": Step.put,
    "list": Step.list,
    "audit, no key": Step.audit,
    "audit": Step.audit_with_keys,
    "audit, no key, by two processes: the main one": Step.audit_by_two,
    "verify -n": Step.verify_dry,
    "verify": Step.verify,
    "copy to a directory store": Step.copy,
    "rotate": Step.rotate,
    "rotate again": Step.rotate_again,
    "reencrypt": Step.reencrypt,
    "recipients add": Step.recipients_add,
}


def main(name: str, kind: str, count: str, folder: str, told: str) -> None:
    """Do one step and write down what it took."""
    work = Step(kind, int(count), Path(folder))
    begin = time.process_time()
    ledger = STEPS[name](work)
    figures = {"cpu": time.process_time() - begin, "ledger": ledger}
    Path(told).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
