"""An encrypted field is written and read like any other field of a model, whichever way Django offers."""

import contextlib
import copy
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import FieldError
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext

from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import (
    KeyDestroyed,
    OpenedWithoutReading,
    SealedUnderAnotherKey,
    WrongPlace,
)
from identity_privacy.crypto.fields import Sealed, encrypted_fields
from identity_privacy.crypto.fields.base import ABSENT, closed_value
from identity_privacy.crypto.rows import SealedModel
from identity_privacy.errors import Invalid
from tests.crypto.notebook.factories import (
    DAY,
    make_contact,
    make_key,
    make_note,
    make_notebook,
    reading,
    unsaved_note,
)
from tests.crypto.notebook.models import Contact, Note, Notebook

pytestmark = pytest.mark.django_db


def values_of(note: Note) -> tuple[object, ...]:
    return note.text, note.day, note.details, note.drawing, note.remark


# --- Writing ------------------------------------------------------------------------------------------


def test_what_was_saved_is_read() -> None:
    note = make_note()
    with reading():
        assert values_of(note) == ("Lisbon", DAY, {"rain": False}, b"\x00\xff", None)


def test_a_value_is_read_from_the_row_that_was_just_saved() -> None:
    note = unsaved_note()
    note.save()
    assert note.text == "Lisbon"
    note.text = "Porto"
    note.save()
    with reading():
        assert Note.objects.get(id=note.id).text == "Porto"


def test_no_value_stands_open_in_the_database() -> None:
    note = make_note("Lisbon, in the rain", remark="Lisbon again")
    with connection.cursor() as cursor:
        cursor.execute("SELECT text, day, details, drawing, remark FROM notebook_note")
        stored = b"".join(bytes(value) for value in cursor.fetchone())
    assert b"Lisbon" not in stored
    assert DAY.isoformat().encode() not in stored
    assert "Lisbon" not in repr(note)


def test_null_is_null_and_needs_no_reading() -> None:
    note = make_note(day=None, drawing=None)
    assert note.day is None
    assert note.drawing is None
    assert list(Note.objects.filter(day__isnull=True)) == [note]
    assert not Note.objects.filter(day__isnull=False).exists()


def test_a_value_can_be_set_to_null() -> None:
    note = make_note()
    note.day = None
    note.save()
    assert Note.objects.get(id=note.id).day is None


def test_many_rows_are_written_at_once() -> None:
    notebook = make_notebook()
    notes = [unsaved_note(f"Page {at}", notebook=notebook, position=at) for at in range(5)]
    Note.objects.bulk_create(notes)
    assert not any(note._state.adding for note in notes)
    assert [note.text for note in notes] == [f"Page {at}" for at in range(5)]
    with reading():
        assert [note.text for note in Note.objects.order_by("position")] == [f"Page {at}" for at in range(5)]


def test_many_rows_are_changed_at_once() -> None:
    notes = [make_note(f"Page {at}", position=at) for at in range(3)]
    for note in notes:
        note.text = f"Sheet {note.position}"
    Note.objects.bulk_update(notes, ["text"])
    with reading():
        assert [note.text for note in Note.objects.order_by("position")] == ["Sheet 0", "Sheet 1", "Sheet 2"]
        assert Note.objects.get(id=notes[0].id).day == DAY


def test_bulk_update_of_plain_fields_leaves_the_sealed_ones_alone() -> None:
    note = make_note()
    note.position = 7
    Note.objects.bulk_update([note], ["position"])
    found = Note.objects.get(id=note.id)
    with reading():
        assert (found.position, found.text) == (7, "Lisbon")


def test_bulk_update_writes_closed_values_as_they_are() -> None:
    note = make_note()
    Note.objects.bulk_update([note], ["text", "day"])
    with reading():
        assert values_of(Note.objects.get(id=note.id))[:2] == ("Lisbon", DAY)


def test_update_fields_writes_these_and_no_others() -> None:
    note = make_note()
    note.text, note.day, note.position = "Porto", None, 7
    note.save(update_fields=["text"])
    found = Note.objects.get(id=note.id)
    with reading():
        assert (found.text, found.day, found.position) == ("Porto", DAY, 0)


def test_saving_a_row_that_was_never_opened_keeps_its_values() -> None:
    note = make_note()
    note.position = 3
    note.save()
    with reading():
        assert values_of(Note.objects.get(id=note.id))[:2] == ("Lisbon", DAY)


