# Adapted:
#   imports: oss2 -> cipherbucket.oss2
#   placeholders -> os.environ: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, RSA_PRIVATE_KEY, RSA_PUBLIC_KEY
#   variables used but not set: access_key_id, access_key_secret, endpoint, bucket_name
#   its coding line
# mypy: ignore-errors

import os
from cipherbucket import oss2
from cipherbucket.oss2.crypto import RsaProvider

access_key_id = os.environ['OSS_ACCESS_KEY_ID']
access_key_secret = os.environ['OSS_ACCESS_KEY_SECRET']
endpoint = os.environ['OSS_ENDPOINT']
bucket_name = os.environ['OSS_BUCKET']

# 阿里云主账号AccessKey拥有所有API的访问权限，风险很高。强烈建议您创建并使用RAM账号进行API访问或日常运维，请登录RAM控制台创建RAM账号。
auth = oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET'])

key_pair = {'private_key': os.environ['RSA_PRIVATE_KEY'], 'public_key': os.environ['RSA_PUBLIC_KEY']}
bucket = oss2.CryptoBucket(oss2.Auth(access_key_id, access_key_secret), endpoint, bucket_name,
                           crypto_provider=RsaProvider(key_pair))
