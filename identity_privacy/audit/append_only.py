"""Tables that the database itself refuses to change: the migration operation, and the names a check looks for."""

from collections.abc import Iterable

from django.apps.registry import Apps
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

_tables: set[str] = set()


def append_only(table: str) -> RunPython:
    """A migration operation: UPDATE, DELETE and (PostgreSQL) TRUNCATE on `table` fail, for every role."""

    def add(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        for statement in _create(table, editor.connection.vendor):
            editor.execute(statement, params=None)  # no parameters: a % in the text is only a %

    def drop(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        for trigger in sorted(_triggers(table, editor.connection.vendor)):
            editor.execute(f"DROP TRIGGER {trigger}" + ("" if editor.connection.vendor == "sqlite" else f" ON {table}"))

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
    changeable = [table for table in sorted(tables) if not _triggers(table, connection.vendor) <= triggers]
    return [
        Error(
            f"{table} can be changed: its append-only triggers are missing",
            hint="Migrate the app that owns the table back before the step that adds them, and forward again.",
            id="identity_privacy.E101",
        )
        for table in changeable
    ]


def _triggers(table: str, vendor: str) -> set[str]:
    return {f"{table}_no_update", f"{table}_no_delete"} if vendor == "sqlite" else {f"{table}_append_only"}


def _create(table: str, vendor: str) -> list[str]:
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]
