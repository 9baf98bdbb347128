"""An older release, while a newer one is brought out, takes no key away from columns that it does not know."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from identity_privacy import clock
from identity_privacy.crypto import sweeping
from identity_privacy.crypto.errors import ColumnsUnknown
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import DataKey, IndexKey
from identity_privacy.crypto.rotation import Whose, resealing, rotate_dek, rotate_index
from identity_privacy.crypto.sweeping import sweep_orphans
from identity_privacy.crypto.terms import IndexKeyState, KeyKind
from tests.crypto.notebook.factories import make_contact, make_note

pytestmark = pytest.mark.django_db(transaction=True)

BYTES = "BLOB" if connection.vendor == "sqlite" else "bytea"
NEW = {
    "a table": ("CREATE TABLE diary (id integer, data_key_id text)", "DROP TABLE diary", "diary"),
    "a column": (
        f"ALTER TABLE notebook_note ADD COLUMN mood {BYTES} NULL",
        "ALTER TABLE notebook_note DROP COLUMN mood",
        "notebook_note.mood",
    ),
}


@pytest.fixture(params=NEW)
def newer(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """What a migration of the newer release makes, and how it is called."""
    make, drop, name = NEW[request.param]
    yield make, name
    run(drop)


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_does_not_begin(newer: tuple[str, str]) -> None:
    make, name = newer
    make_note()
    run(make)
    with pytest.raises(ColumnsUnknown, match=name):
        rotate_dek(Whose.everybody(), patience=1)
    with pytest.raises(ColumnsUnknown, match=name):
        rotate_index(patience=1)
    assert not DataKey.objects.exclude(previous=None).exists()


def test_no_key_is_swept_that_may_be_in_use_there(newer: tuple[str, str]) -> None:
    make, name = newer
    note = make_note()
    orphan = create_data_key(kind=KeyKind.PROFILE, controller_id=note.notebook.controller_id, owner_id=uuid4())
    DataKey.objects.update(created_at=clock.now() - timedelta(hours=25))
    run(make)
    with pytest.raises(ColumnsUnknown, match=name):
        sweep_orphans(patience=1)
    assert DataKey.objects.filter(id=orphan, retired_at=None).exists(), "whoever writes there may go on"


def test_no_key_is_swept_that_came_into_use_there_meanwhile(
    newer: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, name = newer
    note = make_note()
    orphan = create_data_key(kind=KeyKind.PROFILE, controller_id=note.notebook.controller_id, owner_id=uuid4())
    DataKey.objects.update(created_at=clock.now() - timedelta(hours=25))
    monkeypatch.setattr(sweeping, "wait_for_writers", lambda seconds: run(make))
    with pytest.raises(ColumnsUnknown, match=name):
        sweep_orphans(patience=1)
    assert DataKey.objects.filter(id=orphan).exists()


def test_it_keeps_the_old_key_of_values_that_came_while_it_ran(
    newer: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, name = newer
    make_note()
    reseal = resealing.reseal

    def migrated_meanwhile(keys: object) -> resealing.Pass:
        monkeypatch.undo()
        run(make)
        return reseal(keys)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr("identity_privacy.crypto.rotation.data_keys.reseal", migrated_meanwhile)
    with pytest.raises(ColumnsUnknown, match=name):
        rotate_dek(Whose.everybody(), patience=1)
    assert DataKey.objects.exclude(previous=None).exists()


def test_a_table_without_keys_and_a_column_without_bytes_are_nobodys_business() -> None:
    make_contact("alice@example.org")
    run("CREATE TABLE diary (id integer)")
    run("ALTER TABLE notebook_note ADD COLUMN mood integer NULL")
    try:
        rotate_dek(Whose.everybody(), patience=1)
    finally:
        run("DROP TABLE diary")
        run("ALTER TABLE notebook_note DROP COLUMN mood")
    assert not DataKey.objects.exclude(previous=None).exists()
    assert not IndexKey.objects.exclude(state=IndexKeyState.CURRENT).exists()
