"""Queries over models with encrypted fields: what cannot be right is refused when it is built, lists are made fast."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet, FieldError
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.base import ModelState
from django.db.models.expressions import Case, Col, Value
from django.db.models.functions import Cast
from django.db.models.query import ModelIterable, ValuesIterable, ValuesListIterable
from django.db.models.signals import post_init, pre_init
from django.db.models.sql.compiler import SQLCompiler

from identity_privacy.crypto.fields import (
    BlindIndexField,
    DataKeyField,
    EncryptedField,
    NextBlindIndexField,
    RowShape,
    Sealed,
    encrypted_fields,
)
from identity_privacy.crypto.postgres import as_copied, binary_rows, copy_in, type_of
from identity_privacy.crypto.sealing import (
    blind_indexes_of,
    seal_columns,
    sealed_in_place,
    sealed_values,
    stored_hashes,
    written_with,
)

Row = TypeVar("Row", bound=models.Model, covariant=True)

# Rows that share one fetch of their keys.
CHUNK: Final = 1_000
# So few rows are not worth a cursor of their own: `get` asks for 21.
FEW: Final = 50
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


class LoadedState(ModelState):
    """The state of a row that came from the database, without an assignment a row."""

    db = DEFAULT_DB_ALIAS
    adding = False


def make_row(
    model: type[Row], db: str | None, shape: RowShape, values: Sequence[Any], beside: Sequence[UUID] = ()
) -> Row:
    """A row without `Model.__init__`, which costs more than opening a value; `beside` are the keys of its list."""
    row = object.__new__(model)
    row.__dict__ = loaded = {"_state": LoadedState(), "_beside": beside, "_shape": shape, "_closed": values}
    for name, at in shape.plain:
        loaded[name] = values[at]
    if db != DEFAULT_DB_ALIAS:
        row._state.db = db
    return row


class SealedRows(ModelIterable[Any]):
    """Makes rows whose keys are fetched together, at the first value that is opened of any of them."""

    def __iter__(self) -> Iterator[Any]:
        return self._fast() if self._is_plain() else self._with_neighbours(super().__iter__())

    def _is_plain(self) -> bool:
        query, model = self.queryset.query, self.queryset.model
        return not (
            query.select_related
            or query.annotations
            or query.extra
            or self.queryset._known_related_objects  # type: ignore[attr-defined]  # a query set has it
            or model.from_db.__qualname__ != "SealedModel.from_db"
            or pre_init.has_listeners(model)
            or post_init.has_listeners(model)
        )

    def _fast(self) -> Iterator[Any]:
        """Rows without Django's work a value; a third less time than the plain path, which `tests` hold beside it."""
        db = self.queryset.db
        compiler = self.queryset.query.get_compiler(using=db)
        try:
            chunks = self._chunks(compiler)
        except EmptyResultSet:
            return
        model, columns = self.queryset.model, [column for column, *_ in compiler.select]
        converters = {
            at: converter
            for at, converter in compiler.get_converters(columns).items()
            if not isinstance(columns[at].target, EncryptedField)
        }
        shape = RowShape.of(model, tuple(column.target.attname for column in columns))
        key_at = dict(shape.plain).get("data_key_id")
        for chunk in chunks:
            rows = list(compiler.apply_converters(chunk, converters) if converters else chunk)
            beside = [row[key_at] for row in rows] if key_at is not None else ()
            for values in rows:
                yield make_row(model, db, shape, values, beside)

    def _chunks(self, compiler: SQLCompiler) -> Iterable[Iterable[Sequence[Any]]]:
        connection = compiler.connection
        query = self.queryset.query
        is_list = query.high_mark is None or query.high_mark - query.low_mark > FEW
        if is_list and not self.chunked_fetch and _is_same_in_binary(self.queryset.model, self.queryset.db):
            return binary_rows(connection, *compiler.as_sql(), chunk_size=CHUNK)
        found: Iterable[Iterable[Sequence[Any]]] = compiler.execute_sql(
            chunked_fetch=self.chunked_fetch, chunk_size=max(self.chunk_size, CHUNK)
        )
        return found

    def _with_neighbours(self, rows: Iterator[Any]) -> Iterator[Any]:
        chunk: list[Any] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == CHUNK:
                yield from _neighbours(chunk)
                chunk = []
        yield from _neighbours(chunk)


