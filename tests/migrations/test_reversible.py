"""Every migration can be undone, and doing it again leads to the same tables and triggers, on either database."""

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from tests.test_house import FLOORS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("alias", ["default", "keys"])
def test_migrations_go_back_to_nothing_and_forwards_to_the_same_schema(alias: str) -> None:
    before = _schema(alias)
    migrations = MigrationExecutor(connections[alias]).loader.graph.leaf_nodes()
    ours = [label for label, _ in migrations if label in FLOORS]
    try:
        for label in sorted(ours, key=FLOORS.index, reverse=True):
            call_command("migrate", label, "zero", database=alias, verbosity=0)
        left_over = {name for name, _ in _schema(alias) if name.split("_")[0] in FLOORS}
    finally:
        call_command("migrate", database=alias, verbosity=0)

    assert left_over == set()
    assert _schema(alias) == before


def _schema(alias: str) -> set[tuple[str, str]]:
    """Tables with their columns, indexes and constraints, and triggers with their text."""
    connection = connections[alias]
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for column in connection.introspection.get_table_description(cursor, table):
                found.add((table, f"{column.name} {column.type_code} {column.null_ok}"))
            for name, constraint in connection.introspection.get_constraints(cursor, table).items():
                found.add((table, f"{name} {constraint}"))
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal")
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found.update((name, text) for name, text in cursor.fetchall())
    return found
