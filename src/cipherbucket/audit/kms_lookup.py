"""Which KMS key wrapped a data key: the KMS is asked, where that is wanted.

Law: a KMS that fails takes nothing else away. What an object says of itself is told all the same,
and that the KMS could not be asked about it. After a hundred failures in a row it is asked no more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cipherbucket.audit.audited_object import UNASKED, cut
from cipherbucket.errors import CipherbucketError, MasterKeyError, SecurityError
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.ring import spelling

_IN_A_ROW = 100
"""So many failures one after another are no bad luck; each may have taken its retries' time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking.

    Attributes:
        key_id: The KMS key's id; "" where the KMS did not tell.
        finding: A code of `FINDINGS`; "" where it told.
        reason: Why it did not tell.
    """

    key_id: str = ""
    finding: str = ""
    reason: str = ""


class Asking:
    """Asks a KMS for the keys of envelopes; several threads at once may.

    Args:
        kms: Through these settings, where the ring has no key that an envelope names.
    """

    def __init__(self, kms: AliKmsKey) -> None:
        self._kms = kms
        self._lock = threading.Lock()
        self._row = 0
        self._last = ""

    def about(self, recipient: Recipient, key: object, context: bytes) -> Told:
        """Ask which KMS key wrapped a data key.

        Args:
            recipient: Of a KMS key.
            key: The key of the ring that it names, of whatever kind; None for none.
            context: See `MasterKey.unwrap`.
        """
        if self._row >= _IN_A_ROW:
            return Told(finding=UNASKED, reason=self._last)
        asked = key if isinstance(key, AliKmsKey) else self._kms
        spelled = spelling(asked, recipient.algorithm) or recipient.algorithm
        try:
            told = asked.wrapped_by(recipient.wrapped_key, algorithm=spelled, context=context)
        except (SecurityError, MasterKeyError) as error:  # an answer
            self._row = 0
            return Told(finding="kms", reason=cut(error.message))
        except CipherbucketError as error:
            reason = cut(error.message)
            with self._lock:
                self._row, self._last = self._row + 1, reason
            return Told(finding=UNASKED, reason=reason)
        self._row = 0
        return Told(cut(told))
