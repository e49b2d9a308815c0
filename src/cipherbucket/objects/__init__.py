"""Stored objects as a whole: listed, deleted, copied, renamed, given other metadata.

Rule: an envelope is carried along unchanged, or the object is sealed anew; it is never dropped.
Imports ``writing`` and everything before it. A verb on one stored object is a function here with
the `Access` of its bucket, and a method of `Bucket` that calls it.
"""
