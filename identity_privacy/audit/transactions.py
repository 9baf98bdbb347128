"""Which transaction wrote a row, as the database numbers them."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Func
from django.db.models.sql.compiler import SQLCompiler


class CurrentTransaction(Func):
    """The number of the writing transaction on PostgreSQL (its xid8, which never comes again); elsewhere nothing."""

    arity = 0
    template = "NULL"
    output_field = BigIntegerField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[str | int] | tuple[str | int, ...]]:
        """The expression there, for the column's default."""
        return self.as_sql(compiler, connection, template="(pg_current_xact_id()::text::bigint)")
