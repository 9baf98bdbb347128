"""Notebooks, notes and contacts for the tests, with keys of their own."""

import datetime
from typing import Final
from uuid import UUID, uuid4

from identity_privacy.actors import Actor
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from tests.crypto.notebook.models import Contact, Note, Notebook

DAY: Final = datetime.date(1990, 2, 28)


def make_key(subject_id: UUID | None = None, controller_id: UUID | None = None) -> UUID:
    subject_id = subject_id or uuid4()
    return create_data_key(
        kind=KeyKind.PROFILE,
        controller_id=controller_id or UUID(int=9),
        owner_id=subject_id,
        subject_id=subject_id,
    )


def make_notebook(title: str = "Travels") -> Notebook:
    return Notebook.objects.create(title=title, controller_id=UUID(int=9))


def unsaved_note(text: str = "Lisbon", **values: object) -> Note:
    values.setdefault("data_key_id", make_key())
    if "notebook" not in values and "notebook_id" not in values:
        values["notebook"] = make_notebook()
    return Note(text=text, **{"day": DAY, "details": {"rain": False}, "drawing": b"\x00\xff", **values})


def make_note(text: str = "Lisbon", **values: object) -> Note:
    """A note as the database gives it back: closed."""
    note = unsaved_note(text, **values)
    note.save()
    return Note.objects.get(id=note.id)


def make_contact(email: str, **values: object) -> Contact:
    contact = Contact(email=email, **{"data_key_id": make_key(), "controller_id": UUID(int=9), **values})
    contact.save()
    return Contact.objects.get(id=contact.id)


def reading(subject_id: UUID | None = None) -> Reading:
    return Reading(actor=Actor.service("test"), purpose="test", subject_id=subject_id, reason="see what opens")
