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
        if editor.connection.vendor == "sqlite":
            editor.execute(f"DROP TRIGGER {table}_no_update")
            editor.execute(f"DROP TRIGGER {table}_no_delete")
        else:
            editor.execute(f"DROP TRIGGER {table}_append_only ON {table}")

    return RunPython(add, drop, elidable=False)


def expect_append_only(table: str) -> None:
    """Let the start-up check look for this table's triggers; a migration that remakes a table drops them silently."""
    _tables.add(table)


def check_append_only(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """E101: an append-only table without its triggers; runs with `check --database default` and at `migrate`."""
    if "default" not in (databases or ()):
        return []
    connection = connections["default"]
    names = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
        guarded = {row[0] for row in cursor.fetchall()}
    return [
        Error(
            f"{table} can be changed: its append-only triggers are missing",
            hint="Migrate the app that owns the table back before the step that adds them, and forward again.",
            id="identity_privacy.E101",
        )
        for table in sorted((_tables & names) - guarded)
    ]


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
