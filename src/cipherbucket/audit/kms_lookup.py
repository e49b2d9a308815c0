"""Which KMS key wrapped a data key: the KMS is asked, where that is wanted.

Rule: a KMS that fails takes nothing else away. What an object says of itself is reported all the
same, and that the KMS could not be asked about it. After a hundred failures in a row it is asked no
more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cipherbucket.audit.findings import UNASKED
from cipherbucket.audit.key_labels import shortened
from cipherbucket.errors import CipherbucketError, MasterKeyError, SecurityError
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.ring import spelling

_MOST_FAILURES = 100
"""So many, one after another, are no bad luck; each may have taken its retries' time."""


@dataclass(frozen=True, slots=True)
class KmsAnswer:
    """What the KMS said of one wrapped data key.

    Attributes:
        key_id: The KMS key's id; "" where there is a finding.
        finding: A code of `FINDINGS`; "" where the key is known.
        reason: Why the key is not known.
    """

    key_id: str = ""
    finding: str = ""
    reason: str = ""


class KmsLookup:
    """Asks a KMS which of its keys wrapped data keys. May be used by several threads.

    Args:
        kms: Through these settings, where the ring has no key that an envelope names.
    """

    def __init__(self, kms: AliKmsKey) -> None:
        self._kms = kms
        self._lock = threading.Lock()
        self._failures = 0
        self._last_reason = ""

    def ask(self, recipient: Recipient, key: object, context: bytes) -> KmsAnswer:
        """Ask which KMS key wrapped a data key.

        Args:
            recipient: Of a KMS key.
            key: The key of the ring that it names, of whatever kind; None for none.
            context: See `MasterKey.unwrap`.
        """
        if self._failures >= _MOST_FAILURES:
            return KmsAnswer(finding=UNASKED, reason=self._last_reason)
        kms = key if isinstance(key, AliKmsKey) else self._kms
        algorithm = spelling(kms, recipient.algorithm) or recipient.algorithm
        try:
            key_id = kms.wrapped_by(recipient.wrapped_key, algorithm=algorithm, context=context)
        except (SecurityError, MasterKeyError) as error:  # an answer
            self._failures = 0
            return KmsAnswer(finding="kms", reason=shortened(error.message))
        except CipherbucketError as error:
            reason = shortened(error.message)
            with self._lock:
                self._failures, self._last_reason = self._failures + 1, reason
            return KmsAnswer(finding=UNASKED, reason=reason)
        self._failures = 0
        return KmsAnswer(shortened(key_id))
