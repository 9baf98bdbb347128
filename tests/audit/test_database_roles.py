"""The roles of docs/howto/database-roles.md, as its SQL makes them: what each may do, and that the rest is refused."""

# ruff: noqa: S608  # the names in the statements are ours

import contextlib
import io
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, connections, transaction
from pytest_django import DjangoDbBlocker, Settings

from dsar.services import forget_due, recheck_due
from dsar.terms import RequestKind, RequestState
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.append_only import check_append_only, check_role
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.partitions import this_quarter
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.destruction import check_tables_owner
from tests import cast as stage
from tests.audit.aged import OLD, enter_on
from tests.dsar.world import again, answered

pytestmark = pytest.mark.only_on("postgresql")

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/howto/database-roles.md"
ONCE, SCHEMA, AFTER_EVERY_MIGRATION = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
APPEND_ONLY: Final = ("audit_entry", "audit_sequenced", "audit_checkpoint", "audit_cosignature")


@dataclass(frozen=True)
class Roles:
    """What the page sets up, under names of our own: roles belong to the whole server."""

    prefix: str
    password: str

    def named(self, statements: str) -> str:
        return statements.replace("privacy_", self.prefix)

    def execute(self, statements: str, *, database: str = "", role: str = "") -> None:
        """Run a part of the page: as a superuser unless a role is named."""
        known = connections["default"].settings_dict
        told = {"host": known["HOST"], "port": known["PORT"], "user": known["USER"], "password": known["PASSWORD"]}
        told |= {"user": self.named(role), "password": self.password} if role else {}
        name = self.named(database) or "postgres"
        with psycopg.connect(**told, dbname=name, autocommit=True) as raw:
            parts = [statements] if "DO $$" in statements else statements.split(";\n")
            for part in filter(str.strip, parts):
                raw.execute(self.named(part).encode())

    @contextlib.contextmanager
    def working_as(self, role: str) -> Iterator[None]:
        """Let Django work on both databases, on the data's as this role."""
        before = {alias: dict(connections[alias].settings_dict) for alias in ("default", "keys")}
        used = {"default": (role, "privacy_data"), "keys": ("privacy_keys", "privacy_keyring")}
        for alias, (user, name) in used.items():
            connections[alias].close()
            connections[alias].settings_dict |= {"USER": self.named(user), "NAME": self.named(name)}
            connections[alias].settings_dict["PASSWORD"] = self.password
        try:
            yield
        finally:
            for alias, known in before.items():
                connections[alias].close()
                connections[alias].settings_dict.update(known)


@pytest.fixture(scope="module")
def roles(django_db_blocker: DjangoDbBlocker) -> Iterator[Roles]:
    """Both databases as the page makes them, with everybody on stage by the application's role."""
    made = Roles(prefix=f"p{secrets.token_hex(4)}_", password=secrets.token_hex(16))
    names = re.findall(r"CREATE ROLE (\w+)", ONCE)
    databases = re.findall(r"CREATE DATABASE (\w+)", ONCE)
    with django_db_blocker.unblock():
        try:
            made.execute(ONCE)
            for name in names:
                made.execute(f"ALTER ROLE {name} PASSWORD '{made.password}'")
            made.execute(SCHEMA, database="privacy_data")
            with made.working_as("privacy_owner"):
                call_command("migrate", verbosity=0)
                call_command("migrate", database="keys", verbosity=0)
            made.execute(AFTER_EVERY_MIGRATION, database="privacy_data", role="privacy_owner")
            yield made
        finally:
            for name in databases:
                made.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            for name in names:
                made.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture
def app(roles: Roles) -> Iterator[Roles]:
    with roles.working_as("privacy_app"):
        yield roles


def refused(statement: str, match: str) -> None:
    with pytest.raises(DatabaseError, match=match), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


# --- The application ----------------------------------------------------------------------------------


def test_the_service_does_its_work_as_the_applications_role(app: Roles, settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    cast = stage.enter()
    for kind in (RequestKind.ACCESS, RequestKind.ERASURE):
        request = answered(cast.lindwerk, cast.alice, kind)
        assert request.state == RequestState.ANSWERED
        assert request.answered_at
    settings.CLOCK_OFFSET_SECONDS = 90 * 86_400
    recheck_due()
    forget_due()
    assert again(request).state != RequestState.ANSWERED
    call_command("keys", "rotate-dek", "--all", stdout=io.StringIO())
    services.take_over_incidents()
    services.sequence()
    assert verify_log() == Sequenced.objects.count() > 40
    services.check_log(actor=Actor.service("test"))
    call_command("audit", "export", tmp_path / "export", stdout=io.StringIO())
    assert check_tables_owner(databases=["keys"]) == []


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("audit_entry", "id"),
        ("audit_sequenced", "epoch, index"),
        ("audit_checkpoint", "epoch, size"),
        ("audit_cosignature", "id"),
        ("consent_consentevent", "id"),
        ("consent_notice", "id"),
    ],
)
def test_the_application_cannot_change_what_is_append_only(app: Roles, table: str, key: str) -> None:
    column = key.partition(",")[0]
    upsert = f"ON CONFLICT ({key}) DO UPDATE SET {column} = EXCLUDED.{column}"
    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"INSERT INTO {table} SELECT * FROM {table} {upsert}",
        f"SELECT FROM {table} FOR UPDATE",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TRIGGER none BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    ):
        refused(statement, f"permission denied for table {table}")
    for statement in (
        f"DROP TRIGGER {table}_append_only ON {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"CREATE RULE none AS ON INSERT TO {table} DO INSTEAD NOTHING",
        f"DROP TABLE {table} CASCADE",
    ):
        refused(statement, "must be owner of")


