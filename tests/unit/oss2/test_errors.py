"""What an error of the layer says: oss2's terms, in one traceback, of the program's own names."""

import ast
import importlib.util
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from tests.oss2.scene import LAYER, REAL, Scene, key_pair, scene
from tests.support.leaks import leaks, raised, words
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

import cipherbucket as cb
from cipherbucket import oss2
from cipherbucket.keys.encodings import PASSPHRASE_VARIABLE
from cipherbucket.oss2 import EncryptionMaterials, resumable_download, resumable_upload
from cipherbucket.oss2._cipher import AESCTRCipher
from cipherbucket.oss2._messages import _TERMS
from cipherbucket.oss2.crypto import AliKMSProvider, RsaProvider
from cipherbucket.oss2.exceptions import (
    ClientError,
    InconsistentError,
    NoSuchKey,
    OssError,
)

OURS = (
    "description={",
    "read with key=",
    "key= with",
    "the ring",
    "described as",
    "open with policy",
    "no description",
    "CIPHERBUCKET_PASSPHRASE",
    "OSS_ACCESS_KEY",
)
"""How the library's own layer calls what oss2 calls otherwise."""


def refused(kind: type[OssError], deed: Any) -> OssError:
    """Do what is refused; return the error, which is in oss2's words and in one traceback."""
    with pytest.raises(kind) as caught:
        deed()
    told = str(caught.value)
    assert not [words for words in OURS if words in told], told
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("Traceback (most recent call last)") == 1, shown
    return caught.value


def test_keys_are_called_as_in_oss2(layer: Scene) -> None:
    layer.bucket(layer.rsa(mat_desc={"desc": "1"})).put_object("o", b"x")
    for options in ({"mat_desc": {"desc": "2"}}, {}):
        other = layer.bucket(layer.rsa(2, **options))
        told = str(refused(ClientError, lambda other=other: other.get_object("o")))
        assert 'the object has mat_desc {"desc": "1"}' in told
        assert "add_encryption_materials(EncryptionMaterials(" in told
    wrong = layer.rsa(2, mat_desc={"desc": "1"})
    told = str(refused(ClientError, lambda: layer.bucket(wrong).get_object("o")))
    assert "mat_desc" in told


@pytest.mark.filterwarnings("ignore:key .*writes without a mat_desc")
def test_an_object_without_a_description_is_told_of(layer: Scene) -> None:
    layer.bucket().put_object("o", b"x")
    provider = layer.rsa(2, mat_desc={"desc": "2"})
    provider.add_encryption_materials(EncryptionMaterials({"desc": "3"}, key_pair(1)))
    told = str(refused(ClientError, lambda: layer.bucket(provider).get_object("o")))
    assert "mat_desc" in told


def test_plaintext_says_which_policy_reads_it(layer: Scene) -> None:
    layer.store().put("o", b"x")
    told = str(refused(InconsistentError, lambda: layer.bucket().get_object("o")))
    assert "CryptoBucket(..., policy=cipherbucket.Policy(plaintext=True))" in told


