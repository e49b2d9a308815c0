"""Settings of the whole process, as oss2 has them: set here, they count from the next call on.

``connect_timeout`` counts for the buckets that are made after it was set, as in oss2.
``connection_pool_size`` has no effect: a bucket keeps as many connections as its threads need.
``max_part_count`` and ``min_part_size`` are facts of the service; setting them moves no limit.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

connect_timeout: float = 60
"""Seconds until a connection that does not come about, or falls silent, is given up."""

request_retries: int = 3
"""How often an iterator asks for a page that the service fails to give (5xx)."""

multipart_threshold: int = 10 * 1024 * 1024
"""`resumable_upload`: files of as many bytes or more go in parts."""

multipart_num_threads: int = 1
"""`resumable_upload`: parts at once."""

part_size: int = 10 * 1024 * 1024
"""`resumable_upload`: bytes of a part."""

max_part_count: int = 10000
"""Most parts of an upload."""

min_part_size: int = 100 * 1024
"""Fewest bytes of a part."""

connection_pool_size: int = 10
"""Without effect."""

multiget_threshold: int = 100 * 1024 * 1024
"""`resumable_download`: objects of as many bytes or more are fetched in ranges, in parallel."""

multiget_num_threads: int = 4
"""`resumable_download`: ranges at once."""

multiget_part_size: int = 10 * 1024 * 1024
"""`resumable_download`: bytes of a range."""


def get(value: T | None, default_value: U) -> T | U:
    """Return a value, or the default where there is none."""
    return default_value if value is None else value
