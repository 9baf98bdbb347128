"""Which worker sends which message: a lease in the row, and nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.delivery.models import Attempt, Message
from identity_privacy.delivery.terms import AttemptOutcome

# In flight to one system (or the mail server) at a time, so that a slow one never takes every sender.
PER_SYSTEM = 16


def claim_due(limit: int, *, busy: Mapping[UUID | None, int] | None = None) -> Sequence[Message]:
    """Take up to `limit` due messages under a fresh lease each; what goes first comes first.

    `busy` says how many are in flight to each system already (None: mail). A message whose last worker never came
    back gets an attempt that says so.
    """
    load = Counter(busy or {})
    claimed: list[Message] = []
    while len(claimed) < limit:
        taken = _claim_once(limit - len(claimed), load)
        if not taken:
            break
        claimed += taken
    return claimed


@transaction.atomic
def _claim_once(limit: int, load: Counter[UUID | None]) -> Sequence[Message]:
    now, machine_now = clock.now(), clock.machine_now()
    full = {system_id for system_id, count in load.items() if count >= PER_SYSTEM}
    due = Message.objects.claimable(now=now, machine_now=machine_now).elsewhere_than(full)
    # PostgreSQL: two workers lock different rows. SQLite: the transaction is immediate, so they take turns.
    candidates = due.select_for_update(skip_locked=True, of=("self",)).select_related("system", "controller")[:limit]
    taken = []
    for message in candidates:
        if load[message.system_id] < PER_SYSTEM:
            load[message.system_id] += 1
            taken.append(message)
    _note_lost_workers([message for message in taken if message.lease_id is not None])
    for message in taken:
        message.lease_id = uuid7()
        message.lease_until = machine_now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    Message.objects.bulk_update(taken, ["lease_id", "lease_until", "attempt_count"])
    return taken


def _note_lost_workers(messages: Sequence[Message]) -> None:
    for message in messages:
        message.attempt_count += 1
    Attempt.objects.bulk_create(
        Attempt(
            message=message,
            number=message.attempt_count,
            at=clock.now(),
            outcome=AttemptOutcome.WORKER_LOST,
            error="the lease ran out",
        )
        for message in messages
    )
