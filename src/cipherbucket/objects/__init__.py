"""Stored objects as a whole: copied, renamed, given other metadata."""
