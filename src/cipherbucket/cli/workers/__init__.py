"""Executors of the command line: processes of this machine, or a cluster of Dask."""
