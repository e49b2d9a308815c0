"""How much a test does: quickly by default, in full under ``make soak``."""

import os


def count(full: int, quick: int) -> int:
    """Return ``full`` when the environment has CIPHERBUCKET_SOAK=1, else ``quick``."""
    return full if os.environ.get("CIPHERBUCKET_SOAK") == "1" else quick
