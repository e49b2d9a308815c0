"""Encrypted objects as files of fsspec, for pandas, Arrow, DuckDB, Dask, Zarr and their like.

Rule: `spec.py` says what fsspec asks for and calls a verb of `Bucket`; `files.py` are the open
files; `places.py` finds the bucket of a path. Needs the extra ``fsspec``, and only this package
imports it. fsspec finds the protocol ``cipherbucket`` by the entry point in ``pyproject.toml``.
"""