def _neighbours(rows: list[Any]) -> list[Any]:
    # Those that were joined to a row, too: their keys come in the same query.
    joined = [found for row in rows for found in row._state.fields_cache.values() if isinstance(found, models.Model)]
    sealed = [row.__dict__ for row in (*rows, *joined) if "data_key_id" in row.__dict__]
    beside = [row["data_key_id"] for row in sealed]
    for row in sealed:
        row["_beside"] = beside
    return rows


class _BoundValues(ValuesIterable):
    """`values()` whose closed values know their row and key, where the query selects both."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in super().__iter__():
            for name, value in row.items():
                if isinstance(value, Sealed):
                    path = _path(name)
                    value.row_id = row.get(f"{path}id", row.get(f"{path}pk"))
                    value.key_id = row.get(f"{path}data_key_id")
            yield row


class _BoundTuples(ValuesListIterable[Any]):
    """`values_list()`, likewise."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        query = self.queryset.query
        names = list(query.selected or (*query.extra_select, *query.values_select, *query.annotation_select))
        at = {name: position for position, name in enumerate(names)}
        paths = [_path(name) for name in names]
        row_at = [at.get(f"{path}id", at.get(f"{path}pk")) for path in paths]
        key_at = [at.get(f"{path}data_key_id") for path in paths]
        for row in super().__iter__():
            for value, row_id, key_id in zip(row, row_at, key_at, strict=True):
                if isinstance(value, Sealed) and row_id is not None and key_id is not None:
                    value.row_id, value.key_id = row[row_id], row[key_id]
            yield row


