"""What is sealed goes into a row that names its key, by a writer whose end can be known, or nowhere."""

import pickle
from uuid import uuid4

import pytest
from django.core.exceptions import FieldError
from django.db import connection, connections, transaction
from psycopg.pq import TransactionStatus

from identity_privacy.crypto.errors import (
    OpenedRowLeaves,
    SealedOutsideTransaction,
    SealedUnderAnotherKey,
    UnreadableSeal,
)
from identity_privacy.crypto.fields.base import SEALED_TEXT, Sealed
from identity_privacy.crypto.held import Held
from identity_privacy.crypto.index_keys import index_keys
from identity_privacy.crypto.keys import create_data_key, seal_value
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.errors import Invalid
from tests.crypto.notebook.factories import make_key, make_note, reading
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db(databases=["default", "keys"])


def moved_behind(note: Note) -> Note:
    """The row as it was loaded before somebody moved it to another key."""
    stale = Note.objects.get(id=note.id)
    with reading():
        meanwhile = Note.objects.get(id=note.id)
        meanwhile.reseal_under(make_key())
    meanwhile.save()
    return stale


def text_of(note: Note) -> str:
    with reading():
        text: str = Note.objects.get(id=note.id).text
    return text


def test_a_row_that_was_moved_meanwhile_takes_no_value_under_the_key_from_before() -> None:
    stale = moved_behind(note := make_note("Lisbon"))
    stale.text = "Porto"
    with pytest.raises(SealedUnderAnotherKey), transaction.atomic():
        stale.save(update_fields=["text"])
    with pytest.raises(SealedUnderAnotherKey), transaction.atomic():
        Note.objects.bulk_update([stale], ["text"])
    assert text_of(note) == "Lisbon"


def test_a_value_is_not_saved_into_another_row_under_another_key() -> None:
    one, other = make_note("Lisbon"), make_note("Porto", data_key_id=make_key())
    one.id, one.text = other.id, "Faro"
    with pytest.raises(SealedUnderAnotherKey), transaction.atomic():
        one.save(update_fields=["text"])
    assert text_of(other) == "Porto"


def test_a_closed_value_is_not_written_into_many_rows() -> None:
    note, other = make_note("Lisbon"), make_note("Porto")
    closed = Note.objects.values_list("text", flat=True).get(id=note.id)
    with pytest.raises(FieldError):
        Note.objects.filter(id=other.id).update(text=closed)
    assert text_of(other) == "Porto"


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_nothing_is_sealed_where_commits_are_made_by_hand() -> None:
    key_id = make_key()
    connection.set_autocommit(False)
    try:
        with pytest.raises(SealedOutsideTransaction), transaction.atomic():
            seal_value(b"Lisbon", place="notebook.note.text", row_id=uuid4(), key_id=key_id)
    finally:
        connection.rollback()
        connection.set_autocommit(True)


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_the_transaction_has_begun_before_its_key_is_there() -> None:
    with transaction.atomic():
        create_data_key(kind=KeyKind.PROFILE, controller_id=uuid4(), owner_id=uuid4())
        assert connections["default"].connection.info.transaction_status == TransactionStatus.INTRANS


def test_a_value_of_another_kind_is_not_shown_in_the_error() -> None:
    note = make_note("Lisbon")
    row_id, key_id = note.id, note.data_key_id
    with transaction.atomic():
        sealed = seal_value(b"Alice's secret", place="notebook.note.day", row_id=row_id, key_id=key_id)
    day = Sealed(sealed, Note._meta.get_field("day"), row_id, key_id)
    with reading(), pytest.raises(UnreadableSeal) as refused:
        day.open()
    assert "Alice" not in repr(refused.value)
    assert refused.value.__cause__ is None


def test_a_text_that_looks_sealed_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot begin"):
        make_note(SEALED_TEXT + "Lisbon")


def test_the_keys_of_an_index_are_not_pickled() -> None:
    with pytest.raises(OpenedRowLeaves):
        pickle.dumps(index_keys(uuid4(), "email"))


def test_what_is_held_is_dropped_when_its_time_is_over(settings: object) -> None:
    held: Held[str, object] = Held()
    settings.KEK_HOLD_SECONDS = 0  # type: ignore[attr-defined]  # pytest-django's fixture
    held.get("one", object)
    held.get("other", object)
    assert list(held._values) == ["other"]
