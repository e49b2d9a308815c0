"""A local KMS endpoint: Alibaba Cloud's KMS API 2016-01-20 with real keys, without an account.

For development and tests. It verifies the signatures of all generations of SDKs, encrypts with
AES-256-GCM under keys of its own and fails on request. See `KmsEndpoint`.

::

    HTTP      endpoint -> app                starlette and uvicorn, faults
    rules     signature signing errors answers
    actions   actions -> parameters
    keys      vault (SQLite) -> ciphertext   where the cryptography is
    https     certificate
"""

from cipherbucket.server.kms.endpoint import KmsEndpoint

__all__ = ["KmsEndpoint"]
