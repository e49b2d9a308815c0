"""``python -m cipherbucket``: the command line."""

from cipherbucket.cli import main

if __name__ == "__main__":
    main()
