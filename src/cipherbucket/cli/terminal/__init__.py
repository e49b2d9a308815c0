"""What is shown to people: help, progress, questions for passphrases, and reports as text.

Rule: nothing that comes from a store or a disk is written raw, but by `cipherbucket.text`; rich is
imported by ``bars`` and ``demo`` alone, when they show something. A report of a kind of its own is
a module here.
"""
