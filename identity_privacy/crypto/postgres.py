"""PostgreSQL's faster ways, each beside a plain way that every database takes."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from struct import pack
from typing import Any, Final

import psycopg
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper

_UUID_OID: Final = 2950
_UUIDS_OID: Final = 2951


class UuidArray:
    """A parameter `uuid[]`, of ids as integers: written at once it takes a quarter of the time of a list of UUIDs."""

    __slots__ = ("written",)

    def __init__(self, ids: Collection[int]) -> None:
        header = pack("!iiiii", 1, 0, _UUID_OID, len(ids), 1)
        self.written = header + b"".join([b"\0\0\0\x10" + one.to_bytes(16) for one in ids])


class _UuidArrayDumper(Dumper):
    format = Format.BINARY
    oid = _UUIDS_OID

    def dump(self, obj: UuidArray) -> Buffer | None:
        return obj.written


@contextmanager
def binary_cursor(connection: BaseDatabaseWrapper) -> Iterator[CursorWrapper]:
    """A cursor whose results come in binary; Django counts, logs and translates what it does as with its own.

    Bytes cost a fifth to a third less than in text, where PostgreSQL writes and the driver reads them as hex.
    """
    with prepared_cursor(connection) as cursor:
        cursor.cursor.format = Format.BINARY
        cursor.cursor.adapters.register_dumper(UuidArray, _UuidArrayDumper)
        yield cursor


def prepared_cursor(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """A cursor that binds on the server, so that the driver prepares what it sends often; counted and logged alike."""
    connection.ensure_connection()
    raw: Any = psycopg.Cursor(connection.connection)
    return connection.make_debug_cursor(raw) if connection.queries_logged else connection.make_cursor(raw)


def binary_rows(
    connection: BaseDatabaseWrapper, statement: str, values: Sequence[object], *, chunk_size: int
) -> Iterator[list[tuple[object, ...]]]:
    """The rows of a statement that Django compiled, in chunks.

    The values are put into the statement as Django's own cursor does it: bound by the server, some would have no type.
    """
    with connection.cursor() as client:
        whole = client.mogrify(statement, values)
    with binary_cursor(connection) as cursor:
        cursor.execute(whole)
        while rows := cursor.fetchmany(chunk_size):
            yield rows


def type_of(field: models.Field[Any, Any], connection: BaseDatabaseWrapper) -> str:
    """The PostgreSQL type of a field's column, without its length."""
    return str(field.db_type(connection)).partition("(")[0]


def as_copied(field: models.Field[Any, Any], value: Any, connection: BaseDatabaseWrapper) -> Any:
    """A field's value as `copy_in` takes it."""
    prepared = field.get_db_prep_save(value, connection)
    return prepared.obj if isinstance(prepared, psycopg.Binary) else prepared


def copy_in(
    connection: BaseDatabaseWrapper,
    model: type[models.Model],
    fields: Sequence[models.Field[Any, Any]],
    rows: Iterable[Sequence[object]],
) -> None:
    """Insert rows by COPY in binary; their values are those of the fields, as the driver takes them."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    statement = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor:
        # By its type the driver would find a dumper for bytes that is written in Python.
        cursor.cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
        with connection.wrap_database_errors, cursor.copy(statement) as copy:
            copy.set_types([type_of(field, connection) for field in fields])
            for row in rows:
                copy.write_row(row)
