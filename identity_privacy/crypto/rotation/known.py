"""Seeing that this release knows every column that may hold something under a key, before one is taken away.

While a newer release is brought out, its migrations have run and an older one still works. The database is asked rather
than its list of migrations: that one keeps names that were squashed long ago, and knows nothing of tables made by hand.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.db import connections

from identity_privacy.crypto.errors import ColumnsUnknown
from identity_privacy.crypto.rotation.writers import data_databases

# Table, column, and whether it holds bytes, as sealed values and hashes are.
_COLUMNS: Final = {
    "postgresql": """
        SELECT c.relname, a.attname, a.atttypid = 'bytea'::regtype FROM pg_class c JOIN pg_attribute a
        ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_table_is_visible(c.oid)
        AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "sqlite": """
        SELECT m.name, c.name, upper(c.type) = 'BLOB' FROM sqlite_master m, pragma_table_info(m.name) c
        WHERE m.type = 'table'
    """,
}


def see_that_every_column_is_known() -> None:
    """See that no table with data keys is unknown to this release, nor a column of bytes in one.

    Looked at once writers have been waited for, this covers all that may be under an old key: a column that is made
    later is only written under the new one. Raises: ColumnsUnknown.
    """
    unknown = sorted(name for using in data_databases() for name in _unknown(using))
    if unknown:
        raise ColumnsUnknown(
            f"this release does not know {', '.join(unknown)}, where values may stand under these keys: "
            "run the newest release, or drop what is no longer used"
        )


def _unknown(using: str) -> Iterator[str]:
    known: dict[str, set[str]] = defaultdict(set)
    for model in apps.get_models(include_auto_created=True):
        known[model._meta.db_table].update(str(field.column) for field in model._meta.local_concrete_fields)
    connection = connections[using]
    there: dict[str, dict[str, bool]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS[connection.vendor])
        for table, column, holds_bytes in cursor.fetchall():
            there[table][column] = holds_bytes
    for table, columns in there.items():
        if "data_key_id" not in columns:
            continue
        if table not in known:
            yield table
            continue
        yield from (f"{table}.{column}" for column, sealed in columns.items() if sealed and column not in known[table])
