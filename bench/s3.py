"""Client CPU and wall seconds on S3: ours, bare boto3 set as fast as it goes, and the peers.

Every contestant puts and gets the same bytes on versitygw over loopback HTTP (another process, not
counted). Best of three rounds, contestants interleaved. `make interop` installs rclone; the
encryption client of Amazon wants an older `cryptography` than we do, so it is installed beside it:
``pip install --no-deps amazon-s3-encryption-client-python``. Who is missing, is said to be.

Usage: python -m bench.s3 [VERSITYGW]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore.config import Config
from tests.interop import toolchains
from tests.support.s3_servers import S3Server, s3_settings, versitygw

import cipherbucket as cb
from cipherbucket.stores.s3.store import S3Store

MIB = int(os.environ.get("BENCH_MIB", "256"))
PART = 8 << 20
SMALL = 200
ROUNDS = 3
VERBS = ("put", "get", "put parts", "get memory", "put 1 KiB", "get 1 KiB", "64 KiB range")
Verbs = dict[str, Callable[[], object]]


def used() -> float:
    """Return the CPU seconds of this process and of those it waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


class Contest:
    """The objects and files that all contestants use."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.server, self.folder = server, folder
        self.plain, self.back = folder / "plain", folder / "back"
        with self.plain.open("wb") as file:
            for _ in range(MIB):
                file.write(os.urandom(1 << 20))
        self.middle = MIB << 19

    def ours(self, format_: str) -> Verbs:
        """Encrypted, through a bucket."""
        store = S3Store(self.server.make_bucket(), s3_settings(self.server))
        key = cb.AesKey(os.urandom(32), description={"desc": "bench"})
        if format_ == "oss":
            key_file = self.folder / "rsa"
            key = cb.create_rsa_key_file(key_file, description={"desc": "bench"})  # type: ignore[assignment]
        bucket = cb.Bucket(store, cb.KeyRing(key), format=format_)
        whole = {"threshold": MIB << 21}
        return {
            "put": lambda: bucket.upload(self.plain, "a", **whole),  # type: ignore[arg-type]
            "get": lambda: bucket.download("a", self.back, **whole),  # type: ignore[arg-type]
            "put parts": lambda: bucket.upload(self.plain, "b", part_size=PART, threshold=PART),
            "get memory": lambda: bucket.get("a").read(),
            "put 1 KiB": lambda: bucket.put("s", bytes(1024)),
            "get 1 KiB": lambda: bucket.get("s").read(),
            "64 KiB range": lambda: bucket.get("a", start=self.middle, length=1 << 16).read(),
        }

    def boto3(self) -> Verbs:
        """Use boto3 with its checksums and the signature of bodies off."""
        return self._of_client(self._client())

    def boto3_as_it_comes(self) -> Verbs:
        """Use boto3 as it is without settings."""
        return self._of_client(self.server.client)

    def amazon(self) -> Verbs:
        """Use the S3 Encryption Client for Python, its keys from a KMS that takes no time."""
        import s3_encryption  # noqa: PLC0415
        from s3_encryption.materials.kms_keyring import KmsKeyring  # noqa: PLC0415

        config = s3_encryption.S3EncryptionClientConfig(KmsKeyring(_Kms(), "key"))
        client = s3_encryption.S3EncryptionClient(self._client(), config)
        return self._of_client(client, says_last=True)

    def rclone(self) -> Verbs:
        """Use a crypt remote, a process for each verb; small objects in one go."""
        program = str(toolchains.tool("rclone"))
        if not Path(program).exists():
            raise ImportError(name="rclone")
        secret = subprocess.run(
            [program, "obscure", "a password"], capture_output=True, text=True, check=True
        )
        settings = {
            "GW_TYPE": "s3",
            "GW_PROVIDER": "Other",
            "GW_ENDPOINT": self.server.url,
            "GW_REGION": "us-east-1",
            "GW_ACCESS_KEY_ID": self.server.access_key_id,
            "GW_SECRET_ACCESS_KEY": self.server.access_key_secret,
            "C_TYPE": "crypt",
            "C_REMOTE": f"gw:{self.server.make_bucket()}",
            "C_PASSWORD": secret.stdout.strip(),
        }
        own = {f"RCLONE_CONFIG_{name}": text for name, text in settings.items()}
        environment = {**os.environ, **own, "RCLONE_CONFIG": os.devnull}
        small = self.folder / "small"
        small.mkdir()
        for number in range(SMALL):
            (small / str(number)).write_bytes(bytes(1024))

        def run(*command: object, cutoff: str = "5G") -> None:
            words = [program, *map(str, command), "--s3-upload-cutoff", cutoff, "--ignore-times"]
            subprocess.run(words, env=environment, check=True, capture_output=True)

        range_of = ("--offset", self.middle, "--count", 1 << 16)
        return {
            "put": lambda: run("copyto", self.plain, "c:a"),
            "get": lambda: run("copyto", "c:a", self.back),
            "put parts": lambda: run(
                "copyto", self.plain, "c:b", "--s3-chunk-size", "8M", cutoff="8M"
            ),
            f"{SMALL} x put 1 KiB": lambda: run("copy", small, "c:s"),
            f"{SMALL} x get 1 KiB": lambda: run("copy", "c:s", self.folder / "small-back"),
            "64 KiB range": lambda: run("cat", "c:a", *range_of),
        }

    def _client(self) -> Any:
        return botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.server.url,
            aws_access_key_id=self.server.access_key_id,
            aws_secret_access_key=self.server.access_key_secret,
            config=Config(
                s3={"payload_signing_enabled": False, "addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _of_client(self, client: Any, *, says_last: bool = False) -> Verbs:
        where = {"Bucket": self.server.make_bucket()}

        def put() -> None:
            with self.plain.open("rb") as file:
                client.put_object(**where, Key="a", Body=file)

        def get() -> None:
            body = client.get_object(**where, Key="a")["Body"]
            with self.back.open("wb") as file:
                while block := body.read(1 << 20):
                    file.write(block)

        def read(name: str, **how: str) -> object:
            return client.get_object(**where, Key=name, **how)["Body"].read()

        def parts() -> None:
            upload = {**where, "Key": "b"}
            upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
            made = []
            with self.plain.open("rb") as file:
                for number in range(1, (MIB << 20) // PART + 1):
                    end = {"IsLastPart": number == (MIB << 20) // PART} if says_last else {}
                    piece = client.upload_part(
                        **upload, **end, PartNumber=number, Body=file.read(PART)
                    )
                    made.append({"PartNumber": number, "ETag": piece["ETag"]})
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": made})

        first = self.middle
        wanted = {"Range": f"bytes={first}-{first + (1 << 16) - 1}"}
        return {
            "put": put,
            "get": get,
            "put parts": parts,
            "get memory": lambda: read("a"),
            "put 1 KiB": lambda: client.put_object(**where, Key="s", Body=bytes(1024)),
            "get 1 KiB": lambda: read("s"),
            "64 KiB range": lambda: read("a", **wanted),
        }


class _Kms:
    """A KMS in this process."""

    meta = SimpleNamespace(config=SimpleNamespace(user_agent_extra=""))

    def generate_data_key(self, **_: object) -> dict[str, bytes]:
        return {"CiphertextBlob": bytes(100), "Plaintext": bytes(32)}

    def decrypt(self, **_: object) -> dict[str, bytes]:
        return {"Plaintext": bytes(32)}


def measured(verb: str, work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall: seconds a GiB, or milliseconds a small object."""
    many = " x " in verb
    often = 1 if many or "KiB" not in verb else SMALL
    started, before = time.perf_counter(), used()
    for _ in range(often):
        work()
    figures = used() - before, time.perf_counter() - started
    scale = 1000 / (SMALL if many else often) if "KiB" in verb else 1024 / MIB
    return figures[0] * scale, figures[1] * scale