def test_get_or_create_and_update_or_create_take_values_as_defaults() -> None:
    notebook, key_id, note_id = make_notebook(), make_key(), uuid4()
    defaults = {"notebook": notebook, "data_key_id": key_id, "text": "Lisbon"}
    created, is_new = Note.objects.get_or_create(id=note_id, defaults=defaults)
    assert is_new
    assert Note.objects.get_or_create(id=note_id, defaults=defaults) == (created, False)
    _, is_new = Note.objects.update_or_create(id=note_id, defaults={"text": "Porto"})
    assert not is_new
    other, is_new = Note.objects.update_or_create(id=uuid4(), defaults=defaults)
    assert is_new
    with reading():
        assert Note.objects.get(id=note_id).text == "Porto"
        assert Note.objects.get(id=other.id).text == "Lisbon"


def test_a_value_is_looked_up_by_no_get_or_create() -> None:
    with pytest.raises(FieldError):
        Note.objects.get_or_create(text="Lisbon")


class Secret:
    """Something that no field takes and nobody may show."""

    def __repr__(self) -> str:
        raise AssertionError("this was to be shown")


@pytest.mark.parametrize("name", ["text", "day", "details", "drawing"])
def test_a_value_of_another_type_is_refused_without_showing_it(name: str) -> None:
    note = unsaved_note()
    setattr(note, name, Secret())
    with pytest.raises(Invalid) as refused:
        note.save()
    assert refused.value.field == name
    assert "Secret" not in "".join(traceback.format_exception(refused.value)).replace("class Secret", "")


@pytest.mark.parametrize("values", [{"text": "Lisbon \ud800"}, {"details": {"city": "Lisbon \ud800"}}])
def test_half_a_character_is_refused_without_showing_the_text(values: Mapping[str, Any]) -> None:
    note = unsaved_note(**values)
    with pytest.raises(Invalid) as refused:
        note.save()
    assert "Lisbon" not in "".join(traceback.format_exception(refused.value))


def test_a_row_without_a_data_key_is_refused_with_the_field() -> None:
    note = Note(text="Lisbon", notebook=make_notebook())
    with pytest.raises(Invalid) as refused:
        note.save()
    assert refused.value.field == "data_key_id"


def test_a_row_under_a_key_that_never_was_is_refused() -> None:
    with pytest.raises(KeyDestroyed):
        make_note(data_key_id=uuid4())


# --- Reading ------------------------------------------------------------------------------------------


def test_without_a_reading_nothing_opens() -> None:
    note = make_note()
    with pytest.raises(OpenedWithoutReading):
        _ = note.text


def test_only_and_defer_load_the_rest_when_it_is_read() -> None:
    note_id = make_note().id
    with reading():
        assert Note.objects.only("position").get(id=note_id).text == "Lisbon"
        assert Note.objects.only("text").get(id=note_id).text == "Lisbon"
        assert Note.objects.only("text").get(id=note_id).day == DAY
        assert Note.objects.defer("text").get(id=note_id).text == "Lisbon"
        assert Note.objects.defer("data_key_id").get(id=note_id).text == "Lisbon"
        assert Note.objects.defer("text").get(id=note_id).data_key_id == Note.objects.get(id=note_id).data_key_id


def test_only_one_value_of_many_rows_costs_no_query_per_row() -> None:
    notebook = make_notebook()
    Note.objects.bulk_create([unsaved_note(f"Page {at}", notebook=notebook) for at in range(10)])
    notes = list(Note.objects.only("text"))
    with reading(), CaptureQueriesContext(connection) as data, CaptureQueriesContext(connections["keys"]) as keys:
        assert len({note.text for note in notes}) == 10
    assert (len(data), len(keys)) == (0, 1)


def test_a_row_without_its_values_is_saved_without_them() -> None:
    note_id = make_note().id
    partial = Note.objects.only("position").get(id=note_id)
    partial.position = 5
    partial.save()
    with reading():
        found = Note.objects.get(id=note_id)
        assert (found.text, found.position) == ("Lisbon", 5)


