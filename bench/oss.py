"""Client CPU seconds over loopback HTTP: ours, the same transport unencrypted, and the peers.

Every contestant puts and gets the same 256 MiB against the same minimal endpoint (another
process, not counted). Best of three rounds, contestants interleaved. The peers need
`make interop` to have installed them; without it their rows say so.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import cipherbucket as cb

CIPHERBUCKET = str(Path(sys.executable).with_name("cipherbucket"))
MIB = 256
SMALL = 300
ROUNDS = 3
Verbs = dict[str, Callable[[], object]]


def cpu() -> float:
    """Return this process's CPU seconds so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cost(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    begin = cpu()
    work()
    return cpu() - begin


@contextmanager
def endpoint(*certificate: str) -> Iterator[int]:
    """Run the minimal endpoint while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "bench.endpoint", str(port), *certificate])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


class Contest:
    """The objects and files that all contestants use."""

    def __init__(self, folder: Path, port: int) -> None:
        self.private = rsa.generate_private_key(65537, 2048)
        self.key = cb.RsaKey(self.private, description={"desc": "bench"})
        self.url = f"http://127.0.0.1:{port}"
        self.plain = folder / "plain"
        self.back = folder / "back"
        self.data = os.urandom(MIB << 20)
        self.plain.write_bytes(self.data)

    def settings(self, url: str, **how: Any) -> cb.OssSettings:
        """Point at the endpoint."""
        return cb.OssSettings(
            region="cn-hangzhou", endpoint=url, credentials=cb.Credentials("id", "secret"), **how
        )

    def pems(self) -> dict[str, str]:
        """Return the key as the peers take it."""
        private = self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
        )
        return {"private_key": private.decode(), "public_key": public.decode()}

    def ours(self, url: str | None = None, **how: Any) -> Verbs:
        """Encrypted, through a bucket."""
        settings = self.settings(url or self.url, **how)
        bucket = cb.open_bucket("oss://bench-bucket", self.key, settings=settings)
        small = bucket.put("small", b"x" * 1024)
        assert small.size == 1024
        return {
            "put file": lambda: bucket.put("ours", self.plain),
            "get file": lambda: bucket.download("ours", self.back),
            "get memory": lambda: bucket.get("ours").read(),
            "put 1 KiB": lambda: bucket.put("small", b"x" * 1024),
            "get 1 KiB": lambda: bucket.get("small").read(),
        }

    def unencrypted(self) -> Verbs:
        """Write and read the same way, over the same store, without a key."""
        store = cb.open_store("oss://bench-bucket", self.settings(self.url))
        policy = cb.Policy(plaintext=True)
        bucket = cb.Bucket(store, cb.KeyRing(), policy=policy)

        def put(name: str, size: int) -> None:
            with self.plain.open("rb", buffering=0) as file:
                store.put(name, _Blocks(file, size))

        put("plain-small", 1024)
        return {
            "put file": lambda: put("plain", MIB << 20),
            "get file": lambda: bucket.download("plain", self.back),
            "get memory": lambda: bucket.get("plain").read(),
            "put 1 KiB": lambda: put("plain-small", 1024),
            "get 1 KiB": lambda: bucket.get("plain-small").read(),
        }

    def oss2(self) -> Verbs:
        """Use `oss2.CryptoBucket`."""
        from oss2.crypto import RsaProvider  # noqa: PLC0415

        import oss2  # noqa: PLC0415

        bucket = oss2.CryptoBucket(
            oss2.Auth("id", "secret"),
            self.url,
            "bench-bucket",
            crypto_provider=RsaProvider(self.pems()),
            is_cname=True,
        )
        bucket.put_object("oss2-small", b"x" * 1024)
        return {
            "put file": lambda: bucket.put_object_from_file("oss2", str(self.plain)),
            "get file": lambda: bucket.get_object_to_file("oss2", str(self.back)),
            "get memory": lambda: bucket.get_object("oss2").read(),
            "put 1 KiB": lambda: bucket.put_object("oss2-small", b"x" * 1024),
            "get 1 KiB": lambda: bucket.get_object("oss2-small").read(),
        }

    def oss_v2(self) -> Verbs:
        """Use `alibabacloud_oss_v2.EncryptionClient`."""
        import alibabacloud_oss_v2 as sdk  # noqa: PLC0415
        from alibabacloud_oss_v2.crypto import MasterRsaCipher  # noqa: PLC0415

        config = sdk.config.load_default()
        config.credentials_provider = sdk.credentials.StaticCredentialsProvider("id", "secret")
        config.region, config.endpoint = "cn-hangzhou", self.url
        pems = self.pems()
        cipher = MasterRsaCipher(
            mat_desc={"desc": "bench"},
            public_key=pems["public_key"],
            private_key=pems["private_key"],
        )
        client = sdk.EncryptionClient(sdk.Client(config), cipher)

        def put(name: str, body: Any) -> None:
            client.put_object(sdk.PutObjectRequest(bucket="bench-bucket", key=name, body=body))

        def put_file() -> None:
            with self.plain.open("rb") as file:
                put("v2", file)

        def get(name: str) -> bytes:
            result = client.get_object(sdk.GetObjectRequest(bucket="bench-bucket", key=name))
            return bytes(result.body.read())

        def get_file() -> None:
            result = client.get_object(sdk.GetObjectRequest(bucket="bench-bucket", key="v2"))
            with self.back.open("wb") as file:
                for block in result.body.iter_bytes(block_size=1 << 20):
                    file.write(block)

        put("v2-small", b"x" * 1024)
        return {
            "put file": put_file,
            "get file": get_file,
            "get memory": lambda: get("v2"),
            "put 1 KiB": lambda: put("v2-small", b"x" * 1024),
            "get 1 KiB": lambda: get("v2-small"),
        }


class _Blocks:
    """A file as a body, in blocks of one reused buffer."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size = file, size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        buffer, left = memoryview(bytearray(min(1 << 20, self._size))), self._size
        while left:
            count = self._file.readinto(buffer[:left])
            left -= count
            yield buffer[:count]


