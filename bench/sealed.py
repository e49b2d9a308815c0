"""What authenticity costs: format sealed against format oss, in one run.

CPU seconds of the client and ratios are what to quote: the machine may be shared. Contestants are
interleaved, and a ratio is the median of those of the rounds. The endpoint is the minimal one of
`bench.endpoint`, in another process that is not counted; requests and bytes are what it answered.
"""

import json
import os
import random
import statistics
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.oss import MIB, Contest, cost, endpoint
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import cipherbucket as cb
from cipherbucket.format.footer import Seal
from cipherbucket.format.sealed import CHUNK, HEADER, TAG, Sealed

ROUNDS = 3
PAIRS = 5
BLOCK = 1 << 20
BLOCKS = 1024
STORED = BLOCK // CHUNK * (CHUNK + TAG)
READS = 500
PAGE = 4096
RANGE = 4 << 20
Verbs = Mapping[str, Callable[[], object]]
Rate = Callable[[], float]


def main() -> None:
    """Print all tables."""
    warnings.simplefilter("ignore")
    chunk_cipher()
    parent = os.environ.get("BENCH_DIR")
    with tempfile.TemporaryDirectory(dir=parent) as folder, endpoint() as port:
        contest = Contest(Path(folder), port)
        buckets = _buckets(contest)
        files(contest, buckets)
        pages(contest, buckets)


def chunk_cipher() -> None:
    """Compare our chunks with one call of AES-GCM for each MiB, and with another implementation."""
    print(f"\nchunk cipher, {BLOCKS:,} MiB in blocks of 1 MiB, CPU s/GiB, medians of {PAIRS}")
    ways: dict[str, dict[str, Rate]] = {
        "encrypt": {"AESGCM, 1 MiB at once": _gcm, "cobblestone": _stone, "ours": _ours},
        "decrypt": {
            "AESGCM, 1 MiB at once": _gcm_back,
            "cobblestone": _stone_back,
            "ours": _ours_back,
        },
    }
    for way, contestants in ways.items():
        rounds = [{name: rate() for name, rate in contestants.items()} for _ in range(PAIRS)]
        for name in contestants:
            figure = statistics.median(each[name] for each in rounds)
            speed = statistics.median(each[name] / each["ours"] for each in rounds)
            print(f"  {way}  {name:24s}{figure:7.3f}   our speed to this one's {speed:5.2f}")


def _timed(work: Callable[[int], object]) -> float:
    begin = time.process_time()
    for number in range(BLOCKS):
        work(number)
    return (time.process_time() - begin) * 1024 / BLOCKS


def _gcm() -> float:
    aead = AESGCM(bytes(32))
    plain, out = memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK + TAG))
    return _timed(lambda k: aead.encrypt_into(k.to_bytes(12, "big"), plain, None, out))


def _gcm_back() -> float:
    aead = AESGCM(bytes(32))
    stored, out = aead.encrypt(bytes(12), bytes(BLOCK), None), memoryview(bytearray(BLOCK))
    return _timed(lambda _: aead.decrypt_into(bytes(12), stored, None, out))


def _stone() -> float:
    encryptor = Cobblestone256Encryptor(bytes(32), b"")
    plain, out = memoryview(bytearray(BLOCK)), memoryview(bytearray(2 * BLOCK))
    return _timed(lambda _: encryptor.update_into(plain, out))


def _stone_back() -> float:
    encryptor = Cobblestone256Encryptor(bytes(32), b"")
    decryptor = Cobblestone256Decryptor(bytes(32), b"")
    plain, out = bytes(BLOCK), memoryview(bytearray(2 * BLOCK))
    spent = 0.0
    for _ in range(BLOCKS):
        stored = encryptor.update(plain)
        begin = time.process_time()
        decryptor.update_into(stored, out)
        spent += time.process_time() - begin
    return spent * 1024 / BLOCKS


def _cipher() -> Sealed:
    seal = Seal(0, 56, bytes(16), bytes(32), bytes(24), bytes(32))
    return Sealed(bytes(32), bytes(12), seal)


def _ours() -> float:
    cipher = _cipher()
    plain, out = memoryview(bytearray(BLOCK)), memoryview(bytearray(HEADER + STORED))
    return _timed(lambda k: cipher.encrypt(k * BLOCK, plain, out, last=False))


def _ours_back() -> float:
    cipher = _cipher()
    plain, stored = memoryview(bytearray(BLOCK)), memoryview(bytearray(HEADER + STORED))
    cipher.encrypt(0, plain, stored, last=False)
    return _timed(lambda _: cipher.decrypt(0, stored[HEADER:], plain))


