"""Making key files: with a key that exists, and under a usual umask."""

import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.sdk_vectors import private_key

from cipherbucket.keys.encodings import PASSPHRASE_VARIABLE


@pytest.fixture(autouse=True)
def _usual_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take an RSA key that exists instead of drawing one, which is slow; and a usual umask."""
    monkeypatch.setattr(rsa, "generate_private_key", lambda **_: private_key("key1"))
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    before = os.umask(0o022)
    yield
    os.umask(before)
