"""Passes over many objects: a walk, its ledger, and verification."""
