"""The commands, one file each, which holds a function of the command's name (``-`` as ``_``).

Rule: a command parses what it is given, calls the library and writes what came of it; it imports
the public API, and of this package all but another command. What several commands share stands in
``options``, ``copying`` or ``terminal``, or in a module beside these. A new command is a new file
here and a line in `cipherbucket.cli.COMMANDS`.
"""
