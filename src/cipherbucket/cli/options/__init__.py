"""Options that several commands share, parsed."""
