"""Rows that a model's own base manager leaves out, such as deleted ones that are only hidden, keep their values."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import models
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rotation import Whose, rotate_dek, rotate_index
from identity_privacy.crypto.rotation import blind_indexes as rotation
from identity_privacy.crypto.sweeping import sweep_orphans
from tests.crypto.notebook.factories import make_contact, make_note, reading
from tests.crypto.notebook.models import Contact, Note

pytestmark = pytest.mark.django_db(transaction=True)


class Nothing(models.Manager[models.Model]):
    """A manager for which every row is hidden."""

    def get_queryset(self) -> models.QuerySet[models.Model]:
        return SealedQuerySet(self.model, using=self._db).none()


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `Meta.base_manager_name` does."""
    for model in (Note, Contact):
        manager = Nothing()
        manager.model = model
        monkeypatch.setitem(model._meta.__dict__, "base_manager", manager)


def test_hidden_rows_are_sealed_anew(hidden: None) -> None:
    note = make_note("hidden")
    rotate_dek(Whose.everybody(), patience=1)
    with reading():
        assert Note.objects.get(id=note.id).text == "hidden"


def test_hidden_rows_are_found_after_a_rotation_of_their_index(
    hidden: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEK_HOLD_SECONDS = 0
    monkeypatch.setattr(rotation, "LOOKUP_SECONDS", 0.0)
    forget_held_index_keys()
    contact = make_contact("alice@example.org")
    rotate_index(patience=1)
    index = blind_indexes(UUID(int=9), "email", "alice@example.org")
    assert Contact.objects.get(index__in=index).id == contact.id


def test_keys_of_hidden_rows_are_not_swept(hidden: None) -> None:
    note = make_note("hidden")
    DataKey.objects.update(created_at=clock.now() - timedelta(days=2))
    sweep_orphans(patience=1)
    with reading():
        assert Note.objects.get(id=note.id).text == "hidden"
