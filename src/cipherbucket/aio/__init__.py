"""`AsyncBucket`: the verbs of `Bucket` for asyncio and trio, done in worker threads.

Rule: no thread waits for asynchronous code, so slow clients hold no threads and threads cannot wait
for each other. A cancelled call ends after its thread has: nothing goes on behind it.
`threads.py` does the calls, `verbs.py` makes verbs of those of `Bucket`, `bodies.py` reads what
comes asynchronously, `files.py` and `multipart.py` are what `bucket.py` opens. Needs the extra
``async``, and only this package imports it.
"""

from cipherbucket.errors import missing_extra

try:
    import anyio  # noqa: F401  all modules here need it
except ImportError as error:
    raise missing_extra("anyio is not installed", "async") from error

from cipherbucket.aio.bucket import AsyncBucket
from cipherbucket.aio.files import (
    AsyncObjectFile,
    AsyncObjectStream,
    AsyncObjectWriter,
    AsyncTextFile,
    AsyncTextWriter,
)
from cipherbucket.aio.multipart import AsyncMultipart

__all__ = [
    "AsyncBucket",
    "AsyncMultipart",
    "AsyncObjectFile",
    "AsyncObjectStream",
    "AsyncObjectWriter",
    "AsyncTextFile",
    "AsyncTextWriter",
]
