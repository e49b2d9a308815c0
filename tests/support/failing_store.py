"""A memory store that fails on request, the way a network does."""

from cipherbucket import MemoryStore, TransientStoreError
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.records import StoredObject
from cipherbucket.stores.requests import Condition, NewObject


class FailingStore(MemoryStore):
    """Breaks the first puts after some bytes, and keeps what arrived.

    Attributes:
        failures: How many more puts fail.
        after: After how many blocks of the body.
        resend: Iterate the body a second time before failing, as a client's own retry would.
        arrived: What each failing put had received.
    """

    def __init__(self, failures: int, *, after: int = 1, resend: bool = False) -> None:
        super().__init__()
        self.failures = failures
        self.after = after
        self.resend = resend
        self.arrived: list[bytes] = []

    def _put(self, new: NewObject, body: Outgoing, condition: Condition) -> StoredObject:
        if self.failures:
            self.failures -= 1
            received = b""
            for number, block in enumerate(body, 1):
                received += bytes(block)
                if number >= self.after:
                    break
            self.arrived.append(received)
            if not self.resend:
                raise TransientStoreError("the connection broke")
        return super()._put(new, body, condition)
