"""Tables that the database itself refuses to change: the migration operation, and the names a check looks for."""

from collections.abc import Iterable

from django.apps.registry import Apps
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

_tables: set[str] = set()


def append_only(table: str) -> RunPython:
    """A migration operation: UPDATE, DELETE and (PostgreSQL) TRUNCATE on `table` fail, for every role.

    On PostgreSQL also where it is a partitioned table, on each of its partitions.
    """

    def add(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        for relation in _relations(table, editor.connection):
            for statement in refusing_change(relation, editor.connection.vendor):
                editor.execute(statement, params=None)  # no parameters: a % in the text is only a %

    def drop(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        for relation in _relations(table, editor.connection):
            for trigger in sorted(_triggers(relation, editor.connection.vendor)):
                on = "" if editor.connection.vendor == "sqlite" else f" ON {relation}"
                editor.execute(f"DROP TRIGGER {trigger}{on}")

    return RunPython(add, drop, elidable=False)


def expect_append_only(table: str) -> None:
    """Let the start-up check look for this table's triggers; a migration that remakes a table drops them silently."""
    _tables.add(table)


def check_append_only(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """E101: an append-only table without its triggers; runs with `check --database default` and at `migrate`."""
    if "default" not in (databases or ()):
        return []
    connection = connections["default"]
    tables = _tables & set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')")
        triggers = {row[0] for row in cursor.fetchall()}
    changeable = [
        relation
        for table in sorted(tables)
        for relation in _relations(table, connection)
        if not _triggers(relation, connection.vendor) <= triggers
    ]
    return [
        Error(
            f"{table} can be changed: its append-only triggers are missing",
            hint="Migrate the app that owns the table back before the step that adds them, and forward again.",
            id="identity_privacy.E101",
        )
        for table in changeable
    ]


def refusing_change(relation: str, vendor: str) -> list[str]:
    """The statements after which a table, or one partition of it, refuses to be changed."""
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {relation}_no_{verb.lower()} BEFORE {verb} ON {relation} "
            f"BEGIN SELECT RAISE(ABORT, '{relation} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {relation}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {relation} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def _triggers(relation: str, vendor: str) -> set[str]:
    if vendor == "sqlite":
        return {f"{relation}_no_update", f"{relation}_no_delete"}
    return {f"{relation}_append_only"}


def _relations(table: str, connection: BaseDatabaseWrapper) -> list[str]:
    """The table and, on PostgreSQL, its partitions: a trigger by statement on the one says nothing of the others."""
    if connection.vendor == "sqlite":
        return [table]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass)", [table])
        return sorted({table, *(str(row[0]) for row in cursor.fetchall())})
