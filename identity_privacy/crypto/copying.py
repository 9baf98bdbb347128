"""Inserting many sealed rows by COPY, PostgreSQL's fastest way; elsewhere Django's own `bulk_create` does it."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from identity_privacy.crypto.fields import EncryptedField
from identity_privacy.crypto.postgres import as_copied, copy_in, type_of
from identity_privacy.crypto.sealing import blind_indexes_of, seal_columns, sealed_values, stored_hashes


def can_copy(model: type[models.Model], using: str) -> bool:
    """Whether COPY does what `bulk_create` would: on PostgreSQL, with nothing for the database to compute."""
    fields = model._meta.concrete_fields
    return (
        connections[using].vendor == "postgresql"
        and not any(field.generated or field.has_db_default() for field in fields)
        and not model._meta.db_returning_fields
    )


def copy_rows(rows: Sequence[models.Model], *, using: str) -> None:
    """Insert rows of one model, inside a transaction. Raises: IntegrityError; what sealing raises."""
    model, connection = type(rows[0]), connections[using]
    fields = model._meta.concrete_fields
    plain = [field for field in fields if not isinstance(field, EncryptedField)]
    encrypted = [field for field in fields if isinstance(field, EncryptedField)]
    sealed = sealed_values(rows, encrypted, {field.attname for field in fields}, using=using)
    values = (
        [as_copied(field, field.pre_save(row, add=True), connection) for field in plain] + closed
        for row, closed in zip(rows, sealed, strict=True)
    )
    copy_in(connection, model, [*plain, *encrypted], values)


class ValueCopy:
    """Inserts values instead of rows, half as much work again: `names` are the fields that each tuple holds.

    `id` and `data_key_id` are among them; other fields take their defaults, blind indexes are computed.
    """

    def __init__(self, model: type[models.Model], names: Sequence[str], *, using: str) -> None:
        self._model, self._using, self._connection = model, using, connections[using]
        self._at = {name: place for place, name in enumerate(names)}
        fields = {field.attname: field for field in model._meta.concrete_fields}
        given = [fields[name] for name in names]
        self._encrypted = [field for field in given if isinstance(field, EncryptedField)]
        self._plain = [field for field in given if not isinstance(field, EncryptedField)]
        self._indexes = [pair for pair in blind_indexes_of(model) if pair[0].of in names]
        computed = [field for pair in self._indexes for field in pair if field is not None]
        self._missing = [field for field in fields.values() if field not in given and field not in computed]
        self._columns = [*self._plain, *computed, *self._missing, *self._encrypted]
        self._pick_plain, self._pick_encrypted = self._picker(self._plain), self._picker(self._encrypted)
        self._converted = [
            (place, field) for place, field in enumerate(self._plain) if not _is_native(field, self._connection)
        ]

    def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Insert the tuples, inside a transaction. Raises: IntegrityError; what sealing raises."""
        id_at, key_at, pick = self._at["id"], self._at["data_key_id"], self._pick_encrypted
        bound: list[tuple[UUID, UUID, Sequence[Any]]] = [(row[id_at], row[key_at], pick(row)) for row in rows]
        sealed = seal_columns(bound, self._encrypted, using=self._using)
        copy_in(self._connection, self._model, self._columns, map(self._stored, rows, sealed))

    def _stored(self, row: Sequence[Any], sealed: list[bytes | None]) -> list[Any]:
        values = list(self._pick_plain(row))
        for place, field in self._converted:
            values[place] = as_copied(field, values[place], self._connection)
        for index, following in self._indexes:
            kind = row[self._at[index.kind_field]] if index.kind_field else index.kind
            controller_id, value = row[self._at[index.controller_field]], row[self._at[index.of]]
            hashes = stored_hashes(controller_id, kind, value, using=self._using)
            values += hashes if following is not None else hashes[:1]
        values += [as_copied(field, field.get_default(), self._connection) for field in self._missing]
        return values + sealed

    def _picker(self, fields: Sequence[models.Field[Any, Any]]) -> Callable[[Sequence[Any]], Sequence[Any]]:
        places = [self._at[field.attname] for field in fields]
        return itemgetter(*places) if len(places) > 1 else lambda row: [row[place] for place in places]


def _is_native(field: models.Field[Any, Any], connection: BaseDatabaseWrapper) -> bool:
    """Whether the driver takes a field's values as Python has them."""
    return type_of(field, connection) in {"uuid", "text", "varchar", "boolean", "date", "timestamp with time zone"}
