"""Read a few bytes of a large object, and write and open a zip archive inside the bucket.

Usage: range_reads.py KEY_FILE STORE_URL
"""

import sys
import zipfile

import cipherbucket as cb

if len(sys.argv) != 3:
    sys.exit(__doc__)
key_file, store_url = sys.argv[1:]
bucket = cb.open_bucket(store_url, cb.load_key(key_file))

with bucket.open("archive.zip", "wb") as target, zipfile.ZipFile(target, "w") as writing:
    writing.writestr("report.txt", "all is well")
    writing.writestr("data.bin", bytes(5_000_000))

with bucket.open("archive.zip") as file, zipfile.ZipFile(file) as reading:
    print(reading.read("report.txt").decode())

print(bucket.get("archive.zip", tail=22).read()[:4])
with bucket.open("archive.zip") as file:
    print([len(piece) for piece in file.read_ranges([(0, 4), (1_000_000, 4096), (30, 10)])])
