"""A row that was in memory while its key was rotated is read and saved as ever."""

from uuid import UUID

import pytest

from identity_privacy import clock
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.rotation import Whose, rotate_dek
from profiles.models import Attribute, Identifier
from tests.crypto.rotated import every_value, make_people, reading
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


def rotated_behind(person: UUID) -> None:
    rotate_dek(Whose(subject_id=person), patience=1)


def test_a_row_that_was_loaded_before_a_rotation_opens_after_it() -> None:
    (person,) = make_people(make_controller(), 1)
    rows = list(Attribute.objects.filter(profile_id=person))
    closed = list(Attribute.objects.filter(profile_id=person).values("id", "data_key_id", "value"))
    rotated_behind(person)
    with reading():
        assert all(row.value for row in rows)
        assert all(row["value"].open() for row in closed)
    assert not Incident.objects.exists()


def test_a_row_that_was_loaded_before_a_rotation_is_saved_after_it() -> None:
    (person,) = make_people(make_controller(), 1)
    values = every_value()
    row = Identifier.objects.filter(profile_id=person)[0]
    rotated_behind(person)
    row.verified_at = clock.now()
    row.save()
    assert every_value() == values
