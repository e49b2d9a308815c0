"""`CryptoBucket` under the module that oss2 keeps it in."""

from cipherbucket.oss2.api import CryptoBucket

__all__ = ["CryptoBucket"]
