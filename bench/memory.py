"""Peak memory of `cipherbucket cp` over HTTP, for a small and a large object.

Usage: python -m bench.memory ENDPOINT_URL FOLDER
"""

import os
import sys
from pathlib import Path

from bench.measure import run

import cipherbucket as cb

CIPHERBUCKET = str(Path(sys.executable).with_name("cipherbucket"))


def main() -> None:
    """Print a row for each size."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    cb.create_rsa_key_file(folder / "cmk.pem", description={"desc": "bench"})
    os.environ |= {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "secret"}
    where = ["--region", "cn-hangzhou", "--endpoint", url]
    program = [CIPHERBUCKET, *where, "cp", "-q", "-k", str(folder / "cmk.pem")]
    bare = run([sys.executable, "-c", "pass"]).peak
    print(f"\ncipherbucket cp over HTTP: peak MiB above the bare interpreter's {bare:.0f} MiB")
    block = os.urandom(1 << 20)
    for mib in (64, 1024):
        with (folder / "plain").open("wb") as file:
            for _ in range(mib):
                file.write(block)
        there = run([*program, str(folder / "plain"), "oss://bench-bucket/o"]).peak - bare
        back = run([*program, "oss://bench-bucket/o", str(folder / "back")]).peak - bare
        print(f"  {mib:6,} MiB   there {there:5.0f}   back {back:5.0f}")


if __name__ == "__main__":
    main()
