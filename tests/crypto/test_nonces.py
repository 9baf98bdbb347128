"""A nonce under which a value was sealed never comes again, whichever way the rows are written."""

import os

import pytest
from django.db import connection

from tests.crypto.notebook.factories import make_key, make_notebook, unsaved_note
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db

COLUMNS = ("text", "day", "details", "drawing", "remark")
# A million before a release, few in the inner loop.
VALUES = {"thorough": 1_000_000, "quick": 5_000}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 20_000)
ROWS_AT_ONCE = min(2_000, VALUES // len(COLUMNS))


def test_no_nonce_comes_twice_in_many_values() -> None:
    notebook, key_id = make_notebook(), make_key()
    seen: set[bytes] = set()
    written = 0
    while written < VALUES:
        values = {"remark": "by train", "notebook": notebook, "data_key_id": key_id}
        rows = [unsaved_note("Lisbon", **values) for _ in range(ROWS_AT_ONCE)]
        Note.objects.bulk_create(rows)
        Note.objects.bulk_update(rows[:10], ["text", "remark"])
        rows[0].save()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM notebook_note")  # noqa: S608  # the constants above
            for row in cursor.fetchall():
                seen.update(bytes(value[1:13]) for value in row)
        written += ROWS_AT_ONCE * len(COLUMNS)
        Note.objects.all().delete()
        assert len(seen) == written
