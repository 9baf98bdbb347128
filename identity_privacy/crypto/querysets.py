"""Queries over models with encrypted fields: what cannot be right is refused when it is built, lists are made fast."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Self, TypeVar

from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.models import sql
from django.db.models.expressions import Case, Col, Value
from django.db.models.functions import Cast

from identity_privacy.crypto.copying import ValueCopy, can_copy, copy_rows
from identity_privacy.crypto.errors import SealedUnderAnotherKey
from identity_privacy.crypto.fields import (
    BlindIndexField,
    DataKeyField,
    EncryptedField,
    NextBlindIndexField,
    Sealed,
    encrypted_fields,
)
from identity_privacy.crypto.listing import BoundNamedTuples, BoundTuples, BoundValues, SealedRows
from identity_privacy.crypto.sealing import blind_indexes_of, computed_with, sealed_in_place, written_with

Row = TypeVar("Row", bound=models.Model, covariant=True)

# What belongs to one row's values and must not be written into another row without them.
BOUND: Final = (EncryptedField, DataKeyField, BlindIndexField, NextBlindIndexField)


class SealedQuery(sql.Query):
    """A query that refuses to compute with, order by or group by an encrypted column. Raises: FieldError."""

    # So that a column of it need not look around for what is refused here already.
    refuses_sealed_columns = True

    def resolve_ref(self, *args: Any, **kwargs: Any) -> Any:
        """What `F("name")` stands for, wherever it is used."""
        return _refused(super().resolve_ref(*args, **kwargs))

    def add_ordering(self, *ordering: Any) -> None:
        """Order by names or expressions."""
        for name in ordering:
            if isinstance(name, str):
                self._refuse_name(name.removeprefix("-"))
        super().add_ordering(*ordering)

    def add_distinct_fields(self, *field_names: str) -> None:
        """Distinct rows, or rows distinct on these names."""
        for name in field_names:
            self._refuse_name(name)
        super().add_distinct_fields(*field_names)
        self._refuse_distinct_values()

    def set_values(self, fields: Iterable[str] | None) -> None:
        """Select values instead of rows."""
        super().set_values(fields)
        self._refuse_distinct_values()

    def set_group_by(self, allow_aliases: bool = True) -> None:
        """Group by what was selected."""
        self.refuse_to_compare()
        super().set_group_by(allow_aliases)

    def refuse_to_compare(self) -> None:
        """Refuse selected values that are to be compared: equal ones are sealed differently each time.

        Beside the row's own id they do no harm: no two rows are the same in any case.
        """
        if not any(isinstance(column, Col) and column.target is self.get_meta().pk for column in self.select):
            for column in self.select:
                _refused(column)

    def _refuse_distinct_values(self) -> None:
        if self.distinct and not self.default_cols:
            self.refuse_to_compare()

    def _refuse_name(self, name: str) -> None:
        if name in self.annotations or name == "?":
            return
        field = self.names_to_path(name.split("__"), self.get_meta())[1]
        if isinstance(field, EncryptedField):
            raise FieldError(f"{field.name} is encrypted: the database cannot compare it")


def _refused(expression: Any) -> Any:
    if isinstance(expression, Col) and isinstance(expression.target, EncryptedField):
        raise FieldError(f"{expression.target.name} is encrypted: the database cannot compute with it")
    return expression


class SealedQuerySet(models.QuerySet[Row]):
    """Rows of a model with encrypted fields."""

    def __init__(
        self, model: type[Row] | None = None, query: Any = None, using: str | None = None, hints: Any = None
    ) -> None:
        super().__init__(model=model, query=query or SealedQuery(model), using=using, hints=hints)
        self._iterable_class = SealedRows

    def values(self, *fields: Any, **expressions: Any) -> Any:
        """Dicts; encrypted values come closed, and `value.open()` opens them inside a Reading.

        For that, select `id` and `data_key_id` with them.
        """
        found = super().values(*fields, **expressions)
        found._iterable_class = BoundValues
        return found

    def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> Any:
        """Tuples; encrypted values come closed, as with `values`."""
        found = super().values_list(*fields, flat=flat, named=named)
        if not flat:
            found._iterable_class = BoundNamedTuples if named else BoundTuples
        return found

    def only(self, *fields: Any) -> Self:
        """Rows that hold these fields and, so that their values open without a query each, the key's id."""
        return super().only(*fields, "data_key_id")

    def defer(self, *fields: Any) -> Self:
        """Rows without these fields; the key's id comes all the same."""
        return super().defer(*(name for name in fields if name != "data_key_id"))

    def bulk_create(
        self,
        objs: Iterable[Row],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Row]:
        """Insert many rows; the keys of all are fetched in one query.

        Raises: FieldError, where a conflict would write sealed values into a row with another id.
        """
        rows = list(objs)
        for row in rows:
            if row.pk is None:  # part of what its values are bound to
                row.pk = row._meta.pk.get_pk_value_on_save(row)
        bound = {field.name for field in self.model._meta.concrete_fields if isinstance(field, BOUND)}
        if update_conflicts and bound & set(update_fields or ()):
            raise FieldError("an encrypted value belongs to one row: update the row that is there instead")
        if rows and not (ignore_conflicts or update_conflicts) and can_copy(self.model, self.db):
            self._prepare_for_bulk_create(rows)  # type: ignore[attr-defined]  # Django's own
            with transaction.atomic(using=self.db, savepoint=False):
                copy_rows(rows, using=self.db)
            for row in rows:
                row._state.adding, row._state.db = False, self.db
            return rows
        with transaction.atomic(using=self.db, savepoint=False), sealed_in_place(rows, self._names(), using=self.db):
            return super().bulk_create(
                rows,
                batch_size=batch_size,
                ignore_conflicts=ignore_conflicts,
                update_conflicts=update_conflicts,
                update_fields=update_fields,
                unique_fields=unique_fields,
            )

    def bulk_update(self, objs: Iterable[Row], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Update these fields of many rows, and the blind indexes that change with them."""
        rows = list(objs)
        named = set(fields)
        named = {field.attname for field in self.model._meta.concrete_fields if {field.name, field.attname} & named}
        names = written_with(self.model, named, rows)
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False), sealed_in_place(rows, names, using=self.db):
            if "data_key_id" not in names and names & {field.attname for field in encrypted_fields(self.model)}:
                self._hold_keys(rows)
            return super().bulk_update(rows, sorted(names), batch_size=batch_size)

    def copy_values(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert values instead of rows, for imports: in half of the time of rows, and half of that again by COPY.

        `names` are fields, `id` and `data_key_id` among them; the others take their defaults, blind indexes are
        computed. Says how many. Raises: IntegrityError; then none is inserted.
        """
        rows = list(rows)
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            if can_copy(self.model, self.db):
                ValueCopy(self.model, names, using=self.db).insert(rows)
            else:
                self.bulk_create([self.model(**dict(zip(names, row, strict=True))) for row in rows])
        return len(rows)

    def update(self, **values: Any) -> int:
        """Update rows in the database.

        Raises: FieldError, for an encrypted field, whose value belongs to one row; for the data key; for a blind index
        and what it is computed with.
        """
        indexed = {name for index, _ in blind_indexes_of(self.model) for name in (index.of, *computed_with(index))}
        for name, value in values.items():
            field = self.model._meta.get_field(name)
            if _is_of_bulk_update(value, sealed=isinstance(field, EncryptedField)):
                continue
            if isinstance(field, EncryptedField) and (value is not None or name in indexed):
                raise FieldError(f"{name} is encrypted: set it on each row and save that, or use bulk_update")
            if isinstance(field, DataKeyField):
                raise FieldError("a row moves to another key with its values: use reseal_under() and save it")
            if isinstance(field, BlindIndexField | NextBlindIndexField):
                raise FieldError(f"{name} is computed when its value is saved: set that on each row")
            if field.attname in indexed:  # type: ignore[union-attr]  # no relation from elsewhere can be updated
                raise FieldError(f"a blind index is computed with {name}: open or set its value too, and save each row")
        return super().update(**values)

    def _combinator_query(self, combinator: str, *other_qs: Any, all: bool = False) -> Any:  # Django's
        for query in (self.query, *(queryset.query for queryset in other_qs)):
            if not all and not query.default_cols and isinstance(query, SealedQuery):
                query.refuse_to_compare()
        return super()._combinator_query(combinator, *other_qs, all=all)  # type: ignore[misc]  # Django's own

    def _hold_keys(self, rows: Collection[Row]) -> None:
        """Lock rows that are about to get values under the keys that they named. Raises: SealedUnderAnotherKey."""
        stored: models.QuerySet[Row] = models.QuerySet(self.model, using=self.db).filter(
            pk__in=[row.pk for row in rows]
        )
        keys = dict(stored.select_for_update().values_list("pk", "data_key_id"))
        for row in rows:
            if keys.get(row.pk, row.__dict__["data_key_id"]) != row.__dict__["data_key_id"]:
                raise SealedUnderAnotherKey(f"{row.pk} was moved to another key meanwhile: load it again")

    def _names(self) -> set[str]:
        return {field.attname for field in self.model._meta.concrete_fields}


def _is_of_bulk_update(value: Any, *, sealed: bool) -> bool:
    """Whether this is what `bulk_update` writes: for each row, by its id, a value; one that was `sealed` for it."""
    case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
    if not isinstance(case, Case):
        return False
    names = {name for when in case.cases for name, _ in when.condition.children}
    results = [case.default, *(when.result for when in case.cases)]
    return names <= {"pk"} and all(
        isinstance(result, Value) and (not sealed or isinstance(result.value, Sealed | None)) for result in results
    )
