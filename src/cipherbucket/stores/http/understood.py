"""Answers that cannot be understood are errors of ours, whatever the service.

Rule: whoever reads an answer raises ValueError for what is wrong with it. What is shown of one is
cut and printable: it goes to logs and terminals.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cipherbucket.errors import CipherbucketError, StoreError
from cipherbucket.stores.http.client import Response
from cipherbucket.stores.http.xml import Element


@contextmanager
def understood(name: str | None = None) -> Iterator[None]:
    """Turn each ValueError that is none of ours into a StoreError."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, CipherbucketError):
            raise
        raise StoreError(
            f"the store's answer cannot be understood: {words(error)}",
            name=name,
            hint="something between here and the store may answer in its place; try again, or ask"
            " the store itself",
        ) from error


@contextmanager
def document_of(answer: Response, name: str | None) -> Iterator[Element]:
    """Read the document of an answer, which gives it up: it is large, and answers are kept.

    Raises:
        StoreError: Something in it cannot be understood.
    """
    document, answer.document = answer.document, None
    assert document is not None  # an operation that is answered by one
    with understood(name):
        yield document


def words(text: object) -> str:
    """Return the store's words, cut and printable."""
    return "".join(char if char.isprintable() else "?" for char in str(text or "")[:200])
