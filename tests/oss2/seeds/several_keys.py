# Adapted:
#   imports: oss2 -> cipherbucket.oss2
#   placeholders -> os.environ: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_BUCKET, OSS_ENDPOINT, RSA_PRIVATE_KEY, RSA_PRIVATE_KEY_1, RSA_PUBLIC_KEY, RSA_PUBLIC_KEY_1
#   variables used but not set: private_key_str_2, public_key_str_2
#   its coding line
# mypy: ignore-errors

import os
from cipherbucket import oss2
from cipherbucket.oss2.crypto import RsaProvider

private_key_str_2 = os.environ['RSA_PRIVATE_KEY']
public_key_str_2 = os.environ['RSA_PUBLIC_KEY']

# 创建一个RSA密钥对。
key_pair_1 = {'private_key': os.environ['RSA_PRIVATE_KEY_1'], 'public_key': os.environ['RSA_PUBLIC_KEY_1']}
mat_desc_1 = {'key1': 'value1'}

# 创建另一个RSA密钥对。
key_pair_2 = {'private_key': os.environ['RSA_PRIVATE_KEY'], 'public_key': os.environ['RSA_PUBLIC_KEY']}
mat_desc_2 = {'key2': 'value2'}

# 将key_pair_1的描述信息添加到provider。
provider = RsaProvider(key_pair={'private_key': private_key_str_2, 'public_key': public_key_str_2}, mat_desc=mat_desc_2)
encryption_materials = oss2.EncryptionMaterials(mat_desc_1, key_pair=key_pair_1)
provider.add_encryption_materials(encryption_materials)

# 使用provider初始化crypto_bucket，这样可以使用crypto_bucket下载使用描述信息为mat_desc_1的主密钥加密的对象数据。
crypto_bucket = oss2.CryptoBucket(oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET']), os.environ['OSS_ENDPOINT'], os.environ['OSS_BUCKET'], crypto_provider=provider)
