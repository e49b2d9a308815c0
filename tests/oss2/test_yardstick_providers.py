"""What the maintainers of oss2 check of providers, checked with tests of our own.

Their `tests/test_crypto.py` looks at: providers without a cipher; key files that are made, that are
none, and whose passphrase is wrong; what a provider draws and wraps, and that it opens it again;
that another key, another passphrase and other credentials open nothing; an answer of the KMS that
is none; the adapters that encrypt and decrypt. Another region is left out: the local KMS is the
same for all.

The interop tests run this class on oss2 itself, too.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import CMK, Scene, key_pair
from tests.oss2.test_yardstick_objects import locked_pair

FILES = (".private_key.pem", ".public_key.pem")


def local(layer: Scene, folder: Path, **options: Any) -> Any:
    """Return a `LocalRsaProvider`; that it warns of the keys it makes is tested elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return layer.part("crypto").LocalRsaProvider(dir=str(folder), **options)


class TestProviders:
    def test_no_cipher(self, layer: Scene) -> None:
        crypto, error = layer.part("crypto"), layer.part("exceptions").ClientError
        with pytest.raises(error):
            crypto.RsaProvider(key_pair(), cipher=None)
        with pytest.raises(error):
            crypto.LocalRsaProvider(dir=str(layer.folder), cipher=None)
        with pytest.raises(error):
            crypto.AliKMSProvider("id", "secret", "cn-hangzhou", "cmk", cipher=None)
        assert not list(layer.folder.glob("*.pem"))

    def test_key_files_are_made(self, layer: Scene) -> None:
        local(layer, layer.folder / "a", key="mine")
        assert sorted(path.name for path in (layer.folder / "a").iterdir()) == [
            f"mine{name}" for name in FILES
        ]
        names = {"pub_key_suffix": ".pub", "private_key_suffix": ".key"}
        local(layer, layer.folder / "b", **names)
        assert sorted(path.name for path in (layer.folder / "b").iterdir()) == [".key", ".pub"]

    def test_what_is_no_key(self, layer: Scene) -> None:
        error = layer.part("exceptions").ClientError
        for name in FILES:
            (layer.folder / name).write_text("nonsense")
        with pytest.raises(error):
            local(layer, layer.folder)
        with pytest.raises(error):
            layer.part("crypto").RsaProvider({"private_key": "nonsense", "public_key": "x"})

    def test_a_wrong_passphrase(self, layer: Scene) -> None:
        error, crypto = layer.part("exceptions").ClientError, layer.part("crypto")
        local(layer, layer.folder, passphrase="right")
        with pytest.raises(error):
            local(layer, layer.folder, passphrase="wrong")
        with pytest.raises(error):
            local(layer, layer.folder)
        pair = locked_pair("right")
        with pytest.raises(error):
            crypto.RsaProvider(pair, passphrase="wrong")
        crypto.RsaProvider(pair, passphrase="right")

    @pytest.mark.parametrize("kind", ["rsa", "local", "local locked"])
    def test_what_is_wrapped_is_opened(self, layer: Scene, kind: str) -> None:
        options = {"passphrase": "secret"} if kind == "local locked" else {}
        first, second = (
            layer.rsa(number)
            if kind == "rsa"
            else local(layer, layer.folder / str(number), **options)
            for number in (1, 2)
        )
        assert first.wrap_alg == (
            "RSA/NONE/PKCS1Padding" if kind == "rsa" else "RSA/NONE/OAEPWithSHA-1AndMGF1Padding"
        )
        assert first.cipher.alg == "AES/CTR/NoPadding"
        assert len(first.get_key()) == first.cipher.key_len == 32
        assert len(first.get_iv()) == 16
        material = first.create_content_material()
        assert not material.is_unencrypted()
        assert len(first.decrypt_encrypted_key(material.encrypted_key)) == 32
        assert len(first.decrypt_encrypted_iv(material.encrypted_iv)) == 16
        error = layer.part("exceptions").ClientError
        with pytest.raises(error):
            second.decrypt_encrypted_key(material.encrypted_key)
        with pytest.raises(error):
            second.decrypt_encrypted_iv(material.encrypted_iv)

    @pytest.mark.parametrize("kind", ["rsa", "local", "kms"])
    def test_the_adapters(self, layer: Scene, kind: str) -> None:
        provider = {
            "rsa": layer.rsa,
            "local": lambda: local(layer, layer.folder / "keys"),
            "kms": layer.ali_kms,
        }[kind]()
        content, seen = b"a" * 54_321, set()
        for _ in range(2):
            material = provider.create_content_material()
            key = provider.decrypt_encrypted_key(material.encrypted_key)
            iv = provider.decrypt_encrypted_iv(material.encrypted_iv)
            cipher = material.cipher
            encrypted = provider.make_encrypt_adapter(content, cipher).read()
            assert len(encrypted) == len(content)
            cipher.initialize(key, iv)
            assert provider.make_decrypt_adapter(encrypted, cipher).read() == content
            seen.add(encrypted)
        assert len(seen) == 2

    def test_a_key_in_the_kms(self, layer: Scene) -> None:
        provider = layer.ali_kms(passphrase="one")
        assert provider.wrap_alg == "KMS/ALICLOUD"
        plain, encrypted = provider.get_key()
        assert len(plain) == 32
        assert provider.decrypt_encrypted_key(encrypted) == plain
        # Why a key does not open something is not told here, whatever it is.
        error = layer.part("exceptions")
        refused = error.OpenApiServerError if layer.real else error.ClientError
        with pytest.raises(refused):
            layer.ali_kms(passphrase="two").decrypt_encrypted_key(encrypted)
        with pytest.raises(refused):
            provider.decrypt_encrypted_iv("nonsense")

    def test_wrong_credentials_of_the_kms(self, layer: Scene) -> None:
        right = (layer.kms.access_key_id, layer.kms.access_key_secret)
        _, encrypted = layer.ali_kms().get_key()
        for identity in (("nobody", right[1]), (right[0], "wrong")):
            provider = layer.part("crypto").AliKMSProvider(
                *identity, layer.kms.region, layer.kms.key_id(CMK)
            )
            if layer.real:
                provider.kms_client.add_endpoint(layer.kms.region, "Kms", layer.kms.address)
                provider.kms_client.set_verify(str(layer.kms.certificate))
            with pytest.raises(layer.part("exceptions").OpenApiServerError):
                provider.decrypt_encrypted_key(encrypted)
            with pytest.raises(layer.part("exceptions").OpenApiServerError):
                layer.bucket(provider).put_object("o", b"data")
        assert not layer.bucket().object_exists("o")
