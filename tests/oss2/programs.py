"""Runs the programs of the documents and looks at what they left on the store.

Strategy: a program runs as a process of its own in an empty folder. One that only opens a bucket is
followed by a line that uses it, in the same process. What is on the store afterwards is read
without the layer: its bytes are no plaintext, its metadata is an envelope, and our own bucket
decrypts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.oss2.scene import CMK, Scene, key_pair, program_environment

import cipherbucket as cb

SEEDS = Path(__file__).parent / "seeds"
PROGRAMS = sorted(path.stem for path in SEEDS.glob("*.py"))
MEGABYTE = b"a" * 1024 * 1024
SECONDS = 300
_FOLLOWED = "import runpy, sys; exec(sys.argv[2], runpy.run_path(sys.argv[1]))"
# oss2 is told where its KMS is; it finds the certificate in the environment.
_POINTED = (
    "from aliyunsdkcore.profile import region_provider; "
    "import os; region_provider.modify_point('Kms', os.environ['KMS_REGION'], "
    "os.environ['KMS_ADDRESS']); "
)


def run(there: Scene, program: str, then: str = "") -> None:
    """Run a program, and a line after it that sees its names."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "CIPHERBUCKET_STATE": os.environ["CIPHERBUCKET_STATE"],
        **program_environment(there),
    }
    path, start = SEEDS / f"{program}.py", _FOLLOWED
    if there.real:
        text = path.read_text("utf-8")
        text = text.replace("from cipherbucket import oss2", "import oss2")
        text = text.replace("from cipherbucket.oss2", "from oss2")
        path, start = there.folder / f"{program}.py", _POINTED + _FOLLOWED
        path.write_text(text, "utf-8")
        environment |= {
            "KMS_ADDRESS": there.kms.address,
            "ALIBABA_CLOUD_CA_BUNDLE": str(there.kms.certificate),
        }
    result = subprocess.run(
        [sys.executable, "-c", start, str(path), then],
        cwd=there.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def ours(there: Scene, key: cb.MasterKey) -> cb.Bucket:
    """Return our own bucket of what a program wrote."""
    return cb.Bucket(there.store(), cb.KeyRing(key))


def rsa_key(number: int = 1, description: dict[str, str] | None = None) -> cb.RsaKey:
    """Return the key of a number as we have it."""
    pem = key_pair(number)["private_key"].encode()
    return cb.RsaKey.from_pem(pem, description=description or {})


def kms_key(there: Scene) -> cb.AliKmsKey:
    """Return the key in the KMS as we have it."""
    settings = cb.KmsSettings(
        credentials=cb.Credentials(there.kms.access_key_id, there.kms.access_key_secret),
        endpoint=there.kms.url,
        ca_file=str(there.kms.certificate) if there.kms.certificate else None,
    )
    return cb.AliKmsKey(there.kms.key_id(CMK), settings, description={})


def check_stored(there: Scene, name: str, plaintext: bytes, key: cb.MasterKey | None) -> None:
    """Look at an object: ciphertext, an envelope, and the plaintext for those who have the key."""
    stored = there.stored(name)
    assert len(stored) == len(plaintext)
    assert stored != plaintext
    assert b"aaaaaaaa" not in stored
    metadata = there.metadata(name)
    assert {f"client-side-encryption-{part}" for part in ("key", "start", "cek-alg")} <= set(
        metadata
    )
    if key is not None:
        with ours(there, key).get(name) as answer:
            assert answer.read() == plaintext


def check(there: Scene, program: str) -> None:
    """Run a program and look at what it did."""
    deed = _DEEDS.get(program)
    if deed is not None:
        deed(there)
        return
    run(there, program)
    key = None if program == "local_rsa" else kms_key(there)
    check_stored(there, "motto.txt", MEGABYTE, key)
    head = there.metadata("motto.txt")
    assert head["client-side-encryption-unencrypted-content-length"] == str(len(MEGABYTE))
    assert (there.folder / "download.txt").read_bytes() == MEGABYTE
    if program == "local_rsa":
        made = there.folder / ".oss-local-rsa"
        assert sorted(path.name for path in made.iterdir()) == [
            ".private_key.pem",
            ".public_key.pem",
        ]
        assert head["client-side-encryption-wrap-alg"] == ("RSA/NONE/OAEPWithSHA-1AndMGF1Padding")


def _rsa_bucket(there: Scene) -> None:
    run(there, "rsa_bucket", "bucket.put_object('probe', b'a' * 100)")
    check_stored(there, "probe", b"a" * 100, rsa_key())


def _kms_bucket(there: Scene) -> None:
    run(there, "kms_bucket", "bucket.put_object('probe', b'a' * 100)")
    check_stored(there, "probe", b"a" * 100, kms_key(there))


def _several_keys(there: Scene) -> None:
    old = rsa_key(2, {"key1": "value1"})
    ours(there, old).put("old", b"under the other key")
    then = (
        "assert crypto_bucket.get_object('old').read() == b'under the other key'\n"
        "crypto_bucket.put_object('new', b'a' * 100)"
    )
    run(there, "several_keys", then)
    check_stored(there, "new", b"a" * 100, rsa_key(1, {"key2": "value2"}))


def _multipart(there: Scene) -> None:
    run(there, "multipart")
    plaintext = b"".join(letter * 1024 * 100 for letter in (b"a", b"b", b"c"))
    check_stored(there, "test_crypto_multipart", plaintext, kms_key(there))
    head = there.metadata("test_crypto_multipart")
    assert head["client-side-encryption-data-size"] == str(len(plaintext))
    assert head["client-side-encryption-part-size"] == "102400"


def _resumable_upload(there: Scene) -> None:
    run(there, "resumable_upload")
    check_stored(there, "motto.txt", MEGABYTE * 100, rsa_key())
    assert there.metadata("motto.txt")["client-side-encryption-part-size"] == str(1024 * 1024)
    left = there.folder / ".py-oss-upload"
    assert not left.exists() or not list(left.iterdir())


def _resumable_download(there: Scene) -> None:
    # The program reads what another one wrote, under a key in the KMS.
    there.bucket(there.ali_kms()).put_object("motto.txt", MEGABYTE * 100)
    check_stored(there, "motto.txt", MEGABYTE * 100, None)
    run(there, "resumable_download")
    assert (there.folder / "download.txt").read_bytes() == MEGABYTE * 100


_DEEDS = {
    "rsa_bucket": _rsa_bucket,
    "kms_bucket": _kms_bucket,
    "several_keys": _several_keys,
    "multipart": _multipart,
    "resumable_upload": _resumable_upload,
    "resumable_download": _resumable_download,
}