@pytest.mark.parametrize("loaded", ["position", "data_key_id", "text"])
def test_a_value_that_was_not_loaded_is_not_lost_where_it_is_named(loaded: str) -> None:
    note_id = make_note(remark="by train").id
    Note.objects.only(loaded).get(id=note_id).save(update_fields=["day", "remark"])
    Note.objects.bulk_update([Note.objects.only(loaded).get(id=note_id)], ["day", "remark"])
    with reading():
        found = Note.objects.get(id=note_id)
        assert (found.text, found.day, found.remark) == ("Lisbon", DAY, "by train")


def test_values_come_closed_and_open_where_row_and_key_are_selected() -> None:
    make_note()
    [row] = Note.objects.values("id", "data_key_id", "text", "remark")
    assert repr(row["text"]) == "<sealed>"
    assert row["remark"] is None
    with pytest.raises(OpenedWithoutReading):
        row["text"].open()
    with reading():
        assert row["text"].open() == "Lisbon"
        [bound] = Note.objects.values_list("text", "pk", "data_key_id")
        assert bound[0].open() == "Lisbon"
        [everything] = Note.objects.values()
        assert everything["day"].open() == DAY


def test_values_without_row_and_key_say_what_they_need() -> None:
    note = make_note()
    [[closed]] = Note.objects.values_list("text")
    [flat] = Note.objects.values_list("text", flat=True)
    [named] = Note.objects.values_list("text", named=True)
    with reading():
        for value in (closed, flat, named.text):
            with pytest.raises(FieldError, match="row_id"):
                value.open()
            assert value.open(row_id=note.id, key_id=note.data_key_id) == "Lisbon"


def test_values_of_a_related_row_are_opened_as_that_rows() -> None:
    note = make_note()
    contact = make_contact("alice@example.org", note=note)
    row = Contact.objects.values("id", "data_key_id", "email", "note__text", "note__id", "note__data_key_id").get()
    with reading():
        assert row["email"].open() == "alice@example.org"
        assert row["note__text"].open() == "Lisbon"
        *_, text = Contact.objects.values_list("id", "data_key_id", "note__text").get(id=contact.id)
        with pytest.raises(FieldError, match="row_id"):
            text.open()


def test_values_open_beside_what_was_computed() -> None:
    make_note(position=3)
    counted = models.Count("contacts")
    rows = Note.objects.annotate(first=models.F("position")).values_list("first", "data_key_id", "text", "id")
    more = Note.objects.values_list("id", "data_key_id", "text").annotate(size=counted)
    with reading():
        assert [(row[0], row[2].open()) for row in rows] == [(3, "Lisbon")]
        assert [(row[2].open(), row[3]) for row in more] == [("Lisbon", 0)]


def test_a_closed_value_is_never_written_as_text() -> None:
    make_note()
    [row] = Note.objects.values("text")
    with pytest.raises(FieldError):
        str(row["text"])
    with pytest.raises(FieldError):
        f"{row['text']}"


def test_related_rows_open_too() -> None:
    note = make_note()
    make_contact("alice@example.org", note=note)
    with reading():
        joined = Contact.objects.select_related("note").get()
        with CaptureQueriesContext(connection) as queries:
            assert joined.note is not None
            assert joined.note.text == "Lisbon"
            assert joined.email == "alice@example.org"
        assert len(queries) == 0
        [fetched] = Note.objects.prefetch_related("contacts")
        assert [contact.email for contact in fetched.contacts.all()] == ["alice@example.org"]
        [backwards] = Contact.objects.prefetch_related("note__notebook")
        assert backwards.note is not None
        assert backwards.note.text == "Lisbon"
        assert [found.text for found in Notebook.objects.get().notes.all()] == ["Lisbon"]
        [book] = Notebook.objects.prefetch_related("notes")
        assert [found.text for found in book.notes.all()] == ["Lisbon"]


def half(**conditions: int) -> models.QuerySet[Note]:
    return Note.objects.filter(**conditions)


def every_way_to_read() -> list[Callable[[], list[Note]]]:
    rows = Note.objects.order_by("position")
    return [
        lambda: list(rows),
        lambda: list(rows.iterator(chunk_size=2)),
        lambda: sorted(Note.objects.in_bulk().values(), key=lambda note: note.position),
        lambda: list(Note.objects.raw("SELECT * FROM notebook_note ORDER BY position")),
        lambda: list(rows.select_related("notebook")),
        lambda: list(rows.annotate(size=models.Count("contacts"))),
        lambda: list(half(position__lt=2).union(half(position__gte=2)).order_by("position")),
        lambda: list(rows.exclude(position=99).distinct()),
        lambda: [*rows[:2], rows[2]],
        lambda: list(models.QuerySet(Note).order_by("position")),
    ]


