"""Files to objects and back: in parallel, resumable."""
