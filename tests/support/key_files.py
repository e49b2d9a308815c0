"""What tests of key files ask of them."""

import stat
from pathlib import Path

import pytest


def never() -> str:
    """Be a passphrase that nobody may ask for."""
    pytest.fail("the passphrase was asked for")


def mode_of(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)