@pytest.mark.parametrize("way", range(10))
def test_every_way_to_read_gives_the_same(way: int) -> None:
    for at in range(3):
        make_note(f"Page {at}", position=at, day=None if at == 1 else DAY)
    notes = every_way_to_read()[way]()
    assert [note._state.adding for note in notes] == [False] * 3
    assert [note._state.db for note in notes] == ["default"] * 3
    with reading():
        assert [(note.text, note.position) for note in notes] == [(f"Page {at}", at) for at in range(3)]
        assert [note.day for note in notes] == [DAY, None, DAY]
    notes[0].position = 8
    notes[0].save()
    assert Note.objects.get(id=notes[0].id).position == 8


def test_receivers_of_init_signals_change_nothing_of_what_is_read() -> None:
    make_note(position=4)
    make_contact("alice@example.org")
    fast = [Note.objects.get(), Contact.objects.get()]
    seen: list[object] = []

    def receiver(instance: models.Model, **_: object) -> None:
        seen.append(instance)

    post_init.connect(receiver)
    try:
        plain = [Note.objects.get(), Contact.objects.get()]
    finally:
        post_init.disconnect(receiver)
    assert len(seen) == 2
    for one, other in zip(fast, plain, strict=True):
        assert shown(one) == shown(other)
        assert (other._state.db, other._state.adding) == ("default", False)


def shown(row: SealedModel) -> dict[str, tuple[type, object]]:
    """All that a row holds, the closed values as bytes."""
    values = {field.attname: row.__dict__.get(field.attname) for field in row._meta.concrete_fields}
    closed = {field.attname: closed_value(row, field.attname) for field in encrypted_fields(type(row))}
    values |= {name: value for name, value in closed.items() if value is not ABSENT}
    return {name: (type(value), value) for name, value in values.items()}


def test_counting_needs_no_reading() -> None:
    make_note()
    assert Note.objects.count() == 1
    assert Note.objects.exists()
    assert Note.objects.aggregate(most=models.Max("position")) == {"most": 0}
    assert Notebook.objects.filter(notes__text__isnull=False).count() == 1


# --- Refreshing ---------------------------------------------------------------------------------------


def test_refreshing_loads_what_others_wrote_and_needs_no_reading() -> None:
    note = make_note()
    with reading():
        assert note.text == "Lisbon"
    other = Note.objects.get(id=note.id)
    other.text, other.position = "Porto", 2
    other.save()
    note.refresh_from_db()
    assert note.position == 2
    with pytest.raises(OpenedWithoutReading):
        _ = note.text
    with reading():
        assert note.text == "Porto"


def test_refreshing_some_fields_leaves_the_others() -> None:
    note = make_note()
    other = Note.objects.get(id=note.id)
    other.text, other.position = "Porto", 2
    other.save()
    note.remark = "not saved yet"
    note.refresh_from_db(fields=["text"])
    assert (note.remark, note.position) == ("not saved yet", 0)
    note.refresh_from_db(fields=["position"])
    assert note.position == 2
    with reading():
        assert note.text == "Porto"


def test_refreshing_under_a_lock_reads_what_the_lock_found() -> None:
    note = make_note()
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        note.refresh_from_db(from_queryset=Note.objects.select_for_update())
    if connection.features.has_select_for_update:
        assert all("FOR UPDATE" in query["sql"] for query in queries)
    with reading():
        assert note.text == "Lisbon"


# --- Moving and copying -------------------------------------------------------------------------------


def inserted(note: Note) -> None:
    note.pk = uuid4()
    note.save(force_insert=True)


def added(note: Note) -> None:
    note.pk, note._state.adding = uuid4(), True
    note.save()


def created(note: Note) -> None:
    note.pk = uuid4()
    Note.objects.bulk_create([note])


def updated(note: Note) -> None:
    note.pk = make_note().pk
    Note.objects.bulk_update([note], ["text"])


def named(note: Note) -> None:
    note.pk = make_note().pk
    note.save(update_fields=["text"])


