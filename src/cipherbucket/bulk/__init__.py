"""Passes over many objects: a walk over a listing, the ledger that makes it resumable, its report.

Rule: one object's failure stops nothing and is written down; memory does not grow with the number
of objects; a pass that was interrupted resumes when it is run again with the same arguments.

Imports: everything up to ``bucket``. `walk.run_pass` runs any pass; ``verification`` is the
one that only reads, and ``places`` says with which bucket an object is worked on. The next pass is
a function that does the work on one object and returns an `Outcome`: in the package of its subject,
as ``rotation`` and ``audit`` are.
"""