@pytest.mark.parametrize("partition", [f"audit_entry_{this_quarter()}", "audit_entry_default"])
def test_the_application_cannot_change_a_partition_of_it(app: Roles, partition: str) -> None:
    services.record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)
    refused(f"DELETE FROM {partition}", "permission denied")
    refused(f"UPDATE {partition} SET reason = 'another'", "permission denied")
    refused(f"TRUNCATE {partition}", "permission denied")
    refused(f"DROP TABLE {partition}", "must be owner")
    refused(f"ALTER TABLE audit_entry DETACH PARTITION {partition}", "must be owner")
    refused(f"ALTER TABLE {partition} DISABLE TRIGGER ALL", "must be owner")


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "DROP FUNCTION refuse_change() CASCADE",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TABLE audit_entry_2000q1 PARTITION OF audit_entry FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
        "CREATE TABLE another ()",
        "CREATE TEMPORARY TABLE audit_entry ()",
        "ALTER TABLE audit_entry OWNER TO CURRENT_USER",
        "DELETE FROM audit_tile",
        "DELETE FROM audit_horizon",
        "INSERT INTO audit_entry SELECT * FROM audit_entry",
        "INSERT INTO audit_entry (id, written_in) VALUES ('01930000-0000-7000-8000-000000000000', 1)",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('audit', '0003', now())",
    ],
)
def test_the_application_cannot_get_round_it(app: Roles, statement: str) -> None:
    refused(statement, "permission denied|must be owner")


def test_the_application_cannot_become_another(app: Roles) -> None:
    for role in ("privacy_owner", "privacy_auditor", "privacy_keys"):
        refused(app.named(f"SET ROLE {role}"), "permission denied")
        refused(app.named(f"GRANT {role} TO CURRENT_USER"), "must have admin option|permission denied")


# --- The owner ----------------------------------------------------------------------------------------


def test_the_owner_prunes_and_makes_partitions_and_the_application_cannot(roles: Roles) -> None:
    with roles.working_as("privacy_app"):
        entry = enter_on(OLD)[0]
        services.sequence()
        with pytest.raises(CommandError, match="does not own audit_entry"):
            call_command("audit", "prune", "--before", "2015-04-01", "--yes", stdout=io.StringIO())
        assert Entry.objects.filter(id=entry.id).exists()
    last = list(this_quarter().following(8))[-1]
    out = io.StringIO()
    with roles.working_as("privacy_owner"):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE audit_entry_{last}")
        call_command("audit", "partitions", stdout=out)
        call_command("audit", "prune", "--before", str(date(2015, 4, 1)), "--yes", stdout=out)
    assert f"made: {last}" in out.getvalue()
    assert "1 entries were pruned" in out.getvalue()
    with roles.working_as("privacy_app"):
        assert not Entry.objects.filter(id=entry.id).exists()
        assert check_append_only(databases=["default"]) == []
        verify_log()
        refused(f"DELETE FROM audit_entry_{last}", "permission denied")  # though no grant was made since


# --- The auditor --------------------------------------------------------------------------------------


def test_the_auditor_reads_the_log_and_nothing_else(roles: Roles) -> None:
    with roles.working_as("privacy_app"):
        enter_on(this_quarter().begins_on)
        tables = set(connection.introspection.table_names())
    readable = set()
    with roles.working_as("privacy_auditor"):
        for table in tables:
            with contextlib.suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {table}")
                readable.add(table)
        assert Entry.objects.exists()
        for table in APPEND_ONLY:
            refused(f"INSERT INTO {table} SELECT * FROM {table}", "read-only transaction")
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ WRITE")
                refused(f"INSERT INTO {table} SELECT * FROM {table}", "permission denied")
                refused(f"DELETE FROM {table}", "permission denied")
    assert readable == {*APPEND_ONLY, "audit_tile"}


def test_a_keys_role_has_no_way_to_the_data(roles: Roles) -> None:
    for role, database in (("privacy_keys", "privacy_data"), ("privacy_app", "privacy_keyring")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            roles.execute("SELECT 1", database=database, role=role)


# --- The check ----------------------------------------------------------------------------------------

BOTH = ["default", "keys"]


def test_a_service_that_could_change_the_log_is_warned_in_production(roles: Roles, settings: Settings) -> None:
    settings.PRODUCTION = True
    with roles.working_as("privacy_app"):
        assert check_role(databases=BOTH) == []
        roles.execute("GRANT DELETE ON audit_checkpoint TO privacy_app", database="privacy_data", role="privacy_owner")
        [found] = check_role(databases=BOTH)
        assert found.id == "identity_privacy.W102"
        assert "audit_checkpoint" in found.msg
        assert "audit_entry" not in found.msg
        # The page's own part puts it right again.
        roles.execute(AFTER_EVERY_MIGRATION, database="privacy_data", role="privacy_owner")
        assert check_role(databases=BOTH) == []
    with roles.working_as("privacy_owner"):
        [found] = check_role(databases=BOTH)
        assert "audit_entry" in found.msg
        assert "database-roles" in str(found.hint)
        assert check_role(databases=["default"]) == []  # as `migrate` checks, which the owner runs
        settings.PRODUCTION = False
        assert check_role(databases=BOTH) == []


def test_a_superuser_is_warned_too(db: None, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert [found.id for found in check_role(databases=BOTH)] == ["identity_privacy.W102"]
