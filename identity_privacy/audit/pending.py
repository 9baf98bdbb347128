"""Entries that must stand in the log even where the transaction they were entered in is rolled back: readings.

Whoever reads a person's values inside a transaction and then fails has read them all the same. So the entry of such a
reading is noted in the keys database too, before the first value leaves. The sequencer's task looks at what is noted:

1. The transaction still runs: it waits.
2. The entry is in the log: the note goes.
3. The transaction has ended, and the entry is not there: it was rolled back, in whole or to a savepoint. The entry is
   entered under its own id, with the detail `rolled_back`; then the note goes.

Whether a transaction has ended PostgreSQL says by its number. On SQLite whoever holds the only place for a writer knows
that all others have ended.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from identity_privacy.audit.models import Entry
from identity_privacy.crypto.models import PendingEntry

BATCH: Final = 1_000
_COLUMNS: Final = (
    "actor_kind",
    "actor_id",
    "action",
    "target_kind",
    "target_id",
    "controller_id",
    "subject_id",
    "reason",
    "purpose",
    "request_id",
    "network",
)
# We get our own number after theirs were noted: a larger one is of another cluster, where they have ended anyway.
_RUNNING: Final = """
    SELECT number FROM unnest(%s::bigint[]) number
    WHERE NOT pg_visible_in_snapshot(number::text::xid8, pg_current_snapshot())
        AND number < pg_current_xact_id()::text::bigint
"""


def keep_pending(entry: Entry) -> None:
    """Note an entry that was inserted in a transaction of the data that has not ended."""
    columns = {name: getattr(entry, name) for name in _COLUMNS}
    for name in ("controller_id", "subject_id"):
        columns[name] = str(columns[name]) if columns[name] else None
    PendingEntry.objects.create(id=entry.id, at=entry.at, fields=columns, written_in=_current_transaction())


def undone_entries() -> Iterator[Entry]:
    """The noted entries whose transaction was rolled back, to be entered; the notes of those in the log go."""
    last = UUID(int=0)
    while page := list(PendingEntry.objects.filter(id__gt=last).order_by("id")[:BATCH]):
        last = page[-1].id
        yield from _undone({row.id: row for row in page})


def _undone(noted: Mapping[UUID, PendingEntry]) -> Sequence[Entry]:
    # Read before the log is looked at: whatever had ended by then is visible there, if it was committed.
    with transaction.atomic():  # on SQLite the one place for a writer
        running = _running(noted.values())
        there = set(Entry.objects.filter(id__in=noted).values_list("id", flat=True))
    drop_pending(there)
    return [_entry(row) for row in noted.values() if row.id not in there | running]


def drop_pending(ids: Iterable[UUID]) -> None:
    """Forget what is noted, once it is in the log."""
    PendingEntry.objects.filter(id__in=list(ids)).delete()


def _current_transaction() -> int | None:
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (number,) = cursor.fetchone()
    return int(number)


def _running(noted: Collection[PendingEntry]) -> set[UUID]:
    if connection.vendor != "postgresql":
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING, [[row.written_in for row in noted]])
        numbers = {number for (number,) in cursor.fetchall()}
    return {row.id for row in noted if row.written_in in numbers}


def _entry(row: PendingEntry) -> Entry:
    columns = {name: row.fields[name] for name in _COLUMNS}
    for name in ("controller_id", "subject_id"):
        columns[name] = UUID(columns[name]) if columns[name] else None
    return Entry(id=row.id, at=row.at, **columns)
