"""One transfer in a process of its own, to be killed: ``python -m tests.support.transfer_child``.

What to do comes as JSON on standard input; see `Errand`. It says when it begins.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cipherbucket as cb
from cipherbucket.stores.base import Store

WORKERS = 3
PART = 2 << 20


@dataclass
class Errand:
    """What to do, in plain values.

    Attributes:
        verb: ``upload`` or ``download``.
        url: The store.
        endpoint: Arguments of `cb.OssSettings`, and the two of its credentials.
        format: Of the bucket.
        key: Path of the key's file.
        name: The object.
        path: The file.
    """

    verb: str
    url: str
    endpoint: dict[str, str]
    format: str
    key: str
    name: str
    path: str

    def store(self) -> Store:
        settings = None
        if self.endpoint:
            settings = cb.OssSettings(
                region=self.endpoint["region"],
                endpoint=self.endpoint["endpoint"],
                credentials=cb.Credentials(self.endpoint["id"], self.endpoint["secret"]),
            )
        return cb.open_store(self.url, settings)

    def run(self, store: Store, **how: Any) -> None:
        bucket = cb.Bucket(store, cb.KeyRing(cb.load_key(self.key)), format=self.format)
        how = {"part_size": PART, "workers": WORKERS, **how}
        if self.verb == "upload":
            bucket.upload(Path(self.path), self.name, **how)
        else:
            bucket.download(self.name, self.path, **how)

    def dumps(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    errand = Errand(**json.loads(sys.stdin.readline()))
    with errand.store() as store:
        print("beginning", flush=True)  # noqa: T201
        errand.run(store)


if __name__ == "__main__":
    main()
