"""What was enqueued reaches its receiver, is told apart on repetition, and never sticks without a word."""

import base64
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks
from standardwebhooks.webhooks import Webhook

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.celery import app
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.errors import NotDead
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.results import ResultHandler
from identity_privacy.delivery.services import claim_due, deliver_due, replay_message, wake
from identity_privacy.delivery.services.claiming import PER_SYSTEM
from identity_privacy.delivery.services.sending import Report, WebhookParcel, prepare
from identity_privacy.delivery.services.settling import settle
from identity_privacy.delivery.terms import AttemptOutcome, MessageState, Priority
from tests.delivery.world import (
    DANA,
    Receiver,
    Reply,
    listening,
    make_key,
    make_message,
    make_system,
    secrets_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_handlers(handlers: list[ResultHandler]) -> None:
    """Nobody above hears of these messages."""


def outcomes(message: Message) -> list[str]:
    return list(message.attempts.values_list("outcome", flat=True))


def fresh(message: Message) -> Message:
    return Message.objects.get(id=message.id)


def make_due(message: Message) -> None:
    Message.objects.filter(id=message.id).update(due_at=clock.now())


def test_a_message_is_written_with_the_change_that_caused_it_or_not_at_all(shop: System) -> None:
    with transaction.atomic():
        make_message(shop)
        transaction.set_rollback(True)

    assert not Message.objects.exists()


def test_a_due_message_is_delivered_signed_for_the_official_package(shop: System, receiver: Receiver) -> None:
    message = make_message(shop, body={"type": "task.erase", "accounts": ["zoë"]})
    deliver_due()

    headers, body = receiver.requests[0]
    assert Webhook(secrets_of(shop)[0]).verify(body, headers) == {"type": "task.erase", "accounts": ["zoë"]}
    assert headers["webhook-id"] == message.webhook_id
    message = fresh(message)
    assert (message.state, message.attempt_count, outcomes(message)) == (MessageState.DELIVERED, 1, ["delivered"])
    assert Entry.objects.get(action="message.delivered").target_id == str(message.id)


def test_it_is_also_signed_by_our_published_ed25519_key(shop: System, receiver: Receiver) -> None:
    make_message(shop)
    deliver_due()

    headers, body = receiver.requests[0]
    key = current_public_key(SigningUse.WEBHOOK).public_key
    public = "whpk_" + base64.b64encode(key).decode()
    verified = webhooks.verify(headers=headers, body=body, now=clock.machine_now(), public_keys=[public])
    assert verified.kind == "ed25519"


def test_nothing_of_a_body_stands_readable_in_the_database(shop: System) -> None:
    message = make_message(shop, body={"type": "task.erase", "accounts": ["alice-17"]})
    stored = Message.objects.filter(id=message.id).values_list("body", flat=True).get()

    assert b"alice-17" not in stored.sealed


@pytest.mark.parametrize("status", [302, 400, 429, 500, 503, 507])
def test_a_refused_message_is_tried_again_after_a_wait(shop: System, receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status=status), Reply()]
    message = make_message(shop)
    deliver_due()
    assert deliver_due() == 0
    message = fresh(message)
    assert (message.state, message.last_error) == (MessageState.PENDING, f"status {status}")
    assert timedelta(seconds=2) < message.due_at - clock.now() < timedelta(seconds=7)

    make_due(message)
    deliver_due()

    assert outcomes(message) == ["rejected", "delivered"]


def test_a_repetition_has_the_same_id_and_a_fresh_signature(shop: System, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=500), Reply()]
    message = make_message(shop)
    deliver_due()
    time.sleep(1.1)
    make_due(message)
    deliver_due()

    assert receiver.ids == [message.webhook_id] * 2
    first, second = (headers["webhook-timestamp"] for headers, _ in receiver.requests)
    assert int(second) > int(first)


def test_retry_after_is_honoured(shop: System, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=429, headers={"Retry-After": "600"})]
    message = make_message(shop)
    deliver_due()

    message = fresh(message)
    assert timedelta(seconds=590) < message.due_at - clock.now() <= timedelta(seconds=600)


def test_a_message_whose_worker_never_came_back_is_sent_again_and_says_so(shop: System, receiver: Receiver) -> None:
    message = make_message(shop)
    claim_due(10)
    assert deliver_due() == 0

    Message.objects.update(lease_until=clock.machine_now() - timedelta(seconds=1))
    deliver_due()

    assert receiver.ids == [message.webhook_id]
    assert outcomes(message) == ["worker_lost", "delivered"]


def test_a_worker_slower_than_its_lease_changes_nothing(shop: System) -> None:
    make_message(shop)
    (mine,) = claim_due(10)
    Message.objects.update(lease_until=clock.machine_now() - timedelta(seconds=1))
    (theirs,) = claim_due(10)

    settle(Report(message=mine, outcome=AttemptOutcome.DELIVERED, at=clock.now()))
    assert Message.objects.get().state == MessageState.PENDING
    assert Message.objects.get().lease_id == theirs.lease_id
    assert outcomes(theirs) == ["worker_lost"]

    settle(Report(message=theirs, outcome=AttemptOutcome.DELIVERED, at=clock.now()))
    settle(Report(message=mine, outcome=AttemptOutcome.REJECTED, at=clock.now()))
    assert Message.objects.get().state == MessageState.DELIVERED


