"""Encrypted columns in queries: they are selected, or asked whether they are null, and nothing else.

`SealedQuerySet` refuses more, and earlier; this also holds where the query begins at another model.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.expressions import BaseExpression, Col
from django.db.models.lookups import IsNull
from django.db.models.sql.compiler import SQLCompiler


class SealedColumn(Col):
    """A column of an encrypted field, wherever in a query it stands."""

    # A selected column is never resolved again; what orders is.
    is_resolved = False

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        """Remember that this is no plain selection."""
        resolved = super().resolve_expression(*args, **kwargs)
        resolved.is_resolved = True
        return resolved

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """The column's name. Raises: FieldError, where the database is to compare or compute with it."""
        query = compiler.query
        is_guarded = getattr(query, "refuses_sealed_columns", False)
        if (
            self.is_resolved
            or _is_expression(query)
            or (not is_guarded and any(self is used for used in _computed_with(query)))
        ):
            raise FieldError(f"{self.target.name} is encrypted: the database cannot compare it or compute with it")
        return super().as_sql(compiler, connection)


class SealedIsNull(IsNull):
    """Whether there is a value, which can be asked without opening it."""

    def process_lhs(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, lhs: Any = None) -> Any:
        """The column, however it came here; what a subquery selects refuses this too."""
        column = Col(self.lhs.alias, self.lhs.target) if isinstance(self.lhs, Col) else None
        return super().process_lhs(compiler, connection, column)


def _is_expression(query: sql.Query) -> bool:
    """Whether another query uses what this one selects; `Exists` selects nothing.

    Django renames the tables of those alone, not of the inner queries by which it counts or slices.
    """
    return query.subquery and query.alias_prefix != type(query).alias_prefix


def _computed_with(query: sql.Query) -> Iterator[object]:
    """All that a query computes or compares.

    What it groups by, makes distinct or unites with others, unless beside the row's own id, too.
    """
    for annotation in query.annotations.values():
        yield from annotation.flatten()
    compared = [
        *(query.group_by if isinstance(query.group_by, tuple) else ()),
        *(query.select if query.distinct or (query.combinator and not query.combinator_all) else ()),
    ]
    ids = {column.alias for column in compared if isinstance(column, Col) and column.target.primary_key}
    yield from (column for column in compared if isinstance(column, SealedColumn) and column.alias not in ids)
    conditions: list[Any] = [query.where]
    for condition in conditions:
        conditions += getattr(condition, "children", ())
        value = getattr(condition, "rhs", None)
        if isinstance(value, BaseExpression):
            yield from value.flatten()
