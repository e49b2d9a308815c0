"""SDKs whose master key is in a KMS, among themselves and with us, against the KMS endpoint.

Two families carry the same name for the algorithm and cannot read each other: oss2 stores the text
of the ciphertext blob, the Go and Java SDKs its bytes.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.interop.peers import Client, Driver, Key, Peer, RefusedError
from tests.interop.run import Run
from tests.interop.test_seeds import GO_BODY, start
from tests.interop.toolchains import (
    GO_BIN,
    JAVA_KMS_LIB,
    java_command,
    python_command,
)

import cipherbucket as cb
from cipherbucket.server.kms import KmsEndpoint

ALIAS = "alias/interop"
OURS = "cipherbucket"
BODY = bytes(range(256)) * 300
PART = 102_400
PARTS = bytes(range(255)) * 900
DESCRIPTION = {"desc": "kms-1"}
PASSWORD = "changeit"
FAMILIES = {
    OURS: "single",
    "Go 1": "single",
    "Go 2": "single",
    "Java 1": "single",
    "oss2": "double",
}


@dataclass
class Clouds:
    """The KMS, the peers that know it, and a client of both clouds."""

    kms: KmsEndpoint
    peers: dict[str, Peer]
    client: Client

    def key(self, description: dict[str, str] | None) -> Client:
        """Return the client with the one key under a description."""
        key = Key("", "", description, kms=self.kms.key_id(ALIAS))
        return replace(self.client, keys=(key,))


@dataclass
class Ours:
    """This library with the key in the KMS, which it stores as the Go and Java SDKs do."""

    kms: KmsEndpoint

    def put(self, client: Client, name: str, data: bytes) -> None:
        with self.bucket(client) as bucket:
            bucket.put(name, data)

    def multipart(self, client: Client, name: str, data: bytes, part_size: int) -> None:
        with (
            self.bucket(client) as bucket,
            bucket.multipart(name, data_size=len(data), part_size=part_size) as upload,
        ):
            for number in range(1, upload.plan.count + 1):
                first, stop = upload.plan.offsets(number)
                upload.upload_part(number, data[first:stop])
            upload.complete()

    def get(self, client: Client, name: str, *, span: str = "", version: str = "") -> bytes:
        first, _, last = span.partition("-")
        length = int(last) - int(first) + 1 if last else None
        with self.bucket(client) as bucket:
            return bucket.get(name, start=int(first or 0), length=length).read()

    def bucket(self, client: Client) -> cb.Bucket:
        credentials = cb.Credentials(client.access_key_id, client.access_key_secret)
        (key,) = client.keys
        settings = cb.KmsSettings(
            endpoint=self.kms.url, ca_file=str(self.kms.certificate), credentials=credentials
        )
        return cb.open_bucket(
            f"oss://{client.bucket}",
            cb.AliKmsKey(key.kms, settings, description=key.description),
            settings=cb.OssSettings(
                region=client.region, endpoint=client.endpoint, credentials=credentials
            ),
        )


@pytest.fixture(scope="module")
def clouds(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    folder = tmp_path_factory.mktemp("kms")
    endpoint = KmsEndpoint(
        aliases=[ALIAS],
        tls=folder,
        access_key_id=run.client.access_key_id,
        access_key_secret=run.client.access_key_secret,
    )
    certificate = str(endpoint.certificate)
    drivers = {
        "oss2": Driver(
            python_command("oss2_driver"),
            folder,
            environment={"ALIBABA_CLOUD_CA_BUNDLE": certificate},
        ),
        "Go 1": Driver([str(GO_BIN / "sdk1")], folder, environment={"SSL_CERT_FILE": certificate}),
        "Go 2": Driver([str(GO_BIN / "sdk2")], folder, environment={"SSL_CERT_FILE": certificate}),
        "Java 1": Driver(
            java_command("JavaV1", *trusting(certificate, folder), libraries=JAVA_KMS_LIB), folder
        ),
    }
    with endpoint as kms:
        yield Clouds(kms, {OURS: Ours(kms), **drivers}, replace(run.client, kms=kms.address))
        for driver in drivers.values():
            driver.close()


def trusting(certificate: str, folder: Path) -> list[str]:
    """Return options of a JVM that trusts a certificate alone."""
    keytool = shutil.which("keytool")
    if keytool is None:
        return []
    store = folder / "trust.p12"
    command = [keytool, "-importcert", "-noprompt", "-alias", "kms", "-file", certificate]
    command += ["-keystore", str(store), "-storepass", PASSWORD]
    subprocess.run(command, check=True, capture_output=True)
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    ]


@pytest.mark.parametrize("writer", FAMILIES)
@pytest.mark.parametrize("reader", FAMILIES)
def test_peers_of_one_family_read_each_other(clouds: Clouds, writer: str, reader: str) -> None:
    need(*{writer, reader} - {OURS})
    client = clouds.key(DESCRIPTION)
    put, parts = f"kms/{writer}/put", f"kms/{writer}/parts"
    clouds.peers[writer].put(client, put, BODY)
    clouds.peers[writer].multipart(client, parts, PARTS, PART)
    reading = clouds.peers[reader]
    if reader == OURS or FAMILIES[writer] == FAMILIES[reader]:
        assert reading.get(client, put) == BODY
        assert reading.get(client, put, span="1001-2000") == BODY[1001:2001]
        assert reading.get(client, parts) == PARTS
        assert reading.get(client, parts, span="102395-102404") == PARTS[102395:102405]
    else:
        with pytest.raises(RefusedError):
            reading.get(client, put)


def test_the_go_program_of_the_documents(clouds: Clouds, run: Run) -> None:
    need("Go 1")
    name = "seeds/go/kms"
    printed = start(
        run,
        [str(GO_BIN / "kms")],
        run.first,
        OSS_OBJECT=name,
        KMS_REGION=clouds.kms.region,
        KMS_ENDPOINT=clouds.kms.address,
        KMS_KEY=clouds.kms.key_id(ALIAS),
        SSL_CERT_FILE=str(clouds.kms.certificate),
    )
    assert printed == f"data: {GO_BODY.decode()}\n"
    client = clouds.key({"desc": "<your kms encrypt key material describe information>"})
    assert clouds.peers[OURS].get(client, name) == GO_BODY
    assert clouds.peers["Go 1"].get(client, name) == GO_BODY


def test_a_disabled_key_is_refused_by_name(clouds: Clouds) -> None:
    need("oss2", "Go 1", "Go 2", "Java 1")
    from tests.support.kms_client import KmsClient

    call = KmsClient(clouds.kms)
    made = call("CreateKey")["KeyMetadata"]["KeyId"]
    client = replace(clouds.client, keys=(Key("", "", DESCRIPTION, kms=made),))
    call("DisableKey", KeyId=made)
    for name in ("oss2", "Go 1", "Go 2", "Java 1"):
        with pytest.raises(RefusedError, match=r"Rejected\.Disabled"):
            clouds.peers[name].put(client, f"kms/{name}/refused", BODY)
