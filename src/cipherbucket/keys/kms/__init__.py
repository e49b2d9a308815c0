"""Master keys held by Alibaba Cloud KMS."""
