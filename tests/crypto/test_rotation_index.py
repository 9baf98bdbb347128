"""A blind index gets a new key; at every moment everybody is found, and no unique value stands twice."""

import time
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import index_keys, sealing
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import IndexCannotRotate
from identity_privacy.crypto.fields import BlindIndexField, NextBlindIndexField, Sealed
from identity_privacy.crypto.index_keys import forget_held_index_keys
from identity_privacy.crypto.models import IndexKey
from identity_privacy.crypto.rotation import Outcome, blind_indexes, plan_index, rotate_index
from identity_privacy.crypto.terms import IndexKeyState
from profiles.models import Identifier, Profile
from profiles.terms import IdentifierKind
from tests.crypto.notebook.models import Contact
from tests.crypto.rotated import email, every_value, found, half_done, make_people
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KEK_HOLD_SECONDS = 0
    monkeypatch.setattr(blind_indexes, "LOOKUP_SECONDS", 0.0)


@pytest.fixture
def lindwerk() -> Controller:
    forget_held_index_keys()
    return make_controller()


def rotate(controller: Controller | None = None, field: str | None = None) -> Outcome:
    return rotate_index(controller_id=controller.id if controller else None, field=field, patience=1)


def hashes() -> dict[UUID, bytes]:
    return {pk: bytes(index) for pk, index in Identifier.objects.values_list("id", "index")}


def test_every_hash_is_made_anew_and_everybody_is_found(lindwerk: Controller) -> None:
    people = make_people(lindwerk)
    before, values = hashes(), every_value()
    outcome = rotate()
    after = hashes()
    assert outcome.count == len(before) == len(after)
    assert not set(after.values()) & set(before.values())
    assert [found(lindwerk, number) for number in range(3)] == [[person] for person in people]
    assert every_value() == values
    assert half_done() == []
    rotate()
    assert [found(lindwerk, number) for number in range(3)] == [[person] for person in people]
    assert set(IndexKey.objects.values_list("version", flat=True)) == {3}


def test_one_kind_is_rotated_alone(lindwerk: Controller) -> None:
    make_people(lindwerk)
    before = hashes()
    rotate(lindwerk, IdentifierKind.EMAIL)
    changed = {pk for pk, index in hashes().items() if before[pk] != index}
    assert set(Identifier.objects.filter(id__in=changed).values_list("kind", flat=True)) == {"email"}
    assert len(changed) == 3


def test_the_dry_run_counts_and_changes_nothing(lindwerk: Controller) -> None:
    make_people(lindwerk)
    before = hashes()
    plan = plan_index()
    assert f"the hashes of {len(before)} values" in plan.sentence
    assert (plan.total, plan.unit) == (3 * len(before), "hashes"), "each is made, takes over, and is cleared"
    assert IndexKey.objects.exclude(state=IndexKeyState.CURRENT).count() == 0
    assert hashes() == before


STEPS = ("_begin", "_is_filled", "_wait_for_lookups", "_take_over", "_end", "_clear")


