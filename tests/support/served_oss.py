"""A local OSS endpoint, as programs are pointed at OSS: by the environment, or by settings."""

import cipherbucket as cb
from cipherbucket.server import Endpoint


def oss_environment(endpoint: Endpoint) -> dict[str, str]:
    """Point at the endpoint, as the README points at OSS."""
    return {
        "OSS_REGION": endpoint.region,
        "OSS_ENDPOINT": endpoint.url,
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
    }


def settings_of(endpoint: Endpoint) -> cb.OssSettings:
    """Point at the endpoint by settings."""
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    return cb.OssSettings(region=endpoint.region, endpoint=endpoint.url, credentials=credentials)
