"""Options that several commands share: declared for click, parsed, and checked together.

Rule: one module a group of options, with a frozen value that holds them and a decorator that gives
a command the options as that value. Nothing is opened or shown here, except that keys and
``cipherbucket.toml`` are read. A new group is a new module; an option of one command stays there.
"""
