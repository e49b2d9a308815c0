# Adapted:
#   imports: oss2 -> cipherbucket.oss2
#   placeholders -> os.environ: KMS_KEY, KMS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_BUCKET, OSS_ENDPOINT
#   damaged by printing: the indentation of two lines, after `for` and after `with`
#   its coding line
# mypy: ignore-errors

import os
from cipherbucket import oss2
from cipherbucket.oss2.crypto import RsaProvider
from cipherbucket.oss2.crypto import AliKMSProvider
# The AccessKey pair of an Alibaba Cloud account has permissions on all API operations. Using these credentials to perform operations in OSS is a high-risk operation. We recommend that you use a RAM user to call API operations or perform routine O&M. To create a RAM user, log on to the RAM console.
auth = oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET'])
kms_provider=AliKMSProvider(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET'], os.environ['KMS_REGION'], os.environ['KMS_KEY'])
bucket = oss2.CryptoBucket(oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET']), os.environ['OSS_ENDPOINT'], os.environ['OSS_BUCKET'], crypto_provider = kms_provider)
key = 'motto.txt'
content = b'a' * 1024 * 1024
filename = 'download.txt'
# Upload an object.
bucket.put_object(key, content, headers={'content-length': str(1024 * 1024)})
# Download the object from OSS to the local memory.
result = bucket.get_object(key)
# Verify the data consistency between the content of the downloaded object and that of the object before upload.
content_got = b''
for chunk in result:
    content_got += chunk
assert content_got == content
# Download the object from OSS to the local memory.
result = bucket.get_object_to_file(key, filename)
# Verify the data consistency between the content of the downloaded object and that of the object before upload.
with open(filename, 'rb') as fileobj:
    assert fileobj.read() == content
