"""Threads that stop together, progress of transfers, and a limit on bytes a second.

Rule: knows nothing of objects, keys or stores. Imports only `cipherbucket.errors`. Whatever runs in
several threads runs through `threads.run`; another way to report progress goes beside
`progress.py`.
"""
