"""One endpoint in memory for a whole module, a bucket of its own for each test."""

from collections.abc import Iterator
from itertools import count

import pytest
from tests.support.wire_client import WireClient

from cipherbucket.server import Endpoint

_numbers = count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.fixture
def send(endpoint: Endpoint) -> WireClient:
    """Return a client of a new bucket."""
    client = WireClient(endpoint, f"bucket-{next(_numbers)}")
    assert client("PUT").status == 200
    return client
