"""A form shows and takes sealed values inside a Reading, and only those that were said to be editable."""

import datetime
from uuid import UUID

import pytest
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.forms.models import model_to_dict
from rest_framework import serializers

from identity_privacy.crypto.errors import OpenedWithoutReading
from identity_privacy.crypto.fields import EncryptedTextField
from tests.crypto.notebook.factories import DAY, make_key, make_note, reading, unsaved_note
from tests.crypto.notebook.models import Contact, Note

pytestmark = pytest.mark.django_db


class NoteForm(forms.ModelForm[Note]):
    class Meta:
        model = Note
        fields = ("text", "day", "details", "position")


class EveryField(forms.ModelForm[Note]):
    class Meta:
        model = Note
        fields = "__all__"  # noqa: DJ007  # what comes of it is what is tested


class OwnField(forms.ModelForm[Note]):
    text = forms.CharField()

    class Meta:
        model = Note
        fields = ("text",)


SENT = {"text": "Porto", "day": "1990-03-01", "details": '{"rain": true}', "position": "2"}


def test_a_form_shows_the_open_values_inside_a_reading() -> None:
    form = NoteForm(instance=make_note("Lisbon & Porto"))
    with reading():
        page = form.as_p()
    assert "Lisbon &amp; Porto" in page
    assert DAY.isoformat() in page
    assert "&quot;rain&quot;: false" in page


def test_a_form_shows_nothing_outside_a_reading() -> None:
    with pytest.raises(OpenedWithoutReading):
        NoteForm(instance=make_note()).as_p()


def test_a_form_of_an_opened_row_shows_what_was_opened() -> None:
    note = make_note()
    with reading():
        assert note.text == "Lisbon"
        assert note.day == DAY
        page = NoteForm(instance=note).as_p()
    assert "Lisbon" in page
    assert DAY.isoformat() in page


def test_a_form_saves_what_was_sent() -> None:
    note = make_note()
    with reading():
        form = NoteForm(SENT, instance=note)
        assert form.is_valid(), form.errors
        assert set(form.changed_data) == {"text", "day", "details", "position"}
        form.save()
    with reading():
        found = Note.objects.get(id=note.id)
        assert (found.text, found.day, found.details) == ("Porto", datetime.date(1990, 3, 1), {"rain": True})
        assert found.drawing == b"\x00\xff"


def test_a_form_sees_that_nothing_changed() -> None:
    same = {"text": "Lisbon", "day": "1990-02-28", "details": '{"rain": false}', "position": "0"}
    note = make_note()
    with reading():
        form = NoteForm(same, instance=note)
        assert form.is_valid(), form.errors
        assert form.changed_data == []


def test_a_form_makes_a_new_row() -> None:
    row = unsaved_note("")
    form = NoteForm(SENT, instance=row)
    assert form.is_valid(), form.errors
    form.save()
    with reading():
        assert Note.objects.get(id=row.id).text == "Porto"


def test_a_wrong_value_is_said_to_be_wrong_at_its_field() -> None:
    with reading():
        form = NoteForm({**SENT, "day": "yesterday", "details": "{"}, instance=make_note())
        assert set(form.errors) == {"day", "details"}


def test_a_too_long_text_is_refused() -> None:
    with reading():
        form = NoteForm({**SENT, "text": "x" * 1_000_001}, instance=make_note())
        assert set(form.errors) == {"text"}


def test_a_long_text_keeps_its_lines() -> None:
    assert isinstance(NoteForm().fields["text"].widget, forms.Textarea)
    assert isinstance(EncryptedTextField(place="notes.title", max_length=80).formfield().widget, forms.TextInput)


def test_a_text_that_is_left_empty_is_null_where_that_can_be() -> None:
    field = EncryptedTextField(place="notes.title", null=True, blank=True).formfield()
    assert field.clean("") is None
    assert EncryptedTextField(place="notes.title", blank=True).formfield().clean("") == ""
    chosen = EncryptedTextField(place="notes.title", null=True, blank=True, choices=[("a", "A")]).formfield()
    assert chosen.clean("") is None
    with reading():
        assert not field.has_changed(None, "")


@pytest.mark.parametrize("email", ["nobody", "@example.org", "a b@example.org"])
def test_an_address_that_has_no_index_is_refused_before_it_is_saved(email: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Contact(email=email, data_key_id=make_key(), controller_id=UUID(int=9)).full_clean(exclude=["note"])
    assert refused.value.message_dict == {"email": ["this is not an e-mail address"]}


def test_a_row_whose_index_is_not_computed_yet_is_right() -> None:
    Contact(email="a@example.org", data_key_id=make_key(), controller_id=UUID(int=9)).full_clean(exclude=["note"])


@pytest.mark.parametrize(("name", "value"), [("text", "half \ud83d"), ("details", float("nan")), ("day", 3)])
def test_what_cannot_be_sealed_is_refused_before_it_is_saved(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Note(**{"text": "Lisbon", name: value}).clean_fields(exclude=["notebook", "data_key_id"])
    assert set(refused.value.message_dict) == {name}


def test_what_is_not_editable_is_on_no_form() -> None:
    assert set(EveryField().fields) == {"notebook", "text", "day", "details", "position"}
    with pytest.raises(FieldError):
        forms.modelform_factory(Contact, fields=["email"])


def test_a_form_field_of_ones_own_never_shows_or_saves_a_word_in_the_values_stead() -> None:
    note = make_note()
    with reading(), pytest.raises(FieldError, match="open"):
        OwnField(instance=note).as_p()


def test_initial_values_are_closed_until_they_are_shown() -> None:
    initial = model_to_dict(make_note(), fields=["text", "day"])
    assert repr(initial) == "{'text': <sealed>, 'day': <sealed>}"
    with reading():
        assert initial["day"].open() == DAY


def test_full_clean_takes_what_can_be_sealed() -> None:
    unsaved_note().full_clean()
    with reading():
        make_note().full_clean()


@pytest.mark.parametrize(
    ("name", "value"), [("day", "yesterday"), ("day", "1990-02-30"), ("text", "\N{LOCK}sealed:AAAA"), ("text", "")]
)
def test_full_clean_refuses_what_cannot_and_does_not_repeat_it(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        unsaved_note(**{"text": "Lisbon", name: value}).full_clean()
    assert set(refused.value.message_dict) == {name}
    assert not value or value not in str(refused.value)


def test_a_text_that_looks_like_json_stays_a_text() -> None:
    note = unsaved_note(details="[1]")
    note.full_clean()
    assert note.details == "[1]"


class NoteSerializer(serializers.ModelSerializer[Note]):
    text = serializers.CharField()

    class Meta:
        model = Note
        fields = ("text", "position")


def test_a_serializer_shows_a_field_that_it_declares() -> None:
    note = make_note()
    with pytest.raises(OpenedWithoutReading):
        _ = NoteSerializer(note).data
    with reading():
        assert NoteSerializer(note).data == {"text": "Lisbon", "position": 0}