@pytest.mark.parametrize("copied", [inserted, added, created, updated, named])
def test_a_closed_value_is_not_written_into_another_row(copied: Callable[[Note], None]) -> None:
    with pytest.raises((WrongPlace, DatabaseError)):
        copied(make_note())


def test_saving_a_row_over_another_does_not_lose_the_others_values() -> None:
    note, other = make_note(), make_note("Porto")
    note.pk = other.pk
    with contextlib.suppress(WrongPlace, SealedUnderAnotherKey), transaction.atomic():
        note.save()
    with reading():
        assert Note.objects.get(id=other.id).text == "Porto"


def test_an_opened_row_is_copied_under_a_new_id() -> None:
    note = make_note()
    with reading():
        assert all(value is not None for value in values_of(note)[:4])
        _ = note.remark
    first = note.pk
    note.pk, note._state.adding = None, True
    note.save()
    assert note.pk not in {None, first}
    with reading():
        assert {found.text for found in Note.objects.all()} == {"Lisbon"}
    assert Note.objects.count() == 2


def test_a_row_is_moved_to_another_key_with_all_its_values() -> None:
    note, key_id = make_note(remark="by train"), make_key()
    with reading():
        note.reseal_under(key_id)
    note.save()
    found = Note.objects.get(id=note.id)
    assert found.data_key_id == key_id
    with reading():
        assert values_of(found) == ("Lisbon", DAY, {"rain": False}, b"\x00\xff", "by train")


def test_moving_to_another_key_writes_every_value_whatever_fields_are_named() -> None:
    for save in (
        lambda note: note.save(update_fields=["data_key_id"]),
        lambda note: note.save(update_fields=["text", "data_key_id"]),
        lambda note: Note.objects.bulk_update([note], ["data_key_id"]),
    ):
        note, key_id = make_note(), make_key()
        with reading():
            note.reseal_under(key_id)
        save(note)
        with reading():
            assert values_of(Note.objects.get(id=note.id))[:2] == ("Lisbon", DAY)


def test_a_row_is_not_moved_to_another_key_while_values_are_closed() -> None:
    note = make_note()
    with pytest.raises(SealedUnderAnotherKey):
        note.data_key_id = make_key()
    partial = Note.objects.only("position").get(id=note.id)
    with pytest.raises(SealedUnderAnotherKey):
        partial.data_key_id = make_key()
    with reading():
        partial.reseal_under(make_key())
    partial.save()
    with reading():
        assert values_of(Note.objects.get(id=note.id))[:2] == ("Lisbon", DAY)


def test_ids_may_be_given_as_text() -> None:
    note = unsaved_note(id=str(uuid4()), data_key_id=str(make_key()))
    note.save()
    note.refresh_from_db(fields=["text"])
    note.data_key_id = str(note.data_key_id)  # type: ignore[assignment]  # the same key
    with reading():
        assert note.text == "Lisbon"
        assert Note.objects.get(id=note.id).text == "Lisbon"


def test_a_row_without_an_id_gets_one_before_it_is_sealed() -> None:
    Note.objects.bulk_create([unsaved_note(id=None)])
    unsaved_note(id=None).save()
    with reading():
        assert [note.text for note in Note.objects.all()] == ["Lisbon", "Lisbon"]


def test_rows_are_not_moved_to_another_key_in_the_database() -> None:
    make_note()
    with pytest.raises(FieldError):
        Note.objects.update(data_key_id=make_key())


def test_a_copy_within_the_process_holds_the_same_values() -> None:
    note = make_note()
    closed = copy.copy(note)
    with reading():
        assert note.text == "Lisbon"
        again = copy.copy(note)
        assert again.text == "Lisbon"
        assert closed.text == "Lisbon"
    again.text = "Porto"
    assert note.text == "Lisbon"


def test_named_tuples_open_too() -> None:
    note = make_note()
    found = Note.objects.values_list("id", "data_key_id", "text", named=True).get()
    assert (type(found).__name__, found.id) == ("Row", note.id)
    with reading():
        assert found.text.open() == "Lisbon"


