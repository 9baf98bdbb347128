"""An opened row stays in its process; a closed one may travel, since it shows nothing."""

import copy
import pickle

import pytest
from celery import Celery
from django.core.cache import caches
from django.forms.models import model_to_dict
from django.test import override_settings
from kombu.exceptions import EncodeError

from identity_privacy.crypto.errors import OpenedRowLeaves, OpenedWithoutReading
from tests.crypto.notebook.factories import make_note, reading, unsaved_note
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db


def opened() -> Note:
    note = make_note()
    with reading():
        assert note.text == "Lisbon"
    return note


def test_a_closed_row_travels_and_opens_where_it_arrives() -> None:
    sent = pickle.dumps(make_note())
    assert b"Lisbon" not in sent
    arrived = pickle.loads(sent)  # noqa: S301  # written two lines above
    with pytest.raises(OpenedWithoutReading):
        _ = arrived.text
    with reading():
        assert arrived.text == "Lisbon"


def test_a_list_of_closed_rows_travels() -> None:
    make_note()
    arrived = pickle.loads(pickle.dumps(Note.objects.all()))  # noqa: S301  # as above
    with reading():
        assert [note.text for note in arrived] == ["Lisbon"]


def test_an_opened_row_does_not_travel() -> None:
    with pytest.raises(OpenedRowLeaves) as refused:
        pickle.dumps(opened())
    assert "Lisbon" not in str(refused.value)


def test_a_changed_row_does_not_travel() -> None:
    note = make_note()
    note.text = "Porto"
    with pytest.raises(OpenedRowLeaves):
        pickle.dumps(note)
    with pytest.raises(OpenedRowLeaves):
        pickle.dumps([unsaved_note()])


def test_a_refreshed_row_travels_again() -> None:
    note = opened()
    note.refresh_from_db()
    assert b"Lisbon" not in pickle.dumps(note)


@override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}})
def test_an_opened_row_goes_into_no_cache() -> None:
    with pytest.raises(OpenedRowLeaves):
        caches["default"].set("note", opened())
    caches["default"].set("note", make_note())
    assert isinstance(caches["default"].get("note"), Note)


@pytest.mark.parametrize(("serializer", "error"), [("json", EncodeError), ("pickle", EncodeError)])
def test_an_opened_row_goes_into_no_message(serializer: str, error: type[Exception]) -> None:
    app = Celery(broker="memory://")
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        with pytest.raises(error) as refused:
            producer.publish({"note": opened()}, routing_key="notes", serializer=serializer)
    assert "Lisbon" not in str(refused.value)


def test_what_a_form_was_given_does_not_travel() -> None:
    with pytest.raises(OpenedRowLeaves):
        pickle.dumps(model_to_dict(opened(), fields=["text"]))
    closed = pickle.loads(pickle.dumps(model_to_dict(make_note(), fields=["text"])))  # noqa: S301  # as above
    with reading():
        assert closed["text"].open() == "Lisbon"


def test_an_opened_row_is_copied_within_the_process_only() -> None:
    note = opened()
    assert copy.copy(note).text == "Lisbon"
    with pytest.raises(OpenedRowLeaves):
        copy.deepcopy(note)


def test_a_reading_does_not_travel() -> None:
    with reading() as one:
        _ = make_note().text
        with pytest.raises(TypeError):
            pickle.dumps(one)
