"""Storing a new entry: on PostgreSQL by one statement that the driver prepares, elsewhere as any model."""

from typing import Final

import orjson
from django.db import connection

from identity_privacy.audit.models import Entry
from identity_privacy.crypto.postgres import prepared_cursor

# All but the number of the transaction, which the database puts in.
_JSON: Final = ("details", "commitments")
_FIELDS: Final = [field for field in Entry._meta.concrete_fields if field.attname != "written_in"]
_INSERT: Final = (
    f"INSERT INTO {Entry._meta.db_table} ({', '.join(str(field.column) for field in _FIELDS)}) "  # noqa: S608  # ours
    f"VALUES ({', '.join('%s' for _ in _FIELDS)})"
)


def insert_entry(entry: Entry, *, once: bool = False) -> None:
    """Store an entry, in the caller's transaction; `once`: unless one of its id is stored already."""
    if connection.vendor == "postgresql":
        insert_prepared(entry, f"{_INSERT} ON CONFLICT DO NOTHING" if once else _INSERT)
    elif not (once and Entry.objects.filter(id=entry.id).exists()):
        entry.save(force_insert=True)


def insert_prepared(entry: Entry, statement: str = _INSERT) -> None:
    """Store an entry on PostgreSQL, in two thirds of the time that Django takes to build and send a statement.

    Nobody names the transaction's number, which the database puts in: so our role need not be allowed to.
    """
    stored = [(field.attname, getattr(entry, field.attname)) for field in _FIELDS]
    values = [orjson.dumps(value).decode() if name in _JSON else value for name, value in stored]
    with prepared_cursor(connection) as cursor:
        cursor.execute(statement, values)
