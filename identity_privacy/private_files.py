"""Files that this service makes are its own account's alone."""

import os


def keep_files_private() -> None:
    """Let no file or folder that this process makes from now on be read by another account of the machine.

    Databases, their write-ahead logs, sealed packages and logs are made by libraries with the process's own mask, so it
    is set once, where each kind of process begins.
    """
    os.umask(0o077)
