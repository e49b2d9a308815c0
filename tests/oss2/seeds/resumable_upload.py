# Adapted:
#   imports: oss2 -> cipherbucket.oss2
#   placeholders -> os.environ: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_BUCKET, OSS_ENDPOINT, RSA_PRIVATE_KEY, RSA_PUBLIC_KEY
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

key = 'motto.txt'
content = b'a' * 1024 * 1024 * 100
file_name_put = 'upload.txt'

# 将content的内容写入文件。
with open(file_name_put, 'wb') as fileobj:
    fileobj.write(content)

# 阿里云主账号AccessKey拥有所有API的访问权限，风险很高。强烈建议您创建并使用RAM账号进行API访问或日常运维，请登录RAM控制台创建RAM账号。
auth = oss2.Auth(os.environ['OSS_ACCESS_KEY_ID'], os.environ['OSS_ACCESS_KEY_SECRET'])

# 创建存储空间，使用用户自主管理（RSA）方式加密，此方式只支持文件整体上传下载操作。
# 如果您使用2.9.0及以上版本的SDK，不建议使用LocalRsaProvider初始化bucket。
# bucket = oss2.CryptoBucket(auth,'<yourEndpoint>', '<yourBucketName>', crypto_provider=LocalRsaProvider())

key_pair = {'private_key': os.environ['RSA_PRIVATE_KEY'], 'public_key': os.environ['RSA_PUBLIC_KEY']}

# 初始化bucket将upload_contexts_flag设置为True，调用upload_part接口不用传入加密分片上传上下文参数。
bucket = oss2.CryptoBucket(oss2.Auth(access_key_id, access_key_secret), endpoint, bucket_name,
                           crypto_provider=RsaProvider(key_pair))

# 此示例为了演示方便，将multipart_threshold的值设置为100*1024，实际使用过程中可以根据使用场景设置，默认值为10 MB。
# multipart_threshold表示文件超过这个阈值就是用分片上传方式上传问题，如果文件大小小于这个值，建议使用简单的put_object接口上传文件。
# part_size为使用分片上传时分片的大小，默认值为10 MB。
# num_threads为并发上传线程的个数，默认值为1。
oss2.resumable_upload(bucket, key, file_name_put, multipart_threshold=10 * 1024 * 1024, part_size=1024 * 1024, num_threads=3)
