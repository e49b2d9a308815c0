"""`make bench`: what encryption costs, against peers in the same run.

CPU seconds and ratios are what to quote: the machine may be shared, wall time is only shown. Each
figure is the median of three runs. `--mib N` sets the file size (1,024 by default), and `--large
N` the size of the second memory reading (4,096).
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Cost, median, run
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cipherbucket import create_rsa_key_file
from cipherbucket.format.ctr import Ctr

RUNS = 3
BLOCK = 1 << 20
CIPHERBUCKET = str(Path(sys.executable).with_name("cipherbucket"))


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--large", type=int, default=4096)
    arguments = parser.parse_args()
    content_cipher()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        files(Path(folder), arguments.mib)
        memory(Path(folder), arguments.large)


def content_cipher() -> None:
    """Compare our counter mode with the bare primitive, interleaved, in CPU seconds."""
    print("\ncontent cipher, 2 GiB in blocks of 1 MiB, CPU s/GiB, best of 5 pairs")
    ours, bare, ratios = [], [], []
    for _ in range(5):
        bare.append(_rate_bare())
        ours.append(_rate_ours())
        ratios.append(bare[-1] / ours[-1])
    print(f"  cryptography, bare   {min(bare):6.3f}   {1.073 / min(bare):5.2f} GB/s")
    print(f"  format.ctr           {min(ours):6.3f}   {1.073 / min(ours):5.2f} GB/s")
    print(f"  ours / bare, speed   {sorted(ratios)[2]:6.3f}   (goal: 0.95 or more)")


def _rate_bare() -> float:
    buffer = memoryview(bytearray(BLOCK))
    context = Cipher(algorithms.AES256(bytes(32)), modes.CTR(bytes(16))).encryptor()
    begin = time.process_time()
    for _ in range(2048):
        context.update_into(buffer, buffer)
    return (time.process_time() - begin) / 2


def _rate_ours() -> float:
    buffer = memoryview(bytearray(BLOCK))
    stream = Ctr(bytes(32), bytes(16)).stream()
    begin = time.process_time()
    for _ in range(2048):
        stream.apply(buffer)
    return (time.process_time() - begin) / 2


def files(folder: Path, mib: int) -> None:
    """A file into a directory store and back, against tools that encrypt files."""
    plain = _make(folder / "plain", mib)
    run(["cp", str(plain), str(folder / "warm")])  # makes the machine touch enough memory
    (folder / "warm").unlink()
    key = folder / "cmk.pem"
    create_rsa_key_file(key, description={"desc": "bench"})
    store = f"file://{folder}/store"
    run([CIPHERBUCKET, "mb", store])
    print(f"\nfile of {mib:,} MiB there and back: CPU s, wall s, peak MiB (medians of {RUNS})")
    out, back = folder / "out", folder / "back"
    ours = [CIPHERBUCKET, "cp", "-q", "-k", str(key)]
    contestants = {
        "cp": (["cp", str(plain), str(out)], ["cp", str(out), str(back)]),
        "cipherbucket cp": (
            [*ours, str(plain), f"{store}/o"],
            [*ours, f"{store}/o", str(back)],
        ),
        "openssl enc aes-256-ctr": _openssl(folder, plain, out, back),
        "age": _age(folder, plain, out, back),
    }
    for name, pair in contestants.items():
        if pair is None or shutil.which(pair[0][0]) is None:
            print(f"  {name:24s} not installed")
            continue
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(RUNS):
            # Nothing is there before: each contestant begins with the same free pages.
            out.unlink(missing_ok=True)
            back.unlink(missing_ok=True)
            run([CIPHERBUCKET, "rm", "-f", f"{store}/o"])
            for way in (0, 1):
                costs[way].append(run(pair[way]))
        there, home = median(costs[0]), median(costs[1])
        print(
            f"  {name:24s} there {there.cpu:5.2f} {there.wall:6.2f} {there.peak:6.0f}"
            f"   back {home.cpu:5.2f} {home.wall:6.2f} {home.peak:6.0f}"
        )
        if name == "cipherbucket cp" and run(["cmp", str(plain), str(back)]):
            print(f"  {'':24s} (same bytes came back; goal: at most 1.3 CPU s per GiB each way)")


def _openssl(folder: Path, plain: Path, out: Path, back: Path) -> tuple[list[str], list[str]]:
    secret = folder / "openssl.key"
    secret.write_text("bench")
    common = ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-pass", f"file:{secret}"]
    return (
        [*common, "-in", str(plain), "-out", str(out)],
        [*common, "-d", "-in", str(out), "-out", str(back)],
    )


def _age(folder: Path, plain: Path, out: Path, back: Path) -> tuple[list[str], list[str]] | None:
    if shutil.which("age") is None:
        return None
    identity = folder / "age.key"
    run(["age-keygen", "-o", str(identity)])
    recipient = next(
        line.rpartition(" ")[2]
        for line in identity.read_text().splitlines()
        if line.startswith("# public key")
    )
    return (
        ["age", "-r", recipient, "-o", str(out), str(plain)],
        ["age", "-d", "-i", str(identity), "-o", str(back), str(out)],
    )


def memory(folder: Path, large: int) -> None:
    """Peak memory above the interpreter's, for a small and a large file."""
    bare = run([sys.executable, "-c", "pass"]).peak
    print(f"\npeak memory above the bare interpreter's {bare:.0f} MiB (goal: under 60, flat)")
    store, key = f"file://{folder}/store", str(folder / "cmk.pem")
    for mib in (64, large):
        plain = _make(folder / "plain", mib)
        command = [CIPHERBUCKET, "cp", "-q", "-k", key]
        there = run([*command, str(plain), f"{store}/o"]).peak - bare
        home = run([*command, f"{store}/o", str(folder / "back")]).peak - bare
        print(f"  {mib:6,} MiB   there {there:5.0f} MiB   back {home:5.0f} MiB")


def _make(path: Path, mib: int) -> Path:
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(block)
    return path


if __name__ == "__main__":
    main()
