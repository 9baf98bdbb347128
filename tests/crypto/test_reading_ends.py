"""A Reading opens values from its entry in the log to its end, once, whoever still names it afterwards."""

import contextvars
from collections.abc import Iterator
from uuid import UUID

import pytest

from identity_privacy.crypto.errors import OpenedWithoutReading
from identity_privacy.crypto.reading import Reading, active, active_reading
from tests.crypto.notebook.factories import make_note, reading
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db(databases=["default", "keys"])


@pytest.fixture
def note() -> Note:
    return Note.objects.get(id=make_note("Lisbon").id)


def opened(by: Reading, note: Note) -> bytes:
    sealed = Note.objects.values_list("text", flat=True).get(id=note.id)
    return by.open(sealed.sealed, place="notebook.note.text", row_id=note.id, key_id=note.data_key_id)


def test_before_it_began_nothing_opens(note: Note) -> None:
    with pytest.raises(OpenedWithoutReading):
        opened(reading(), note)


def test_after_its_end_nothing_opens_and_no_key_is_fetched(note: Note) -> None:
    with reading() as ended:
        assert opened(ended, note) == b"Lisbon"
    with pytest.raises(OpenedWithoutReading):
        opened(ended, note)
    with pytest.raises(OpenedWithoutReading):
        ended.prefetch([note.data_key_id])
    assert not ended.ciphers


def test_it_begins_once(note: Note) -> None:
    with reading() as one:
        with pytest.raises(OpenedWithoutReading, match="once"), one:
            pass
        assert opened(one, note) == b"Lisbon"
    with pytest.raises(OpenedWithoutReading, match="once"), one:
        pass
    assert active.get() is None


def test_what_was_started_inside_it_opens_nothing_after_it(note: Note) -> None:
    with reading():
        started = contextvars.copy_context()
    with pytest.raises(OpenedWithoutReading):
        started.run(active_reading)
    with pytest.raises(OpenedWithoutReading):
        started.run(lambda: note.text)


def test_generators_that_end_in_another_order_leave_no_reading_behind(note: Note) -> None:
    def texts() -> Iterator[str]:
        with reading():
            yield Note.objects.get(id=note.id).text
            yield ""

    first, second = texts(), texts()
    assert (next(first), next(second)) == ("Lisbon", "Lisbon")
    for one in (first, second):
        one.close()  # type: ignore[attr-defined]  # a generator has it
    with pytest.raises(OpenedWithoutReading):
        _ = note.text


def test_a_key_that_is_named_by_its_id_alone_is_not_enough(note: Note) -> None:
    other = UUID(int=7)
    with reading() as one, pytest.raises(OpenedWithoutReading):
        Reading(actor=one.actor, purpose="x", subject_id=other, reason="never entered").cipher(note.data_key_id)
