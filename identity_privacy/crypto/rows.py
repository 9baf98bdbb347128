"""The base of models with encrypted fields.

    class Note(SealedModel):
        text = EncryptedTextField(place="notes.note.text")

        objects = SealedQuerySet.as_manager()

Its rows are sealed as they are written, and made quickly when they are read.
"""

from collections.abc import Collection, Iterable
from typing import Any, Self
from uuid import UUID

from django.db import models, router, transaction
from django.db.models.signals import post_init, pre_init
from uuid_utils.compat import uuid7

from identity_privacy.crypto.errors import OpenedRowLeaves, SealedUnderAnotherKey, WrongPlace
from identity_privacy.crypto.fields import DataKeyField, EncryptedField, Sealed, encrypted_fields
from identity_privacy.crypto.fields.base import (
    ABSENT,
    RowShape,
    absent_fields,
    closed_fields,
    closed_value,
    keep_closed,
    load_closed,
)
from identity_privacy.crypto.listing import LateState, make_row
from identity_privacy.crypto.sealing import sealed_in_place, written_with


class SealedModel(models.Model):
    """A row whose values are sealed under the data key `data_key_id` and bound to its id."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    data_key_id = DataKeyField()

    _state = LateState()

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        close(self)

    def __copy__(self) -> Self:
        """A second row in this process, which holds the same values."""
        row = object.__new__(type(self))
        self.__dict__.setdefault("_state", self._state)
        row.__dict__ = super().__getstate__()
        return row

    def __getstate__(self) -> dict[str, Any]:
        """What pickling takes. Raises: OpenedRowLeaves, once a value was opened or set."""
        if any(self.__dict__.get(field.attname) is not None for field in encrypted_fields(type(self))):
            raise OpenedRowLeaves(f"{self._meta.label} {self.pk} holds open values; pass its id instead")
        self.__dict__.setdefault("_state", self._state)
        state = super().__getstate__()
        state.pop("_beside", None)
        return state

    @classmethod
    def from_db(  # type: ignore[override]  # Django 6.1 will pass a fetch mode
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        """Make a row from the database, its values closed."""
        if pre_init.has_listeners(cls) or post_init.has_listeners(cls):
            return super().from_db(db, field_names, values)
        shape = RowShape.of(cls, tuple(field_names))
        return make_row(cls, db, shape, [value.sealed if type(value) is Sealed else value for value in values])

    def reseal_under(self, key_id: UUID) -> None:
        """Open every value, inside a Reading, and move the row to another data key; saving it writes them anew.

        Raises: OpenedWithoutReading; KeyDestroyed.
        """
        for field in encrypted_fields(type(self)):
            getattr(self, field.attname)
        self.data_key_id = key_id

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        """Load values from the database anew; the sealed ones come closed, so that this needs no Reading."""
        deferred = self.get_deferred_fields()
        sealed = [field for field in encrypted_fields(type(self)) if fields is None and not is_absent(self, field)]
        if fields is not None:
            fields = list(fields)
            sealed = [field for field in encrypted_fields(type(self)) if field.attname in fields]
        names = {field.attname for field in sealed}
        plain = [
            field.attname
            for field in self._meta.concrete_fields
            if not isinstance(field, EncryptedField) and field.attname not in deferred
        ]
        others = plain if fields is None else [name for name in fields if name not in names]
        if sealed or "data_key_id" in others:
            rows = type(self)._base_manager.using(using or self._state.db) if from_queryset is None else from_queryset
            load_closed(self, sealed, rows)
            others = [name for name in others if name != "data_key_id"]
        if others:
            super().refresh_from_db(using=using, fields=others, from_queryset=from_queryset)

    def _save_table(
        self,
        raw: bool = False,
        cls: type[models.Model] | None = None,
        force_insert: bool | tuple[type[models.Model], ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Collection[str] | None = None,
    ) -> bool:
        # The one place through which Django writes a single row, whoever asked for it; signals are sent outside.
        using = using or router.db_for_write(type(self), instance=self)
        if self.pk is None:  # a copy under a new id, which is part of what its values are bound to
            if closed_fields(self) or absent_fields(self):
                raise WrongPlace(
                    "closed values belong to the row that they were loaded from: to copy it, open them inside a "
                    "Reading by row.reseal_under(key_id), then set row.pk = None and row._state.adding = True, and save"
                )
            self.pk = self._meta.pk.get_pk_value_on_save(self)
        names = {field.attname for field in self._meta.concrete_fields}
        if update_fields is not None and not force_insert and not self._state.adding:
            # A key that did not change is not written: this may be another row than the one that was loaded.
            names = set(update_fields) - {"data_key_id"}
            update_fields = frozenset(names := written_with(type(self), names, [self]))
        with transaction.atomic(using=using, savepoint=False), sealed_in_place([self], names, using=using):
            written: bool = super()._save_table(raw, cls, force_insert, force_update, using, update_fields)  # type: ignore[misc]  # Django's own
        return written

    def _do_update(self, base_qs: "models.QuerySet[Self]", *args: Any) -> Any:
        # Values that are sealed under this row's key go into a row that names it, or nowhere.
        _, pk_val, values, *_ = args
        fields = [field for field, *_ in values]
        is_bound = any(isinstance(field, EncryptedField) for field in fields)
        rows = base_qs
        if is_bound and not any(isinstance(field, DataKeyField) for field in fields):
            rows = base_qs.filter(data_key_id=self.data_key_id)
        written = super()._do_update(rows, *args)
        if not written and rows is not base_qs and base_qs.filter(pk=pk_val).exists():
            raise SealedUnderAnotherKey(f"{self.pk} was moved to another key meanwhile: load it again")
        return written


def close(row: models.Model) -> None:
    """Put closed values that were given to a row where a row from the database has them."""
    values = row.__dict__
    for field in encrypted_fields(type(row)):
        value = values.get(field.attname)
        if isinstance(value, Sealed):
            keep_closed(row, {field.attname: value.sealed})


def is_absent(row: models.Model, field: EncryptedField) -> bool:
    """Whether a row was loaded without this value (`only`, `defer`)."""
    return field.attname not in row.__dict__ and closed_value(row, field.attname) is ABSENT
