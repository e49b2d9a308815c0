"""One object on its way out: unlocked, decrypted, as a stream, ranges or a file."""
