"""A memory store that writes down what it was asked for."""

from cipherbucket.format.span import Span
from cipherbucket.stores.bodies import Opened
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.records import StoredObject

Asked = tuple[int, int | None, int | None]


class CountingStore(MemoryStore):
    """Remembers every range that was asked for, and how often an object was asked about.

    Attributes:
        gets: Start, length and tail of every get.
        heads: How many heads there were.
        sent: How many bytes the gets promised together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self.gets: list[Asked] = []
        self.heads = 0
        self.sent = 0

    def _get(self, name: str, span: Span, if_match: str | None, version_id: str | None) -> Opened:
        self.gets.append((span.start, span.length, span.tail))
        answer = super()._get(name, span, if_match, version_id)
        self.sent += answer[2] - answer[1]
        return answer

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        self.heads += 1
        return super()._head(name, version_id)
