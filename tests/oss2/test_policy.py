"""Where the layer is stricter than oss2, or warns where oss2 keeps silent."""

from __future__ import annotations

import base64
import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tests.oss2.scene import Scene, key_pair
from tests.oss2.script_objects import DATA
from tests.support.counts import count

import cipherbucket as cb

IV = bytes(range(16))
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()


def warned(deed: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        deed()
    return [str(each.message) for each in told if each.category is cb.CipherbucketWarning]


def test_plaintext_is_refused_unless_the_policy_accepts_it(layer: Scene) -> None:
    layer.store().put("plain", DATA)
    bucket = layer.bucket()
    with pytest.raises(layer.part("exceptions").InconsistentError):
        bucket.get_object("plain")
    with pytest.raises(layer.part("exceptions").InconsistentError):
        bucket.get_object_with_url(bucket.sign_url("GET", "plain", 60))
    path = layer.folder / "back"
    with pytest.raises(layer.part("exceptions").InconsistentError):
        layer.module.resumable_download(bucket, "plain", str(path), multiget_threshold=1)
    assert not path.exists()
    lenient = layer.bucket(policy=cb.Policy(plaintext=True))
    assert lenient.get_object("plain").read() == DATA
    assert lenient.get_object("plain", byte_range=(5, 100)).read() == DATA[5:101]
    assert bucket.head_object("plain").content_length == len(DATA)


def test_an_object_whose_iv_is_random_is_read(layer: Scene) -> None:
    """The SDK for C++ v2 writes such, and ``{}`` where there is no description."""
    key = cb.RsaKey.from_pem(key_pair()["private_key"])
    cipher = Cipher(algorithms.AES256(bytes(32)), modes.CTR(bytes(range(16)))).encryptor()
    algorithm = key.algorithm_for("oss")
    wrapped = [key.wrap(each, algorithm=algorithm, context=b"") for each in (bytes(32), IV)]
    fields = {"key": wrapped[0], "start": wrapped[1]}
    metadata = {
        **{name: base64.b64encode(value).decode() for name, value in fields.items()},
        "cek-alg": "AES/CTR/NoPadding",
        "wrap-alg": algorithm,
        "matdesc": "{}",
    }
    named = {f"client-side-encryption-{name}": text for name, text in metadata.items()}
    layer.store().put("o", cipher.update(DATA), metadata=named)
    bucket = layer.bucket()
    assert bucket.get_object("o").read() == DATA
    assert bucket.get_object("o", byte_range=(5, 100)).read() == DATA[5:101]
    bucket.get_object_to_file("o", str(layer.folder / "o"))
    assert (layer.folder / "o").read_bytes() == DATA
    provider = layer.rsa()
    assert provider.decrypt_encrypted_iv(wrapped[1]) == IV
    with pytest.raises(layer.part("exceptions").InconsistentError):
        layer.bucket(policy=cb.Policy(strict_iv=True)).get_object("o")
    with pytest.raises(layer.part("exceptions").ClientError):
        layer.bucket(layer.rsa(2)).get_object("o")


def test_what_was_not_wrapped_with_the_key_is_not_unwrapped_by_hand(layer: Scene) -> None:
    """Of random numbers one in 246 came back as a key, by its length alone."""
    provider, refused = layer.rsa(), layer.part("exceptions").ClientError
    for number in range(2, count(20_000, 200)):
        with pytest.raises(refused):
            provider.decrypt_encrypted_key(number.to_bytes(256, "big"))
        with pytest.raises(refused):
            provider.decrypt_encrypted_iv(number.to_bytes(256, "big"))


def test_content_md5_is_recorded_with_one_warning(layer: Scene) -> None:
    bucket = layer.bucket(layer.rsa(mat_desc={"desc": "md5"}))
    told = warned(lambda: bucket.put_object("o", DATA, headers={"Content-MD5": MD5}))
    assert len([text for text in told if "in the clear" in text]) == 1
    recorded = layer.metadata("o")["client-side-encryption-unencrypted-content-md5"]
    assert recorded == MD5


def test_a_content_md5_of_something_else_is_refused(layer: Scene) -> None:
    wrong = base64.b64encode(hashlib.md5(b"").digest()).decode()
    with pytest.raises(layer.part("exceptions").OssError):
        layer.bucket().put_object("o", DATA, headers={"Content-MD5": wrong})
    assert not layer.bucket().object_exists("o")


def test_a_pair_of_files_is_made_with_a_warning(layer: Scene) -> None:
    folder = layer.folder / "keys"
    provider = layer.part("crypto").LocalRsaProvider
    assert warned(lambda: provider(dir=str(folder)))
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes[".private_key.pem"] == 0o600
    assert not [text for text in warned(lambda: provider(dir=str(folder))) if "made" in text]


@pytest.mark.parametrize("missing", [".private_key.pem", ".public_key.pem"])
def test_nothing_is_written_where_one_file_is_missing(layer: Scene, missing: str) -> None:
    folder = layer.folder / "keys"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer.part("crypto").LocalRsaProvider(dir=str(folder))
    (folder / missing).unlink()
    before = contents(folder)
    with pytest.raises(layer.part("exceptions").ClientError):
        layer.part("crypto").LocalRsaProvider(dir=str(folder))
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
