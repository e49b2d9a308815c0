"""Encrypted objects as files of fsspec, for pandas, Arrow, DuckDB, Dask, Zarr and their like.

Rule: `spec.py` says what fsspec asks for and calls a verb of `Bucket`; `listed.py` is the part that
only looks, `moves.py` what copies and deletes, `files.py` are the open files; `places.py` finds the
bucket of a path. Needs the extra ``fsspec``, and only this package
imports it. fsspec finds the protocol ``cipherbucket`` by the entry point in ``pyproject.toml``.
"""

from cipherbucket.errors import missing_extra

try:
    import fsspec  # noqa: F401  all modules here need it
except ImportError as error:
    raise missing_extra("fsspec is not installed", "fsspec") from error
