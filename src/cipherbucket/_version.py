"""The version, read by the build and by ``cipherbucket --version``."""

__version__ = "0.1.0"
