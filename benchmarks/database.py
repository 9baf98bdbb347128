"""Tables between two rounds: emptied, so that every round meets the same, and analysed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections, router
from django.db.models import Model


def emptied(*models: type[Model]) -> None:
    """Leave no row in these tables; nothing else points to them."""
    for model in models:
        connection = connections[router.db_for_write(model)]
        statement = "TRUNCATE {}" if connection.vendor == "postgresql" else "DELETE FROM {}"
        with connection.cursor() as cursor:
            cursor.execute(statement.format(connection.ops.quote_name(model._meta.db_table)))


def analysed(*models: type[Model]) -> None:
    """Tell the planner what these tables hold now."""
    for model in models:
        connection = connections[router.db_for_write(model)]
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


@contextmanager
def counted_queries(alias: str) -> Iterator[list[str]]:
    """The statements sent to a database while the block runs."""
    sent: list[str] = []

    def count(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(count):
        yield sent
