"""Client-side encryption for objects in object storage."""