def _path(name: str) -> str:
    """The relation through which a query names a field, `author__` in `author__name`: whose row the value is of."""
    relation, between, _ = name.rpartition("__")
    return relation + between


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
        found._iterable_class = _BoundValues
        return found

    def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> Any:
        """Tuples; encrypted values come closed, as with `values`."""
        found = super().values_list(*fields, flat=flat, named=named)
        if not flat and not named:
            found._iterable_class = _BoundTuples
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
        if not (ignore_conflicts or update_conflicts) and self._can_copy(rows):
            return self._copy(rows)
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
            return super().bulk_update(rows, sorted(names), batch_size=batch_size)

    def copy_values(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert values instead of rows, for imports: in half of the time of rows, and half of that again by COPY.

        `names` are fields, `id` and `data_key_id` among them; the others take their defaults, blind indexes are
        computed. Says how many. Raises: IntegrityError; then none is inserted.
        """
        fields = {field.attname: field for field in self.model._meta.concrete_fields}
        given = [fields[name] for name in names]
        indexes = [pair for pair in blind_indexes_of(self.model) if pair[0].of in names]
        computed = [field for pair in indexes for field in pair if field is not None]
        missing = [field for field in fields.values() if field not in (*given, *computed) and not field.generated]
        encrypted = [field for field in given if isinstance(field, EncryptedField)]
        plain = [field for field in given if not isinstance(field, EncryptedField)]
        at = {name: place for place, name in enumerate(names)}
        pick_plain, pick_encrypted = _picker(at, plain), _picker(at, encrypted)
        id_at, key_at = at["id"], at["data_key_id"]
        rows = list(rows)
        self._for_write = True
        connection = connections[self.db]
        if connection.vendor != "postgresql":
            self.bulk_create([self.model(**dict(zip(names, row, strict=True))) for row in rows])
            return len(rows)
        prepared = [None if _is_native(field, connection) else field for field in plain]

        def stored(row: Sequence[Any], sealed: list[bytes | None]) -> list[Any]:
            values = list(pick_plain(row))
            for place, field in enumerate(prepared):
                if field is not None:
                    values[place] = as_copied(field, values[place], connection)
            for index, following in indexes:
                kind = row[at[index.kind_field]] if index.kind_field else index.kind
                hashes = stored_hashes(row[at[index.controller_field]], kind, row[at[index.of]], using=self.db)
                values += hashes if following is not None else hashes[:1]
            return [*values, *(as_copied(field, field.get_default(), connection) for field in missing), *sealed]

        with transaction.atomic(using=self.db, savepoint=False):
            triples = [(row[id_at], row[key_at], pick_encrypted(row)) for row in rows]
            sealed = seal_columns(triples, encrypted, using=self.db)
            columns = [*plain, *computed, *missing, *encrypted]
            copy_in(connection, self.model, columns, map(stored, rows, sealed))
        return len(rows)

    def _can_copy(self, rows: Sequence[Row]) -> bool:
        """Whether COPY does what `bulk_create` would: on PostgreSQL, with nothing for the database to compute."""
        fields = self.model._meta.concrete_fields
        return (
            bool(rows)
            and connections[self.db].vendor == "postgresql"
            and not any(field.generated or field.has_db_default() for field in fields)
            and not self.model._meta.db_returning_fields
        )

    def _copy(self, rows: list[Row]) -> list[Row]:
        self._for_write = True
        connection = connections[self.db]
        self._prepare_for_bulk_create(rows)  # type: ignore[attr-defined]  # Django's own
        encrypted = encrypted_fields(self.model)
        plain = [field for field in self.model._meta.concrete_fields if not isinstance(field, EncryptedField)]
        with transaction.atomic(using=self.db, savepoint=False):
            sealed = sealed_values(rows, encrypted, self._names(), using=self.db)
            values = (
                [as_copied(field, field.pre_save(row, add=True), connection) for field in plain] + closed
                for row, closed in zip(rows, sealed, strict=True)
            )
            copy_in(connection, self.model, [*plain, *encrypted], values)
        for row in rows:
            row._state.adding, row._state.db = False, self.db
        return rows

    def update(self, **values: Any) -> int:
        """Update rows in the database. Raises: FieldError, for an encrypted field: its value belongs to one row."""
        for field in encrypted_fields(self.model):
            value = values.get(field.name)
            if value is not None and not isinstance(value, Sealed) and not _is_of_bulk_update(value):
                raise FieldError(f"{field.name} is encrypted: set it on each row and save that, or use bulk_update")
        if "data_key_id" in values and not isinstance(values["data_key_id"], Case | Cast):
            raise FieldError("a row moves to another key with its values: use reseal_under() and save it")
        return super().update(**values)

    def _combinator_query(self, combinator: str, *other_qs: Any, all: bool = False) -> Any:  # Django's
        for query in (self.query, *(queryset.query for queryset in other_qs)):
            if not all and not query.default_cols and isinstance(query, SealedQuery):
                query.refuse_to_compare()
        return super()._combinator_query(combinator, *other_qs, all=all)  # type: ignore[misc]  # Django's own

    def _names(self) -> set[str]:
        return {field.attname for field in self.model._meta.concrete_fields}


def _picker(
    at: Mapping[str, int], fields: Sequence[models.Field[Any, Any]]
) -> Callable[[Sequence[Any]], Sequence[Any]]:
    places = [at[field.attname] for field in fields]
    return itemgetter(*places) if len(places) > 1 else lambda row: [row[place] for place in places]


def _is_native(field: models.Field[Any, Any], connection: BaseDatabaseWrapper) -> bool:
    """Whether the driver takes a field's values as Python has them."""
    return type_of(field, connection) in {"uuid", "text", "varchar", "boolean", "date", "timestamp with time zone"}


def _is_of_bulk_update(value: Any) -> bool:
    """Whether this is what `bulk_update` writes: for each row a value that was sealed for it."""
    case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
    if not isinstance(case, Case):
        return False
    results = [case.default, *(when.result for when in case.cases)]
    return all(isinstance(result, Value) and isinstance(result.value, Sealed | None) for result in results)


@cache
def _is_same_in_binary(model: type[models.Model], using: str) -> bool:
    """Whether the driver brings every column of a model as Django expects it in binary too; on PostgreSQL alone."""
    connection = connections[using]
    types = {type_of(field, connection) for field in model._meta.concrete_fields}
    same = {"uuid", "bytea", "text", "varchar", "boolean", "smallint", "integer", "bigint", "date"}
    return connection.vendor == "postgresql" and types <= same
