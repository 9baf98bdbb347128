"""The log in its order, as the tables hold it: each entry's canonical bytes, made anew from its columns.

Without model instances, which take ten times as long: logs of millions of entries are checked and exported this way. A
row that we would not have stored so gives no bytes, and no error. On PostgreSQL the rows come through a server-side
cursor, as text where the driver would make objects, and the next are fetched while the last are worked on.
"""

import json
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from identity_privacy.audit.errors import LogAltered

BATCH: Final = 250
# What is read of an entry beside its hash, and how; in the order of `_stored`.
_COLUMNS: Final = {
    "id": "uuid",
    "at": "moment",
    "actor_kind": "text",
    "actor_id": "text",
    "action": "text",
    "target_kind": "text",
    "target_id": "text",
    "controller_id": "uuid",
    "subject_id": "uuid",
    "reason": "text",
    "purpose": "text",
    "request_id": "text",
    "network": "text",
    "details": "json",
    "commitments": "json",
}
_PLACES: Final = 'WHERE place.epoch = %s AND place."index" < %s ORDER BY place."index"'
# LATERAL and LIMIT: one look-up for each place, in their order. For a plain join the planner would sort the whole log.
# (Both statements are made of names of ours.)
_ON_POSTGRESQL: Final = f"""
    SELECT place."index", entry.leaf_hash,
        {", ".join(f"entry.{name}{'' if kind == 'text' else '::text'}" for name, kind in _COLUMNS.items())}
    FROM audit_sequenced place
    LEFT JOIN LATERAL (SELECT * FROM audit_entry WHERE id = place.entry_id LIMIT 1) entry ON true {_PLACES}
"""  # noqa: S608
# The plus takes away the column's declared type, for which the driver would convert what it holds.
_ON_SQLITE: Final = f"""
    SELECT place."index", entry.leaf_hash, {", ".join(f"+entry.{name}" for name in _COLUMNS)}
    FROM audit_sequenced place LEFT JOIN audit_entry entry ON entry.id = place.entry_id {_PLACES}
"""  # noqa: S608

# A named tuple's own `__new__` is a function of Python, and takes twice as long.
_new: Final = tuple.__new__

Row: TypeAlias = tuple[Any, ...]
Batches: TypeAlias = Generator[list[Row], None, None]


class Stored(NamedTuple):
    """A place and its entry: no id where that is missing; no line where it is not stored as we would have."""

    place: int
    leaf_hash: object
    entry_id: str | None
    controller_id: str | None
    line: bytes


def walk(epoch: int, size: int) -> Generator[list[Stored], None, None]:
    """The first `size` places of an epoch, in batches; inside `one_moment`. Raises: LogAltered."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # In this form moments come as text.
            cursor.execute("SELECT set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true)")
        batches = _ahead(_rows_of_postgresql(connections[DEFAULT_DB_ALIAS], epoch, size))
    else:
        batches = _rows_of_sqlite(epoch, size)
    with closing(batches):
        for rows in batches:
            yield list(map(_stored, rows))


def _ahead(batches: Batches) -> Batches:
    """The same, each fetched by another thread while the one before is worked on."""
    with closing(batches), ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


# Not with Django's `connection`, which in another thread is one of that thread's own.
def _rows_of_postgresql(here: BaseDatabaseWrapper, epoch: int, size: int) -> Batches:
    raw: Any = here.connection
    with here.wrap_database_errors, psycopg.ServerCursor(raw, "walk") as rows:
        rows.execute(_ON_POSTGRESQL, [epoch, size], binary=True)
        while batch := rows.fetchmany(BATCH):
            yield batch


def _rows_of_sqlite(epoch: int, size: int) -> Batches:
    place = -1
    try:
        with connection.cursor() as rows:
            rows.execute(_ON_SQLITE, [epoch, size])
            for place, leaf, *columns in rows:
                yield [(place, leaf, *_as_on_postgresql(columns))]
    except OperationalError as error:
        if "decode" not in str(error):
            raise
        raise LogAltered(f"entry {place + 1} of epoch {epoch} was changed: it holds what is no text") from None


def _stored(row: Row) -> Stored:
    """A row whose entry is written as `canonical.entry_bytes` does it of a model instance."""
    # The names are those of _COLUMNS; all in one place, since each call would cost as much as a member.
    (
        place, leaf, entry_id, at, kind, actor, action, of, target, controller,
        subject, reason, purpose, request, network, details, commitments,
    ) = row  # fmt: skip
    try:
        found = {
            "id": entry_id,
            "at": _stamp(at),
            "actor": {"kind": kind, "id": actor},
            "action": action,
            "target": {"kind": of, "id": target},
            "controller": controller,
            "subject": subject,
            "reason": reason,
            "purpose": purpose,
            "origin": {"request": request, "network": network},
            "details": orjson.loads(details),
            "commitments": orjson.loads(commitments),
        }
        line = orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError):
        line = b""
    return _new(Stored, (place, leaf, entry_id, controller, line))


def _stamp(moment: str) -> str:
    """`2027-03-04 21:36:00.5+00` as `canonical.stamp` writes it. Raises: ValueError."""
    if moment[-3:] != "+00":
        raise ValueError("before our era, or never")
    return f"{moment[:10]}T{moment[11:19]}.{moment[20:-3].ljust(6, '0')}Z"


def _as_on_postgresql(columns: Sequence[object]) -> list[str | None]:
    """A row of SQLite, which takes anything in any column: only its id, unless each value is just as we store it."""
    try:
        return [_as_stored(kind, value) for kind, value in zip(_COLUMNS.values(), columns, strict=True)]
    except (ValueError, TypeError):
        return [None if columns[0] is None else str(columns[0])] + [None] * (len(columns) - 1)


def _as_stored(kind: str, value: object) -> str | None:
    if value is None and kind == "uuid":
        return None
    if not isinstance(value, str):
        raise TypeError(kind)
    if kind == "text":
        return value
    if kind == "uuid":
        again, text = UUID(value).hex, str(UUID(value))
    elif kind == "moment":
        again, text = str(datetime.fromisoformat(value).replace(tzinfo=None)), f"{value}+00"
    else:
        again, text = json.dumps(orjson.loads(value)), value
    if again != value:
        raise ValueError(kind)
    return text
