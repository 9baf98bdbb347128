"""While a data key is rotated, rows are read and written as ever, opened or not."""

import os
from collections.abc import Callable
from uuid import UUID

import pytest

from identity_privacy.crypto.controller_keys import kek
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.seal import place_prefix, seal
from tests.crypto.notebook.factories import DAY, make_key, make_note, reading
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def begin_rotation(key_id: UUID) -> None:
    """New material beside the old one, as it stands until every value was sealed anew."""
    key = DataKey.objects.get(id=key_id)
    place = place_prefix("crypto.datakey") + key.owner_id.bytes + key.id.bytes
    key.previous, key.wrapped = key.wrapped, seal(kek(key.controller_key_id.bytes), os.urandom(32), place)
    key.save()


def end_rotation(key_id: UUID) -> None:
    DataKey.objects.filter(id=key_id).update(previous=None)


def moved(note: Note) -> None:
    with reading():
        note.reseal_under(make_key())
    note.save()


WAYS: dict[str, Callable[[Note], object]] = {
    "nothing": lambda note: None,
    "save": lambda note: note.save(),
    "update_fields": lambda note: note.save(update_fields=["text", "day"]),
    "bulk_update": lambda note: Note.objects.bulk_update([note], ["text", "remark"]),
    "reseal_under": moved,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_written_while_its_key_is_rotated(way: str) -> None:
    note = make_note("Lisbon", remark="by train")
    begin_rotation(note.data_key_id)
    WAYS[way](Note.objects.get())
    with reading():
        found = Note.objects.get()
        assert (found.text, found.day, found.remark) == ("Lisbon", DAY, "by train")


def test_what_was_written_meanwhile_needs_the_key_from_before_no_more() -> None:
    note = make_note("Lisbon", remark="by train")
    begin_rotation(note.data_key_id)
    note.save(update_fields=["text", "remark"])
    end_rotation(note.data_key_id)
    with reading():
        found = Note.objects.get()
        assert (found.text, found.remark) == ("Lisbon", "by train")
