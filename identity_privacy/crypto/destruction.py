"""Destroying data keys, so that what was sealed under them can never be opened again (crypto-shredding).

1. The rows are deleted, a count of what the table lost is raised (`Remains`), and both are committed.
2. Their bytes are overwritten in the files of the database: on SQLite by `secure_delete` and a truncated write-ahead
   log; on PostgreSQL the table is written anew once no transaction sees the rows any more
   (docs/decisions/0011-destroyed-means-rewritten.md).
3. Only then is that count called forgotten, and from that day the backups are reckoned.

What we cannot reach (archived write-ahead log, replicas that lag, backups of the keys) ends after `KEYS_BACKUP_DAYS`;
that day is stated in the tombstone and to the person. Killed or held up before 3, `finish_forgetting` goes on.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Max, Model, QuerySet
from psycopg.errors import LockNotAvailable

from identity_privacy import clock
from identity_privacy.crypto.errors import NotForgotten
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey, Remains, SigningKey, Tombstone
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.crypto.transactions import hold_person

# What is under a person's own keys, and dies with their erasure.
OWN: Final = (KeyKind.PROFILE, KeyKind.COMMITMENT)
# How long a rewrite waits for others' transactions, and holds up others while it waits, before it is left for later.
PATIENCE_SECONDS: Final = 2.0
# Up to this size, some 50,000 data keys, a table is written anew in less than a tenth of a second.
SMALL_BYTES: Final = 8 * 1024 * 1024
# A larger one is locked by rewrites for no more than a hundredth of the time: one serves all destructions before it.
REST_FACTOR: Final = 100
# The advisory lock of rewrites on PostgreSQL.
LOCK: Final = 0x6B657966
# Whatever holds wrapped keys.
TABLES: Final[Sequence[type[Model]]] = (DataKey, IndexKey, ControllerKey, SigningKey)
# What may still see a deleted row: others' snapshots (those of replicas belong to no database), replication slots,
# prepared transactions (xids, compared by age); and who writes in any database of the server, since every later
# snapshot, ours too, reaches back to their beginning.
_HOLDERS: Final = """
    SELECT count(*) FROM (
        SELECT backend_xmin AS xmin FROM pg_stat_activity
        WHERE (datname IS NULL OR datname = current_database()) AND pid <> pg_backend_pid()
        UNION ALL SELECT backend_xid FROM pg_stat_activity WHERE pid <> pg_backend_pid()
        UNION ALL SELECT xmin FROM pg_replication_slots
        UNION ALL SELECT transaction FROM pg_prepared_xacts
    ) holders WHERE xmin IS NOT NULL AND age(xmin) > age(mod(%s::numeric, 4294967296)::text::xid)
"""
# Who is not one of these is only warned by PostgreSQL, which then leaves the table as it is.
_MAY_REWRITE: Final = """
    SELECT pg_has_role(relowner, 'USAGE')
        OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
    FROM pg_class WHERE oid = %s::regclass
"""
_OWN_THEM: Final = "Let the role of DATABASE_KEYS_URL own the tables of that database, as it does where it migrated it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """What was destroyed, in all tries, and until when backups of the keys may still hold it."""

    keys: int
    backups_end_on: date


def destroy_subject_keys(subject_id: UUID, *, kinds: Iterable[KeyKind] = OWN) -> Destruction:
    """Destroy a person's data keys, so that no value under them can ever be opened again; safe to repeat.

    Raises: NotForgotten, when the bytes could not be overwritten yet; call it again. RuntimeError, inside a transaction
    of the keys.
    Source: GDPR Art. 17(1); NIST SP 800-88 (cryptographic erase).
    """
    # Durable: whoever is told of a destruction must not be able to roll it back.
    with transaction.atomic(using=KEYS, durable=True):
        hold_person(subject_id, using=KEYS)  # whoever makes them a key at this moment is done, or sees the tombstone
        count, _ = DataKey.objects.filter(subject_id=subject_id, kind__in=list(kinds)).delete()
        # Keys that were made after the first destruction are in later backups.
        earlier = Tombstone.objects.filter(subject_id=subject_id).first()
        if count or earlier is None:
            unfinished = {
                "keys": count + (earlier.keys if earlier is not None and earlier.forgotten_at is None else 0),
                "change": note_change(DataKey),
                "forgotten_at": None,
                "backups_end_on": _backups_end_on(),
            }
            Tombstone.objects.update_or_create(
                subject_id=subject_id,
                defaults=unfinished,
                create_defaults={**unfinished, "destroyed_at": clock.now()},
            )
    _forget(DataKey, may_rest=True)
    tombstone = Tombstone.objects.get(subject_id=subject_id)
    return Destruction(keys=tombstone.keys, backups_end_on=tombstone.backups_end_on)


def living_subject_keys(subject_id: UUID) -> int:
    """How many of a person's own data keys still exist."""
    return DataKey.objects.filter(subject_id=subject_id, kind__in=OWN).count()


