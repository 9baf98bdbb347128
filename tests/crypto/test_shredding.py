"""Once a person's keys are destroyed, no copy of the data made before can be read, whoever holds it."""

from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.seal import associated_data
from tests.crypto.living_keys import opened_by_a_living_key
from tests.crypto.notebook.factories import make_contact, make_key, make_note, reading
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice() -> UUID:
    return uuid4()


def kept_of(note: Note) -> bytes:
    value: Sealed = Note.objects.values_list("text", flat=True).get(id=note.id)
    return value.sealed


def test_ciphertext_that_somebody_kept_opens_under_no_living_key(alice: UUID) -> None:
    note, bobs = make_note("Lisbon", data_key_id=make_key(alice)), make_note("Porto")
    make_contact("bob@example.org", controller_id=uuid4())
    kept, associated = kept_of(note), associated_data("notebook.note.text", note.id, note.data_key_id)
    assert opened_by_a_living_key(kept, associated) == 1
    destroy_subject_keys(alice)
    assert opened_by_a_living_key(kept, associated) == 0
    with reading() as one, pytest.raises(KeyDestroyed):
        one.open(kept, place="notebook.note.text", row_id=note.id, key_id=note.data_key_id)
    with reading():
        assert Note.objects.get(id=bobs.id).text == "Porto"


def test_rows_from_a_backup_stay_closed(alice: UUID) -> None:
    note = make_note("Lisbon", data_key_id=make_key(alice))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE backup_of_notes AS SELECT * FROM notebook_note")
    try:
        destroy_subject_keys(alice)
        Note.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO notebook_note SELECT * FROM backup_of_notes")
        for way in (Note.objects.all(), Note.objects.select_related("notebook"), Note.objects.only("text")):
            with reading(), pytest.raises(KeyDestroyed):
                _ = way.get(id=note.id).text
        with reading(), pytest.raises(KeyDestroyed):
            Note.objects.values("id", "data_key_id", "text")[0]["text"].open()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE backup_of_notes")


def test_a_reading_that_begins_later_has_no_key(alice: UUID) -> None:
    note = make_note("Lisbon", data_key_id=make_key(alice))
    with reading() as before:
        assert note.text == "Lisbon"
    destroy_subject_keys(alice)
    assert before.ciphers == {}
    with reading(), pytest.raises(KeyDestroyed):
        _ = Note.objects.get(id=note.id).text


def test_what_was_opened_before_cannot_be_written_again(alice: UUID) -> None:
    note = make_note("Lisbon", data_key_id=make_key(alice))
    with reading():
        assert note.text == "Lisbon"
    destroy_subject_keys(alice)
    for write in (note.save, lambda: Note.objects.bulk_update([note], ["text"])):
        with pytest.raises(KeyDestroyed):
            write()


def test_a_list_with_an_erased_person_opens_for_the_others(alice: UUID) -> None:
    make_note("Lisbon", data_key_id=make_key(alice), position=1)
    make_note("Porto", position=2)
    destroy_subject_keys(alice)
    with reading():
        first, second = Note.objects.order_by("position")
        assert second.text == "Porto"
        with pytest.raises(KeyDestroyed) as refused:
            _ = first.text
    assert refused.value.key_id == first.data_key_id
    assert Note.objects.filter(text__isnull=False).count() == 2


def test_a_key_whose_row_was_deleted_by_hand_is_gone_too(alice: UUID) -> None:
    note = make_note("Lisbon", data_key_id=make_key(alice))
    DataKey.objects.filter(subject_id=alice).delete()
    with reading() as one, pytest.raises(KeyDestroyed):
        one.open(kept_of(note), place="notebook.note.text", row_id=note.id, key_id=note.data_key_id)


def test_a_rolled_back_transaction_leaves_no_key_behind_to_seal_with(alice: UUID) -> None:
    key_id = make_key(alice)

    class Undone(Exception):
        pass

    def undone() -> None:
        with transaction.atomic():
            make_note("Lisbon", data_key_id=key_id)
            raise Undone

    with pytest.raises(Undone):
        undone()
    destroy_subject_keys(alice)
    with pytest.raises(KeyDestroyed):
        make_note("Lisbon", data_key_id=key_id)


def test_a_reading_shows_no_key(alice: UUID) -> None:
    with reading() as one:
        _ = make_note("Lisbon", data_key_id=make_key(alice)).text
        assert "AESGCM" not in repr(one)
        assert isinstance(one, Reading)
