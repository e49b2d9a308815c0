"""Rotations in processes that die by SIGKILL: ``python -m tests.support.rotation_child``.

One errand a line of JSON on standard input, each run in a fork of this process, so that the
library is loaded once. Of each it prints the number of requests and the exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self

import pytest
from tests.support.rotation_scenes import Requests, small_parts

import cipherbucket as cb

ROOT = Path(__file__).parents[2]


loaded = cache(cb.load_key)


@dataclass(frozen=True)
class Errand:
    """What to do, in plain values, and when to die.

    Attributes:
        verb: ``rewrap``, ``reencrypt``, or either with ``_all``.
        url: The store.
        endpoint: What `cb.OssSettings` needs, if anything.
        format: Of the bucket.
        keys: Files of keys, the new one first.
        name: The object, or the prefix.
        state: The folder of ledgers.
        kinds: Of ``reencrypt``.
        die: "before" or "after" the request of this number; 0: never.
        at: The number.
    """

    verb: str
    url: str
    endpoint: dict[str, str]
    format: str
    keys: tuple[str, ...]
    name: str
    state: str
    kinds: tuple[str, ...] = ()
    die: str = "before"
    at: int = 0

    def bucket(self) -> cb.Bucket:
        settings = None
        if self.endpoint:
            settings = cb.OssSettings(
                region=self.endpoint["region"],
                endpoint=self.endpoint["endpoint"],
                credentials=cb.Credentials(self.endpoint["id"], self.endpoint["secret"]),
            )
        ring = cb.KeyRing(*map(loaded, self.keys))
        return cb.Bucket(cb.open_store(self.url, settings), ring, format=self.format)

    def run(self) -> int:
        """Do it, or die; return how many requests there were."""
        with pytest.MonkeyPatch.context() as monkeypatch, self.bucket() as bucket:
            monkeypatch.setenv("CIPHERBUCKET_STATE", self.state)
            small_parts(monkeypatch)
            requests = Requests(bucket.access.store)

            def perhaps_die(number: int, _: str) -> None:
                if number == self.at:
                    os.kill(os.getpid(), signal.SIGKILL)

            setattr(requests, self.die, perhaps_die)
            if self.verb == "rewrap":
                cb.rotation.rewrap(bucket, self.name)
            elif self.verb == "reencrypt":
                cb.rotation.reencrypt(bucket, self.name, kinds=self.kinds or None)
            elif self.verb == "rewrap_all":
                cb.rotation.rewrap_all(bucket, self.name, workers=2).close()
            else:
                cb.rotation.reencrypt_all(
                    bucket, self.name, kinds=self.kinds or None, workers=2
                ).close()
            return len(requests.names)


class Nursery:
    """The process that forks: use it in a ``with`` statement."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.rotation_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def died(self, errand: Errand) -> bool:
        """Run an errand; tell whether it died of SIGKILL, or came to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(errand)) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in {0, signal.SIGKILL}
        return status != 0


def main() -> None:
    for line in sys.stdin:
        said = json.loads(line)
        errand = Errand(**{**said, "keys": tuple(said["keys"]), "kinds": tuple(said["kinds"])})
        for file in errand.keys:
            loaded(file)  # before the fork, once: RSA keys take their time
        child = os.fork()
        if child == 0:
            errand.run()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
