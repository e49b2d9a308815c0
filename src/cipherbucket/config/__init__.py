"""``cipherbucket.toml``: stores, keys and rules by name."""
