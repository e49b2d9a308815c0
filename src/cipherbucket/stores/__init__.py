"""Where bytes and metadata live. A store knows nothing of encryption."""
