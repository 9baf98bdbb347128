"""A migration that reads and writes rows does it with the models of its time, and values stay sealed."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.apps.registry import Apps
from django.core.exceptions import FieldError
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.errors import OpenedWithoutReading, WrongPlace
from tests.crypto.notebook.factories import DAY, make_contact, make_key, make_note, make_notebook, reading
from tests.crypto.notebook.models import Contact, Note

pytestmark = pytest.mark.django_db


@pytest.fixture
def then() -> Apps:
    """The models as a migration has them."""
    apps: Apps = MigrationLoader(connection).project_state(("notebook", "0001_tables")).apps
    return apps


def test_a_migration_reads_rows(then: Apps) -> None:
    make_note(remark=None)
    old: Any = then.get_model("notebook", "Note")
    with pytest.raises(OpenedWithoutReading):
        _ = old.objects.get().text
    with reading():
        for note in (old.objects.get(), old.objects.only("text").get(), old.objects.defer("text").get()):
            assert (note.text, note.day, note.details, note.remark) == ("Lisbon", DAY, {"rain": False}, None)
        [row] = old.objects.values("text")
        assert repr(row) == "{'text': <sealed>}"


def test_a_migration_writes_rows(then: Apps) -> None:
    old: Any = then.get_model("notebook", "Note")
    note = old(text="Lisbon", data_key_id=make_key(), notebook_id=make_notebook().id, position=1)
    note.save()
    other = old(text="Porto", data_key_id=make_key(), notebook_id=note.notebook_id, position=2)
    old.objects.bulk_create([other])
    note = old.objects.get(id=note.id)
    note.day = DAY
    note.save()
    with reading():
        assert [found.text for found in Note.objects.order_by("position")] == ["Lisbon", "Porto"]
        assert Note.objects.get(id=note.id).day == DAY
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM notebook_note")
        assert not any(b"Lisbon" in bytes(text) or b"Porto" in bytes(text) for (text,) in cursor.fetchall())


def test_a_migration_saves_a_row_that_it_did_not_open(then: Apps) -> None:
    make_note()
    old: Any = then.get_model("notebook", "Note")
    note = old.objects.get()
    note.position = 4
    note.save()
    with reading():
        assert (Note.objects.get().text, Note.objects.get().position) == ("Lisbon", 4)


def test_a_migration_that_changes_an_address_changes_its_index(then: Apps) -> None:
    shop = uuid4()
    make_contact("alice@example.org", controller_id=shop)
    old: Any = then.get_model("notebook", "Contact")
    contact = old.objects.get()
    contact.email = "alicia@example.org"
    contact.save()
    old.objects.bulk_create([old(email="bob@example.org", data_key_id=make_key(), controller_id=shop)])
    for email, count in (("alice@example.org", 0), ("alicia@example.org", 1), ("bob@example.org", 1)):
        assert Contact.objects.filter(index__in=blind_indexes(shop, "email", email)).count() == count
    with reading():
        assert Contact.objects.get(id=contact.id).email == "alicia@example.org"


def test_a_refused_bulk_update_leaves_the_transaction_as_it_is(then: Apps) -> None:
    make_note()
    old: Any = then.get_model("notebook", "Note")
    note = old.objects.get()
    note.text, note.position = "Porto", 5
    with pytest.raises(FieldError, match="save each row"):
        old.objects.bulk_update([note], ["text"])
    old.objects.bulk_update([note], ["position"])
    assert Note.objects.get().position == 5


REFUSED: dict[str, Callable[[Any], object]] = {
    "filter": lambda model: model.objects.filter(text="Lisbon"),
    "order_by": lambda model: list(model.objects.order_by("text")),
    "distinct": lambda model: list(model.objects.values("text").distinct()),
    "update": lambda model: model.objects.update(text="Lisbon"),
    "bulk_update": lambda model: model.objects.bulk_update([model.objects.get()], ["text"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_migration_compares_and_leaks_nothing(then: Apps, what: str) -> None:
    make_note()
    with reading(), pytest.raises(FieldError):
        REFUSED[what](then.get_model("notebook", "Note"))


def test_a_migration_writes_no_closed_value_into_another_row(then: Apps) -> None:
    make_note()
    old: Any = then.get_model("notebook", "Note")
    note = old.objects.get()
    note.pk = uuid4()
    with pytest.raises(WrongPlace):
        note.save(force_insert=True)
