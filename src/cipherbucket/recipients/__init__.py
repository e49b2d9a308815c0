"""Who can open a sealed object."""
