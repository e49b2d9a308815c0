"""Who can open a sealed object: ``cb.recipients.add(bucket, name, key)`` and its like.

Rule: recipients change by rewriting metadata whose MAC was found right; the body is not touched.
Functions over a `Bucket`, which is the last that they import. Another question or change that
concerns recipients is a function of `membership.py`, exported here.
"""

from cipherbucket.recipients.membership import add, footer, remove, repair

__all__ = ["add", "footer", "remove", "repair"]