GOALS = {
    "put file": "at most 1.1",
    "get file": "at most 1.25",
    "get memory": "at most 0.8",
    "put 1 KiB": "at most 0.8",
    "get 1 KiB": "at most 2.6",
}


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, endpoint() as port:
        contest = Contest(Path(folder), port)
        contestants: dict[str, Verbs | str] = {"cipherbucket": contest.ours()}
        contestants["same, unencrypted"] = contest.unencrypted()
        for name, make in (
            ("oss2 CryptoBucket", contest.oss2),
            ("oss-v2 EncryptionClient", contest.oss_v2),
        ):
            try:
                contestants[name] = make()
            except ImportError as error:
                contestants[name] = f"not installed: {error.name}"
        certificate = _certificate(Path(folder))
        with endpoint(*certificate) as tls_port:
            url = f"https://127.0.0.1:{tls_port}"
            contestants["cipherbucket, https"] = contest.ours(url, verify=False)
            table = _measured(contestants, contest.back)
        _print(contestants, table)
        # In a process of its own: a child's peak would count the memory of this one.
        subprocess.run([sys.executable, "-m", "bench.memory", contest.url, folder], check=True)


def _measured(contestants: dict[str, Verbs | str], back: Path) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS + 1):  # the first warms the machine's memory up; the best round counts
        for verb in GOALS:
            for name, verbs in contestants.items():
                if isinstance(verbs, str):
                    continue
                # Each begins with the pages of the file before it free again.
                back.unlink(missing_ok=True)
                figure = _figure(verb, verbs[verb])
                best[name, verb] = min(best.get((name, verb), figure), figure)
    return best


def _figure(verb: str, work: Callable[[], object]) -> float:
    """Return CPU seconds a GiB, or milliseconds a small object."""
    if "KiB" not in verb:
        return cost(work) * 1024 / MIB

    def often() -> None:
        for _ in range(SMALL):
            work()

    return cost(often) * 1000 / SMALL


def _print(contestants: dict[str, Verbs | str], table: dict[tuple[str, str], float]) -> None:
    print(f"\nloopback HTTP, {MIB} MiB: client CPU s/GiB; 1 KiB: client CPU ms; best of {ROUNDS}")
    print(f"  {'':24s}" + "".join(f"{verb:>12s}" for verb in GOALS))
    for name, verbs in contestants.items():
        if isinstance(verbs, str):
            print(f"  {name:24s}{verbs:>12s}")
        else:
            print(f"  {name:24s}" + "".join(f"{table[name, verb]:12.2f}" for verb in GOALS))
    print(f"  {'goal':24s}" + "".join(f"{goal:>12s}" for goal in GOALS.values()))


def _certificate(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "tls.crt"), str(folder / "tls.key")
    request = "openssl req -x509 -newkey rsa:2048 -subj /CN=127.0.0.1 -days 1 -nodes"
    command = [*request.split(), "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


if __name__ == "__main__":
    main()
