"""Threads that stop together, progress, and a limit on bytes a second."""
