"""Files of this machine: paths as they are given, who could have put what there, open folders.

Rule: what lies on the local disk is input where another user could have put it. Imports only
`cipherbucket.errors`. A check of who owns or can write something belongs in `ownership.py`; a way
to make, open or remove a file in a folder that others may change belongs in `folders.py`.
"""