def request_keys(owner_ids: Iterable[UUID]) -> QuerySet[DataKey]:
    """The data keys of requests, by the requests' ids."""
    # The second condition says nothing new, but the index by owner is by it.
    return DataKey.objects.filter(owner_id__in=list(owner_ids), kind=KeyKind.REQUEST).exclude(kind=KeyKind.PROFILE)


def destroy_owner_keys(owner_ids: Iterable[UUID]) -> int:
    """Destroy the data keys of requests that have ended, by the requests' ids; says how many. Safe to repeat.

    Raises: as `destroy_subject_keys`.
    """
    return destroy_keys(request_keys(owner_ids))


def destroy_keys(keys: QuerySet[DataKey]) -> int:
    """Destroy data keys that are no person's in particular; says how many. Raises: as `destroy_subject_keys`."""
    count = delete_keys(keys)
    _forget(DataKey, may_rest=True)
    return count


def delete_keys(keys: QuerySet[DataKey]) -> int:
    """The first step alone, for many batches: `finish_forgetting` must follow."""
    with transaction.atomic(using=KEYS, durable=True):
        count, _ = keys.delete()
        if count:
            note_change(DataKey)
    return count


def forget_bytes(*models: type[Model]) -> None:
    """Overwrite what keys that were replaced (in `models`, or data keys) left in the files of the keys database.

    Raises: NotForgotten, while somebody still reads what was; call it again. RuntimeError, inside a transaction.
    """
    for model in models or (DataKey,):
        with transaction.atomic(using=KEYS, durable=True):
            note_change(model)
        _forget(model, may_rest=False)


def finish_forgetting() -> None:
    """Overwrite what any destruction or replacement left, wherever one was held up or killed. Raises: NotForgotten."""
    for model in TABLES:
        _forget(model, may_rest=True)


def unfinished() -> Sequence[str]:
    """The tables in whose files bytes of destroyed or replaced keys may still stand."""
    return sorted(Remains.objects.filter(forgotten__lt=F("changes")).values_list("table", flat=True))


def last_backup_ends_on() -> date | None:
    """Until when backups may hold any key that was destroyed or replaced; from today on while one is unfinished."""
    last: date | None = Remains.objects.aggregate(last=Max("backups_end_on"))["last"]
    if not unfinished():
        return last
    return max(last, _backups_end_on()) if last else _backups_end_on()


