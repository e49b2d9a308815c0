"""Where a format and the keys meet: an envelope is sealed, opened, and accepted or not.

Rule: no bytes of a body pass here, and no request is made but to a KMS. Imports ``format``,
``keys``, and of ``stores`` the names of records. `access.py` holds the one value that a bucket's
verbs work with; another condition on what is read is a field of `policy.py`; what is checked of a
new kind of envelope goes into `seal.py` and `unseal.py`.
"""
