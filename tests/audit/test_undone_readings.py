"""Whoever reads somebody's values is in the log, whatever becomes of the transaction in which they did."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections, transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.services import entering
from identity_privacy.audit.tasks import sequence
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.models import PendingEntry
from identity_privacy.crypto.reading import Reading

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

PERSON, CONTROLLER = UUID(int=1), UUID(int=2)


class Failed(Exception):
    """What the reader's transaction fails with."""


def read() -> None:
    with Reading(
        actor=Actor.user(UUID(int=7)),
        purpose="support",
        reason="ticket 12",
        subject_id=PERSON,
        controller_id=CONTROLLER,
    ):
        pass


def read_and_fail() -> None:
    with contextlib.suppress(Failed), transaction.atomic():
        read()
        raise Failed


def beside(work: Callable[[], object]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_outside_a_transaction_nothing_is_noted_beside_the_entry() -> None:
    read()
    assert Entry.objects.count() == 1
    assert PendingEntry.objects.count() == 0


def test_a_reading_whose_transaction_failed_is_entered_and_says_so() -> None:
    read_and_fail()
    assert Entry.objects.count() == 0
    (noted,) = PendingEntry.objects.all()
    sequence()
    entry = Entry.objects.get()
    assert (entry.id, entry.at) == (noted.id, noted.at)
    assert (entry.action, entry.actor_kind, entry.actor_id) == ("personal_data.read", "user", str(UUID(int=7)))
    assert (entry.subject_id, entry.controller_id, entry.target_id) == (PERSON, CONTROLLER, str(PERSON))
    assert (entry.purpose, entry.reason) == ("support", "ticket 12")
    assert entry.details == {"rolled_back": True}
    assert PendingEntry.objects.count() == 0
    assert Sequenced.objects.get().entry_id == entry.id
    assert verify_log() == 1


def test_one_whose_transaction_was_committed_stands_there_once() -> None:
    with transaction.atomic():
        read()
    assert PendingEntry.objects.count() == 1
    sequence()
    assert Entry.objects.get().details == {}
    assert PendingEntry.objects.count() == 0


def test_one_in_a_transaction_that_is_ended_by_hand_is_noted_too() -> None:
    transaction.set_autocommit(False)
    try:
        read()
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    sequence()
    assert Entry.objects.get().details == {"rolled_back": True}


def test_one_that_was_undone_to_a_savepoint_is_entered_too() -> None:
    with transaction.atomic():
        read_and_fail()
    sequence()
    assert Entry.objects.get().details == {"rolled_back": True}


@pytest.mark.only_on("postgresql")
def test_as_long_as_its_transaction_runs_it_waits() -> None:
    with contextlib.suppress(Failed), transaction.atomic():
        read()
        beside(sequence)
        assert PendingEntry.objects.count() == 1
        raise Failed
    sequence()
    assert Entry.objects.get().details == {"rolled_back": True}


@pytest.mark.only_on("postgresql")
def test_a_number_that_is_yet_to_come_is_of_another_cluster_and_has_ended() -> None:
    read_and_fail()
    PendingEntry.objects.update(written_in=2**60)
    assert services.take_over_readings() == 1


@pytest.mark.only_on("postgresql")
def test_the_log_goes_on_while_a_reader_runs_for_days() -> None:
    with transaction.atomic():
        read()
        beside(lambda: PendingEntry.objects.update(at=clock.now() - timedelta(days=9)))
        beside(read_and_fail)
        beside(sequence)
        assert PendingEntry.objects.count() == 1, "its own waits, the other's is taken over"
    assert sorted(Entry.objects.values_list("details", flat=True), key=len) == [{}, {"rolled_back": True}]


def test_taking_over_that_died_in_between_enters_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read_and_fail()

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(entering, "drop_pending", die)
        with pytest.raises(KeyboardInterrupt):
            services.take_over_readings()
    assert Entry.objects.count() == 1
    assert services.take_over_readings() == 0
    assert (Entry.objects.count(), PendingEntry.objects.count()) == (1, 0)


@pytest.mark.only_on("postgresql")
def test_two_that_take_over_at_once_enter_it_once() -> None:
    for _ in range(5):
        read_and_fail()
    threads = [threading.Thread(target=lambda: beside(services.take_over_readings)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Entry.objects.count(), PendingEntry.objects.count()) == (5, 0)
