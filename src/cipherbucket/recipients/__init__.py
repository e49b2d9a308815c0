"""Who can open a sealed object: ``cb.recipients.add(bucket, name, key)``."""

from cipherbucket.recipients.change import add, footer, remove, repair

__all__ = ["add", "footer", "remove", "repair"]
