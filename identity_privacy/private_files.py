"""Files that this service makes are its own account's alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from identity_privacy.errors import Refused

# Opens a file of this name for writing.
Open: TypeAlias = Callable[[str], BinaryIO]
# Behind the name of a file until all are whole; whoever is killed leaves such files.
_PARTIAL: Final = ".partial"


def keep_files_private() -> None:
    """Let no file or folder that this process makes from now on be read by another account of the machine.

    Databases, their write-ahead logs, sealed packages and logs are made by libraries with the process's own mask, so it
    is set once, where each kind of process begins.
    """
    os.umask(0o077)


@contextmanager
def written_together(folder: Path) -> Iterator[Open]:
    """Write files into a new folder that get their names once all of them are whole; if anything fails none is there.

    A name may lead into a folder below. Raises: Refused, for a folder that holds anything; OSError.
    """
    opened: dict[Path, BinaryIO] = {}
    made: list[Path] = []

    def make(path: Path) -> None:
        missing = [one for one in (path, *path.parents) if not one.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.extend(reversed(missing))

    def create(name: str) -> BinaryIO:
        path = folder / name
        make(path.parent)
        partial = path.with_name(f".{path.name}{_PARTIAL}")
        partial.unlink(missing_ok=True)  # of a process that died
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        opened[path] = stack.enter_context(os.fdopen(number, "wb"))
        stack.callback(partial.unlink, missing_ok=True)
        return opened[path]

    make(folder)
    if any(not name.name.endswith(_PARTIAL) for name in folder.iterdir()):
        raise Refused(f"{folder} is not empty: what is written there would lie among what is there")
    with ExitStack() as stack:
        # Removes what is empty, should anything fail; what holds files stays.
        stack.callback(_remove_empty, made)
        yield create
        for file in opened.values():
            file.flush()
            os.fsync(file.fileno())
        for path in opened:
            path.with_name(f".{path.name}{_PARTIAL}").replace(path)


def _remove_empty(folders: list[Path]) -> None:
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()
