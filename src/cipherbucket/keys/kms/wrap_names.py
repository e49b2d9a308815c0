"""The wrap algorithms of KMS keys, by their names in envelopes; read without what calls a KMS."""

KMS = "KMS/ALICLOUD"
"""That of format ``oss``."""
V1_KMS = "kms"
"""That of format ``oss-v1``, which is read."""
SEALED_KMS = "ALIBABA-KMS"
"""That of format ``sealed``; its encryption context is made from the context."""
