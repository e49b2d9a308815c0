"""A resumable upload in a process of its own, which dies while parts are on their way.

Usage: python -m tests.oss2.killed_upload MODULE NAME FILE PART_SIZE BYTES, with the endpoint
and the keys in the environment. It dies as soon as it is told that so many bytes are there.
"""

import importlib
import os
import sys
import warnings


def main() -> None:
    warnings.simplefilter("ignore")
    where, name, file, part_size, enough = sys.argv[1:]
    oss2 = importlib.import_module(where)
    crypto = importlib.import_module(f"{where}.crypto")
    pair = {
        "private_key": os.environ["RSA_PRIVATE_KEY"],
        "public_key": os.environ["RSA_PUBLIC_KEY"],
    }
    auth = oss2.Auth(os.environ["OSS_ACCESS_KEY_ID"], os.environ["OSS_ACCESS_KEY_SECRET"])
    bucket = oss2.CryptoBucket(
        auth,
        os.environ["OSS_ENDPOINT"],
        os.environ["OSS_BUCKET"],
        crypto_provider=crypto.RsaProvider(pair),
    )

    def die(consumed: int, _: int) -> None:
        if consumed >= int(enough):
            os._exit(9)

    oss2.resumable_upload(
        bucket,
        name,
        file,
        multipart_threshold=1,
        part_size=int(part_size),
        progress_callback=die,
        num_threads=1,
    )


if __name__ == "__main__":
    main()
