"""A controller's key is changed while the service runs; no data is touched."""

from collections.abc import Callable

import pytest
from django.db import transaction

from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import keys
from identity_privacy.crypto.controller_keys import controller_key, kek
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey
from identity_privacy.crypto.rotation import Outcome, plan_kek, rotate_kek
from tests.crypto.rotated import email, every_value, found, half_done, make_people, own_bytes, raw_values
from tests.factories import make_controller, make_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lindwerk() -> Controller:
    return make_controller()


@pytest.fixture
def otherwerk() -> Controller:
    return make_controller("otherwerk", "Otherwerk", "other.example")


def rotate(**scope: object) -> Outcome:
    return rotate_kek(patience=1, **scope)  # type: ignore[arg-type]  # a test names what it rotates


def test_everything_hangs_on_the_new_key_and_no_value_is_touched(lindwerk: Controller) -> None:
    make_people(lindwerk)
    old, values, raw, materials = controller_key(lindwerk.id), every_value(), raw_values(), own_bytes()
    outcome = rotate()
    assert not outcome.unreadable
    new = controller_key(lindwerk.id)
    assert new.id != old.id
    assert not ControllerKey.objects.filter(id=old.id).exists()
    assert set(DataKey.objects.values_list("controller_key_id", flat=True)) == {new.id}
    assert set(IndexKey.objects.values_list("controller_key_id", flat=True)) == {new.id}
    assert raw_values() == raw
    assert own_bytes() == materials
    assert every_value() == values
    assert found(lindwerk, 0)
    assert half_done() == []


def test_one_controllers_rotation_leaves_the_others_alone(lindwerk: Controller, otherwerk: Controller) -> None:
    make_people(lindwerk)
    make_people(otherwerk)
    theirs, ours = controller_key(otherwerk.id), controller_key(lindwerk.id)
    rotate(controller_id=lindwerk.id)
    assert controller_key(otherwerk.id).id == theirs.id
    assert controller_key(lindwerk.id).id != ours.id


def test_the_dry_run_counts_and_changes_nothing(lindwerk: Controller) -> None:
    make_people(lindwerk)
    before = list(ControllerKey.objects.values_list("id", "retired_at"))
    plan = plan_kek()
    assert plan.total == DataKey.objects.count() + IndexKey.objects.count()
    assert list(ControllerKey.objects.values_list("id", "retired_at")) == before


def test_what_another_process_fetched_before_is_fetched_anew(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_people(lindwerk, 1)
    values = every_value()
    monkeypatch.setattr(keys, "kek", rotating_before(kek))
    assert every_value() == values


def test_a_key_that_is_made_while_its_controllers_is_rotated_hangs_on_the_new_one(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_people(lindwerk, 1)
    monkeypatch.setattr(keys, "controller_key", rotating_behind(controller_key))
    make_person(lindwerk, email=email(1), given_name="Late")
    monkeypatch.undo()
    assert found(lindwerk, 1)
    assert every_value()
    assert half_done() == []


def rotating_before(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """The same, but a rotation runs from beginning to end right before the first call, as in another process."""
    calls: list[bytes] = []

    def wrapped(key_id: bytes) -> object:
        calls.append(key_id)
        if len(calls) == 1:
            rotate()
        return read(key_id)

    return wrapped


def rotating_behind(read: Callable[..., object]) -> Callable[..., object]:
    """The same, but a rotation runs from beginning to end right behind the first call, as in another process."""
    calls: list[object] = []

    def wrapped(*args: object, **kwargs: object) -> object:
        result = read(*args, **kwargs)
        calls.append(result)
        if len(calls) == 1 and not transaction.get_connection("keys").in_atomic_block:
            rotate()
        return result

    return wrapped


def test_a_key_that_was_changed_in_its_row_is_named_and_stops_no_other(lindwerk: Controller) -> None:
    people = make_people(lindwerk)
    bad = DataKey.objects.get(subject_id=people[1])
    wrapped = bytes(bad.wrapped)
    DataKey.objects.filter(id=bad.id).update(wrapped=wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    old = controller_key(lindwerk.id)
    outcome = rotate()
    assert [one.row_id for one in outcome.unreadable] == [bad.id]
    assert list(DataKey.objects.filter(controller_key_id=old.id).values_list("id", flat=True)) == [bad.id]
    DataKey.objects.filter(id=bad.id).update(wrapped=wrapped)
    assert not rotate().unreadable
    assert half_done() == []
    assert every_value()


def test_the_log_says_that_it_began_and_how_it_ended(lindwerk: Controller) -> None:
    make_people(lindwerk, 1)
    rotate(controller_id=lindwerk.id)
    entries = Entry.objects.filter(action__startswith="keys.").order_by("id")
    assert [entry.action for entry in entries] == [
        "keys.controller_key_rotation_begun",
        "keys.controller_key_rotated",
    ]
    assert {entry.controller_id for entry in entries} == {lindwerk.id}
