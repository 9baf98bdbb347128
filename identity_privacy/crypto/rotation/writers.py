"""Who writes under keys, and how a rotation waits for those who may still use the one from before."""

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

from django.apps import apps
from django.db import OperationalError, connections, models, router

from identity_privacy.crypto.errors import WritersStillRun
from identity_privacy.crypto.fields import EncryptedField, encrypted_fields
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.transactions import wait_for_open_transactions

Row = TypeVar("Row", bound=models.Model)


def sealed_models() -> dict[type[models.Model], list[EncryptedField]]:
    """Every table with encrypted columns, and these."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        fields = [field for field in encrypted_fields(model) if field.model is model]
        if fields and not model._meta.proxy:
            found[model] = fields
    return found


def models_with_keys() -> list[type[models.Model]]:
    """Every table whose rows name a data key: those with encrypted columns, and those that hand the id on."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        and any(
            isinstance(field, models.UUIDField) and field.attname == "data_key_id"
            for field in model._meta.local_concrete_fields
        )
    ]


def database_of(model: type[models.Model]) -> str:
    """Where a model's rows are written."""
    return router.db_for_write(model)


def data_databases() -> list[str]:
    """Every database in which rows name a data key."""
    return sorted({database_of(model) for model in models_with_keys()})


def every_row(model: type[Row]) -> models.QuerySet[Row]:
    """All rows of a table; a model's managers, its base manager too, may be made to leave some out."""
    return models.QuerySet(model, using=database_of(model))


def rows_under(key_ids: Collection[UUID]) -> dict[str, int]:
    """How many rows of each table name one of these data keys; tables without any are left out."""
    counts = {
        model._meta.label_lower: every_row(model).filter(data_key_id__in=key_ids).count()
        for model in models_with_keys()
    }
    return {table: count for table, count in counts.items() if count}


def wait_for_writers(seconds: float) -> None:
    """Return once every transaction of the data that is open now has ended. Raises: WritersStillRun."""
    for using in data_databases():
        _wait(using, seconds)


def wait_for_key_makers(seconds: float) -> None:
    """Return once every transaction of the keys that is open now has ended. Raises: WritersStillRun."""
    _wait(KEYS, seconds)


def _wait(using: str, seconds: float) -> None:
    try:
        wait_for_open_transactions(using, seconds=seconds)
    except OperationalError:
        if connections[using].vendor != "sqlite":
            raise
        # Another writer held its lock for as long as a connection waits.
        raise WritersStillRun("a transaction that began before still writes; try again") from None