@pytest.mark.parametrize("deferred", [[], ["text"]])
def test_a_closed_row_is_not_copied_and_the_error_says_how(deferred: list[str]) -> None:
    note = Note.objects.defer(*deferred).get(id=make_note().id)
    note.pk = None
    with pytest.raises(WrongPlace, match="reseal_under"), transaction.atomic():
        note.save()
    note = Note.objects.get()
    with reading():
        note.reseal_under(note.data_key_id)
    note.pk, note._state.adding = None, True
    note.save()
    with reading():
        assert [found.text for found in Note.objects.all()] == ["Lisbon", "Lisbon"]


# --- Blind indexes ------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> UUID:
    """A controller of this test's own, since index keys are held by the process for a while."""
    return uuid4()


def found_by(shop: UUID, email: str) -> list[Contact]:
    return list(Contact.objects.filter(index__in=blind_indexes(shop, "email", email)))


def test_a_contact_is_found_after_every_way_to_write(shop: UUID) -> None:
    saved = make_contact("alice@example.org", controller_id=shop)
    assert found_by(shop, "Alice@Example.org ") == [saved]
    [created] = Contact.objects.bulk_create(
        [Contact(email="bob@example.org", data_key_id=make_key(), controller_id=shop)]
    )
    assert found_by(shop, "bob@example.org") == [created]


def test_a_changed_contact_is_found_by_the_new_address_only(shop: UUID) -> None:
    contact = make_contact("alice@example.org", controller_id=shop)
    contact.email = "alicia@example.org"
    contact.save(update_fields=["email"])
    assert (found_by(shop, "alice@example.org"), found_by(shop, "alicia@example.org")) == ([], [contact])
    contact.email = "ally@example.org"
    Contact.objects.bulk_update([contact], ["email"])
    assert (found_by(shop, "alicia@example.org"), found_by(shop, "ally@example.org")) == ([], [contact])
    contact.email = "al@example.org"
    contact.save()
    assert (found_by(shop, "ally@example.org"), found_by(shop, "al@example.org")) == ([], [contact])


@pytest.mark.parametrize("names", [None, ["controller_id"], ["controller_id", "email"]])
def test_a_closed_address_does_not_keep_the_index_of_another_controller(shop: UUID, names: list[str] | None) -> None:
    contact = make_contact("alice@example.org", controller_id=shop)
    contact.controller_id = uuid4()
    with pytest.raises(Invalid, match="open email first") as refused, transaction.atomic():
        contact.save(update_fields=names)
    assert refused.value.field == "email"
    with pytest.raises(Invalid, match="open email first"), transaction.atomic():
        Contact.objects.bulk_update([contact], ["controller_id"])
    assert found_by(shop, "alice@example.org") == [contact]


@pytest.mark.parametrize("names", [None, ["controller_id"]])
def test_an_open_address_takes_its_index_to_another_controller(shop: UUID, names: list[str] | None) -> None:
    contact, other = make_contact("alice@example.org", controller_id=shop), uuid4()
    with reading():
        assert contact.email == "alice@example.org"
    contact.controller_id = other
    contact.save(update_fields=names)
    assert found_by(shop, "alice@example.org") == []
    assert found_by(other, "alice@example.org") == [contact]
    contact.refresh_from_db()
    contact.save()
    contact.controller_id = shop
    with pytest.raises(Invalid, match="open email first"), transaction.atomic():
        contact.save()
    contact.controller_id = str(other)
    contact.save()
    with reading():
        assert contact.email == "alice@example.org"
    contact.controller_id = shop
    Contact.objects.bulk_update([contact], ["controller_id"])
    assert found_by(shop, "alice@example.org") == [contact]


def test_an_index_of_another_controller_finds_nothing(shop: UUID) -> None:
    make_contact("alice@example.org", controller_id=shop)
    assert found_by(uuid4(), "alice@example.org") == []


def test_a_contact_saved_without_being_opened_is_still_found(shop: UUID) -> None:
    contact = make_contact("alice@example.org", controller_id=shop)
    contact.save()
    Contact.objects.bulk_update([contact], ["email"])
    assert found_by(shop, "alice@example.org") == [contact]


def test_no_address_is_no_address() -> None:
    with pytest.raises(Invalid) as refused:
        make_contact("not an address")
    assert "not an address" not in str(refused.value)


# --- What it costs ------------------------------------------------------------------------------------


