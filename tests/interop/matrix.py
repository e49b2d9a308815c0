"""What is tried between peers: the cases, and what each of them needs written.

Strategy: an object is written once by each writer and read by every reader. Writers sign with
V4, readers with V1, so that SDKs sign both ways.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

OURS = "cipherbucket"
WRITERS = (OURS, "oss2", "oss-v2", "Go 1", "Go 2", "Java 1")
READERS = (OURS, "oss2", "oss-v2", "Go 1", "Go 1 + manager", "Go 2", "Java 1")
V1_WRITERS: set[str] = set()
"""Writers that sign with V1 where the others sign with V4."""
TOOLCHAINS = {
    "oss2": "oss2",
    "oss-v2": "oss-v2",
    "Go 1": "go",
    "Go 1 + manager": "go",
    "Go 2": "go",
    "Java 1": "java",
    "bodies": "bodies",
    "versitygw": "go",
    "tools": "tools",
}

PART_SIZE = 102_400
DEFAULT = {"desc": "key-1"}
DESCRIPTIONS: dict[str, dict[str, str] | None] = {
    "none": None,
    "one entry": {"desc": "key-2"},
    "several entries": {"b": "2", "a": "1"},
    "special characters": {"z": "1", "e": "", "a": "a/b<c>&d"},
    "non-ASCII": {"desc": "clé-密钥", "note": 'say "hi"'},
}
"""By name. In "several entries" the order is not the sorted one."""

PUTS = "simple put"
PARTS = "multipart"
RANGES = "ranges"
ONLY_KEY = "descriptions"
SECOND_KEY = "two keys"
VERSIONS = "versions"
GROUPS = {
    PUTS: "Whole objects put at once, of 0, 1, 15, 16, 17 and 70,001 bytes; key and reader "
    'have the description `{"desc": "key-1"}`.',
    PARTS: f"Three parts, two of {PART_SIZE:,} bytes and one of 33.",
    RANGES: "Of the 70,001 bytes: aligned to 16, not aligned, from near the end to the end; of "
    "the three parts: across the border of two.",
    ONLY_KEY: "The only key has no description, one of one entry, of several entries in an order "
    'that is not the sorted one, with special characters (`/<>&"` and an empty value), or not '
    "in ASCII. The reader has the same key under the same description.",
    SECOND_KEY: "Two keys in one bucket: one object under the reader's first key, and one under "
    "its second for each of the descriptions above but none. The description alone tells which.",
    VERSIONS: "An object overwritten under the same key: the older version read by its id.",
}


@dataclass(frozen=True)
class Written:
    """An object as it is to be written."""

    size: int
    part_size: int = 0
    description: str = "default"
    second_key: bool = False
    overwritten: bool = False

    @property
    def name(self) -> str:
        """The object's name, without its writer."""
        key = "second" if self.second_key else "first"
        kind = "parts" if self.part_size else "overwritten" if self.overwritten else "put"
        return f"{kind}/{self.size}/{key}/{self.description.replace(' ', '-')}"

    def plaintext(self, generation: int = 1) -> bytes:
        """Make the plaintext from the name: SHA-256 of it and a counter, again and again."""
        seed = f"{self.name}:{generation}"
        blocks = range(-(-self.size // 32))
        pieces = (hashlib.sha256(f"{seed}:{block}".encode()).digest() for block in blocks)
        return b"".join(pieces)[: self.size]


@dataclass(frozen=True)
class Case:
    """One thing to read."""

    group: str
    label: str
    written: Written
    span: str = field(default="")

    @property
    def expected(self) -> bytes:
        """What the reader must get: the first generation, or the span of it."""
        data = self.written.plaintext()
        first, _, last = self.span.partition("-")
        return data[int(first or 0) : int(last) + 1 if last else len(data)]

    def __str__(self) -> str:
        return f"{self.group}: {self.label}"


_BIG = Written(70_001)
_PARTS = Written(2 * PART_SIZE + 33, PART_SIZE)

CASES = (
    *(Case(PUTS, f"{size:,} bytes", Written(size)) for size in (0, 1, 15, 16, 17, 70_001)),
    Case(PARTS, "three parts, the last odd", _PARTS),
    Case(RANGES, "aligned", _BIG, "16-47"),
    Case(RANGES, "unaligned", _BIG, "1001-2000"),
    Case(RANGES, "to the end", _BIG, "69990-"),
    Case(RANGES, "across parts", _PARTS, "102395-102404"),
    *(Case(ONLY_KEY, name, Written(17, description=name)) for name in DESCRIPTIONS),
    Case(SECOND_KEY, "first key", Written(17)),
    *(
        Case(SECOND_KEY, name, Written(17, description=name, second_key=True))
        for name, description in DESCRIPTIONS.items()
        if description
    ),
    Case(VERSIONS, "the older one", Written(1_000, overwritten=True)),
)
