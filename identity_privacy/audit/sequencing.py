"""Finding the entries that have no place in the log yet, in the order of their transactions, and giving them one.

Nothing marks an entry as new, since no entry can be changed, and no lock holds up its writer. On PostgreSQL each entry
keeps the number of the transaction that wrote it; every entry of a transaction before the `Horizon` has its place, so
only those after it are looked at. A long transaction holds the horizon back and nobody's entry: what others committed
meanwhile is taken all the same, and looked at again until that one ends. In another cluster, after a restore, numbers
begin anew: there all entries are looked at until none is without a place, and from then on those alone whose number
this cluster has given out, or what came along would be looked at for ever. On SQLite one writes at a time, so the order
of the rows is that of the commits.

An entry without a place that is not looked at, since somebody wrote its number or moved the horizon, is `overlooked`:
verifying finds it.
"""

from typing import Final
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from identity_privacy.audit.models import Horizon
from identity_privacy.audit.tiles import HASH_BYTES
from identity_privacy.crypto.postgres import binary_cursor

# The advisory lock of the sequencer on PostgreSQL: several may run, one works.
LOCK: Final = 0x6C6F67
# Beyond any number of a transaction.
_BEYOND: Final = 2**63 - 1
# Its name; the oldest transaction that still runs; the number before which all are given out, our own among them.
_CLUSTER: Final = """
    SELECT system_identifier::text, pg_snapshot_xmin(snapshot)::text::bigint,
        greatest(pg_snapshot_xmax(snapshot)::text::bigint, pg_current_xact_id_if_assigned()::text::bigint + 1)
    FROM pg_control_system(), pg_current_snapshot() AS snapshot
"""
_PLACE: Final = """
    WITH batch AS MATERIALIZED (
        SELECT id, leaf_hash, written_in, row_number() OVER (ORDER BY written_in, id) AS position
        FROM (
            SELECT id, leaf_hash, written_in FROM audit_entry entry
            WHERE written_in >= %s AND written_in < %s
                AND NOT EXISTS (SELECT FROM audit_sequenced place WHERE place.entry_id = entry.id)
            ORDER BY written_in, id LIMIT %s
        ) found
    ), placed AS (
        INSERT INTO audit_sequenced (epoch, "index", entry_id)
        SELECT %s, %s::bigint + position - 1, id FROM batch
    )
    SELECT count(*), max(written_in), string_agg(leaf_hash, ''::bytea ORDER BY position) FROM batch
"""
_OVERLOOKED: Final = """
    SELECT id FROM audit_entry entry
    WHERE NOT coalesce(written_in >= %s AND written_in < %s, false)
        AND NOT EXISTS (SELECT FROM audit_sequenced place WHERE place.entry_id = entry.id)
    LIMIT 1
"""
LAST_PLACED_ON_SQLITE: Final = """
    SELECT last.rowid FROM audit_entry last
    WHERE last.id = (SELECT entry_id FROM audit_sequenced ORDER BY epoch DESC, "index" DESC LIMIT 1)
"""
# The rows before the last one that has a place are not looked at.
_FIND_ON_SQLITE: Final = f"""
    SELECT id, leaf_hash FROM audit_entry
    WHERE rowid > coalesce(({LAST_PLACED_ON_SQLITE}), 0)
        AND NOT EXISTS (SELECT 1 FROM audit_sequenced place WHERE place.entry_id = audit_entry.id)
    ORDER BY rowid LIMIT %s
"""  # noqa: S608  # ours

_OVERLOOKED_ON_SQLITE: Final = f"""
    SELECT id FROM audit_entry
    WHERE rowid < ({LAST_PLACED_ON_SQLITE})
        AND NOT EXISTS (SELECT 1 FROM audit_sequenced place WHERE place.entry_id = audit_entry.id)
    LIMIT 1
"""  # noqa: S608  # ours


def place_new_entries(epoch: int, size: int, limit: int) -> list[bytes]:
    """Give up to `limit` entries their places behind an epoch of `size`; returns their leaf hashes, in that order.

    Call it inside a transaction, which on PostgreSQL waits for any other sequencer's to end.
    """
    if connection.vendor == "postgresql":
        return _place_on_postgresql(epoch, size, limit)
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ON_SQLITE, [limit])
        rows = cursor.fetchall()
        cursor.executemany(
            'INSERT INTO audit_sequenced (epoch, "index", entry_id) VALUES (%s, %s, %s)',
            [(epoch, size + at, row[0]) for at, row in enumerate(rows)],
        )
    return [bytes(row[1]) for row in rows]


def overlooked() -> UUID | None:
    """An entry that has no place and is not looked at, and so would never get one, if there is any."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            first, beyond = _looked_at(cursor)[0]
            cursor.execute(_OVERLOOKED, [first, beyond])
        else:
            cursor.execute(_OVERLOOKED_ON_SQLITE)
        found = cursor.fetchone()
    return UUID(str(found[0])) if found else None


def take_turns() -> None:
    """Wait, on PostgreSQL, until no other sequencer is at work; on SQLite there is one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _looked_at(cursor: CursorWrapper) -> tuple[tuple[int, int], int | None, str, int]:
    """Entries of which transactions are looked at; the horizon, if it counts; the cluster; its oldest transaction."""
    cursor.execute(_CLUSTER)
    cluster, oldest_running, not_given_out = cursor.fetchone()
    # One that was not reached yet is none of ours.
    counting = Horizon.objects.filter(cluster=cluster, written_in__lte=not_given_out)
    horizon = counting.values_list("written_in", flat=True).first()
    return (0, _BEYOND) if horizon is None else (horizon, not_given_out), horizon, cluster, oldest_running


def _place_on_postgresql(epoch: int, size: int, limit: int) -> list[bytes]:
    with binary_cursor(connection) as cursor:
        looked_at, horizon, cluster, oldest_running = _looked_at(cursor)
        cursor.execute(_PLACE, [*looked_at, limit, epoch, size])
        count, last, hashes = cursor.fetchone()
    # The oldest transaction that still ran before we looked: its entries, and those of later ones, may yet appear.
    reached = oldest_running if count < limit else min(last, oldest_running)
    # In another cluster a full batch is not all that came along: the next one looks at everything again.
    if reached != horizon and (horizon is not None or count < limit):
        Horizon.objects.update_or_create(defaults={"cluster": cluster, "written_in": reached})
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes or b""), HASH_BYTES)]
