"""Inventories of buckets: what OSS and S3 write once a day or week, in place of a listing.

Rule: an inventory is input. It names objects, and everything else it says is a hint that nobody
acts on. Nothing of a data file is used before its length and MD5 are those of the manifest, and no
more of it is in memory than some thousand lines.

Imports: everything up to ``bucket``. An object passes from ``data_file.py`` (fetched and compared)
through ``csv_lines.py`` or ``arrow_rows.py`` (its values) into ``rows.py``, which makes an `Entry`
of it; ``manifest.py`` says what there is to read, and ``inventory.py`` goes through it. Another
format of data files is a module beside ``csv_lines.py`` and a row of ``_READERS`` in
``inventory.py``.
"""

from cipherbucket.inventory.inventory import read_inventory

__all__ = ["read_inventory"]