def _buckets(contest: Contest) -> dict[str, Callable[[], cb.Bucket]]:
    """Return what opens a bucket anew, so that first requests are counted too."""
    aes = cb.AesKey(os.urandom(32), description={"desc": "bench"})
    keys: dict[str, tuple[str, cb.MasterKey]] = {
        "oss, RSA-2048": ("oss", contest.key),
        "sealed, RSA-2048": ("sealed", contest.key),
        "sealed, AES-256": ("sealed", aes),
    }

    def opened(kind: str, key: cb.MasterKey) -> cb.Bucket:
        settings = contest.settings(contest.url)
        return cb.open_bucket("oss://bench-bucket", key, format=kind, settings=settings)

    return {name: lambda how=how: opened(*how) for name, how in keys.items()}  # type: ignore[misc]


def files(contest: Contest, buckets: Mapping[str, Callable[[], cb.Bucket]]) -> None:
    """A file there and back, whole and in ranges."""
    rng = random.Random(14)
    starts = [rng.randrange((MIB << 20) - RANGE) for _ in range((MIB << 20) // RANGE)]

    def verbs_of(name: str, bucket: cb.Bucket) -> Verbs:
        return {
            "put file": lambda: bucket.put(name, contest.plain),
            "get file": lambda: bucket.download(name, contest.back),
            "get memory": lambda: bucket.get(name).read(),
            "ranges": lambda: [bucket.get(name, start=s, length=RANGE).read() for s in starts],
        }

    contestants = {name: verbs_of(name, opened()) for name, opened in buckets.items()}
    verbs = list(contestants["oss, RSA-2048"])
    table: dict[tuple[str, str], list[float]] = {}
    for number in range(ROUNDS + 1):  # the first warms the machine's memory up
        for verb in verbs:
            for name, each in contestants.items():
                # Each begins with as many pages free that the machine has touched before.
                contest.back.write_bytes(contest.data)
                contest.back.unlink()
                figure = cost(each[verb]) * 1024 / MIB
                if number:
                    table.setdefault((name, verb), []).append(figure)
    print(
        f"\nloopback HTTP, {MIB} MiB, ranges of {RANGE >> 20} MiB:"
        f" client CPU s/GiB, medians of {ROUNDS}"
    )
    print(f"  {'':24s}" + "".join(f"{verb:>12s}" for verb in verbs))
    for name in contestants:
        figures = (statistics.median(table[name, verb]) for verb in verbs)
        print(f"  {name:24s}" + "".join(f"{figure:12.2f}" for figure in figures))
    for name in list(contestants)[1:]:
        ratios = (_ratio(table[name, verb], table["oss, RSA-2048", verb]) for verb in verbs)
        print(f"  {name + ' / oss':24s}" + "".join(f"{ratio:12.2f}" for ratio in ratios))
    print(f"  {'goal':24s}" + f"{'<= 1.25':>12s}" * len(verbs))


def pages(contest: Contest, buckets: Mapping[str, Callable[[], cb.Bucket]]) -> None:
    """4 KiB at random, each a `get` of its own, the first of a new bucket among them."""
    print(f"\n{READS} reads of 4 KiB at random out of {MIB} MiB, medians of {ROUNDS}")
    print(f"  {'':24s}{'requests':>12s}{'bytes':>12s}{'CPU ms':>12s}   a read")
    told: dict[str, list[tuple[float, float, float]]] = {name: [] for name in buckets}
    for seed in range(ROUNDS):
        for name, opened in buckets.items():
            told[name].append(_pages_of(contest, name, opened(), random.Random(seed)))
    for name, rounds in told.items():
        requests, sent, spent = (
            statistics.median(figures) for figures in zip(*rounds, strict=True)
        )
        print(f"  {name:24s}{requests:12.2f}{sent:12,.0f}{spent:12.2f}")
    print(f"  {'goal':24s}{'1.00':>12s}")


def _pages_of(
    contest: Contest, name: str, bucket: cb.Bucket, rng: random.Random
) -> tuple[float, float, float]:
    """Return requests, bytes and CPU milliseconds of a read."""
    starts = [rng.randrange((MIB << 20) - PAGE) for _ in range(READS)]

    def read() -> None:
        for start in starts:
            assert (
                bucket.get(name, start=start, length=PAGE).read()
                == contest.data[start : start + PAGE]
            )

    before = _told(contest.url)
    spent = cost(read)
    after = _told(contest.url)
    requests = after["requests"] - before["requests"] - 1  # the first question's own answer
    sent = after["bytes"] - before["bytes"] - len(json.dumps(before))
    return requests / READS, sent / READS, spent * 1000 / READS


def _told(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/told") as answer:
        told: dict[str, int] = json.load(answer)
    return told


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
