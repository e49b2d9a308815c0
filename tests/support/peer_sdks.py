"""The official Python SDKs, imported with only the warnings silenced that they are known for.

They are optional: a test that asks for one that is not installed is skipped.
"""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cipherbucket.server import Endpoint

REGION = "cn-hangzhou"

# Both SDKs leave connections of their pools, and of answers that were errors, to the collector.
FORGETFUL = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

# The SDKs for KMS bring or need libraries of 2018, and say UTC as was said then.
OLD_FASHIONED = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextmanager
def forgotten_sockets_collected() -> Iterator[None]:
    """Collect at the end what the SDKs forgot to close, so that no later test is blamed.

    The other ends of TLS connections are among it: a server that stops waits for no goodbye.
    """
    yield
    with warnings.catch_warnings():
        gc.disable()  # a collection before the filter stands would blame this line
        try:
            warnings.filterwarnings("ignore", "unclosed (<s|transport)", ResourceWarning)
        finally:
            gc.enable()
        gc.collect()


def import_oss2() -> Any:
    """Return the module ``oss2``."""
    with warnings.catch_warnings():
        # "invalid escape sequence" in docstrings, seen when the module is first compiled
        warnings.filterwarnings("ignore", category=DeprecationWarning, message="invalid escape")
        warnings.filterwarnings("ignore", category=SyntaxWarning, message="invalid escape")
        return pytest.importorskip("oss2")


def import_oss_v2() -> Any:
    """Return the module ``alibabacloud_oss_v2``."""
    return pytest.importorskip("alibabacloud_oss_v2")


def oss2_bucket(
    endpoint: Endpoint,
    bucket: str,
    *,
    v1: bool = False,
    crypto_provider: Any = None,
    **options: Any,
) -> Any:
    """Return an oss2 client of a bucket; with a provider the encrypting one."""
    oss2 = import_oss2()
    auth = (oss2.Auth if v1 else oss2.AuthV4)(endpoint.access_key_id, endpoint.access_key_secret)
    if crypto_provider is not None:
        return oss2.CryptoBucket(
            auth, endpoint.url, bucket, crypto_provider=crypto_provider, region=REGION, **options
        )
    return oss2.Bucket(auth, endpoint.url, bucket, region=REGION, **options)


def oss_v2_client(endpoint: Endpoint, *, v1: bool = False, **options: Any) -> Any:
    """Return an alibabacloud-oss-v2 client that tries once."""
    oss = import_oss_v2()
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        endpoint.access_key_id, endpoint.access_key_secret
    )
    config.endpoint, config.region = endpoint.url, REGION
    config.signature_version = "v1" if v1 else "v4"
    config.retry_max_attempts = 1
    for name, value in options.items():
        setattr(config, name, value)
    return oss.Client(config)
