"""A backup of the data's database, to put it back as it was; the keys stay as they are."""

from django.apps import apps
from django.db import connection, router

from tests.conftest import triggers_lifted


def tables() -> list[str]:
    models = apps.get_models(include_auto_created=True)
    return sorted({model._meta.db_table for model in models if router.allow_migrate_model("default", model)})


def back_up(name: str = "backup") -> None:
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"CREATE TEMPORARY TABLE {name}_{table} AS SELECT * FROM {table}")  # noqa: S608  # ours


def restore(name: str = "backup") -> None:
    with triggers_lifted("default"), connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        for table in tables():
            cursor.execute(f"INSERT INTO {table} SELECT * FROM {name}_{table}")  # noqa: S608
