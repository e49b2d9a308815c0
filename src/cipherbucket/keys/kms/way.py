"""The way to a KMS, as settings and environment say it when a key is made.

Rule: what is given goes before the environment. Plain HTTP, in which data keys can be read, goes
past every proxy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cipherbucket.keys.kms.settings import KmsSettings
from cipherbucket.network import Proxies, bundle_of_environment, check_certificates


@dataclass(frozen=True)
class Way:
    """The way to a KMS.

    Attributes:
        proxy: The URL of the proxy on it, or None.
        ca_file: Certificates to trust beside the usual ones, or None.
    """

    proxy: str | None = field(repr=False)  # may hold a password
    ca_file: str | None


def way_to(settings: KmsSettings) -> Way:
    """Find the way to the KMS of some settings.

    Raises:
        UsageError: The proxy or the certificates cannot be used, or the settings lead nowhere.
    """
    if settings.protocol == "http":  # to this machine, and past every proxy: keys are in the clear
        return Way(None, None)
    proxy = Proxies(settings.proxy).to(f"https://{settings.host}")
    bundle = bundle_of_environment() if settings.verify else None
    if settings.ca_file is not None or bundle is None:
        return Way(proxy, settings.ca_file)
    named_by, path = bundle
    check_certificates(path, named_by)
    return Way(proxy, path)
