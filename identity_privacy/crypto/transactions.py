"""Knowing that writers have ended: what makes it safe to take a key away while others write.

A key to seal with is fetched only inside an open transaction of the data (`keys.sealing_ring`). So once a change of the
keys is committed, the transactions that are open at that moment are the only ones that may still use what was before;
when they have ended, nobody can.
"""

import time

from django.db import connections, transaction
from psycopg.pq import TransactionStatus

from identity_privacy.crypto.errors import SealedOutsideTransaction, WritersStillRun

_OPEN = """
    SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND a.datname = current_database()
    AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid()
"""


def ensure_begun(using: str) -> None:
    """Make sure that the database knows of the caller's transaction. Raises: SealedOutsideTransaction."""
    connection = connections[using]
    if not connection.in_atomic_block:
        raise SealedOutsideTransaction("seal values inside `with transaction.atomic():`")
    # SQLite's transactions begin with their lock; on PostgreSQL they begin with their first statement.
    if connection.vendor == "postgresql" and connection.connection.info.transaction_status == TransactionStatus.IDLE:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def wait_for_open_transactions(using: str, *, seconds: float) -> None:
    """Return once every transaction of this database that is open now, other than the caller's own, has ended.

    Later ones are not waited for, and none is held up (on SQLite one writer is, for a moment).

    Raises: WritersStillRun, after `seconds`; call it again.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        # There is one writer at a time, from its beginning on: when it is our turn, whoever was before has ended.
        if not connection.in_atomic_block:
            with transaction.atomic(using=using):
                pass
        return
    end = time.monotonic() + seconds
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        waited_for = [row[0] for row in cursor.fetchall()]
        while waited_for:
            cursor.execute(_OPEN + " AND l.virtualtransaction = ANY(%s)", [waited_for])
            waited_for = [row[0] for row in cursor.fetchall()]
            if waited_for and time.monotonic() > end:
                raise WritersStillRun(f"{len(waited_for)} transactions that began before still run; try again")
            if waited_for:
                time.sleep(0.02)
