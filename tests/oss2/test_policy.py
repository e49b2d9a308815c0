"""Where the layer is stricter than oss2, or warns where oss2 keeps silent."""

from __future__ import annotations

import base64
import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import Scene
from tests.oss2.script_objects import DATA

import cipherbucket as cb

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