@pytest.mark.parametrize("step", STEPS)
def test_between_any_two_steps_people_are_found_added_changed_and_unique(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A writer and a look-up come right before and right after each step, with the keys as they are then."""
    people = make_people(lindwerk, 3)
    owner: object = blind_indexes if step in {"_begin", "_end"} else blind_indexes._Rotation
    original: Callable[..., object] = getattr(owner, step)
    calls: list[int] = []

    def write_and_look() -> None:
        number = 100 + len(calls)
        calls.append(number)
        make_people(lindwerk, 1, offset=number)
        row = Identifier.objects.get(profile_id=people[0], kind=IdentifierKind.EMAIL)
        row.value = email(1000 + number)
        row.save()
        assert found(lindwerk, 1000 + number) == [people[0]]
        assert [found(lindwerk, other) for other in (1, 2)] == [[people[1]], [people[2]]]
        assert all(found(lindwerk, other) for other in calls)
        with pytest.raises(IntegrityError), transaction.atomic():
            claim_again(lindwerk, people[1], people[2])

    def stepped(*args: object) -> object:
        write_and_look()
        result = original(*args)
        write_and_look()
        return result

    monkeypatch.setattr(owner, step, stepped)
    rotate()
    monkeypatch.undo()
    assert calls
    assert half_done() == []
    assert all(found(lindwerk, number) for number in calls)
    assert every_value()


def claim_again(controller: Controller, first: UUID, second: UUID) -> None:
    """One record id of a source for two people: the database itself must refuse."""
    theirs = Identifier.objects.get(profile_id=first, kind=IdentifierKind.SOURCE_RECORD)
    profile = Profile.objects.get(id=second)
    with_value = Identifier.objects.filter(id=theirs.id)
    assert with_value.exists()
    Identifier.objects.create(
        controller=controller,
        profile=profile,
        data_key_id=profile.data_key_id,
        kind=IdentifierKind.SOURCE_RECORD,
        value=f"Our shop:{email(1)}",
        source="Our shop",
        is_exclusive=True,
        recorded_at=clock.now(),
    )


@pytest.mark.parametrize("step", STEPS)
def test_it_goes_on_from_any_state(lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    people = make_people(lindwerk, 3)
    owner: object = blind_indexes if step in {"_begin", "_end"} else blind_indexes._Rotation
    original: Callable[..., object] = getattr(owner, step)

    def dies(*args: object) -> object:
        original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, step, dies)
    with pytest.raises(KeyboardInterrupt):
        rotate(lindwerk, IdentifierKind.EMAIL)
    monkeypatch.undo()
    forget_held_index_keys()
    assert [found(lindwerk, number) for number in range(3)] == [[person] for person in people]
    make_people(lindwerk, 1, offset=10)
    rotate(lindwerk, IdentifierKind.EMAIL)
    assert half_done() == []
    assert all(found(lindwerk, number) for number in (0, 1, 2, 10))


def test_look_ups_that_hold_the_old_keys_are_waited_for(
    lindwerk: Controller, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEK_HOLD_SECONDS = 300
    make_people(lindwerk, 1)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    rotate(lindwerk, IdentifierKind.EMAIL)
    assert 290 < slept[0] <= 300


def test_a_value_that_does_not_open_stops_its_index_and_is_named(lindwerk: Controller) -> None:
    people = make_people(lindwerk)
    row = Identifier.objects.get(profile_id=people[1], kind=IdentifierKind.EMAIL)
    Identifier._base_manager.filter(id=row.id).update(value=Sealed(b"\x01" + bytes(40)))
    outcome = rotate()
    assert [one.row_id for one in outcome.unreadable] == [row.id]
    states = dict(IndexKey.objects.exclude(state=IndexKeyState.CURRENT).values_list("field", "state"))
    assert states == {"email": "filling"}, "the other kinds are done"
    assert found(lindwerk, 0) == [people[0]]
    Identifier.objects.filter(id=row.id).delete()
    assert not rotate().unreadable
    assert half_done() == []
    assert found(lindwerk, 2) == [people[2]]


@pytest.mark.parametrize("step", ["", *STEPS])
def test_its_progress_ends_at_the_total_that_was_planned(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    make_people(lindwerk)
    if step:
        owner: object = blind_indexes if step in {"_begin", "_end"} else blind_indexes._Rotation
        original: Callable[..., object] = getattr(owner, step)

        def dies(*args: object) -> object:
            original(*args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(owner, step, dies)
            with pytest.raises(KeyboardInterrupt):
                rotate()
    total, seen = plan_index().total, list[int]()
    rotate_index(patience=1, progress=seen.append)
    assert sum(seen) == total


def test_a_row_whose_key_was_destroyed_stops_no_index_and_is_found_no_more(lindwerk: Controller) -> None:
    people = make_people(lindwerk)
    before = hashes()
    destroy_subject_keys(people[1])
    assert found(lindwerk, 1) == [people[1]], "the hash stands beside the values"
    outcome = rotate()
    assert not outcome.unreadable
    rows = Identifier.objects.filter(profile_id=people[1])
    assert f"{rows.count()} whose data keys were destroyed are found by no look-up any more" in outcome.sentence
    assert half_done() == []
    assert not set(hashes().values()) & set(before.values())
    assert [found(lindwerk, number) for number in range(3)] == [[people[0]], [], [people[2]]]
    assert Entry.objects.get(action="keys.index_key_rotated").details["destroyed"] == rows.count()
    rotate()
    assert half_done() == []


def test_where_it_may_be_empty_the_index_of_such_a_row_is() -> None:
    index, following = BlindIndexField(of="email"), NextBlindIndexField(of="index")
    index.null = True
    index.set_attributes_from_name("index")
    following.set_attributes_from_name("next_index")
    column = blind_indexes._Column(model=Contact, index=index, following=following)
    assert column.not_found() == {"index": None, "next_index": None}


def test_a_model_without_the_column_for_the_next_version_is_refused(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_people(lindwerk, 1)
    of = sealing.blind_indexes_of
    monkeypatch.setattr(blind_indexes, "blind_indexes_of", lambda model: [(index, None) for index, _ in of(model)])
    with pytest.raises(IndexCannotRotate, match="NextBlindIndexField"):
        rotate()
    assert half_done() == []
    assert index_keys.index_keys(lindwerk.id, "email").successor is None
