"""What docs/keys.md says is run."""

import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.documents import ROOT, blocks

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint
from cipherbucket.server.kms.certificate import certificate_in

PAGE = ROOT / "docs" / "keys.md"


class Device:
    def __init__(self) -> None:
        self._cipher = AESGCM(secrets.token_bytes(32))

    def encrypt(self, slot: str, secret: bytes, context: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, secret, slot.encode() + context)

    def decrypt(self, slot: str, wrapped: bytes, context: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], slot.encode() + context)
        except InvalidTag:
            raise ValueError("no") from None


def test_the_key_of_ones_own_passes_the_kit_and_seals_objects() -> None:
    scope: dict[str, Any] = {"device": Device()}
    for block in blocks(PAGE, "python own"):
        exec(block, scope)
    scope["test_device_key"]()
    bucket = cb.Bucket(
        cb.MemoryStore(), cb.KeyRing(scope["DeviceKey"](Device(), "7")), format="sealed"
    )
    bucket.put("name", b"content")
    assert bucket.get("name").read() == b"content"


def test_the_kms_key_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, settings = blocks(PAGE, "python")
    with KmsEndpoint(aliases=["alias/example"]) as kms:
        for name, text in {
            "KMS_ENDPOINT": kms.url,
            "OSS_ACCESS_KEY_ID": kms.access_key_id,
            "OSS_ACCESS_KEY_SECRET": kms.access_key_secret,
        }.items():
            monkeypatch.setenv(name, text)
        exec(first, {})
    assert capsys.readouterr().out == "b'Hello OSS!'\n"
    monkeypatch.chdir(tmp_path)
    certificate_in(tmp_path, "localhost").certificate.rename(tmp_path / "kms-ca.pem")
    exec(settings, {"cb": cb})


def test_the_table_is_that_of_the_keys() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|", PAGE.read_text(), re.MULTILINE
    )
    keys: dict[str, cb.MasterKey] = {
        "AesKey": cb.AesKey(bytes(32)),
        "AliKmsKey": cb.AliKmsKey("key", cb.KmsSettings(region="cn-hangzhou")),
    }
    for name, written in rows:
        for format in ("oss", "sealed"):  # noqa: A001
            if name in keys and f"`{format}`" in written:
                assert keys[name].algorithm_for(format)
            elif name in keys:
                with pytest.raises(cb.MasterKeyError):
                    keys[name].algorithm_for(format)
    assert {name for name, _ in rows} >= set(keys)
