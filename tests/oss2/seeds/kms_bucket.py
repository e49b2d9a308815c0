# Adapted:
#   imports: oss2 -> cipherbucket.oss2
#   placeholders -> os.environ: KMS_KEY, KMS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_BUCKET, OSS_ENDPOINT
# mypy: ignore-errors

import os

from cipherbucket import oss2
from cipherbucket.oss2.crypto import AliKMSProvider

kms_provider=AliKMSProvider(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET'], os.environ['KMS_REGION'], os.environ['KMS_KEY'])
bucket = oss2.CryptoBucket(oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET']), os.environ['OSS_ENDPOINT'], os.environ['OSS_BUCKET'], crypto_provider = kms_provider)
