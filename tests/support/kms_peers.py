"""oss2's own key in a KMS, pointed to a local KMS endpoint."""

from typing import Any

from tests.support.peer_sdks import import_oss2

from cipherbucket.server.kms import KmsEndpoint


def ali_kms_provider(kms: KmsEndpoint, key: str, **options: Any) -> Any:
    """Return an ``AliKMSProvider``; it speaks https alone."""
    oss2 = import_oss2()
    provider = oss2.crypto.AliKMSProvider(
        kms.access_key_id, kms.access_key_secret, kms.region, key, **options
    )
    provider.kms_client.add_endpoint(kms.region, "Kms", kms.address)
    provider.kms_client.set_verify(str(kms.certificate))
    return provider
