"""Other master keys and other data keys for stored objects: ``cb.rotation.rewrap(bucket, name)``.

Rule: an object has its old envelope until it has its new one, which was seen to open before; a pass
may be killed and run again at any moment. Functions over a `Bucket`; imports ``bulk`` and
everything before it. `new_master_key.py` wraps data keys anew, `new_data_key.py` encrypts anew,
`new_keys.py` says which new key an object gets, `passes.py` does either to all objects under a
prefix. `change_all.py` is the loop of every pass that changes objects, those of ``recipients`` too,
and `report.py` says what became of them.
"""

from cipherbucket.rotation.new_data_key import reencrypt
from cipherbucket.rotation.new_master_key import rewrap
from cipherbucket.rotation.passes import reencrypt_all, rewrap_all

__all__ = ["reencrypt", "reencrypt_all", "rewrap", "rewrap_all"]
