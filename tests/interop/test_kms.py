"""oss2's KMS objects are read and ours are read by oss2, with its own client of the KMS."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.interop.run import BUCKET
from tests.support.peer_sdks import (
    FORGETFUL,
    REGION,
    forgotten_sockets_collected,
    import_oss2,
    oss2_bucket,
)

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.server.kms import KmsEndpoint

pytestmark = [FORGETFUL, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
BODY = bytes(range(256)) * 400


@dataclass
class Clouds:
    """An OSS endpoint and a KMS endpoint, and clients of both."""

    oss: Endpoint
    kms: KmsEndpoint

    def ours(self, **options: Any) -> cb.Bucket:
        """Return a bucket of ours."""
        credentials = cb.Credentials(self.kms.access_key_id, self.kms.access_key_secret)
        settings = cb.KmsSettings(
            endpoint=self.kms.url, ca_file=str(self.kms.certificate), credentials=credentials
        )
        key = cb.AliKmsKey(self.kms.key_id("alias/one"), settings, **options)
        store = cb.open_store(
            f"oss://{BUCKET}",
            cb.OssSettings(
                region=REGION,
                endpoint=self.oss.url,
                credentials=cb.Credentials(self.oss.access_key_id, self.oss.access_key_secret),
            ),
        )
        return cb.Bucket(store, cb.KeyRing(key))

    def theirs(self, **options: Any) -> Any:
        """Return oss2's encrypting bucket."""
        import_oss2()
        from oss2.crypto import AliKMSProvider

        provider = AliKMSProvider(
            self.kms.access_key_id,
            self.kms.access_key_secret,
            REGION,
            self.kms.key_id("alias/one"),
            **options,
        )
        # Of this client alone: region_provider.modify_point would hold for the whole process.
        provider.kms_client.add_endpoint(REGION, "Kms", self.kms.address)
        return oss2_bucket(self.oss, BUCKET, crypto_provider=provider)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    import_oss2()
    folder: Path = tmp_path_factory.mktemp("tls")
    with (
        forgotten_sockets_collected(),
        Endpoint(buckets=[BUCKET]) as oss,
        KmsEndpoint(aliases=["alias/one"], tls=folder) as kms,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("ALIBABA_CLOUD_CA_BUNDLE", os.fspath(kms.certificate or ""))
        yield Clouds(oss, kms)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {"description": {}}),
        ({"mat_desc": {"desc": "one"}}, {"description": {"desc": "one"}}),
        ({"passphrase": "open sesame"}, {"description": {}, "passphrase": "open sesame"}),
        ({"passphrase": "grüße 密"}, {"description": {}, "passphrase": "grüße 密"}),
    ],
    ids=repr,
)
def test_objects_of_oss2_are_read_and_double_ones_are_read_by_it(
    clouds: Clouds, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    peer = clouds.theirs(**theirs)
    bucket = clouds.ours(**ours, blob="double")
    peer.put_object("from oss2", BODY)
    assert bucket.get("from oss2").read() == BODY
    assert bucket.get("from oss2", start=1000, length=77).read() == BODY[1000:1077]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cb.CipherbucketWarning)  # no description, as oss2
        bucket.put("for oss2", BODY)
    assert peer.get_object("for oss2").read() == BODY
    assert peer.get_object("for oss2", byte_range=(1000, 1076)).read() == BODY[1000:1077]


def test_oss2_does_not_read_single_ones(clouds: Clouds) -> None:
    oss2 = import_oss2()
    clouds.ours(description={"desc": "one"}).put("single", BODY)
    peer = clouds.theirs(mat_desc={"desc": "one"})
    with pytest.raises((oss2.exceptions.OpenApiServerError, oss2.exceptions.ClientError)):
        peer.get_object("single")
    assert clouds.ours(description={"desc": "one"}).get("single").read() == BODY
