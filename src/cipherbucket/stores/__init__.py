"""Stores: where the bytes and metadata of objects live.

Rule: a store knows nothing of encryption. `base.Store` has the public verbs and all checks; a store
implements the methods that `methods.StoreMethods` lists, gets the values of `requests` and returns
those of `records`. It imports `errors`, `credentials` and `format` (sizes, ranges, CRC-64), never a
key.

A further store is a folder here, such as ``s3/``, with a class that has `Store` as its only base
and passes the tests of conformance; `urls` opens it by its scheme. What it takes from a library or
service stays in its folder.
"""
