"""Personal data is opened only for a stated purpose, and never again once its key is gone."""

from uuid import uuid4

import pytest
from django.core.exceptions import FieldError
from django.db import connection, transaction

from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import KeyDestroyed, OpenedWithoutReading, WrongPlace
from identity_privacy.crypto.keys import create_data_key, sealing_ring
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from profiles.models import Attribute, Identifier
from tests.cast import ALICE_EMAIL, Cast, enter

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return enter()


def reading(subject_id: object = None) -> Reading:
    return Reading(actor=Actor.service("test"), purpose="test", subject_id=subject_id, reason="see what opens")  # type: ignore[arg-type]  # any id


def email_of(cast: Cast) -> Identifier:
    return Identifier.objects.get(profile_id=cast.alice, kind="email")


def test_a_value_opens_inside_a_reading(cast: Cast) -> None:
    with reading(cast.alice):
        assert email_of(cast).value == ALICE_EMAIL


def test_without_a_reading_nothing_opens(cast: Cast) -> None:
    with pytest.raises(OpenedWithoutReading):
        _ = email_of(cast).value


def test_a_reading_of_one_person_does_not_open_another(cast: Cast) -> None:
    with reading(cast.bob), pytest.raises(OpenedWithoutReading):
        _ = email_of(cast).value


def test_every_reading_is_in_the_audit_log_before_its_first_value_leaves(cast: Cast) -> None:
    with reading(cast.alice):
        entry = Entry.objects.order_by("-id").first()
        assert entry is not None
        assert (entry.action, entry.subject_id, entry.purpose) == ("personal_data.read", cast.alice, "test")


def test_keys_are_forgotten_with_their_reading(cast: Cast) -> None:
    identifier = email_of(cast)
    with reading(cast.alice) as first:
        first.prefetch([identifier.data_key_id])
    assert not first.ciphers


def test_a_destroyed_key_opens_nothing_ever_again(cast: Cast) -> None:
    destruction = destroy_subject_keys(cast.alice)
    assert destruction.keys == 1
    with reading(), pytest.raises(KeyDestroyed):
        _ = email_of(cast).value
    with reading():
        assert Identifier.objects.get(profile_id=cast.bob, kind="email").value == "bob@example.org"


def test_destroying_twice_changes_nothing(cast: Cast) -> None:
    first, second = destroy_subject_keys(cast.alice), destroy_subject_keys(cast.alice)
    assert (first.keys, second.keys) == (1, 1), "in all tries"
    assert first.backups_end_on == second.backups_end_on
    assert Tombstone.objects.filter(subject_id=cast.alice).count() == 1


def test_a_value_moved_to_another_row_does_not_open(cast: Cast) -> None:
    mine, yours = email_of(cast), Identifier.objects.get(profile_id=cast.bob, kind="email")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE profiles_identifier SET value = (SELECT value FROM profiles_identifier WHERE id = %s)"
            " WHERE id = %s",
            [row.id.hex if connection.vendor == "sqlite" else row.id for row in (mine, yours)],
        )
    with reading(), pytest.raises(WrongPlace):
        _ = Identifier.objects.get(id=yours.id).value


def test_a_row_saved_again_without_being_opened_keeps_its_value(cast: Cast) -> None:
    identifier = email_of(cast)
    identifier.source = "elsewhere"
    identifier.save()
    with reading(cast.alice):
        assert email_of(cast).value == ALICE_EMAIL


def test_a_new_value_is_sealed_when_the_row_is_saved(cast: Cast) -> None:
    attribute = Attribute.objects.about(cast.alice)[0]
    attribute.value = "Alicia"
    attribute.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM profiles_attribute")
        assert not any(b"Alicia" in bytes(row[0]) for row in cursor.fetchall())
    with reading(cast.alice):
        assert Attribute.objects.get(id=attribute.id).value == "Alicia"


@pytest.mark.parametrize("lookup", ["value", "value__contains", "value__in", "value__gt"])
def test_an_encrypted_field_cannot_be_filtered(cast: Cast, lookup: str) -> None:
    with pytest.raises(FieldError, match="blind index"):
        Identifier.objects.filter(**{lookup: "a"}).exists()


def test_an_unopened_value_shows_nothing_of_itself(cast: Cast) -> None:
    assert "<sealed>" in repr(Identifier.objects.filter(profile_id=cast.alice).values("value").first())


def test_ten_people_of_a_list_cost_one_query_for_keys(cast: Cast, django_assert_num_queries: object) -> None:
    rows = list(Identifier.objects.filter(controller=cast.lindwerk))
    with reading() as one:
        one.prefetch(row.data_key_id for row in rows)
        with django_assert_num_queries(0, using="keys"):  # type: ignore[operator]  # pytest-django's fixture
            assert all(row.value for row in rows)


def test_sealing_opens_nothing(cast: Cast) -> None:
    identifier = email_of(cast)
    with transaction.atomic():
        sealing_ring().prefetch([identifier.data_key_id])
        with pytest.raises(OpenedWithoutReading):
            _ = identifier.value


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_nothing_is_sealed_under_a_key_that_is_gone(cast: Cast) -> None:
    attribute = Attribute.objects.about(cast.alice)[0]
    destroy_subject_keys(cast.alice)
    attribute.value = "Alicia"
    with pytest.raises(KeyDestroyed):
        attribute.save()


def test_one_key_a_person(cast: Cast) -> None:
    assert DataKey.objects.filter(kind=KeyKind.PROFILE).count() == 3
    assert DataKey.objects.get(subject_id=cast.alice, kind=KeyKind.PROFILE).owner_id == cast.alice


def test_the_key_database_shows_no_key(cast: Cast) -> None:
    owner = uuid4()
    key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=cast.lindwerk.id, owner_id=owner)
    assert len(bytes(DataKey.objects.get(id=key_id).wrapped)) == 29 + 32


def test_a_reading_of_one_controller_does_not_open_anothers_people(cast: Cast) -> None:
    charlies = Identifier.objects.get(profile_id=cast.charlie, kind="email")
    reads = Reading(
        actor=Actor.service("test"),
        purpose="test",
        subject_id=None,
        controller_id=cast.lindwerk.id,
        reason="see what opens",
    )
    with reads:
        assert email_of(cast).value == ALICE_EMAIL
        with pytest.raises(OpenedWithoutReading):
            _ = charlies.value
