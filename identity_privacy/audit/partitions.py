"""Tables that PostgreSQL keeps in partitions, a quarter of a year each, by the time with which a UUIDv7 begins.

A log grows for ever: an old quarter can be taken out in one moment, and the indexes that are written to stay small.
Partitions are made ahead, at every `migrate` and by `manage.py audit partitions`; what comes when there is none goes
into the default partition and is as safe and as findable there. On SQLite there are none.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from django.core.checks import CheckMessage
from django.core.checks import Warning as Advice
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState

from identity_privacy import clock
from identity_privacy.audit.append_only import refusing_change

# How many quarters are made ahead, and how few are too few.
AHEAD: Final = 8
TOO_FEW: Final = 2


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of a year, 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> "Quarter":
        """The quarter in which a day is."""
        return cls(day.year, (day.month + 2) // 3)

    def following(self, count: int) -> Iterator["Quarter"]:
        """This one and those after it, `count` in all."""
        for at in range(count):
            years, number = divmod(self.number - 1 + at, 4)
            yield Quarter(self.year + years, number + 1)

    @classmethod
    def named(cls, text: str) -> "Quarter | None":
        """The quarter of which this is the name, as `str` gives it; None where it is another name."""
        found = re.fullmatch(r"([0-9]{4})q([1-4])", text)
        return cls(int(found[1]), int(found[2])) if found else None

    @property
    def begins_on(self) -> date:
        """Its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def ends_before(self) -> date:
        """The first day after it."""
        return list(self.following(2))[1].begins_on

    def __str__(self) -> str:
        return f"{self.year}q{self.number}"


def this_quarter() -> Quarter:
    """The quarter of an id that is made now: ids take the machine's time, which a demonstration does not move."""
    return Quarter.of(clock.machine_now().date())


def first_id_on(day: date) -> UUID:
    """The smallest id that a row of this day, in UTC, can have. Source: RFC 9562 section 5.7 (UUIDv7)."""
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return UUID(int=milliseconds << 80)


class CreatePartitionedModel(CreateModel):
    """Creates a model's table in partitions on PostgreSQL, with the default one and those ahead; plain on SQLite."""

    def database_forwards(
        self, app_label: str, editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Create the table and its partitions."""
        model = to_state.apps.get_model(app_label, self.name)
        is_here = self.allow_migrate_model(editor.connection.alias, model)
        if not is_here or editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, editor, from_state, to_state)
            return
        plain = editor.sql_create_table
        editor.sql_create_table = f"{plain} PARTITION BY RANGE (id)"
        try:
            super().database_forwards(app_label, editor, from_state, to_state)
        finally:
            editor.sql_create_table = plain
        table = model._meta.db_table
        editor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        make_partitions(table, editor.connection)


def make_partitions(table: str, connection: BaseDatabaseWrapper) -> list[Quarter]:
    """Make the partitions of this quarter and of those ahead that are not there; returns the ones that were made.

    One for whose time rows stand in the default partition already is left out: they stay where they are. The
    partitions are append-only if the table is.
    """
    if connection.vendor != "postgresql":
        return []
    made = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = %s)", [f"{table}_append_only"])
        is_append_only = cursor.fetchone()[0]
        for quarter in this_quarter().following(AHEAD):
            bounds = [str(first_id_on(day)) for day in (quarter.begins_on, quarter.ends_before)]
            # A table of ours; the bounds are values.
            is_free = f"SELECT NOT EXISTS (SELECT FROM {table}_default WHERE id >= %s AND id < %s)"  # noqa: S608
            cursor.execute(f"{is_free} AND to_regclass(%s) IS NULL", [*bounds, f"{table}_{quarter}"])
            if not cursor.fetchone()[0]:
                continue
            cursor.execute(f"CREATE TABLE {table}_{quarter} PARTITION OF {table} FOR VALUES FROM (%s) TO (%s)", bounds)
            if is_append_only:
                for statement in refusing_change(f"{table}_{quarter}", connection):
                    cursor.execute(statement, None)
            made.append(quarter)
    return made


def check_partitions(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """W101: the partitions ahead run out; runs with `check --database default` and at `migrate`."""
    connection = connections["default"]
    if "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    table = "audit_entry"
    if table not in connection.introspection.table_names():
        return []
    ahead = this_quarter().following(TOO_FEW)
    with connection.cursor() as cursor:
        for quarter in ahead:
            cursor.execute("SELECT to_regclass(%s) IS NULL", [f"{table}_{quarter}"])
            if cursor.fetchone()[0]:
                return [
                    Advice(
                        f"{table} has no partition for {quarter}",
                        hint="Run `manage.py audit partitions` as the role that owns the tables: until then, what is "
                        "entered goes into the default partition, from which no quarter can be taken out by itself.",
                        id="identity_privacy.W101",
                    )
                ]
    return []
