"""Knowing that writers have ended: what makes it safe to take a key away while others write.

A key to seal with is fetched only inside an open transaction of the data (`keys.sealing_ring`). So once a change of the
keys is committed, the transactions that are open at that moment are the only ones that may still use what was before;
when they have ended, nobody can.
"""

import time
from typing import Final
from uuid import UUID

from django.db import NotSupportedError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

from identity_privacy.crypto.errors import SealedOutsideTransaction, WritersStillRun

# Of these it is known how to tell that a transaction has ended.
VENDORS: Final = {"postgresql", "sqlite"}

_OPEN = """
    SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND a.datname = current_database()
    AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid()
"""
# A transaction that was prepared for two-phase commit has left its session, and is open until somebody ends it.
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"


def ensure_begun(using: str) -> None:
    """Make sure that the database knows of the caller's transaction.

    Raises: SealedOutsideTransaction; NotSupportedError, on other databases than PostgreSQL and SQLite.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise SealedOutsideTransaction("seal values inside `with transaction.atomic():`")
    _refuse_others(connection)
    # SQLite's transactions begin with their lock; on PostgreSQL they begin with their first statement.
    if connection.vendor == "postgresql" and connection.connection.info.transaction_status == TransactionStatus.IDLE:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def wait_for_open_transactions(using: str, *, seconds: float) -> None:
    """Return once every transaction of this database that is open now, other than the caller's own, has ended.

    Later ones are not waited for, and none is held up (on SQLite one writer is, for a moment).

    Raises: WritersStillRun, after `seconds`; call it again. NotSupportedError, on other databases.
    """
    connection = connections[using]
    _refuse_others(connection)
    if connection.vendor == "sqlite":
        # There is one writer at a time, from its beginning on: when it is our turn, whoever was before has ended.
        if not connection.in_atomic_block:
            with transaction.atomic(using=using):
                pass
        return
    end = time.monotonic() + seconds
    with connection.cursor() as cursor:
        _wait_for(cursor, _OPEN, "l.virtualtransaction", end)
        _wait_for(cursor, _PREPARED, "gid", end)  # some of those may have been prepared meanwhile


def hold_person(subject_id: UUID, *, using: str) -> None:
    """Wait until no other transaction of this database holds the person; the caller's then does, to its end.

    Inside a transaction. On SQLite there is one writer at a time anyway.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            # An advisory lock by the half of the id that is random.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(subject_id.bytes[8:], signed=True)])


def _wait_for(cursor: CursorWrapper, query: str, name: str, end: float) -> None:
    """Wait until none is left of what this finds now."""
    cursor.execute(query)
    while waited_for := [row[0] for row in cursor.fetchall()]:
        if time.monotonic() > end:
            raise WritersStillRun(f"{len(waited_for)} transactions that began before still run; try again")
        time.sleep(0.02)
        cursor.execute(f"{query} AND {name} = ANY(%s)", [waited_for])


def _refuse_others(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor not in VENDORS:
        raise NotSupportedError(f"values are sealed on PostgreSQL and SQLite alone, not on {connection.vendor}")
