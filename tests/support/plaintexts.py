"""Plaintexts in which no two neighbouring blocks are alike."""


def pattern(size: int) -> bytes:
    """Return so many bytes: 0 to 250, again and again."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]
