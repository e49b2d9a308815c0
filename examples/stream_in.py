"""Store what arrives piece by piece, of a length that nobody knows beforehand.

Usage: stream_in.py KEY_FILE STORE_URL
"""

import sys
from collections.abc import Iterator

import cipherbucket as cb

if len(sys.argv) != 3:
    sys.exit(__doc__)
key_file, store_url = sys.argv[1:]
bucket = cb.open_bucket(store_url, cb.load_key(key_file))


def readings() -> Iterator[bytes]:
    """Stand in for a sensor, a socket or a query."""
    for second in range(1000):
        yield f"{second},{second % 7}\n".encode()


info = bucket.put("readings.csv", readings(), content_type="text/csv")
print(info.size, "bytes")
with bucket.open("readings.csv") as file:
    print(file.readline())
