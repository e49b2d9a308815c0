"""A local KMS endpoint: Alibaba Cloud's KMS API 2016-01-20 with real keys, without an account.

Rule: it verifies the signatures of all generations of SDKs, encrypts with AES-256-GCM under keys of
its own and fails on request. It may import what both endpoints share, nothing of OSS's. A further
action is a function and a row in `actions`. See `KmsEndpoint`.

::

    HTTP      endpoint -> app                uvicorn, faults
    rules     verification string_to_sign errors answers
    actions   actions -> parameters
    keys      key_database (SQLite) -> ciphertext, where the cryptography is
    https     certificate
"""

from cipherbucket.server.kms.endpoint import KmsEndpoint

__all__ = ["KmsEndpoint"]
