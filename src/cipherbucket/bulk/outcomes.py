"""What became of one object of a pass, as reports read it and as a ledger keeps it.

Rule: an object is known again by its validator (RFC 9110, section 8.8), so that what was written
down of it holds only for what it was written of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

FAILED = "failed"
"""The status of an object that is to be tried again by the next run."""
_MAX_SIZE = 2**63 - 1
"""Bytes that SQLite can write down; no object has so many, but a store can say so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object.

    Attributes:
        name: The object's name.
        status: A word of the pass's own; ``failed`` is tried again by the next run.
        size: Stored bytes.
        detail: What else is known, such as a reason; small, and fit for JSON.
        version_id: The version, where a pass is over versions.
        validator: `validator_of` what the work left; None where it changed nothing.
    """

    name: str
    status: str
    size: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    version_id: str | None = None
    validator: str | None = None


class Line(NamedTuple):
    """An outcome as the file has it, which is how it goes from one ledger into another."""

    name: bytes
    version_id: str
    validator: str
    status: str
    size: int
    detail: str


def validator_of(etag: str, modified: datetime | None) -> str:
    """Return by what an object is known again in a listing: its ETag and the second of its time."""
    return f"{etag} {modified.replace(microsecond=0).isoformat() if modified else ''}"


def line_of(outcome: Outcome) -> Line:
    """Return an outcome as the file has it."""
    return Line(
        key_of(outcome.name),
        outcome.version_id or "",
        outcome.validator or "",
        outcome.status,
        min(outcome.size, _MAX_SIZE),
        json.dumps(dict(outcome.detail)),
    )


def key_of(name: str) -> bytes:
    """Return a name as bytes; that of a file may be no text."""
    return name.encode(errors="surrogateescape")
