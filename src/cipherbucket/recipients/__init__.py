"""Who can open a sealed object: ``cb.recipients.add(bucket, name, key)`` and its like.

Rule: recipients change by rewriting metadata whose MAC was found right; the body is not touched.
Functions over a `Bucket`, which is the last that they import. Another question or change that
concerns recipients is a function of `membership.py`, or of `passes.py` for many objects, exported
here.
"""

from cipherbucket.recipients.membership import add, footer, remove, repair
from cipherbucket.recipients.passes import add_all, remove_all, repair_all

__all__ = ["add", "add_all", "footer", "remove", "remove_all", "repair", "repair_all"]