def test_a_list_of_fifty_people_costs_one_query_for_keys() -> None:
    notebook = make_notebook()
    Note.objects.bulk_create([unsaved_note(f"Page {at}", notebook=notebook) for at in range(50)])
    with reading(), CaptureQueriesContext(connections["keys"]) as keys, CaptureQueriesContext(connection) as data:
        assert len({note.text for note in Note.objects.all()}) == 50
        assert {note.day for note in Note.objects.select_related("notebook")} == {DAY}
    assert (len(data), len(keys)) == (2, 1)


def test_rows_that_were_joined_cost_no_query_per_row() -> None:
    notebook, shop = make_notebook(), uuid4()
    for at in range(5):
        note = unsaved_note(f"Page {at}", notebook=notebook)
        note.save()
        make_contact(f"reader{at}@example.org", note=note, controller_id=shop)
    for contacts, fetches in (
        (list(Contact.objects.select_related("note__notebook")), 1),
        (list(Contact.objects.prefetch_related("note")), 2),
    ):
        with reading(), CaptureQueriesContext(connections["keys"]) as keys:
            assert len({contact.note.text for contact in contacts if contact.note}) == 5
            assert len({contact.email for contact in contacts}) == 5
        assert len(keys) == fetches
    [fetched] = Notebook.objects.prefetch_related("notes__contacts")
    with reading(), CaptureQueriesContext(connections["keys"]) as keys:
        assert len({contact.email for note in fetched.notes.all() for contact in note.contacts.all()}) == 5
    assert len(keys) == 1


def test_no_value_reaches_a_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG, "django.db.backends")
    monkeypatch.setattr(logging.getLogger("django"), "propagate", True)
    connection.force_debug_cursor = True
    try:
        note = make_note("Lisbon", details={"city": "Lisbon"})
        Note.objects.bulk_create([unsaved_note("Lisbon")])
        with reading():
            assert note.text == "Lisbon"
            note.save()
            Note.objects.bulk_update([note], ["text", "details"])
        for wrong in ({"text": "Lisbon"}, {"text__contains": "Lisbon"}, {"details__city": "Lisbon"}):
            with pytest.raises(FieldError) as refused:
                Note.objects.filter(**wrong)
            assert "Lisbon" not in str(refused.value)
    finally:
        connection.force_debug_cursor = False
    assert "INSERT" in caplog.text
    assert "Lisbon" not in caplog.text


def test_a_key_is_fetched_and_unwrapped_once_a_reading_and_once_a_transaction() -> None:
    key_id, notebook = make_key(), make_notebook()
    rows = [unsaved_note(data_key_id=key_id, notebook=notebook) for _ in range(20)]
    with CaptureQueriesContext(connections["keys"]) as keys, transaction.atomic():
        Note.objects.bulk_create(rows[:10])
        Note.objects.bulk_create(rows[10:])
        rows[0].save()
    assert len(keys) == 0  # it was made in this very transaction
    with reading(), CaptureQueriesContext(connections["keys"]) as keys:
        assert {note.text for note in Note.objects.all()} == {"Lisbon"}
        assert {note.day for note in Note.objects.iterator(chunk_size=3)} == {DAY}
        assert Note.objects.values("text", "id", "data_key_id")[0]["text"].open() == "Lisbon"
    assert len(keys) == 1


@pytest.mark.django_db(transaction=True)
def test_a_key_is_forgotten_with_its_transaction_even_while_an_error_is_kept() -> None:
    subject_id, notebook = uuid4(), make_notebook()
    key_id = make_key(subject_id)
    rows = [unsaved_note(data_key_id=key_id, notebook=notebook, day=day) for day in (DAY, "no date")]
    with pytest.raises(Invalid) as kept, transaction.atomic():
        Note.objects.bulk_create(rows)
    destroy_subject_keys(subject_id)
    with pytest.raises(KeyDestroyed), transaction.atomic():
        unsaved_note(data_key_id=key_id, notebook=notebook).save()
    assert kept.value.field == "day"


def test_values_are_sealed_without_a_query_for_a_key_that_was_just_made() -> None:
    notebook = make_notebook()
    with transaction.atomic():
        notes = [unsaved_note(notebook=notebook) for _ in range(3)]
        with CaptureQueriesContext(connections["keys"]) as keys:
            Note.objects.bulk_create(notes)
    assert len(keys) <= 1


def test_a_closed_value_is_not_taken_for_an_open_one() -> None:
    make_note()
    [row] = Note.objects.values("text")
    assert isinstance(row["text"], Sealed)
