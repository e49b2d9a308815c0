"""What ``cp`` and ``sync`` do with files, folders and prefixes."""
