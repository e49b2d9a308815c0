"""Local endpoints of OSS and of KMS: real HTTP servers, without an account.

Rule: for development, tests and demonstrations. An endpoint verifies signatures, holds what the
services document, fails on request, and knows nothing of encryption by this library: it may import
errors, stores and CRC-64 only. See `Endpoint` and `KmsEndpoint`.

::

    both        local_endpoint -> listening     faults, identity, database, errors, xml, numbers
    OSS         endpoint -> http_api -> operations -> service -> catalog (SQLite), bodies (a store)
    KMS         kms

A further operation of OSS is a function in `cipherbucket.server.operations` and a row in
``http_api.routes``; a further action of KMS, a function and a row in ``kms.actions``; a further
fault, a kind in `faults`.
"""

from cipherbucket.errors import missing_extra

try:
    import uvicorn  # noqa: F401
except ImportError as error:
    raise missing_extra(f"the local endpoint needs {error.name}", "server") from error

from cipherbucket.server.endpoint import Endpoint, serve_forever
from cipherbucket.server.faults import FaultPlan
from cipherbucket.server.kms import KmsEndpoint

__all__ = ["Endpoint", "FaultPlan", "KmsEndpoint", "serve_forever"]