def check_tables_owner(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """E013: a role that cannot write the tables of keys anew; runs with `check --database keys` and at `migrate`."""
    connection = connections[KEYS]
    if KEYS not in (databases or ()) or connection.vendor != "postgresql":
        return []
    there = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        others = [table for model in TABLES if (table := model._meta.db_table) in there and not _may(cursor, table)]
    return [
        Error(
            f"the keys in {table} cannot be destroyed: another role owns it", hint=_OWN_THEM, id="identity_privacy.E013"
        )
        for table in others
    ]


# --- The bytes ----------------------------------------------------------------------------------------


def note_change(model: type[Model]) -> int:
    """Count that a table lost keys, in the transaction in which it did; the count's row makes these follow one another.

    So whoever reads a count knows that every change up to it is committed.
    """
    row, _ = Remains.objects.select_for_update().get_or_create(table=model._meta.db_table)
    row.changes += 1
    row.save(update_fields=["changes"])
    return row.changes


def _forget(model: type[Model], *, may_rest: bool) -> None:
    """Overwrite what the table has lost up to now, unless that was done already."""
    connection, table = connections[KEYS], model._meta.db_table
    with _one_at_a_time():
        row = Remains.objects.filter(table=table, forgotten__lt=F("changes")).first()
        if row is None:
            return
        began = time.monotonic()
        # Inside a transaction is only a test that rolls everything back: both databases refuse this there.
        if not connection.in_atomic_block:
            with connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    _truncate_log(cursor)
                else:
                    began = _rewrite(cursor, row, may_rest=may_rest)
        now, ends_on = clock.now(), _backups_end_on()
        with transaction.atomic(using=KEYS):
            Remains.objects.filter(id=row.id).update(
                forgotten=row.changes,
                rewritten_at=now,
                rewrite_seconds=time.monotonic() - began,
                backups_end_on=ends_on,
            )
            if model is DataKey:
                done = Tombstone.objects.filter(forgotten_at=None, change__lte=row.changes)
                done.update(forgotten_at=now, backups_end_on=ends_on)


def _truncate_log(cursor: CursorWrapper) -> None:
    is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise NotForgotten("somebody reads the keys database at this moment")


def _rewrite(cursor: CursorWrapper, row: Remains, *, may_rest: bool) -> float:
    """Write a table anew without what was deleted; says when the table's lock was asked for, on the monotonic clock.

    A plain vacuum would not do: it frees a row's place and moves its page's other rows together, but leaves what stood
    behind the last of them until another row is written there.
    """
    if not _may(cursor, row.table):
        raise NotForgotten(f"another role owns {row.table}. {_OWN_THEM}")
    cursor.execute("SELECT pg_relation_size(%s)", [row.table])
    (size,) = cursor.fetchone()
    if may_rest and size > SMALL_BYTES and row.rewritten_at is not None:
        rested = (clock.now() - row.rewritten_at).total_seconds()
        if 0 <= rested < row.rewrite_seconds * REST_FACTOR:
            left = row.rewrite_seconds * REST_FACTOR - rested
            raise NotForgotten(f"{row.table} was written anew just now, and is again in {left:.0f} seconds")
    # What a transaction can still see, a rewrite keeps; a long one, such as a backup, holds it back.
    cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    (following,) = cursor.fetchone()
    end = time.monotonic() + PATIENCE_SECONDS
    while _holders(cursor, following):
        if time.monotonic() > end:
            raise NotForgotten("a transaction still sees the keys as they were")
        time.sleep(0.02)
    began = time.monotonic()
    try:
        cursor.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
        cursor.execute(f"VACUUM (FULL) {row.table}")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise NotForgotten("a transaction holds the keys") from None
    finally:
        cursor.execute("RESET lock_timeout")
    return began


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold the one place for a rewrite: who waited for it finds the work done. Raises: NotForgotten."""
    connection = connections[KEYS]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            (locked,) = cursor.fetchone()
            if locked:
                break
            if time.monotonic() > end:
                raise NotForgotten("keys are being forgotten by another")
            time.sleep(0.02)
    try:
        yield
    finally:
        if connection.is_usable():  # a connection that broke has given it back already
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _may(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(_MAY_REWRITE, [table])
    (may,) = cursor.fetchone()
    return bool(may)


def _holders(cursor: CursorWrapper, following: str) -> int:
    """How many transactions may see rows as they were before the transaction with the id `following` began."""
    cursor.execute(_HOLDERS, [following])
    (count,) = cursor.fetchone()
    return int(count)


def _backups_end_on() -> date:
    return clock.now().date() + timedelta(days=settings.KEYS_BACKUP_DAYS)
