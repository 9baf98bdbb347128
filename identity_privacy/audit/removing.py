"""Taking entries out of a table that refuses it: as the role that owns the table, which alone can.

On PostgreSQL a quarter's partition goes whole, in a moment; what lies of that time in the default partition is deleted.
(`DETACH … CONCURRENTLY` is not possible beside a default partition.) On SQLite the rows are deleted. All is one
transaction with the caller's statement that they were pruned, so whoever is killed has done nothing.
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable

from identity_privacy.audit.models import Entry
from identity_privacy.audit.partitions import Quarter, first_id_on
from identity_privacy.errors import NotPermitted

TABLE: Final = Entry._meta.db_table
# How long the table's lock is waited for, during which whoever enters something waits too.
PATIENCE: Final = "2s"


def refuse_unless_owner() -> None:
    """Raises: NotPermitted, for a role that does not own the table of entries."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass", [TABLE])
        if not cursor.fetchone()[0]:
            raise NotPermitted(f"the role of DATABASE_URL does not own {TABLE}")


def is_held_by_others(error: OperationalError) -> bool:
    """Whether the entries could not be taken out because others' transactions were in the way."""
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


def remove_entries(before: date, kept: Sequence[UUID]) -> int:
    """Take out every entry with an id of before this day, but for those; says how many. Call it inside a transaction.

    Raises: OperationalError (see `is_held_by_others`).
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return _remove_on_postgresql(cursor, before, kept)
        return _remove_on_sqlite(cursor, before, kept)


def _remove_on_postgresql(cursor: CursorWrapper, before: date, kept: Sequence[UUID]) -> int:
    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    partitions = _partitions_before(cursor, before)
    # Counted while others may still enter things: into these quarters nobody can any more.
    removed = sum(_counted(cursor, partition) for partition in partitions)
    cursor.execute(f"LOCK TABLE ONLY {TABLE} IN ACCESS EXCLUSIVE MODE")
    removed += _remove_from_default(cursor, before, kept)
    for partition in partitions:
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition}")
        # These go into the default partition, as there is no other for their time any more.
        cursor.execute(f"INSERT INTO {TABLE} SELECT * FROM {partition} WHERE id = ANY(%s)", [list(kept)])  # noqa: S608  # ours
        removed -= cursor.rowcount
        cursor.execute(f"DROP TABLE {partition}")
    return removed


def _partitions_before(cursor: CursorWrapper, before: date) -> list[str]:
    cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass) WHERE isleaf", [TABLE])
    names = [str(row[0]) for row in cursor.fetchall()]
    quarters = {name: Quarter.named(name.removeprefix(f"{TABLE}_")) for name in names}
    return sorted(name for name, quarter in quarters.items() if quarter and quarter.ends_before <= before)


def _counted(cursor: CursorWrapper, partition: str) -> int:
    cursor.execute(f"LOCK TABLE {partition} IN SHARE MODE")
    cursor.execute(f"SELECT count(*) FROM {partition}")  # noqa: S608  # ours
    return int(cursor.fetchone()[0])


def _remove_from_default(cursor: CursorWrapper, before: date, kept: Sequence[UUID]) -> int:
    default = f"{TABLE}_default"
    cursor.execute(f"ALTER TABLE {default} DISABLE TRIGGER {default}_append_only")
    cursor.execute(
        f"DELETE FROM {default} WHERE id < %s AND NOT id = ANY(%s)",  # noqa: S608  # ours
        [first_id_on(before), list(kept)],
    )
    count = int(cursor.rowcount)
    cursor.execute(f"ALTER TABLE {default} ENABLE TRIGGER {default}_append_only")
    return count


def _remove_on_sqlite(cursor: CursorWrapper, before: date, kept: Sequence[UUID]) -> int:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [TABLE])
    triggers = cursor.fetchall()
    for name, _ in triggers:
        cursor.execute(f'DROP TRIGGER "{name}"')
    cursor.execute(
        f"DELETE FROM {TABLE} WHERE id < %s AND id NOT IN (SELECT value FROM json_each(%s))",  # noqa: S608  # ours
        [first_id_on(before).hex, json.dumps([one.hex for one in kept])],
    )
    count = int(cursor.rowcount)
    for _, statement in triggers:
        cursor.execute(statement)
    return count