def test_a_missing_passphrase_is_the_providers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CIPHERBUCKET_PASSPHRASE", raising=False)
    key = serialization.load_pem_private_key(key_pair()["private_key"].encode(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    told = str(refused(ClientError, lambda: RsaProvider({"private_key": locked})))
    assert "give the provider passphrase=" in told


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    told = str(refused(ClientError, lambda: AliKMSProvider("id", "secret", "cn-hangzhou", "key")))
    assert "pip install 'alibabacloud-credentials>=1.0' 'alibabacloud-kms20160120>=3.3'" in told


def test_what_was_found_out_is_kept_behind_the_error(opened: Any) -> None:
    error = refused(NoSuchKey, lambda: opened.get_object("none"))
    assert isinstance(error.__context__, cb.ObjectNotFoundError)


def test_files_are_named_as_the_program_names_them(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    opened.put_object("o", b"x" * 300_000)
    for deed in (
        lambda: opened.put_object_from_file("o", "missing"),
        lambda: opened.put_object_from_file("o", Path("missing")),
        lambda: resumable_upload(opened, "o", "missing"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            deed()
        assert caught.value.filename == "missing"
    for deed in (
        lambda: opened.get_object_to_file("o", "no/target"),
        lambda: resumable_download(opened, "o", "no/target", multiget_threshold=1),
        lambda: resumable_download(opened, "o", "no/target"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            deed()
        assert (caught.value.filename, caught.value.filename2) == ("no/target", None)


@FORGETFUL
@OLD_FASHIONED
@pytest.mark.parametrize(
    ("option", "status", "code"),
    [
        ({"cmk": "alias/none"}, 404, "Forbidden.AliasNotFound"),
        ({"cmk": "00000000-0000-0000-0000-000000000000"}, 404, "Forbidden.KeyNotFound"),
        ({"secret": "another"}, 400, "InvalidAccessKeySecret"),
        ({"key_id": "another"}, 404, "InvalidAccessKeyId.NotFound"),
    ],
    ids=["alias", "key", "secret", "id"],
)
@pytest.mark.filterwarnings("ignore:key .*writes without a mat_desc")
def test_what_the_kms_refuses_is_what_oss2_says(
    option: dict[str, str],
    status: int,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (REAL, LAYER):
        with (
            scene(name, tmp_path, monkeypatch, tmp_path / "tls") as there,
            forgotten_sockets_collected(),
        ):
            bucket = there.bucket(there.ali_kms(**option))
            with pytest.raises(there.part("exceptions").OpenApiServerError) as caught:
                bucket.put_object("o", b"x")
            assert (caught.value.status, caught.value.code) == (status, code), name
            assert caught.value.request_id


def test_warnings_are_in_oss2s_words_and_point_at_the_program(layer: Scene, tmp_path: Path) -> None:
    bucket = layer.bucket(layer.rsa(2))
    (tmp_path / "file").write_bytes(b"x")
    with pytest.warns(cb.CipherbucketWarning, match="writes without a mat_desc") as caught:
        bucket.put_object_from_file("o", str(tmp_path / "file"))
    assert "give the provider mat_desc={...}" in str(caught[0].message)
    with pytest.warns(cb.CipherbucketWarning, match="Content-MD5") as told:
        bucket.put_object("o", b"", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert {each.filename for each in (*caught, *told)} == {__file__}


TOKEN = "CAIS-token"


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_what_was_signed_is_in_no_error(layer: Scene, version: str) -> None:
    auth = oss2.StsAuth(layer.oss.access_key_id, "wrong", TOKEN, version)
    bucket = oss2.CryptoBucket(
        auth,
        layer.oss.url,
        "examplebucket",
        crypto_provider=layer.rsa(0),
        region=layer.oss.region,
    )
    for call in (bucket.head_object, bucket.get_object):
        error = raised(partial(call, "o"))
        assert isinstance(error, OssError)
        assert error.code == "SignatureDoesNotMatch"
        assert TOKEN not in words(error)


def test_a_key_by_hand_that_has_another_length_is_in_no_frame() -> None:
    key = bytes(range(100, 124))
    assert not leaks(raised(lambda: AESCTRCipher().initialize(key, bytes(16))), key)


def test_every_phrase_of_the_table_is_one_of_the_librarys() -> None:
    said: list[str] = []
    package = Path(cb.__file__).parent
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in {"oss2", "cli", "server"}:
            said += map(_text, ast.walk(ast.parse(path.read_text("utf-8"))))
    assert len(_TERMS) > 20
    for ours, _ in _TERMS:
        phrase = ours.replace(PASSPHRASE_VARIABLE, "{}")
        of_any_service = phrase.replace("OSS_ENDPOINT", "{}")
        assert any(phrase in text or of_any_service in text for text in said), ours


def _text(node: ast.AST) -> str:
    """Return the text of a string, with what is put into it as ``{}``."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
