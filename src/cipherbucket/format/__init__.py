"""Bytes and mappings in, bytes and mappings out: no socket, file, clock or thread."""
