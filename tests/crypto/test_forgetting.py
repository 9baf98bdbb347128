"""A key is called destroyed only once its bytes are gone, and the stated day counts from then."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.crypto import destruction, sweeping
from identity_privacy.crypto.destruction import (
    destroy_owner_keys,
    destroy_subject_keys,
    finish_forgetting,
    forget_bytes,
    last_backup_ends_on,
    unfinished,
)
from identity_privacy.crypto.errors import NotForgotten, WritersStillRun
from identity_privacy.crypto.keys import controller_secrets_key, create_data_key
from identity_privacy.crypto.models import DataKey, Remains, Tombstone
from identity_privacy.crypto.tasks import sweep
from identity_privacy.crypto.terms import KeyKind

pytestmark = pytest.mark.django_db(transaction=True)

CONTROLLER = UUID(int=9)


@pytest.fixture
def alice() -> UUID:
    return make_person()


def make_person() -> UUID:
    person = uuid4()
    create_data_key(kind=KeyKind.PROFILE, controller_id=CONTROLLER, owner_id=person, subject_id=person)
    return person


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Somebody sees the keys as they were, until `undo`."""

    def not_yet(*_: object, **__: object) -> float:
        raise NotForgotten("somebody reads")

    with monkeypatch.context() as patched:
        patched.setattr(destruction, "_rewrite", not_yet)
        patched.setattr(destruction, "_truncate_log", not_yet)
        yield patched


def in_backups_until() -> date:
    return clock.now().date() + timedelta(days=django_settings.KEYS_BACKUP_DAYS)


def test_the_day_counts_from_when_the_bytes_were_gone(
    alice: UUID, held_up: pytest.MonkeyPatch, settings: Settings
) -> None:
    with pytest.raises(NotForgotten):
        destroy_subject_keys(alice)
    assert Tombstone.objects.get(subject_id=alice).forgotten_at is None
    settings.CLOCK_OFFSET_SECONDS = 40 * 86_400
    with pytest.raises(NotForgotten):
        destroy_subject_keys(alice)
    held_up.undo()
    done = destroy_subject_keys(alice)
    assert (done.keys, done.backups_end_on) == (1, in_backups_until())
    tombstone = Tombstone.objects.get(subject_id=alice)
    assert tombstone.forgotten_at is not None
    assert tombstone.destroyed_at.date() == clock.now().date() - timedelta(days=40)
    settings.CLOCK_OFFSET_SECONDS = 80 * 86_400
    assert destroy_subject_keys(alice).backups_end_on == tombstone.backups_end_on, "nothing was left to forget"


def test_the_sweep_finishes_what_was_held_up(alice: UUID, held_up: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotForgotten):
        destroy_subject_keys(alice)
    assert unfinished() == ["crypto_datakey"]
    assert last_backup_ends_on() == in_backups_until()
    with pytest.raises(NotForgotten):
        sweep()
    held_up.undo()
    sweep()
    assert unfinished() == []
    assert Tombstone.objects.get(subject_id=alice).forgotten_at is not None


def test_a_sweep_that_waits_for_writers_finishes_it_all_the_same(
    alice: UUID, held_up: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotForgotten):
        destroy_subject_keys(alice)
    held_up.undo()
    create_data_key(kind=KeyKind.PROFILE, controller_id=CONTROLLER, owner_id=uuid4())
    DataKey.objects.update(created_at=clock.now() - timedelta(days=2))

    def long_ones(_: float) -> None:
        raise WritersStillRun("a long one")

    monkeypatch.setattr(sweeping, "wait_for_writers", long_ones)
    with pytest.raises(WritersStillRun):
        sweep()
    assert unfinished() == []


def test_a_destruction_while_another_is_forgotten_stays_unfinished(
    alice: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = make_person()
    for name in ("_rewrite", "_truncate_log"):
        real = getattr(destruction, name)

        def and_bob_goes(*given: object, real: object = real, **named: object) -> object:
            with transaction.atomic(using="keys"):
                DataKey.objects.filter(subject_id=bob).delete()
                destruction.note_change(DataKey)
            assert callable(real)
            return real(*given, **named)

        monkeypatch.setattr(destruction, name, and_bob_goes)
    destroy_subject_keys(alice)
    assert unfinished() == ["crypto_datakey"]


def test_requests_keys_and_replaced_ones_count_too() -> None:
    request = uuid4()
    create_data_key(kind=KeyKind.REQUEST, controller_id=CONTROLLER, owner_id=request)
    assert last_backup_ends_on() is None
    assert destroy_owner_keys([request]) == 1
    assert last_backup_ends_on() == in_backups_until()
    forget_bytes(DataKey)
    assert Remains.objects.get().changes == 2


def test_what_was_forgotten_already_is_not_done_again(alice: UUID) -> None:
    destroy_subject_keys(alice)
    before = Remains.objects.get()
    finish_forgetting()
    destroy_subject_keys(alice)
    assert Remains.objects.get().rewritten_at == before.rewritten_at


def test_inside_a_transaction_nothing_is_destroyed_since_it_could_be_rolled_back(alice: UUID) -> None:
    for destroy in (
        lambda: destroy_subject_keys(alice),
        lambda: destroy_owner_keys([alice]),
        forget_bytes,
    ):
        with pytest.raises(RuntimeError), transaction.atomic(using="keys"):
            destroy()
    assert DataKey.objects.filter(subject_id=alice).exists()


def test_by_a_controllers_id_its_secrets_key_is_not_destroyed(alice: UUID) -> None:
    secrets = controller_secrets_key(CONTROLLER)
    assert destroy_owner_keys([CONTROLLER, alice]) == 0
    assert DataKey.objects.filter(id=secrets).exists()
    assert DataKey.objects.filter(subject_id=alice).exists()