def main() -> None:
    """Print the table."""
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else toolchains.versitygw()
    base = os.environ.get("BENCH_DIR")
    with (
        tempfile.TemporaryDirectory(dir=base) as folder,
        versitygw(program, Path(folder)) as server,
    ):
        contest = Contest(Path(folder), server)
        contestants: dict[str, Verbs] = {}
        makers: dict[str, Callable[[], Verbs]] = {
            "boto3, set for speed": contest.boto3,
            "cipherbucket, sealed": lambda: contest.ours("sealed"),
            "cipherbucket, oss": lambda: contest.ours("oss"),
            "boto3 as it comes": contest.boto3_as_it_comes,
            "S3 Encryption Client": contest.amazon,
            "rclone crypt": contest.rclone,
        }
        for name, make in makers.items():
            try:
                contestants[name] = make()
            except ImportError as error:
                print(f"{name} is left out: {error.name} is not installed")
        _print(_rounds(contestants, contest.back), list(contestants))


def _rounds(contestants: dict[str, Verbs], back: Path) -> dict[tuple[str, str], str]:
    best: dict[tuple[str, str], tuple[float, float]] = {}
    told: dict[tuple[str, str], str] = {}
    for _ in range(ROUNDS):
        for verb in VERBS:
            for name, verbs in contestants.items():
                of_it = next((each for each in verbs if each.endswith(verb)), None)
                if of_it is None or (name, verb) in told:
                    continue
                back.unlink(missing_ok=True)
                try:
                    figures = measured(of_it, verbs[of_it])
                except Exception as error:  # noqa: BLE001  a peer that cannot do it
                    told[name, verb] = type(error).__name__
                    continue
                best[name, verb] = min(best.get((name, verb), figures), figures)
    return told | {at: f"{cpu:.2f} / {wall:.2f}" for at, (cpu, wall) in best.items()}


def _print(table: dict[tuple[str, str], str], names: list[str]) -> None:
    print(f"\nversitygw, {MIB} MiB: client CPU / wall s per GiB; KiB: ms; best of {ROUNDS}")
    print(f"| {'':22} |" + "".join(f" {verb:>15} |" for verb in VERBS))
    print("|---|" + "---|" * len(VERBS))
    for name in names:
        cells = (table.get((name, verb), "") for verb in VERBS)
        print(f"| {name:22} |" + "".join(f" {cell:>15} |" for cell in cells))
    print("goal of put and get: at most boto3, set for speed, + 0.4")


if __name__ == "__main__":
    main()
