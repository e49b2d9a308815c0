"""A program written for oss2, with its import changed, against an endpoint of its own.

Usage: python examples/oss2_program.py cmk.pem
"""

import sys
from pathlib import Path

from cipherbucket import oss2
from cipherbucket.oss2.crypto import RsaProvider
from cipherbucket.server import Endpoint

if len(sys.argv) < 2:
    sys.exit(__doc__)
provider = RsaProvider({"private_key": Path(sys.argv[1]).read_text()}, mat_desc={"desc": "new"})

with Endpoint(buckets=["examplebucket"]) as endpoint:
    auth = oss2.Auth(endpoint.access_key_id, endpoint.access_key_secret)
    bucket = oss2.CryptoBucket(auth, endpoint.url, "examplebucket", crypto_provider=provider)

    bucket.put_object("motto.txt", b"Hello OSS!", headers={"x-oss-meta-colour": "blue"})
    result = bucket.get_object("motto.txt", byte_range=(6, 9))  # both included, as in oss2
    print(result.status, result.content_length, result.read())

    for info in oss2.ObjectIterator(bucket):
        print(info.key, info.size)

    try:
        bucket.get_object("none")
    except oss2.exceptions.NoSuchKey as error:
        print(error.status, error.code)
