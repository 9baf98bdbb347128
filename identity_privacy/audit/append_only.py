"""Tables that the database itself refuses to change: the migration operation, and the names a check looks for."""

from collections.abc import Iterable
from typing import Final

from django.apps.registry import Apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Advice
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

_tables: set[str] = set()
# A superuser has every role.
_CHANGEABLE: Final = """
    SELECT oid::regclass::text FROM pg_class WHERE oid::regclass::text = ANY(%s) AND relkind IN ('r', 'p') AND (
        pg_has_role(relowner, 'USAGE') OR has_any_column_privilege(oid, 'UPDATE')
        OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER')
    ) ORDER BY 1
"""


def append_only(table: str) -> RunPython:
    """A migration operation: UPDATE, DELETE, TRUNCATE (PostgreSQL) and REPLACE (SQLite) on `table` fail for every role.

    On PostgreSQL also where it is a partitioned table, on each of its partitions.
    """

    def add(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        for relation in _relations(table, editor.connection):
            for statement in refusing_change(relation, editor.connection):
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


def check_role(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """W102: in production, a role that could change what is append-only; not at `migrate`, which the owner runs."""
    connection = connections["default"]
    if not settings.PRODUCTION or connection.vendor != "postgresql" or not {"default", "keys"} <= set(databases or ()):
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CHANGEABLE, [sorted(_tables)])
        changeable = [row[0] for row in cursor.fetchall()]
    if not changeable:
        return []
    return [
        Advice(
            f"the role of DATABASE_URL is a superuser, or owns or may change {', '.join(changeable)}",
            hint="Let the service run as a role that cannot lift the triggers: docs/howto/database-roles.md.",
            id="identity_privacy.W102",
        )
    ]


def refusing_change(relation: str, connection: BaseDatabaseWrapper) -> list[str]:
    """The statements after which a table, or one partition of it, refuses to be changed."""
    if connection.vendor == "sqlite":
        # REPLACE deletes the rows in its way, and fires the trigger of DELETE only where `recursive_triggers` is on,
        # which each connection says for itself. So a row is refused where there is one that it would replace.
        is_there = f"EXISTS (SELECT 1 FROM {relation} WHERE {_has_a_key_of_the_new(relation, connection)})"  # noqa: S608  # ours
        events = {"update": "UPDATE", "delete": "DELETE", "replace": "INSERT"}
        return [
            f"CREATE TRIGGER {relation}_no_{change} BEFORE {event} ON {relation} "
            f"{f'WHEN {is_there} ' if change == 'replace' else ''}"
            f"BEGIN SELECT RAISE(ABORT, '{relation} is append-only'); END"
            for change, event in events.items()
        ]
    return [
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER {relation}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {relation} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def _has_a_key_of_the_new(relation: str, connection: BaseDatabaseWrapper) -> str:
    """On SQLite: the condition that a stored row has a value in common with the new one that only one row can have."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA index_list({relation})")
        indexes = [name for _, name, is_unique, *_ in cursor.fetchall() if is_unique]
        keys = [["rowid"]]
        for index in indexes:
            cursor.execute(f"PRAGMA index_info({index})")
            keys.append([f'"{column}"' for _, _, column in cursor.fetchall()])
    return " OR ".join(f"({' AND '.join(f'{column} = NEW.{column}' for column in key)})" for key in keys)


def _triggers(relation: str, vendor: str) -> set[str]:
    if vendor == "sqlite":
        return {f"{relation}_no_{change}" for change in ("update", "delete", "replace")}
    return {f"{relation}_append_only"}


def _relations(table: str, connection: BaseDatabaseWrapper) -> list[str]:
    """The table and, on PostgreSQL, its partitions: a trigger by statement on the one says nothing of the others."""
    if connection.vendor == "sqlite":
        return [table]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass)", [table])
        return sorted({table, *(str(row[0]) for row in cursor.fetchall())})
