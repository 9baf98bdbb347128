"""Looking at the whole log: as it stood at one moment, while it grows, and one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction

# The advisory lock of the check on PostgreSQL.
LOCK: Final = 0x6C6F68


@contextmanager
def one_moment() -> Iterator[None]:
    """Read the log as it stands now, whatever is added meanwhile; no writer waits for it.

    Inside a transaction it is that one's business.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
    else:
        # Not as our settings begin one (IMMEDIATE), which would hold up every writer for as long as we read.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


@contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody else is at it; nobody begins until the end. A process that dies lets go.

    On PostgreSQL it is `one_moment` too, and what is written inside is committed at the end, before others may begin.
    """
    if connection.vendor == "postgresql":
        with one_moment(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            yield bool(cursor.fetchone()[0])
        return
    folder = Path(settings.VAR_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "log-check.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _is_ours(lock)
    finally:
        os.close(lock)


def _is_ours(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
