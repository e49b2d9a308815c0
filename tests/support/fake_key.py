"""A master key whose answers a test decides."""

from collections.abc import Mapping

from cipherbucket.errors import WrongKeyError
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope

ALGORITHM = "FAKE/ONE"


class FakeKey:
    """Unwraps to what it was told, as a wrong RSA key unwraps to anything at all.

    Attributes:
        wrapped: The secrets it was given to wrap.
        unwrapped: How often it was asked to unwrap.
    """

    id = "fake"
    algorithms = frozenset({ALGORITHM})

    def __init__(
        self,
        data_key: bytes,
        iv: bytes,
        *,
        description: Mapping[str, str] | None = None,
        refuses: bytes = b"",
    ) -> None:
        self.description = Description(description or {"desc": "fake"})
        self.wrapped: list[bytes] = []
        self.unwrapped = 0
        self._answers = {b"key": data_key, b"iv": iv}
        self._refuses = refuses

    def envelope(self) -> Envelope:
        """Return an envelope that this key opens, to what it was told."""
        return Envelope.compose(
            algorithm=ALGORITHM,
            wrapped_key=b"key",
            wrapped_iv=b"iv",
            description=self.description,
        )

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the protocol
        """Write every format."""
        return ALGORITHM

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Remember the secret."""
        self.wrapped.append(secret)
        return b"wrapped"

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        """Answer as told."""
        self.unwrapped += 1
        if wrapped == self._refuses:
            raise WrongKeyError("no")
        return self._answers[wrapped]


class KnowingKey(FakeKey):
    """Says of what it unwrapped, data key and IV, whether it was wrapped with it."""

    def __init__(
        self, data_key: bytes, iv: bytes, *, knows: tuple[bool | None, bool | None]
    ) -> None:
        super().__init__(data_key, iv)
        self._knows = dict(zip((b"key", b"iv"), knows, strict=True))

    def was_wrapped(self, wrapped: bytes, secret: bytes, *, algorithm: str) -> bool | None:
        """Answer as told."""
        return self._knows[wrapped]
