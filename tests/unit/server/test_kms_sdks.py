"""The official Python SDKs for KMS against the KMS endpoint: three ways to sign, two protocols."""

import base64
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

from cipherbucket.server.kms import KmsEndpoint

pytestmark = [FORGETFUL, OLD_FASHIONED]
ALIAS = "alias/example"
TOKEN = "token+/="
CONTEXT = {"b": "2", "a": "é ~*/"}
TEXT = base64.b64encode(bytes(range(32))).decode()


def imported(name: str) -> Any:
    """Import a module of an SDK; on the first import they warn of themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        return pytest.importorskip(name)


@pytest.fixture(scope="module", params=["http", "https"])
def kms(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KmsEndpoint]:
    tls = tmp_path_factory.mktemp("tls") if request.param == "https" else None
    endpoint = KmsEndpoint(aliases=[ALIAS], tls=tls, security_token=TOKEN)
    with forgotten_sockets_collected(), endpoint as running:
        yield running
        sessions = imported("darabonba.core").DaraCore._sessions
        for session in sessions.values():
            session.close()
        sessions.clear()


class Core:
    """aliyun-python-sdk-core and -kms: the first generation, RPC."""

    def __init__(self, kms: KmsEndpoint, secret: str | None = None) -> None:
        client = imported("aliyunsdkcore.client")
        credentials = imported("aliyunsdkcore.auth.credentials")
        token = credentials.StsTokenCredential(
            kms.access_key_id, secret or kms.access_key_secret, TOKEN
        )
        self._client = client.AcsClient(
            region_id=kms.region,
            credential=token,
            verify=str(kms.certificate) if kms.certificate else None,
            auto_retry=False,
        )
        self._kms = kms

    def __call__(self, action: str, **parameters: str) -> Any:
        module = imported(f"aliyunsdkkms.request.v20160120.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint(self._kms.address)
        # These very strings: the SDK compares them by identity.
        request.set_protocol_type("https" if self._kms.certificate else "http")
        for name, value in parameters.items():
            getattr(request, f"set_{name}")(value)
        return json.loads(self._client.do_action_with_exception(request))


class Tea:
    """alibabacloud_kms20160120: the current SDK; RPC or ACS3."""

    def __init__(self, kms: KmsEndpoint, algorithm: str | None, secret: str | None = None) -> None:
        client = imported("alibabacloud_kms20160120.client")
        models = imported("alibabacloud_tea_openapi.utils_models")
        self._models = imported("alibabacloud_kms20160120.models")
        self._client = client.Client(
            models.Config(
                access_key_id=kms.access_key_id,
                access_key_secret=secret or kms.access_key_secret,
                security_token=TOKEN,
                region_id=kms.region,
                endpoint=kms.address,
                protocol=kms.url.partition(":")[0],
                ca=str(kms.certificate) if kms.certificate else None,
                signature_algorithm=algorithm,
            )
        )

    def __call__(self, action: str, **parameters: Any) -> Any:
        given = {
            name: json.loads(value) if name.endswith("Context") else value
            for name, value in parameters.items()
        }
        request = getattr(self._models, f"{action}Request")().from_map(given)
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in action)[1:]
        return getattr(self._client, snake)(request).body.to_map()


def sdk(name: str, kms: KmsEndpoint, secret: str | None = None) -> Any:
    if name == "core":
        return Core(kms, secret)
    return Tea(kms, "v2" if name == "tea-rpc" else None, secret)


NAMES = ("core", "tea-rpc", "tea-acs3")


@pytest.mark.parametrize("name", NAMES)
def test_every_action(kms: KmsEndpoint, name: str) -> None:
    call = sdk(name, kms)
    context = json.dumps(CONTEXT)
    key = call("CreateKey", Description="von Hand")["KeyMetadata"]["KeyId"]
    assert call("DescribeKey", KeyId=key)["KeyMetadata"]["Description"] == "von Hand"
    alias = f"alias/{key}"
    call("CreateAlias", AliasName=alias, KeyId=key)
    assert alias in {a["AliasName"] for a in call("ListAliases", PageSize=100)["Aliases"]["Alias"]}
    assert key in {k["KeyId"] for k in call("ListKeys", PageSize=100)["Keys"]["Key"]}
    blob = call("Encrypt", KeyId=alias, Plaintext=TEXT, EncryptionContext=context)["CiphertextBlob"]
    made = call("Decrypt", CiphertextBlob=blob, EncryptionContext=context)
    assert (made["Plaintext"], made["KeyId"]) == (TEXT, key)
    data = call("GenerateDataKey", KeyId=key, KeySpec="AES_256", NumberOfBytes=32)
    again = call("ReEncrypt", CiphertextBlob=data["CiphertextBlob"], DestinationKeyId=ALIAS)
    assert again["KeyId"] == kms.key_id(ALIAS)
    got = call("Decrypt", CiphertextBlob=again["CiphertextBlob"])
    assert got["Plaintext"] == data["Plaintext"]
    hidden = call("GenerateDataKeyWithoutPlaintext", KeyId=key, KeySpec="AES_128")
    got = call("Decrypt", CiphertextBlob=hidden["CiphertextBlob"])
    assert len(base64.b64decode(got["Plaintext"])) == 16
    call("DisableKey", KeyId=key)
    assert code_of(lambda: call("GenerateDataKey", KeyId=key)) == "Rejected.Disabled"
    call("EnableKey", KeyId=key)
    assert call("GenerateDataKey", KeyId=key)["KeyId"] == key


@pytest.mark.parametrize("name", NAMES)
def test_errors_arrive_with_their_codes(kms: KmsEndpoint, name: str) -> None:
    call = sdk(name, kms)
    assert code_of(lambda: call("DescribeKey", KeyId="nothing")) == "Forbidden.KeyNotFound"
    assert code_of(lambda: call("Decrypt", CiphertextBlob="eA==")) == "InvalidParameter"
    wrong = sdk(name, kms, "wrong")
    # The first generation compares what was signed and finds that it must be the secret.
    expected = "InvalidAccessKeySecret" if name == "core" else "SignatureDoesNotMatch"
    assert code_of(lambda: wrong("DescribeKey", KeyId=ALIAS)) == expected


def code_of(calling: Any) -> str:
    """Return the code of the error that an SDK raises."""
    with pytest.raises(Exception) as caught:  # each SDK has its own
        calling()
    error: Any = caught.value
    return str(error.get_error_code() if hasattr(error, "get_error_code") else error.code)


def test_oss2_writes_and_reads_with_its_kms_provider(tmp_path: Path) -> None:
    from tests.support.kms_peers import ali_kms_provider
    from tests.support.peer_sdks import oss2_bucket

    from cipherbucket.server import Endpoint

    with (
        forgotten_sockets_collected(),
        Endpoint(buckets=["bucket"]) as endpoint,
        KmsEndpoint(aliases=[ALIAS], tls=tmp_path) as kms,
    ):
        for passphrase in (None, "open sesame"):
            provider = ali_kms_provider(kms, ALIAS, passphrase=passphrase)
            bucket = oss2_bucket(endpoint, "bucket", crypto_provider=provider)
            bucket.put_object("k", b"plaintext" * 1000)
            assert bucket.get_object("k").read() == b"plaintext" * 1000
        other = ali_kms_provider(kms, ALIAS, passphrase="other")
        bucket = oss2_bucket(endpoint, "bucket", crypto_provider=other)
        with pytest.raises(Exception, match="InvalidParameter"):
            bucket.get_object("k")
