"""Replace a master key: new objects under the new one, old objects stay readable.

Usage: two_keys.py OLD_KEY_FILE NEW_KEY_FILE STORE_URL
"""

import sys

import cipherbucket as cb

if len(sys.argv) != 4:
    sys.exit(__doc__)
old_file, new_file, store_url = sys.argv[1:]
old, new = cb.load_key(old_file), cb.load_key(new_file)

cb.open_bucket(store_url, old).put("letter.txt", b"written under the old key")

# The first key writes, every key reads; each object names its key by the description.
bucket = cb.open_bucket(store_url, new, old)
bucket.put("reply.txt", b"written under the new key")
for entry in bucket.list():
    envelope = bucket.head(entry.name).envelope
    assert envelope is not None
    print(entry.name, envelope.recipients[0].description)

try:
    cb.open_bucket(store_url, new).get("letter.txt")
except cb.NoMatchingKeyError as error:
    print("without the old key:", error)
