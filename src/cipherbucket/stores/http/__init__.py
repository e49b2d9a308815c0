"""HTTP for stores of any service: connections, answers, ranges, documents in XML.

Rule: it knows no service, and the server is hostile: what comes back is bounded in time and size,
and is checked. It imports urllib3, which is part of the extras ``oss`` and ``s3``.
"""

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection that does not come about is given up."""
READ_TIMEOUT = 60.0
"""Seconds that a store may be silent, or slower than 1 KiB a second."""
