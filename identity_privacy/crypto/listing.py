"""Making the rows of a list: closed, quickly, and so that their keys are fetched together."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable, NamedValuesListIterable, ValuesIterable, ValuesListIterable
from django.db.models.signals import post_init, pre_init
from django.db.models.sql.compiler import SQLCompiler

from identity_privacy.crypto.fields import EncryptedField, Sealed
from identity_privacy.crypto.fields.base import RowShape
from identity_privacy.crypto.postgres import binary_rows, type_of

Row = TypeVar("Row", bound=models.Model, covariant=True)

# Rows that share one fetch of their keys.
CHUNK: Final = 1_000
# So few rows are not worth a cursor of their own: `get` asks for 21.
FEW: Final = 50


class LoadedState(ModelState):
    """The state of a row that came from the database."""

    db = DEFAULT_DB_ALIAS
    adding = False


class LateState:
    """Makes a row's state when Django asks for it: most rows of a list are never asked."""

    def __get__(self, row: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if row is None:
            return self
        row.__dict__["_state"] = state = LoadedState()
        return state


def make_row(
    model: type[Row], db: str | None, shape: RowShape, values: Sequence[Any], beside: Sequence[UUID] = ()
) -> Row:
    """A row without `Model.__init__`, which costs more than opening a value; `beside` are the keys of its list."""
    row = object.__new__(model)
    row.__dict__ = loaded = {"_beside": beside, "_shape": shape, "_closed": values}
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


class BoundValues(ValuesIterable):
    """`values()` whose closed values know their row and key, where the query selects both."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in super().__iter__():
            for name, value in row.items():
                if isinstance(value, Sealed):
                    path = _path(name)
                    value.row_id = row.get(f"{path}id", row.get(f"{path}pk"))
                    value.key_id = row.get(f"{path}data_key_id")
            yield row


class BoundTuples(ValuesListIterable[Any]):
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


class BoundNamedTuples(NamedValuesListIterable, BoundTuples):
    """`values_list(named=True)`, likewise."""


def _path(name: str) -> str:
    """The relation through which a query names a field, `author__` in `author__name`: whose row the value is of."""
    relation, between, _ = name.rpartition("__")
    return relation + between


@cache
def _is_same_in_binary(model: type[models.Model], using: str) -> bool:
    """Whether the driver brings every column of a model as Django expects it in binary too; on PostgreSQL alone."""
    connection = connections[using]
    types = {type_of(field, connection) for field in model._meta.concrete_fields}
    same = {"uuid", "bytea", "text", "varchar", "boolean", "smallint", "integer", "bigint", "date"}
    return connection.vendor == "postgresql" and types <= same
