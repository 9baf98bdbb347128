"""One drain per process stays awake: to wake-ups, to retries, and to being told to stop."""

import threading
import time
from datetime import timedelta

import pytest
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.celery import app
from identity_privacy.delivery import tasks
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.results import ResultHandler
from identity_privacy.delivery.services import deliver_due, draining
from identity_privacy.delivery.terms import MessageState
from tests.delivery.world import Receiver, Reply, listening, make_message, make_system

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_drain(handlers: list[ResultHandler], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not drained yet, and nobody above who listens."""
    monkeypatch.setattr(draining, "_drain", draining._Drain())


def test_a_wake_up_during_a_drain_makes_it_look_again_though_a_slow_system_is_under_way(
    controller: Controller,
) -> None:
    with listening(Reply(wait_seconds=1.2)) as slow, listening() as quick:
        make_message(make_system(controller, slow.url, "slow"))
        later = make_message(make_system(controller, quick.url, "quick"))
        Message.objects.filter(id=later.id).update(due_at=clock.now() + timedelta(seconds=0.3))
        woken: list[int] = []
        threading.Timer(0.5, lambda: woken.append(deliver_due())).start()

        assert deliver_due() == 2
        assert woken == [0]
        assert slow.times[0] > quick.times[0]


def test_a_retry_waits_for_no_slow_system(controller: Controller, settings: Settings) -> None:
    settings.DELIVERY_RETRY_BASE_SECONDS = 0.2
    with listening(Reply(wait_seconds=1.2)) as slow, listening(Reply(status=503), Reply()) as flaky:
        make_message(make_system(controller, slow.url, "slow"))
        make_message(make_system(controller, flaky.url, "flaky"))

        assert deliver_due() == 3
        assert len(flaky.times) == 2
        assert slow.times[0] > flaky.times[1]


def test_a_retry_that_is_due_soon_gets_one_wake_up_and_no_second_one(
    shop: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    monkeypatch.setattr(draining, "wake", lambda name, countdown: sent.append(countdown))
    receiver.replies = [Reply(status=503)]
    make_message(shop)
    deliver_due()
    deliver_due()

    (countdown,) = sent
    assert 3 < countdown < 7


def test_a_worker_that_is_told_to_stop_claims_no_more_and_what_is_due_stays_due(shop: System) -> None:
    make_message(shop)
    tasks.finish()

    assert deliver_due() == 0
    message = Message.objects.get()
    assert (message.state, message.lease_id) == (MessageState.PENDING, None)


def test_beat_sweeps_what_no_wake_up_reached(shop: System, receiver: Receiver) -> None:
    names = {entry["task"] for entry in app.conf.beat_schedule.values()}
    make_message(shop)
    started = time.monotonic()

    assert "delivery.sweep" in names
    app.tasks["delivery.sweep"].apply()
    assert len(receiver.requests) == 1
    assert time.monotonic() - started < 2
