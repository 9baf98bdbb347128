"""Destroying data keys, so that what was sealed under them can never be opened again (crypto-shredding).

The row is deleted and committed; then its bytes are overwritten in the files of the database that we can reach: on
SQLite by `secure_delete` and a truncated write-ahead log, on PostgreSQL by a vacuum once no transaction sees the row.
What we cannot reach (archived write-ahead log, replicas that lag, backups of the keys) ends after `KEYS_BACKUP_DAYS`;
that day is stated in the tombstone and to the person.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from identity_privacy import clock
from identity_privacy.crypto.errors import NotForgotten
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import KeyKind

# How long a vacuum waits for others' transactions before it is left to a later try.
PATIENCE_SECONDS: Final = 2.0
# Up to this size, some 40,000 data keys, a table is written anew in about a tenth of a second.
REWRITTEN_BYTES: Final = 8 * 1024 * 1024
# What may still see a deleted row: others' snapshots, replication slots, prepared transactions (xids, compared by age);
# and who writes in any database of the server, since every later snapshot, ours too, reaches back to their beginning.
_HOLDERS: Final = """
    SELECT count(*) FROM (
        SELECT backend_xmin AS xmin FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        UNION ALL SELECT backend_xid FROM pg_stat_activity WHERE pid <> pg_backend_pid()
        UNION ALL SELECT xmin FROM pg_replication_slots
        UNION ALL SELECT transaction FROM pg_prepared_xacts
    ) holders WHERE xmin IS NOT NULL AND age(xmin) > age(mod(%s::numeric, 4294967296)::text::xid)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """What was destroyed, and until when backups of the keys may still hold it."""

    keys: int
    backups_end_on: date


def destroy_subject_keys(subject_id: UUID, *, kinds: Iterable[KeyKind] = (KeyKind.PROFILE,)) -> Destruction:
    """Destroy a person's data keys, so that no value under them can ever be opened again; safe to repeat.

    Raises: NotForgotten, when the bytes could not be overwritten yet; call it again.
    Source: GDPR Art. 17(1); NIST SP 800-88 (cryptographic erase).
    """
    now = clock.now()
    backups_end_on = now.date() + timedelta(days=settings.KEYS_BACKUP_DAYS)
    with transaction.atomic(using=KEYS):
        count, _ = DataKey.objects.filter(subject_id=subject_id, kind__in=list(kinds)).delete()
        tombstone, is_new = Tombstone.objects.get_or_create(
            subject_id=subject_id, defaults={"destroyed_at": now, "backups_end_on": backups_end_on}
        )
        if count and not is_new:  # keys that were made after the first destruction are in later backups
            tombstone.backups_end_on = max(tombstone.backups_end_on, backups_end_on)
            tombstone.save(update_fields=["backups_end_on"])
    forget_bytes()
    return Destruction(keys=count, backups_end_on=tombstone.backups_end_on)


def living_subject_keys(subject_id: UUID, *, kinds: Iterable[KeyKind]) -> int:
    """How many data keys of a person still exist."""
    return DataKey.objects.filter(subject_id=subject_id, kind__in=list(kinds)).count()


def destroy_owner_keys(owner_ids: Iterable[UUID]) -> int:
    """Destroy the data keys of requests that have ended, by the requests' ids; says how many. Safe to repeat.

    Raises: NotForgotten, when the bytes could not be overwritten yet; call it again.
    """
    # A profile's keys are destroyed by the person; without them, the index by owner serves.
    count, _ = DataKey.objects.filter(owner_id__in=list(owner_ids)).exclude(kind=KeyKind.PROFILE).delete()
    forget_bytes()
    return count


def forget_bytes(*models: type[Model]) -> None:
    """Overwrite what deleted and replaced keys (of `models`, or data keys) left in the files of the keys database.

    PostgreSQL's vacuum frees a row's place and moves its page's other rows together, but leaves what stood behind the
    last of them until another row is written there. So a table of up to `REWRITTEN_BYTES` is written anew, and locked
    for that moment. In a larger one such a remainder dies with the next rotation of its controller's key
    (`rotate_kek`), whose own row stands in a small table.

    Raises: NotForgotten, while somebody still reads what was; call it again.
    """
    connection = connections[KEYS]
    if connection.in_atomic_block:
        return  # only in tests: both databases refuse this inside a transaction
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise NotForgotten("somebody reads the keys database at this moment; what called this tries again")
            return
        # A vacuum removes only what no transaction can see any more; a long one, such as a backup, holds it back.
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        (following,) = cursor.fetchone()
        end = time.monotonic() + PATIENCE_SECONDS
        while _holders(cursor, following):
            if time.monotonic() > end:
                raise NotForgotten("a transaction still sees the keys as they were; what called this tries again")
            time.sleep(0.02)
        for model in models or (DataKey,):
            _vacuum(cursor, model._meta.db_table)


def _vacuum(cursor: CursorWrapper, table: str) -> None:
    cursor.execute("SELECT pg_relation_size(%s)", [table])
    (size,) = cursor.fetchone()
    try:
        cursor.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
        cursor.execute(f"VACUUM {'(FULL) ' if size <= REWRITTEN_BYTES else ''}{table}")
    except OperationalError:
        raise NotForgotten("a transaction holds the keys; what called this tries again") from None
    finally:
        cursor.execute("RESET lock_timeout")


def _holders(cursor: CursorWrapper, following: str) -> int:
    """How many transactions may see rows as they were before the transaction with the id `following` began."""
    cursor.execute(_HOLDERS, [following])
    (count,) = cursor.fetchone()
    return int(count)
