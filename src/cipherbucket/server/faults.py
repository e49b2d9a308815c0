"""Faults on request, so that retries, resumes and checks can be tried.

Rule: which request meets which fault depends on the seed, on what is asked for and on how often it
was asked before, never on time or on the order in which threads come. The same program against the
same seed meets the same faults.

::

    500, 503    answered so; nothing is done
    slow        answered after ``delay`` seconds
    reset       the connection is reset: in the middle of the body of the request, which stores
                nothing, or else of the answer's
    truncate    everything is done, but the connection closes in the middle of the answer
    crc         the answer names a wrong CRC-64

The KMS endpoint has, instead of the last, and 429 beside 500 and 503:

::

    key         everything is done, but the answer names another key
    garbage     everything is done, but the answer is a page of HTML
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cipherbucket.errors import UsageError

KINDS = ("500", "503", "slow", "reset", "truncate", "crc")
KMS_KINDS = ("429", "500", "503", "slow", "reset", "truncate", "key", "garbage")
HEADER = "x-cipherbucket-fault"
"""Header of a request that asks for a fault, in the form that `FaultPlan.parse` reads."""
_MAX_DELAY = 600.0
# Parameters that are new every time a program runs.
_FLEETING = frozenset(
    [
        "uploadId",
        "upload-id-marker",
        "versionId",
        "version-id-marker",
        "OSSAccessKeyId",
        "Expires",
        "Signature",
        "x-oss-signature-version",
        "x-oss-credential",
        "x-oss-date",
        "x-oss-expires",
        "x-oss-signature",
        "x-oss-additional-headers",
        "security-token",
        "x-oss-security-token",
    ]
)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often which fault comes.

    Attributes:
        rates: By kind, 0 to 1; together at most 1.
        seed: Chooses the requests that meet them.
        delay: Seconds of ``slow``.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    delay: float = 0.5

    @classmethod
    def parse(cls, text: str, kinds: Sequence[str] = KINDS) -> FaultPlan:
        """Read a plan like ``500=0.05,reset=0.01,slow=0.1,delay=2,seed=7``.

        A kind without a rate comes always.

        Args:
            text: The plan.
            kinds: Which faults there are.

        Raises:
            UsageError: It is none.
        """
        rates: dict[str, float] = {}
        seed, delay = 0, cls().delay
        for item in filter(None, (item.strip() for item in text.split(","))):
            name, equals, value = item.partition("=")
            try:
                if name in kinds:
                    rates[name] = float(value) if equals else 1.0
                elif name == "seed":
                    seed = int(value)
                elif name == "delay":
                    delay = float(value)
                else:
                    raise ValueError(f"{name!r} is none of {', '.join(kinds)}, seed, delay")
            except ValueError as error:
                raise UsageError(f"fault {item!r}: {error}", hint=_EXAMPLE) from error
        if any(not 0 <= rate <= 1 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
            raise UsageError("rates of faults are 0 to 1, together at most 1", hint=_EXAMPLE)
        if not 0 <= delay <= _MAX_DELAY:
            raise UsageError(f"the delay is 0 to {_MAX_DELAY:.0f} seconds", hint=_EXAMPLE)
        return cls(rates, seed, delay)

    def choose(self, what: str, attempt: int) -> str | None:
        """Return the fault that the ``attempt``-th request for ``what`` meets, from 0."""
        if not self.rates:
            return None
        text = f"{self.seed}\0{what}\0{attempt}".encode()
        drawn = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
        for kind, rate in sorted(self.rates.items()):
            drawn -= rate
            if drawn < 0:
                return kind
        return None


_EXAMPLE = "as in: 500=0.05,503=0.05,slow=0.1,reset=0.02,truncate=0.02,crc=0.01,delay=2,seed=7"


class Faults:
    """A plan, and how often everything was asked for so far."""

    def __init__(self, plan: FaultPlan, kinds: Sequence[str] = KINDS) -> None:
        self.plan = plan
        self._kinds = kinds
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()

    def next(
        self, method: str, bucket: str, key: str, query: Mapping[str, str], header: str | None
    ) -> tuple[str | None, float]:
        """Return the fault that this request meets, if any, and the delay of ``slow``.

        Args:
            method: Of the request.
            bucket: What it addresses.
            key: What it addresses.
            query: Parameters.
            header: A plan for this request alone, or None.

        Raises:
            UsageError: The header is no plan.
        """
        plan = self.plan if header is None else FaultPlan.parse(header, self._kinds)
        if not plan.rates:
            return None, 0
        lasting = sorted((k, v) for k, v in query.items() if k not in _FLEETING)
        what = f"{method} {bucket}/{key} {lasting}"
        with self._lock:
            attempt = self._asked[what]
            self._asked[what] += 1
        return plan.choose(what, attempt), plan.delay