def test_a_claimed_message_is_claimed_by_no_other_worker(shop: System) -> None:
    messages = {make_message(shop).id for _ in range(6)}

    first, second, third = claim_due(4), claim_due(4), claim_due(4)

    assert (len(first), len(second), len(third)) == (4, 2, 0)
    assert {message.id for message in [*first, *second]} == messages


def test_legal_tasks_go_before_bulk_and_a_waiting_person_before_both(shop: System) -> None:
    wanted = [Priority.BULK, Priority.LEGAL, Priority.PERSON_WAITS, Priority.NORMAL]
    for priority in wanted:
        make_message(shop, priority=priority)

    assert [message.priority for message in claim_due(10)] == sorted(wanted)


def test_410_switches_the_system_off_and_what_else_waits_for_it_is_dead_with_its_cause(
    shop: System, receiver: Receiver
) -> None:
    receiver.replies = [Reply(status=410)]
    message = make_message(shop)
    deliver_due()
    later = make_message(shop)
    deliver_due()

    shop = System.objects.get(id=shop.id)
    message = fresh(message)
    later = fresh(later)
    assert not shop.is_active
    assert (message.state, outcomes(message)) == (MessageState.DEAD, ["gone"])
    assert (later.state, later.last_error) == (MessageState.DEAD, "the system is switched off")
    assert len(receiver.requests) == 1
    assert set(Entry.objects.values_list("action", flat=True)) >= {"system.switched_off", "message.dead"}


def test_a_message_whose_key_was_destroyed_is_dead_and_the_others_go_on(
    controller: Controller, shop: System, receiver: Receiver
) -> None:
    alice = uuid4()
    hers = make_message(shop, key=make_key(controller, alice))
    bobs = make_message(shop)
    destroy_subject_keys(alice)

    deliver_due()

    hers = fresh(hers)
    bobs = fresh(bobs)
    assert (hers.state, hers.last_error) == (MessageState.DEAD, "its data key was destroyed")
    assert bobs.state == MessageState.DELIVERED
    assert receiver.ids == [bobs.webhook_id]


def test_an_erasure_that_seals_a_claimed_message_under_another_key_does_not_stop_it(
    controller: Controller, shop: System
) -> None:
    alice = uuid4()
    make_message(shop, key=make_key(controller, alice))
    claimed = claim_due(10)
    row = Message.objects.get()
    with Reading(actor=DANA, purpose="erase", subject_id=alice, reason="test"):
        row.body = dict(row.body)
        row.data_key_id = make_key(controller)
        row.save(update_fields=["body", "data_key_id"])
    destroy_subject_keys(alice)

    (parcel,) = prepare(claimed)

    assert isinstance(parcel, WebhookParcel)
    assert b"alice-17" in parcel.body


def test_an_endpoint_in_a_private_network_is_dead_at_once_with_its_cause(shop: System) -> None:
    System.objects.update(endpoint="http://192.168.0.1/")
    message = make_message(shop)
    deliver_due()

    message = fresh(message)
    assert (message.state, outcomes(message)) == (MessageState.DEAD, ["address_refused"])


def test_a_slow_system_takes_no_more_than_its_share_and_delays_no_other(controller: Controller) -> None:
    with listening(Reply(wait_seconds=0.7)) as slow, listening() as quick:
        first, second = make_system(controller, slow.url, "slow"), make_system(controller, quick.url, "quick")
        for _ in range(3 * PER_SYSTEM):
            make_message(first)
        for _ in range(40):
            make_message(second)
        deliver_due()

        assert (len(slow.requests), len(quick.requests)) == (3 * PER_SYSTEM, 40)
        assert max(quick.times) < sorted(slow.times)[PER_SYSTEM], "before the slow one's second share"


def test_a_dead_message_is_replayed_under_its_old_id_and_others_are_not(shop: System, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=410), Reply()]
    message = make_message(shop)
    with pytest.raises(NotDead):
        replay_message(actor=DANA, message=message)
    deliver_due()
    System.objects.update(is_active=True)

    replayed = replay_message(actor=DANA, message=message)
    deliver_due()

    replayed = fresh(replayed)
    assert replayed.state == MessageState.DELIVERED
    assert receiver.ids == [message.webhook_id] * 2
    assert outcomes(replayed) == ["gone", "delivered"]
    assert Entry.objects.filter(action="message.replayed", target_id=str(message.id)).count() == 1


def test_a_broker_that_is_down_fails_nobody(monkeypatch: pytest.MonkeyPatch, shop: System) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OperationalError

    monkeypatch.setattr(app, "send_task", refuse)
    wake("delivery.deliver")

    assert make_message(shop).state == MessageState.PENDING


def test_a_worker_is_woken_once_the_change_has_committed(
    monkeypatch: pytest.MonkeyPatch, shop: System, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(name))
    with django_capture_on_commit_callbacks(execute=True):
        make_message(shop)
        assert sent == []

    assert sent == ["delivery.deliver"]
