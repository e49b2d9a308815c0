"""Starts one command from a small process and writes what it took to a descriptor.

A process begins with the peak memory of the one that forked it, so a measuring program of some
size would hide the peaks of small commands. Usage: launch.py DESCRIPTOR COMMAND [ARGUMENT ...]
"""

import os
import sys
import time

descriptor, command = int(sys.argv[1]), sys.argv[2:]
begin = time.monotonic()
process = os.spawnvp(os.P_NOWAIT, command[0], command)
_, status, usage = os.wait4(process, 0)
wall = time.monotonic() - begin
cpu = usage.ru_utime + usage.ru_stime
code = os.waitstatus_to_exitcode(status)
os.write(descriptor, f"{cpu} {wall} {usage.ru_maxrss / 1024} {code}".encode())
