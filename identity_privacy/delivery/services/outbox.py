"""The outbox: write a message, wake a worker, replay what was given up."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery.errors import NotDead
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.terms import Channel, MessageState, Priority
from identity_privacy.waking import wake

DELIVER = "delivery.deliver"


def enqueue(
    *,
    controller_id: UUID,
    topic: str,
    body: Mapping[str, object],
    data_key_id: UUID,
    system: System | None = None,
    about_id: UUID | None = None,
    subject_id: UUID | None = None,
    priority: Priority = Priority.NORMAL,
    due_at: datetime | None = None,
) -> Message:
    """Write a message as part of the caller's verb: in its transaction, under its audit entry.

    To `system` the body goes as it stands, as a signed webhook; without one it is a mail: `{"to", "subject", "text"}`,
    and with `"decoy": true` it is dropped when it would be sent. Sealed under `data_key_id`: once that key is
    destroyed, the message can no longer be sent. Raises: KeyDestroyed.
    """
    now = clock.now()
    message = Message(
        id=uuid7(),
        controller_id=controller_id,
        system=system,
        channel=Channel.WEBHOOK if system else Channel.MAIL,
        topic=topic,
        about_id=about_id,
        subject_id=subject_id,
        data_key_id=data_key_id,
        body=dict(body),
        priority=priority,
        due_at=due_at or now,
        trying_since=now,
        created_at=now,
    )
    message.save(force_insert=True)
    if message.due_at <= now:
        wake(DELIVER)
    return message


def reseal_pending(*, subject_id: UUID, data_key_id: UUID) -> int:
    """Seal a person's messages that are still to be sent under another key, so that they outlive the person's own.

    Part of the erasing verb, inside its transaction, its audit entry and a Reading; says how many. A worker that sends
    one at this moment has it open already, and writes back only how it went.
    """
    rows = list(Message.objects.select_for_update().filter(subject_id=subject_id, state=MessageState.PENDING))
    for message in rows:
        message.reseal_under(data_key_id)
        message.save(update_fields=["body", "data_key_id"])
    return len(rows)


@transaction.atomic
def replay_message(*, actor: Actor, message: Message) -> Message:
    """Try a given-up message again from the start, under its old id and a fresh signature.

    Raises: NotDead.
    """
    now = clock.now()
    # One conditional UPDATE: of two people who press the button one succeeds.
    replayed = (
        Message.objects.dead()
        .filter(id=message.id)
        .update(state=MessageState.PENDING, dead_at=None, due_at=now, trying_since=now, failure_count=0)
    )
    if not replayed:
        raise NotDead(message.id)
    record(
        actor=actor,
        action="message.replayed",
        target=("message", message.id),
        controller_id=message.controller_id,
        subject_id=message.subject_id,
        details={"topic": message.topic},
    )
    wake(DELIVER)
    return Message.objects.get(id=message.id)
