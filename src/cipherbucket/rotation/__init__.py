"""Other master keys, and other data keys, for stored objects: ``cb.rotation.rewrap``."""

from cipherbucket.rotation.new_data_key import reencrypt
from cipherbucket.rotation.new_master_key import rewrap
from cipherbucket.rotation.passes import reencrypt_all, rewrap_all

__all__ = ["reencrypt", "reencrypt_all", "rewrap", "rewrap_all"]
