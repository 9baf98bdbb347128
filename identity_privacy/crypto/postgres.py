"""PostgreSQL's faster ways, each beside a plain way that every database takes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format


@contextmanager
def binary_cursor(connection: BaseDatabaseWrapper) -> Iterator[CursorWrapper]:
    """A cursor whose results come in binary; Django counts, logs and translates what it does as with its own.

    Bytes cost a fifth to a third less than in text, where PostgreSQL writes and the driver reads them as hex.
    """
    connection.ensure_connection()
    raw: Any = psycopg.Cursor(connection.connection)
    raw.format = Format.BINARY
    cursor = connection.make_debug_cursor(raw) if connection.queries_logged else connection.make_cursor(raw)
    with cursor:
        yield cursor


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


def copy_in(
    connection: BaseDatabaseWrapper,
    table: str,
    columns: Sequence[str],
    types: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> None:
    """Insert rows by COPY in binary; `types` are the columns' PostgreSQL types."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in columns)
    statement = f"COPY {quote(table)} ({names}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
