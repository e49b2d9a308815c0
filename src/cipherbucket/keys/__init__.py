"""Master keys, which wrap data keys, and the ring that holds them."""
