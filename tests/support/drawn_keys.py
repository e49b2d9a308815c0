"""RSA keys that are drawn once and come again in every test, and key files that are parsed once.

Drawing a key is slow, and so is parsing one, as OpenSSL tests its primes each time.
"""

from collections import Counter
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

draw_key = rsa.generate_private_key
"""Draws a new one, always: for what keeps its keys from one test to another."""


@cache
def _drawn(key_size: int, number: int) -> rsa.RSAPrivateKey:
    return draw_key(65537, key_size)


def draw_keys_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what draws RSA keys in this test get those of the tests before, in their order.

    All keys of a test differ, also from those of `draw_key` and of fixtures with a wider scope.
    """
    made = Counter[int]()

    def generate_private_key(
        public_exponent: int = 65537, key_size: int = 2048, **_: Any
    ) -> rsa.RSAPrivateKey:
        assert public_exponent == 65537
        made[key_size] += 1
        return _drawn(key_size, made[key_size])

    monkeypatch.setattr(rsa, "generate_private_key", generate_private_key)


_LOADING = {
    name: cache(getattr(serialization, name))  # what is refused is not kept
    for name in ("load_pem_private_key", "load_der_private_key")
}


def load_keys_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what loads a private key get the one that the same bytes gave before."""
    for name, load in _LOADING.items():
        monkeypatch.setattr(serialization, name, load)
