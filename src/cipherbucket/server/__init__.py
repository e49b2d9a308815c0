"""A local OSS endpoint: a real HTTP server over a folder or memory, without an account.

For development, tests and demonstrations; for those who encrypt nothing, too. It verifies
signatures, keeps versions, restores archives, polices client-side encryption headers and fails on
request. See `Endpoint`; the KMS that can stand beside it is `cipherbucket.server.kms`.

::

    HTTP      endpoint -> app -> routes          local, listening, hosts, faults, signature
    verbs     objects copying multipart listing histories properties buckets
    rules     policing signing ranges attributes versions errors xml
    state     service -> catalog (SQLite), bodies (one of our stores), streams
"""

from cipherbucket.errors import MissingExtraError

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"the local endpoint needs {error.name}",
        hint="pip install 'cipherbucket[server]'",
    ) from error

from cipherbucket.server.endpoint import Endpoint, serve_forever
from cipherbucket.server.faults import FaultPlan
from cipherbucket.server.kms import KmsEndpoint

__all__ = ["Endpoint", "FaultPlan", "KmsEndpoint", "serve_forever"]
