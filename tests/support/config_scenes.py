"""Folders with a ``cipherbucket.toml``, its key files and its stores."""

from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import cipherbucket as cb

RULES = """
[stores.records]
url = "file://{folder}/records"

[stores.copies]
url = "file://{folder}/copies"

[stores.gone]
url = "file://{folder}/gone"

[keys.mine]
rsa = "mine.pem"

[keys.old]
rsa = "old.pem"
read_only = true

[keys.vault]
aes = "vault.key"

[keys.sdk]
rsa = "sdk.pem"
formats = ["oss"]

[[rules]]
at = "records"
write = "mine"

[[rules]]
at = "records/other"
write = "mine"
read = ["old"]

[[rules]]
at = "records/vault"
write = "vault"

[[rules]]
at = "records/sealed"
write = "mine"
format = "sealed"

[[rules]]
at = "copies"
write = "mine"
format = "sealed"
"""
"""Rules that differ in key, readers, format and limits; see `make_keys` for their keys."""


def write_config(folder: Path, text: str = RULES) -> Path:
    """Write the file, with the folder's path for ``{folder}``, and trust it, if it can be read."""
    path = folder / "cipherbucket.toml"
    path.write_text(text.replace("{folder}", str(folder)))
    path.chmod(0o644)
    with suppress(cb.UsageError):
        cb.load_config(path).trust()
    return path


def make_keys(folder: Path, *names: str, passphrases: dict[str, str] | None = None) -> None:
    """Make ``NAME.pem``, described by its name, for each name, and ``vault.key``."""
    for name in names:
        cb.create_rsa_key_file(
            folder / f"{name}.pem",
            description={"desc": name},
            bits=2048,
            passphrase=(passphrases or {}).get(name),
        )
    cb.create_aes_key_file(folder / "vault.key", description={"desc": "vault"})


def make_rules(folder: Path) -> None:
    """Write `RULES`, and make their keys and their stores."""
    make_keys(folder, "mine", "old", "sdk")
    write_config(folder)
    for name in ("records", "copies"):
        cb.make_bucket(f"file://{folder}/{name}")


def make_weak_key(path: Path) -> None:
    """Make the file of an RSA key that is too short to write."""
    weak = rsa.generate_private_key(65537, 1024)
    path.write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
