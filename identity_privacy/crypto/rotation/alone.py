"""One rotation at a time: of two side by side, the slower would finish by what it knew of the one before.

On PostgreSQL the place belongs to a session of the keys database, and whoever loses that session has lost it, perhaps
without noticing for a while. So whatever changes keys is a `step()`, a transaction of that very session. What changes
data under them looks once more, inside its own transaction of the data, whether the keys are still as it knows them:
the next rotation would wait for that transaction before it goes on.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from django.db import OperationalError, connections, transaction

from identity_privacy.crypto.errors import RotationRuns
from identity_privacy.crypto.router import KEYS

# The advisory lock of rotations on PostgreSQL.
LOCK: Final = 0x6B657973
# For how long the place of one that was killed may seem to be taken: until the server sees that its client is gone.
WAIT_SECONDS: Final = 3.0

# The session that holds the place, as the driver's own connection: Django may put another in its place.
_session: ContextVar[object] = ContextVar("_session", default=None)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the one place for a rotation; whoever dies gives it back. Raises: RotationRuns."""
    hold = _postgres if connections[KEYS].vendor == "postgresql" else _sqlite
    with hold():
        yield


@contextlib.contextmanager
def step() -> Iterator[None]:
    """A transaction of the keys that commits only while this rotation holds the place. Raises: RotationRuns."""
    with transaction.atomic(using=KEYS):
        session = _session.get()
        if session is not None and connections[KEYS].connection is not session:
            raise _lost()
        yield


def _lost() -> RotationRuns:
    return RotationRuns("the session that kept other rotations away was lost; nothing else is: start this one again")


@contextlib.contextmanager
def _postgres() -> Iterator[None]:
    connection = connections[KEYS]

    def is_ours() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            (locked,) = cursor.fetchone()
        return bool(locked)

    _wait_for(is_ours)
    session = connection.connection
    outer = _session.set(session)
    try:
        yield
    except OperationalError:
        if connection.connection is session and connection.is_usable():
            raise  # another database's
        raise _lost() from None
    finally:
        _session.reset(outer)
        if connection.connection is session and connection.is_usable():  # one that broke has given it back already
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


@contextlib.contextmanager
def _sqlite() -> Iterator[None]:
    name = str(connections[KEYS].settings_dict["NAME"])
    if name == ":memory:" or "mode=memory" in name:  # no other process sees it
        yield
        return
    # A file of its own: the folder is locked while the root key's file is written. By whichever name, it is the same.
    lock = os.open(f"{Path(name).resolve()}-rotation", os.O_RDWR | os.O_CREAT, 0o600)

    def is_ours() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        _wait_for(is_ours)
        yield
    finally:
        os.close(lock)


def _wait_for(is_ours: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_ours():
        if time.monotonic() > end:
            raise RotationRuns("another rotation of keys runs; start this one when it has ended")
        time.sleep(0.05)
