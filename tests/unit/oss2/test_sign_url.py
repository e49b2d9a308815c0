"""Presigned URLs: written as oss2 writes them, and good for what they name."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from tests.oss2.scene import BUCKET, LAYER, REAL, Scene, scene
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

NAMES = ("a/b", "a//b/", "a b/\u00e4+~?#%2F")


def bucket_of(there: Scene, version: str) -> Any:
    module = there.module
    auth = module.make_auth(there.oss.access_key_id, there.oss.access_key_secret, version)
    return module.CryptoBucket(
        auth, there.oss.url, BUCKET, crypto_provider=there.rsa(), region=there.oss.region
    )


def paths_of(bucket: Any) -> list[str]:
    """Sign URLs of the names, use them, and return their paths."""
    paths = []
    for name in NAMES:
        bucket.put_object(name, b"content")
        for safe in ({}, {"slash_safe": False}, {"slash_safe": True}):
            url = bucket.sign_url("GET", name, 60, **safe)
            paths.append(urlsplit(url).path)
            assert bucket.get_object_with_url(url).read() == b"content"
            with urlopen(url) as answer:
                assert len(answer.read()) == 7
    if hasattr(bucket, "close"):
        bucket.close()
    return paths


@FORGETFUL
@OLD_FASHIONED
@pytest.mark.filterwarnings("ignore:key .*writes without a mat_desc")
@pytest.mark.parametrize("version", ["v1", "v4"])
def test_slashes_of_a_name_are_escaped_unless_they_are_safe(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: dict[str, list[str]] = {}
    for module in (REAL, LAYER):
        with scene(module, tmp_path, monkeypatch) as there, forgotten_sockets_collected():
            paths[module] = paths_of(bucket_of(there, version))
    assert paths[LAYER] == paths[REAL]
    assert paths[LAYER][0].endswith("/a%2Fb")
