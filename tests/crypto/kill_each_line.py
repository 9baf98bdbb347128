"""`python -m tests.crypto.kill_each_line FOLDER`: kill a change of the root key's file at each line in turn, and look.

Run as a process of its own, since it forks: a child makes the change and dies, as by SIGKILL, at the n-th line that it
executes; then the parent opens what was wrapped before, and finishes the change. It says how many lines each has.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from identity_privacy.crypto.errors import WrongPlace
from identity_privacy.crypto.providers import local
from identity_privacy.crypto.providers.local import KeyFile, LocalRootKey

if TYPE_CHECKING:
    from _typeshed import TraceFunction

KILLED = 9
Change = Callable[[KeyFile], bool]


def main(folder: Path) -> None:
    """Each of the three changes of the file."""
    for number, (change, before) in enumerate(((KeyFile.create, 0), (KeyFile.add_newest, 1), (keep_newest, 2))):
        lines = 0
        while True:
            lines += 1
            file = KeyFile(folder / f"{number}-{lines}" / "root-key.json")
            present = _prepared(file, before)
            killed = _killed_at(change, file, lines)
            _look(file, present)
            change(file)
            _look(file, present)
            if len(file.read()) != (2 if change is KeyFile.add_newest else 1):
                raise AssertionError(f"{change.__name__} was not finished after a kill at line {lines}")
            if not killed:
                break
        sys.stdout.write(f"{change.__name__} {lines}\n")


def keep_newest(file: KeyFile) -> bool:
    """Drop the older key, as a rotation that has seen the newest open everything."""
    return file.keep_newest(LocalRootKey(file.read()[0]))


def _prepared(file: KeyFile, keys: int) -> bytes:
    """A file of one or two keys; what its newest one wrapped."""
    if keys == 0:
        return b""
    file.create()
    if keys > 1:
        file.add_newest()
    return LocalRootKey(file.read()[0]).wrap(b"k" * 32, b"what it is")


def _look(file: KeyFile, present: bytes) -> None:
    """What was wrapped before opens, by a file that its owner alone may read."""
    if not present:
        return
    if b"k" * 32 not in [_opened(key, present) for key in file.read()]:
        raise AssertionError("what was wrapped before no longer opens")
    if any(path.stat().st_mode & 0o077 for path in file.path.parent.iterdir()):
        raise AssertionError("others may read a root key")


def _opened(key: bytes, wrapped: bytes) -> bytes:
    try:
        return LocalRootKey(key).unwrap(wrapped, b"what it is")
    except WrongPlace:
        return b""


def _killed_at(change: Change, file: KeyFile, line: int) -> bool:
    """Make the change in a child that ends at the n-th line of ours; whether it was ended."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
            nonlocal left
            if frame.f_code.co_filename != local.__file__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os._exit(KILLED)
            return trace

        sys.settrace(trace)
        change(file)
        sys.settrace(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, KILLED}:
        raise AssertionError(f"the child ended with {code}")
    return code == KILLED


if __name__ == "__main__":
    main(Path(sys.argv[1]))
