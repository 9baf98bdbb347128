"""Files that this service makes are its own account's alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

# Opens a file of this name for writing.
Open: TypeAlias = Callable[[str], BinaryIO]


def keep_files_private() -> None:
    """Let no file or folder that this process makes from now on be read by another account of the machine.

    Databases, their write-ahead logs, sealed packages and logs are made by libraries with the process's own mask, so it
    is set once, where each kind of process begins.
    """
    os.umask(0o077)


@contextmanager
def written_together(folder: Path) -> Iterator[Open]:
    """Write files into a folder that get their names once all of them are whole; if anything fails none does.

    A name may lead into a folder below. Whatever stood there under these names is replaced.
    """
    opened: dict[Path, BinaryIO] = {}

    def create(name: str) -> BinaryIO:
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)  # of a process that died
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        opened[path] = stack.enter_context(os.fdopen(number, "wb"))
        stack.callback(partial.unlink, missing_ok=True)
        return opened[path]

    with ExitStack() as stack:
        yield create
        for file in opened.values():
            file.flush()
            os.fsync(file.fileno())
        for path in opened:
            path.with_name(f".{path.name}.partial").replace(path)
