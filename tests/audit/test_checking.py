"""The whole log is checked by a worker once somebody asks: one check at a time, while the log goes on growing."""

import threading

import pytest
from django.db import connection, connections
from pytest_django import DjangoCaptureOnCommitCallbacks

from identity_privacy.actors import Actor
from identity_privacy.audit import services, verification
from identity_privacy.audit.alone import alone, one_moment
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import checking
from identity_privacy.audit.standing import open_check, standing
from identity_privacy.celery import app

DANA = Actor.service("Dana")


@pytest.mark.django_db
def test_asking_wakes_a_worker_by_name_once_it_is_committed(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(name))
    with django_capture_on_commit_callbacks(execute=True):
        services.ask_for_check(actor=DANA)
        assert sent == []
    assert sent == ["audit.check"]


@pytest.mark.django_db
def test_one_check_answers_all_who_ask_while_it_is_open() -> None:
    services.ask_for_check(actor=DANA)
    services.ask_for_check(actor=Actor.service("Otto"))
    assert Entry.objects.filter(action="log.check_asked").count() == 1
    assert services.check_if_asked()
    assert not services.check_if_asked()
    assert Entry.objects.get(action="log.verified").actor_id == "Dana"
    assert open_check() is None


@pytest.mark.django_db
def test_nobody_asked_and_nothing_is_checked() -> None:
    assert not services.check_if_asked()
    assert not Entry.objects.filter(action="log.verified").exists()


@pytest.mark.django_db
def test_an_empty_log_is_whole_too() -> None:
    services.check_log(actor=DANA)
    assert Entry.objects.get(action="log.verified").details == {"entries": 0}  # nothing is signed yet


@pytest.mark.django_db
def test_a_check_that_finds_a_change_is_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def finds_a_change() -> int:
        raise LogAltered("entry 7 was changed")

    monkeypatch.setattr(checking, "verify_log", finds_a_change)
    services.ask_for_check(actor=DANA)
    assert services.check_if_asked()
    assert standing().is_altered
    assert open_check() is None


@pytest.mark.django_db
def test_a_check_whose_worker_died_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def dies() -> int:
        raise Killed

    services.ask_for_check(actor=DANA)
    with monkeypatch.context() as patched:
        patched.setattr(checking, "verify_log", dies)
        with pytest.raises(Killed):
            services.check_if_asked()
    assert open_check() is not None
    assert services.check_if_asked()
    assert standing().is_whole


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_checks() -> None:
    services.ask_for_check(actor=DANA)
    others: list[bool] = []

    def another_worker() -> None:
        try:
            others.append(services.check_if_asked())
        finally:
            connections.close_all()

    with alone() as nobody_else:
        assert nobody_else
        worker = threading.Thread(target=another_worker)
        worker.start()
        worker.join()
    assert others == [False]
    assert services.check_if_asked()


@pytest.mark.only_on("postgresql")  # SQLite in memory has no second connection that may write meanwhile
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_a_log_that_grows_meanwhile_is_not_called_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that got their place after the check began are beyond the checkpoint that it goes by."""
    _enter()
    services.sequence()
    read_sizes = verification.epoch_sizes

    def and_it_grows() -> dict[int, int]:
        sizes = read_sizes()
        grow = threading.Thread(target=_grow)
        grow.start()
        grow.join()  # a writer does not wait for the check
        return sizes

    monkeypatch.setattr(verification, "epoch_sizes", and_it_grows)
    assert services.check_log(actor=DANA) == 1
    checkpoint = latest_checkpoint()
    assert checkpoint
    assert checkpoint.size == 2
    assert Entry.objects.get(action="log.verified").details["size"] == 1


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_what_is_read_in_one_moment_stays_as_it_was() -> None:
    with one_moment():
        before = Entry.objects.count()
        grow = threading.Thread(target=_grow)
        grow.start()
        grow.join()
        assert Entry.objects.count() == before
    assert Entry.objects.count() > before
    assert not connection.in_atomic_block


def _grow() -> None:
    try:
        _enter()
        services.sequence()
    finally:
        connections.close_all()


def _enter() -> None:
    services.record(actor=DANA, action="test.done", target=("thing", "1"), controller_id=None)
