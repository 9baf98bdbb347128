"""Ends the demonstration's processes and removes its mailbox when the demonstration has gone, however it went.

A process of its own that outlives even `kill -9` of its parent. It reads what there is to end from its standard input,
one line each: `+GROUP` a process group was started, `-GROUP` it was ended, `rm FOLDER` a folder to remove. When the
input ends, because the parent closed it or is dead, whatever is left is ended: politely, then by force.
"""

import contextlib
import os
import shutil
import signal
import sys
import time


def main() -> None:
    """Read until the parent is gone, then end what is left."""
    groups: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        sign, value = line[0], line.strip()[1:]
        if sign == "+":
            groups.add(int(value))
        elif sign == "-":
            groups.discard(int(value))
        else:
            folders.add(line.strip().partition(" ")[2])
    for how, seconds in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0)):
        groups = {group for group in groups if _signalled(group, how)}
        until = time.monotonic() + seconds
        while groups and time.monotonic() < until:
            groups = {group for group in groups if _signalled(group, 0)}
            time.sleep(0.1)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _signalled(group: int, how: int) -> bool:
    """Signal a group, and say whether there still is one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)
        return True
    return False


if __name__ == "__main__":
    main()
