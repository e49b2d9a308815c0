"""Alibaba Cloud OSS as a store."""
