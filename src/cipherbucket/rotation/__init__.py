"""Other master keys and other data keys for stored objects."""
